"""Cards of MadGraph, Pythia and Delphes: the settings that move into a study, and the cards that stay files."""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmc.compiler.catalogue import parton_sets
from mmc.compiler.inputs import delphes_card, madgraph_settings, pythia_settings
from mmc.compiler.inputs.cards import asks_for_corrections, delphes_seeds, run_card
from mmc.compiler.inputs.process_words import final_state
from mmc.compiler.inputs.refusals import Refusal
from mmc.compiler.language.diagnostics import show
from mmc.errors import UsageError
from mmc.reading import leads_out, read_bytes

MOST_BYTES = 2_000_000
"""The largest card."""
_SWITCHED_OFF = (("JetMatching:doShowerKt", "off"), ("SysCalc:fullCutVariation", "off"))
"""The values in MadGraph's default card that mean no matching and no scale variations."""
_HADRONS = {"1": "p", "-1": "pbar"}
_LEPTONS = ("e-", "e+", "mu-", "mu+")


@dataclass
class Cards:
    """The content of a folder of cards for a study."""

    model: str
    process: list[str]
    definitions: dict[str, str] = field(default_factory=dict)
    events: int = 0
    beams: dict[str, Any] = field(default_factory=dict)
    run_card: Mapping[str, object] = field(default_factory=dict)
    pythia: dict[str, str] = field(default_factory=dict)
    param_card: Mapping[str, object] = field(default_factory=dict)
    reweight_card: list[str] = field(default_factory=list)
    """Lines of the reweight card that are for all points."""
    madspin: dict[str, Any] = field(default_factory=dict)
    merging: dict[str, Any] = field(default_factory=dict)
    delphes_card: str | None = None
    shipped_card: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    """The cards to write beside the study, by their path there."""
    notes: list[str] = field(default_factory=list)
    """Notes on what is left out, and why."""


@contextmanager
def values_of(name: str) -> Iterator[None]:
    """A value that is not a number ends the import in a line that names the card."""
    try:
        yield
    except (ValueError, OverflowError, IndexError) as error:
        raise UsageError(f"{name}: a value cannot be read: {show(str(error))}") from error


def card_text(folder: Path, name: str) -> str:
    """The text of a card.

    :raises UsageError: when there is no such card, or it is a link, too large or not text
    """
    if leads_out(folder / name):  # the study would get a copy of it
        raise UsageError(f"{folder / name} is a link out of the folder of cards: put the card there")
    try:
        return read_bytes(folder / name, MOST_BYTES).decode("utf-8")
    except FileNotFoundError:
        raise UsageError(f"{folder / name}: there is no such card; give the folder of the cards") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{folder / name}: {getattr(error, 'strerror', None) or 'the card is not text'}") from error


def read_process(text: str, name: str) -> Cards:
    """The model, the labels and the processes of a process card.

    :raises UsageError: when the card generates nothing
    """
    cards = Cards(model="sm", process=[])
    for raw in re.sub(r"\\\s*\n", " ", text).splitlines():
        line = raw.partition("#")[0].strip()
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        if line.startswith("import model "):
            _add_model(cards, (line.removeprefix("import model ").split() or [cards.model])[0])
        elif word == "generate" or line.startswith("add process "):
            cards.process.append(_process(cards, rest.removeprefix("process ").strip()))
        elif word == "define":
            label, _, particles = rest.partition("=" if "=" in rest else " ")
            cards.definitions[label.strip()] = particles.strip()
        elif line and word not in ("output", "launch") and not line.startswith(_OF_MADGRAPH):
            cards.notes.append(f"the process card says `{line}`, which a study cannot say")
    if not cards.process:
        raise UsageError(f"{name}: the card generates nothing: it has no line `generate ...`")
    return cards


_OF_MADGRAPH = ("set group_subprocesses", "set ignore_six_quark", "set loop_", "set gauge", "set complex_mass")
_CORRECTIONS = re.compile(r"\s*\[[^\]]*\]")


def _add_model(cards: Cards, named: str) -> None:
    cards.model = named.rstrip("/").rpartition("/")[2]
    if cards.model != named:
        cards.notes.append(f"the model was {named}: it is expected among MadGraph's models, as {cards.model}")


def _process(cards: Cards, line: str) -> str:
    """A process line as a signal has it: at leading order, and without options that are code."""
    kept = line
    if asks_for_corrections(line):
        kept = _CORRECTIONS.sub("", line)
        cards.notes.append(f"`{line}` asks for corrections: signals are generated at LO, with a `k_factor`")
    start, option, _ = kept.partition("--")
    if option:
        cards.notes.append(f"`{line}` has options, which are code of Python and are left out")
        kept = start.rstrip()
    return kept


def run_card_settings(text: str) -> dict[str, str]:
    """The settings of a MadGraph run card, as text.

    >>> run_card_settings(" 1000 = nevents ! events\\n# 5 = ptj\\n")
    {'nevents': '1000'}
    """
    return {entry.name: entry.value for entry in run_card(text)}


def add_run_card(cards: Cards, text: str, name: str) -> None:
    """Events, beams and parton distributions of a run card; the rest stays a card.

    :raises UsageError: when the card lacks one of them
    """
    said = run_card_settings(text)
    try:
        cards.events = int(float(said["nevents"]))
        energies = [float(said[key].lower().replace("d", "e")) for key in ("ebeam1", "ebeam2")]
        numbers = [said[key] for key in ("lpp1", "lpp2")]
    except (KeyError, ValueError) as error:
        raise UsageError(f"{name}: the card has no good value of {error}") from None
    first, second = (f"{energy:g} GeV" for energy in energies)
    cards.beams = {"energy": first if first == second else [first, second], "particles": _particles(cards, numbers)}
    if set(cards.beams["particles"]) & set(_HADRONS.values()):
        cards.beams["pdf"] = _pdf(said)
    if int(float(said.get("iseed", "0"))):
        cards.notes.append(f"iseed = {said['iseed']} of the run card: every job has its own seed from the study's")
    add_merging(cards, said)
    refused = list(madgraph_settings.run_card_refusals(text))
    cards.notes += [f"line {found.line} of the run card: {found.reason}" for found in refused]
    alone = {*madgraph_settings.OWNED, "run_tag", *(("ickkw", "xqcut") if cards.merging else ())}
    owned = {entry.line for entry in run_card(text) if entry.name in alone} | {found.line for found in refused}
    cards.files["cards/run_card.dat"] = _without(text, owned)
    cards.run_card = {"file": "cards/run_card.dat"}


_MADSPIN = {"spinmode": str, "bw_cut": float}


def add_madspin(cards: Cards, text: str) -> None:
    """The decays of a MadSpin card."""
    for raw in text.splitlines():
        words = raw.partition("#")[0].split()
        key = words[1].lower() if len(words) == 3 and words[0] == "set" else ""
        if words[:1] == ["decay"]:
            cards.madspin.setdefault("decays", []).append(" ".join(words[1:]))
        elif words[:1] == ["define"] and len(words) > 2:
            cards.definitions.setdefault(words[1], " ".join(words[3:] if words[2] == "=" else words[2:]))
        elif key in _MADSPIN:
            value = _MADSPIN[key](words[2])
            cards.madspin[key] = "madspin" if value == "full" else value
        elif words and words != ["launch"]:
            cards.notes.append(f"the MadSpin card says `{' '.join(words)}`, which is left out")


def add_merging(cards: Cards, settings: Mapping[str, str]) -> None:
    """The merging that a run card asks for."""
    xqcut, jets = float(settings.get("xqcut", "0").replace("d", "e")), max(map(_n_jets, cards.process))
    if int(float(settings.get("ickkw", "0"))) == 1 and xqcut > 0.0 and jets:
        cards.merging = {"scheme": "mlm", "jets": jets, "xqcut": f"{xqcut:g} GeV"}


def _n_jets(line: str) -> int:
    return final_state(line).count("j")


def _without(text: str, numbers: Container[int]) -> str:
    """A text without the lines of these numbers."""
    kept = [line for number, line in enumerate(text.splitlines(), start=1) if number not in numbers]
    return "\n".join(kept) + "\n"


def _particles(cards: Cards, numbers: list[str]) -> list[str]:
    """The beams of MadGraph's numbers; a lepton is that of the process."""
    incoming = cards.process[0].partition(">")[0].split()
    found = []
    for position, number in enumerate(numbers):
        lepton = incoming[position] if position < len(incoming) else ""
        if number in _HADRONS:
            found.append(_HADRONS[number])
        elif lepton in _LEPTONS:
            found.append(lepton)
            if number != "0":
                cards.notes.append(
                    f"lpp{position + 1} = {number} of the run card: leptons collide with their full energy"
                )
        else:
            found.append("p")
            cards.notes.append(
                f"lpp{position + 1} = {number} of the run card is not a beam that a study has: p is taken"
            )
    return found


def _pdf(said: Mapping[str, str]) -> str | int:
    """MadGraph's own set by its name, or LHAPDF's set by its name where it is known."""
    label = said.get("pdlabel", "nn23lo1").strip("'\"")
    if label != "lhapdf" or "lhaid" not in said:
        return label if label in parton_sets.MADGRAPHS_OWN else "nn23lo1"
    number = int(float(said["lhaid"].split()[0]))
    return parton_sets.name_of(number) or number


def add_pythia(cards: Cards, text: str) -> None:
    """The settings of a Pythia card that MadGraph does not set itself."""
    for raw in text.splitlines():
        name, equals, value = (part.strip() for part in re.split("[!#]", raw, maxsplit=1)[0].partition("="))
        if not equals:
            continue
        owned = name.lower().startswith(("main:", "hepmcoutput:", "beams:", "random:"))
        if owned or value in ("-1", "-1.0", "<set_by_user>", "auto") or (name, value) in _SWITCHED_OFF:
            continue  # the study's own, or what MadGraph fills in
        if name == "JetMatching:qCut" and cards.merging:
            cards.merging["qcut"] = f"{float(value):g} GeV"
            continue
        if name.startswith(("JetMatching:", "Merging:")):
            cards.notes.append(f"{name} = {value} of the Pythia card: `merging` of a sample sets what Pythia needs")
            continue
        refused = pythia_settings.refusal(name, value)
        if refused is not None:
            cards.notes.append(f"the Pythia card: {refused.reason}")
            continue
        spelled = {"partonlevel:mpi": "PartonLevel:MPI"}.get(name.lower(), name)
        cards.pythia[spelled] = value


def add_param_card(cards: Cards, text: str) -> None:
    """A param card, which stays a card."""
    cards.param_card = {"file": "cards/param_card.dat"}
    cards.notes += _not_passed_on("param card", madgraph_settings.param_card_refusals(text))
    cards.files["cards/param_card.dat"] = text


def add_delphes_card(cards: Cards, text: str) -> None:
    """A Delphes card without its seed, which stays a card."""
    cards.delphes_card = "cards/delphes_card.tcl"
    cards.notes += _not_passed_on("Delphes card", delphes_card.card_refusals(text))
    cards.files[cards.delphes_card] = _without(text, {entry.line for entry in delphes_seeds(text)})


def _not_passed_on(card: str, refusals: Iterable[Refusal]) -> list[str]:
    """Notes on lines that a card keeps, so that `mmc validate` refuses the study."""
    return [f"line {found.line} of the {card} must be changed, or trusted: {found.reason}" for found in refusals]
