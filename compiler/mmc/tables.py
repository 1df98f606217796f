"""Tables, numbers and times in plain text."""

from collections.abc import Collection, Sequence


def table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Lines of aligned columns; those whose numbers are in ``right`` are flush right.

    >>> table([("stage", "jobs"), ("simulate", "9")], right={1})
    ['stage     jobs', 'simulate     9']
    """
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if k in right else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def number(value: float, digits: int = 3) -> str:
    """A number for a table.

    >>> number(0.012345), number(23456.7)
    ('0.0123', '23,457')
    """
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:,.{digits}g}"


def duration(seconds: float) -> str:
    """A time as people read it.

    >>> duration(63.2), duration(3723)
    ('1:03', '1:02:03')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
