"""Whole numbers as text: runs of them as ``first-last``. Tables of jobs and arrays of batch systems are written so."""

from collections.abc import Iterable, Iterator


def in_ranges(numbers: Iterable[int]) -> Iterator[str]:
    """Ascending numbers, runs of them as ``first-last``.

    >>> list(in_ranges([1, 2, 3, 7]))
    ['1-3', '7']
    """
    first = last = -1
    for number in numbers:
        if number == last + 1 and first >= 0:
            last = number
            continue
        if first >= 0:
            yield f"{first}-{last}" if first < last else str(first)
        first = last = number
    if first >= 0:
        yield f"{first}-{last}" if first < last else str(first)


def parse_ranges(words: Iterable[str]) -> tuple[range, ...]:
    """The numbers of such words.

    >>> parse_ranges(["1-3", "7"])
    (range(1, 4), range(7, 8))

    :raises ValueError: when a word is not a number or two
    """
    pairs = [word.partition("-") for word in words]
    return tuple(range(int(first), int(last or first) + 1) for first, _, last in pairs)
