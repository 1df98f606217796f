"""The reweight card of MadGraph: points of parameter space, as a study has them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mmc.compiler.inputs.cards import Number, numbers, param_card

_NAMED = re.compile(r"--rwgt_name=(\S+)")
_ENTRY = re.compile(r"\s*(\d+(?:\s+\d+)?)\s+\S+\s*#\s*([A-Za-z_]\w*)")
_BLOCK = re.compile(r"\s*block\s+(\w+)", re.IGNORECASE)


@dataclass
class Reweighting:
    """What a reweight card says."""

    points: dict[str, dict[str, float]] = field(default_factory=dict)
    """By the name of the point: values by block and number, as in ``dim6 2``."""
    changes: list[str] = field(default_factory=list)
    """The lines ``change …``, which are for all points."""
    left: list[str] = field(default_factory=list)
    """Lines that are not understood."""


def read_reweighting(text: str, places: Mapping[str, str]) -> Reweighting:
    """Read a card.

    :param places: block and number of each parameter that is named in the param card, by name in lower case

    >>> read_reweighting("launch --rwgt_name=w\\n set dim6 2 1e1\\n set cw 3\\n", {"cw": "dim6 1"}).points
    {'w': {'dim6 2': 10.0, 'dim6 1': 3.0}}
    """
    found = Reweighting()
    point: dict[str, float] = {}
    for raw in text.splitlines():
        words = raw.partition("#")[0].partition("!")[0].split()
        if not words:
            continue
        if words[0] == "launch":
            named = _NAMED.search(raw)
            point = found.points.setdefault(named[1] if named else f"rwgt_{len(found.points) + 1}", {})
        elif words[0] == "change":
            found.changes.append(" ".join(words[1:]))
        elif (entry := set_entry(words, places)) is not None and found.points:
            point[entry[0]] = entry[1]
        else:
            found.left.append(" ".join(words))
    return found


def set_entry(words: list[str], places: Mapping[str, str]) -> tuple[str, float] | None:
    """The entry of the param card that a line ``set …`` changes, and its value; None for other lines.

    >>> set_entry("set param_card mass 6 172.5".split(), {})
    ('mass 6', 172.5)
    """
    if words[0] != "set" or len(words) < 3:
        return None
    rest = words[2:] if words[1].lower() == "param_card" else words[1:]
    try:
        value = float(rest[-1].lower().replace("d", "e"))
    except ValueError:
        return None
    *names, _ = (word.lower() for word in rest)
    if len(names) == 1:
        return (places[names[0]], value) if names[0] in places else None
    is_place = len(names) in (2, 3) and all(word.isdigit() for word in names[1:])
    return (" ".join(names), value) if is_place else None


def named_places(text: str) -> dict[str, str]:
    """Block and number of the entries of a param card by the names in its comments, as written there.

    >>> named_places("Block DIM6\\n 2 16.52 # CWL2\\nDECAY 25 4e-3 # WH")
    {'CWL2': 'dim6 2'}
    """
    return dict(_named(text))


def _named(text: str) -> Iterator[tuple[str, str]]:
    block = ""
    for raw in text.splitlines():
        if start := _BLOCK.match(raw):
            block = start[1].lower()
        elif raw.split()[:1] and raw.split()[0].lower() == "decay":
            block = ""
        elif block and (entry := _ENTRY.match(raw)):
            yield entry[2], f"{block} {' '.join(entry[1].split())}"


def values(text: str) -> dict[str, float]:
    """The numbers of a param card by block and number."""
    found: dict[str, float] = {}
    for (block, number), value in param_card(text).items():
        try:
            found[_place(block, number)] = float(value.replace("d", "e"))
        except ValueError:  # a width that is `auto`
            continue
    return found


def _place(block: str, number: Number) -> str:
    return f"{block} {numbers(number)}"
