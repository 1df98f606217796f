"""Read the cards of MadGraph, Pythia and Delphes line by line, as these programs do."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple


class Entry(NamedTuple):
    """One setting of a card."""

    line: int
    """From 1."""
    name: str
    value: str


Number = int | tuple[int, int]
"""The number of an entry of a param card in its block; two numbers in a matrix, such as ``DSQMIX``."""

MERGING = ("ickkw", "ktdurham", "ptlund")
"""The entries of MadGraph's run card that are positive where events of several jet multiplicities are merged."""

_DEPENDENT = re.compile(r"\s*#[#\s]*(?:not\s+)?dependent\s+param", re.IGNORECASE)
"""MadGraph's line above entries that it computes from others; ``Not dependent paramater`` in some versions."""
_INFORMATION = re.compile(r"\s*#[#\s]*information\s+for\b", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"\[\s*(?:(\w+)\s*=)?")
_LOOP_INDUCED = ("noborn", "sqrvirt")
"""MadGraph's keywords for loop-induced processes: leading order, in spite of the brackets."""
_RUN_CARD_NAME = re.compile(r"[A-Za-z]\w*")
_PYTHIA_LINE = re.compile(r"\s*([A-Za-z0-9][^\s=]*)[\s=]*([^!#]*)")
_DELPHES_SEED = re.compile(r"\s*set\s+(?:::)?(RandomSeed)\s+([^\s;#]+)")


def asks_for_corrections(process: str) -> bool:
    """Whether a line of a process card requests higher-order corrections.

    >>> asks_for_corrections("p p > t t~ [QCD]"), asks_for_corrections("g g > h [noborn=QCD]")
    (True, False)
    """
    match = _IN_BRACKETS.search(process)
    if match is None or "]" not in process[match.start() :]:
        return False
    return (match[1] or "").lower() not in _LOOP_INDUCED


def run_card(text: str) -> tuple[Entry, ...]:
    """The settings of a run card; names in lower case, as in MadGraph.

    >>> run_card(" 1000 = nevents ! number\\n# 5 = ptj\\n")
    (Entry(line=1, name='nevents', value='1000'),)
    """
    entries = []
    for number, raw in enumerate(text.splitlines(), start=1):
        value, equals, name = raw.partition("#")[0].partition("!")[0].rpartition("=")
        if equals and _RUN_CARD_NAME.fullmatch(name.strip()):
            entries.append(Entry(number, name.strip().lower(), value.strip()))
    return tuple(entries)


def number(text: str) -> float | None:
    """A number in a card, also in quotes and with Fortran's exponents; None if the text is not a number.

    >>> number("6.5d3"), number("auto")
    (6500.0, None)
    """
    if not text.isascii() or "_" in text:
        return None
    try:
        return float(text.strip("'\"").lower().replace("d", "e"))
    except ValueError:
        return None


def is_positive(text: str) -> bool:
    """Whether a text in a card is a number above zero."""
    value = number(text)
    return value is not None and value > 0.0


def pythia(text: str) -> Iterator[Entry]:
    """The settings of a Pythia 8 card; lines that do not start with a letter or a digit are comments. For a line that
    is not a setting, the name is its first word.

    >>> list(pythia("! text\\nBeams:eCM = 8000. ! GeV\\n"))
    [Entry(line=2, name='Beams:eCM', value='8000.')]
    """
    for number, line in enumerate(text.splitlines(), start=1):
        match = _PYTHIA_LINE.match(line)
        if match:
            yield Entry(number, match[1], match[2].strip())


def delphes_seeds(text: str) -> Iterator[Entry]:
    """The lines of a Delphes card that set the seed.

    >>> list(delphes_seeds("set RandomSeed 7"))
    [Entry(line=1, name='RandomSeed', value='7')]
    """
    for number, line in enumerate(text.splitlines(), start=1):
        match = _DELPHES_SEED.match(line)
        if match:
            yield Entry(number, match[1], match[2])


def with_entries(text: str, entries: Mapping[str, float | str]) -> tuple[str, list[str]]:
    """A param card with new values, and the keys of values for which the card has no entry.

    :param entries: value by ``block number`` or, for all others of a block, ``block all``, in lower case

    >>> with_entries("BLOCK DIM6\\n 1 1.0 # CW\\n 2 1.0\\n", {"dim6 2": 0.5, "dim6 all": 0.0, "mass 6": 172.0})
    ('BLOCK DIM6\\n 1 0.0\\n 2 0.5\\n', ['mass 6'])
    """
    lines, found = text.splitlines(), _lines_by_key(text)
    for key, value in sorted(entries.items(), key=lambda entry: not entry[0].endswith(" all")):
        for place in found.get(key, ()):
            start = f"{'DECAY' if place.block == 'decay' else ''} {numbers(place.number)}"
            lines[place.line - 1] = f"{start} {value if isinstance(value, str) else repr(value)}"
    return "\n".join(lines) + "\n", missing_entries(text, entries)


def missing_entries(text: str, keys: Iterable[str]) -> list[str]:
    """The keys, as in :func:`with_entries`, for which a param card has no entry.

    >>> missing_entries("BLOCK DIM6\\n 1 1.0", ["dim6 1", "dim6 all", "dim6 2"])
    ['dim6 2']
    """
    found = _lines_by_key(text)
    return [key for key in sorted(keys, key=lambda key: not key.endswith(" all")) if key not in found]


@lru_cache(maxsize=16)
def _lines_by_key(text: str) -> dict[str, list["_Place"]]:
    """The lines of a param card by ``block number``, and all lines of each block by ``block all``."""
    found: dict[str, list[_Place]] = {}
    for place in _places(text):
        for number in (numbers(place.number), "all"):
            found.setdefault(f"{place.block} {number}", []).append(place)
    return found


@lru_cache(maxsize=16)
def param_card(text: str) -> Mapping[tuple[str, Number], str]:
    """The entries of a param card with a single value, by block in lower case and number, or two numbers in a matrix.

    >>> param_card("BLOCK DIM6\\n 2 16.52 # CWL2\\nDECAY 25 4e-3\\nBLOCK DSQMIX\\n 1 2 0.1")
    {('dim6', 2): '16.52', ('decay', 25): '4e-3', ('dsqmix', (1, 2)): '0.1'}
    """
    return {(place.block, place.number): place.value for place in _places(text)}


@lru_cache(maxsize=16)
def dependent(text: str) -> frozenset[str]:
    """The keys, as in :func:`with_entries`, of entries whose values MadGraph ignores, because they follow from others:
    those below a line ``## Dependent parameters`` of their block.

    >>> sorted(dependent("BLOCK MASS\\n 23 91.2\\n## Dependent parameters, given by model restrictions.\\n 24 80.4\\n"))
    ['mass 24']
    """
    return frozenset(f"{place.block} {numbers(place.number)}" for place in _places(text) if place.is_dependent)


def numbers(number: Number) -> str:
    """The number of an entry, or its two numbers, as in a card.

    >>> numbers(2), numbers((1, 2))
    ('2', '1 2')
    """
    return str(number) if isinstance(number, int) else " ".join(map(str, number))


class _Place(NamedTuple):
    line: int
    """From 1."""
    block: str
    number: Number
    value: str
    is_dependent: bool


def _is_whole(word: str) -> bool:
    """Whether a word is a number of an entry: other scripts' digits and thousands of digits are not."""
    return word.isascii() and word.isdigit() and len(word) < 19


def _places(text: str) -> Iterator[_Place]:
    """The lines of a param card with a single value."""
    block, is_dependent = "", False
    for line, raw in enumerate(text.splitlines(), start=1):
        words = raw.partition("#")[0].lower().split()
        if _DEPENDENT.match(raw):
            is_dependent = True
        elif _INFORMATION.match(raw):  # MadGraph's title of a block; widths have no other beginning
            is_dependent = False
        if len(words) >= 2 and words[0] == "block":
            block, is_dependent = words[1], False
        elif len(words) == 3 and words[0] == "decay" and _is_whole(words[1]):
            yield _Place(line, "decay", int(words[1]), words[2], is_dependent)
        elif len(words) == 2 and _is_whole(words[0]):
            yield _Place(line, block, int(words[0]), words[1], is_dependent)
        elif len(words) == 3 and _is_whole(words[0]) and _is_whole(words[1]):
            yield _Place(line, block, (int(words[0]), int(words[1])), words[2], is_dependent)
