"""``mmc import cards``: the cards of MadGraph, Pythia and Delphes in a folder become a study."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

from mmc.compiler.importers.cards import (
    Cards,
    add_delphes_card,
    add_madspin,
    add_param_card,
    add_pythia,
    add_run_card,
    card_text,
    read_process,
    values_of,
)
from mmc.compiler.importers.reweight_card import named_places, read_reweighting, set_entry, values
from mmc.compiler.importers.yaml_text import comment, flow, mapping
from mmc.compiler.inputs.madgraph_settings import reweight_refusal
from mmc.errors import UsageError

_KINDS: Mapping[str, str] = {
    "process": r"(?:.*_)?proc_card(?:_mg5)?\.dat|.*\.mg5",
    "run": r"(?:.*_)?run_card\.dat",
    "param": r"(?:.*_)?param_card\.dat",
    "reweight": r"(?:.*_)?reweight_card\.dat",
    "madspin": r"(?:.*_)?madspin_card\.dat",
    "pythia": r"(?:.*_)?pythia8?_card\.dat|.*\.cmnd",
    "delphes": r"(?:.*_)?delphes_card\.(?:dat|tcl)|.*\.tcl",
    "customize": r"(?:.*_)?customizecards\.dat",
}
"""The names of the cards, in MadGraph's folders and in those of the collaborations."""
_MEASURED = ("sminputs", "mass", "decay", "yukawa", "ckmblock", "wolfenstein", "loop", "frblock", "qnumbers")
"""Blocks whose entries are inputs of the Standard Model."""
_HARMLESS_CHANGES = ("output", "helicity", "mode", "rwgt_dir")
"""What mmc's own reweight card says, or need not say."""
_DEPENDENT = 1e-9
_SAMPLES = 100_000


def import_cards(folder: Path, name: str) -> tuple[str, dict[str, str]]:
    """The text of the study, and the cards to write beside it by their paths there.

    :raises UsageError: when there is no process card or no run card, or a card cannot be read
    """
    found, twice = _found(folder)
    cards = read_process(card_text(*_place(folder, found, "process")), found["process"])
    cards.notes += twice
    with values_of(found.get("run", "run_card.dat")):
        add_run_card(cards, card_text(*_place(folder, found, "run")), found["run"])
    for kind, add in (
        ("param", add_param_card),
        ("madspin", add_madspin),
        ("pythia", add_pythia),
        ("delphes", add_delphes_card),
    ):
        if kind in found:
            with values_of(found[kind]):
                add(cards, card_text(folder, found[kind]))
    slha = cards.files.get("cards/param_card.dat", "")
    _customize(cards, card_text(folder, found["customize"]) if "customize" in found else "", slha)
    lines = ['mmc: "1.0"', f"name: {flow(name)}", "title: Imported from cards of MadGraph", "seed: 1", ""]
    reweight = card_text(folder, found["reweight"]) if "reweight" in found else ""
    points, places, notes = _points(reweight, slha, cards)
    lines += [*_parameters(points, places, slha, notes), "", *_generation(cards)]
    if cards.delphes_card:
        lines += ["", f"detector: {flow({'simulation': 'delphes', 'card': cards.delphes_card})}"]
    elif _is_showered(cards):
        shipped = {"simulation": "delphes", "shipped_card": "delphes_card_CMS.tcl"}
        lines += [
            "",
            *comment("There is no Delphes card: this is one that Delphes ships."),
            f"detector: {flow(shipped)}",
        ]
    lines += [
        "",
        "# Cards do not say what is measured: change the following.",
        "default_observables: {}",
        "",
        "observables:",
        '  n_objects: {definition: "len(j) + len(l) + len(a)"}',
        "",
        "methods:",
        f"  sally: {flow({'theta': {'benchmark': next(iter(points))}, 'samples': _SAMPLES})}",
        "",
        "evaluation:",
        "  luminosity: 300 fb^-1",
    ]
    return "\n".join(lines) + "\n", cards.files


def _is_showered(cards: Cards) -> bool:
    return bool(cards.pythia or cards.delphes_card or cards.merging)


def _found(folder: Path) -> tuple[dict[str, str], list[str]]:
    """The file of each kind of card, and notes on those of which there are more."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    names = sorted(path.name for path in folder.iterdir() if not path.name.endswith(("_default.dat", "~")))
    found: dict[str, str] = {}
    notes = []
    for kind, pattern in _KINDS.items():
        fitting = [name for name in names if re.fullmatch(pattern, name, re.IGNORECASE)]
        if fitting:
            found[kind] = fitting[0]
            notes += [f"{name} is left out: {fitting[0]} is taken" for name in fitting[1:]]
    return found, notes


def _place(folder: Path, found: Mapping[str, str], kind: str) -> tuple[Path, str]:
    if kind not in found:
        there = "the folder needs one whose name ends with"
        raise UsageError(f"{folder} has no {kind} card: {there} {'proc' if kind == 'process' else kind}_card.dat")
    return folder, found[kind]


def _customize(cards: Cards, text: str, slha: str) -> None:
    """Add the lines of a card of CMS that change other cards."""
    places = {name.lower(): place for name, place in named_places(slha).items()}
    for raw in text.splitlines():
        words = raw.partition("#")[0].split()
        entry = set_entry(words, places) if words else None
        if entry is not None:
            cards.param_card = {**cards.param_card, entry[0]: entry[1]}
        elif words:
            cards.notes.append(f"`{' '.join(words)}` of the card that customizes others is left out")


def _points(reweight: str, slha: str, cards: Cards) -> tuple[dict[str, dict[str, float]], dict[str, str], list[str]]:
    """The benchmarks by name, with values by place; the places of the parameters by name; notes on them."""
    named = named_places(slha)
    card = read_reweighting(reweight, {name.lower(): place for name, place in named.items()})
    for line in filter(_is_unusual, card.changes):
        if reweight_refusal(f"change {line}") is None:
            cards.reweight_card.append(f"change {line}")
        else:
            cards.notes.append(f"the reweight card says `change {line}`, which is left out")
    cards.notes += [f"the reweight card says `{line}`, which is left out" for line in card.left]
    base = values(slha) | {key: float(value) for key, value in cards.param_card.items() if isinstance(value, float)}
    every = list(dict.fromkeys(place for point in card.points.values() for place in point))
    places = [p for p in every if {point.get(p, base.get(p, 0.0)) for point in card.points.values()} != {base.get(p)}]
    if not places:
        return _proposed(base, named)
    names = {place: name for name, place in named.items()}
    parameters = {_name(names.get(place, place)): place for place in places}
    first = {place: base.get(place, 0.0) for place in places}
    points = {"generated" if any(first.values()) else "sm": first}
    notes = []
    for name, point in card.points.items():
        whole = {place: point.get(place, first[place]) for place in places}
        same = next((other for other, there in points.items() if there == whole), None)
        if same is not None:
            notes.append(f"the point {name} of the reweight card is that of {same}")
        else:
            points[_name(name)] = whole
    cards.param_card = {key: value for key, value in cards.param_card.items() if key not in places}
    return points, parameters, notes


def _is_unusual(line: str) -> bool:
    return line.split(maxsplit=1)[0] not in _HARMLESS_CHANGES


def _proposed(
    base: Mapping[str, float], named: Mapping[str, str]
) -> tuple[dict[str, dict[str, float]], dict[str, str], list[str]]:
    """Parameters to start from, where no card varies any."""
    new = [place for place in base if place.split()[0] not in _MEASURED]
    place = next(iter(new or (entry for entry in base if entry.startswith("mass "))), "dim6 1")
    names = {entry: name for name, entry in named.items()}
    here = base.get(place, 0.0) if not new else 0.0
    points = {"generated" if here else "sm": {place: here}, "varied": {place: here * 1.01 if here else 1.0}}
    notes = ["no reweight card varies a parameter: write those that you measure, and their benchmarks"]
    return points, {_name(names.get(place, place)): place}, notes


def _name(text: str) -> str:
    """A name that a study can have.

    >>> _name("dim6 2"), _name("172.5_40")
    ('dim6_2', 'p172_5_40')
    """
    name = re.sub(r"[^A-Za-z0-9_]", "_", text)[:50]
    return name if name[:1].isalpha() else f"p{name}"


def _parameters(
    points: Mapping[str, Mapping[str, float]], places: Mapping[str, str], slha: str, notes: Sequence[str]
) -> Iterator[str]:
    yield "parameters:"
    for note in notes:
        yield from comment(note, 2)
    if slha and (new := [place for place in places.values() if place not in values(slha)]):
        yield from comment(f"the param card has no entry {', '.join(new)}", 2)
    for name, place in places.items():
        block, *numbers = place.split()
        low, high = (end(point[place] for point in points.values()) for end in (min, max))
        entry: dict[str, Any] = {"lha_block": block, "lha_id": int(numbers[0])}
        if len(numbers) > 1:
            entry["lha_id"] = [int(number) for number in numbers]
        entry["range"] = [_number(low), _number(high)]
        yield f"  {flow(name)}: {flow(entry)}"
    yield ""
    yield "benchmarks:"
    in_basis = _independent([[point[place] for place in places.values()] for point in points.values()])
    if not all(in_basis):
        yield from comment(
            "The points outside of the basis follow from the others, or one basis does not hold them.", 2
        )
    for (name, point), inside in zip(points.items(), in_basis, strict=True):
        said: dict[str, Any] = {parameter: _number(point[place]) for parameter, place in places.items()}
        yield f"  {flow(name)}: {flow(said if inside else {**said, 'in_basis': False})}"


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < 1e9 else value


def _independent(points: Sequence[Sequence[float]]) -> list[bool]:
    """Which points add to a basis of polynomials of the second degree, one after the other."""
    scales = [max(abs(value) for value in column) or 1.0 for column in zip(*points, strict=True)]
    rows: list[tuple[int, list[float]]] = []
    found = []
    for point in points:
        scaled = [1.0, *(value / scale for value, scale in zip(point, scales, strict=True))]
        row = [a * b for a, b in combinations_with_replacement(scaled, 2)]
        for pivot, other in rows:
            factor = row[pivot] / other[pivot]
            row = [a - factor * b for a, b in zip(row, other, strict=True)]
        pivot = max(range(len(row)), key=lambda index: abs(row[index]))
        found.append(abs(row[pivot]) > _DEPENDENT)
        if found[-1]:
            rows.append((pivot, row))
    return found


def _generation(cards: Cards) -> Iterator[str]:
    for note in cards.notes:
        yield from comment(note)
    yield "generation:"
    yield from mapping({"generator": "madgraph", "model": cards.model, "beams": cards.beams}, 2)
    optional = {"definitions": cards.definitions, "param_card": cards.param_card, "run_card": cards.run_card}
    yield from mapping({key: value for key, value in optional.items() if value}, 2)
    yield "  samples:"
    yield "    signal:"
    process = cards.process[0] if len(cards.process) == 1 else cards.process
    yield from mapping({"process": process}, 6)
    yield f"      events: {cards.events} # at every benchmark, those that complete the basis too"
    more = {"madspin": cards.madspin if "decays" in cards.madspin else {}, "merging": cards.merging}
    yield from mapping({key: value for key, value in more.items() if value}, 6)
    if cards.reweight_card:
        yield from mapping({"reweight_card": cards.reweight_card}, 6)
    if _is_showered(cards):
        shower = {"program": "pythia8", **({"settings": cards.pythia} if cards.pythia else {})}
        yield from mapping({"shower": shower}, 2)
