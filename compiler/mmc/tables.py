"""Tables, numbers and times in plain text."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any


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


def percent(part: float) -> str:
    """A part of a whole, such as a confidence level or a threshold, as texts show it.

    >>> percent(0.25)
    '25 %'
    """
    return f"{100.0 * part:g} %"


def number(value: float, digits: int = 3) -> str:
    """A number for a table.

    >>> number(0.012345), number(23456.7), number(999.7), number(99.7, 2), number(0.997, 2)
    ('0.0123', '23,457', '1,000', '100', '1')
    """
    return f"{value:,.0f}" if abs(value) >= 10**digits - 0.5 else f"{value:,.{digits}g}"


def region_size(region: Mapping[str, Any], level: str) -> str:
    """The part of the grid inside a confidence region, with its standard error if that is known.

    >>> at_95 = {"allowed_fraction": 0.12, "allowed_area": 0.114, "allowed_area_error": 0.0021}
    >>> region_size({key: {"0.95": value} for key, value in at_95.items()}, "0.95")
    '11.4 ± 0.2 %'
    >>> region_size({key: {"0.95": 0.1 * value} for key, value in at_95.items()}, "0.95")
    '1.14 ± 0.02 %'
    """
    if not region["allowed_fraction"][level]:
        return "not resolved"
    error = region["allowed_area_error"].get(level)
    digits = 2 if error is not None and 0.0 < error < 0.0005 else 1
    told = "" if error is None else f" ± {100 * error:.{digits}f}"
    return f"{100 * region['allowed_area'][level]:.{digits}f}{told} %"


def with_error(value: float, error: float | None) -> str:
    """A number with its standard error, if that is known.

    >>> with_error(0.25, 0.002), with_error(0.25, None)
    ('0.25 ± 0.002', '0.25')
    """
    return number(value) + ("" if error is None else f" ± {number(error, 1)}")


def interval_ends(region: Mapping[str, Any], parameter: str, level: str) -> str:
    """The intervals of a parameter, with the standard errors of their ends if these are known; a dash without any.

    Ends at an edge of the grid have the error 0, which is not shown.

    >>> region = {"intervals": {"c": {"0.95": [[-1.0, 0.25]]}}, "interval_errors": {"c": {"0.95": [[0.01, 0.002]]}}}
    >>> interval_ends(region, "c", "0.95"), interval_ends(region, "d", "0.95")
    ('-1 ± 0.01 … 0.25 ± 0.002', '–')
    """
    ends, errors = (region.get(key, {}).get(parameter, {}).get(level, []) for key in ("intervals", "interval_errors"))
    each = zip(ends, errors or [(None, None)] * len(ends), strict=True)
    return (
        ", ".join(" … ".join(with_error(end, error or None) for end, error in zip(*pair, strict=True)) for pair in each)
        or "–"
    )


def critical_values(toys: Mapping[str, Any]) -> list[str]:
    """The range of critical values from toys at each level, with the mean error and the asymptotic range.

    >>> entries = [{"level": 0.95, "critical_value": q, "error": 0.1, "asymptotic": 5.99} for q in (5.7, 6.6)]
    >>> critical_values({"per_point": 400, "map": entries})
    ['5.70 to 6.60 (± 0.10) at 95 % (asymptotic 5.99)']
    """
    found = []
    for level in sorted({entry["level"] for entry in toys["map"]}):
        entries = [entry for entry in toys["map"] if entry["level"] == level]
        error = sum(entry["error"] for entry in entries) / len(entries)
        ranges = [_range([entry[key] for entry in entries]) for key in ("critical_value", "asymptotic")]
        found.append(f"{ranges[0]} (± {error:.2f}) at {percent(level)} (asymptotic {ranges[1]})")
    return found


def coverages(toys: Mapping[str, Any]) -> list[str]:
    """The range of the coverage of asymptotic limits at each level.

    >>> coverages({"per_point": 400, "map": [{"level": 0.95, "coverage": part} for part in (0.93, 0.96)]})
    ['93.0 to 96.0 % at 95 %']
    """
    return [
        f"{_range([100 * entry['coverage'] for entry in toys['map'] if entry['level'] == level], 1)} % "
        f"at {100 * level:g} %"
        for level in sorted({entry["level"] for entry in toys["map"]})
    ]


def toys_in_words(toys: Mapping[str, Any]) -> str:
    """The number of toys.

    >>> toys_in_words({"per_point": 400, "map": [{"theta": {"a": a}, "level": 0.95} for a in (0.0, 1.0)]})
    '800 toys at 2 points'
    """
    points = len({tuple(entry["theta"].values()) for entry in toys["map"]})
    return f"{points * toys['per_point']:,} toys at {points} points"


def _range(values: Sequence[float], digits: int = 2) -> str:
    low, high = (f"{value:.{digits}f}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def duration(seconds: float) -> str:
    """A time as people read it.

    >>> duration(63.2), duration(3723)
    ('1:03', '1:02:03')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
