"""The cards of the hand-written workflow: the settings that move into the study, and the cards that stay files."""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mmc.compiler.inputs import delphes_card, madgraph_settings, pythia_settings
from mmc.compiler.inputs.cards import delphes_seeds, run_card
from mmc.compiler.inputs.refusals import Refusal
from mmc.compiler.language.diagnostics import show
from mmc.errors import UsageError
from mmc.reading import leads_out, read_bytes

MOST_BYTES = 2_000_000
"""The largest card."""
_STUDY_ALONE = ("nevents", "iseed", "lpp1", "lpp2", "ebeam1", "ebeam2", "pdlabel", "lhaid", "run_tag")
_SWITCHED_OFF = (("JetMatching:doShowerKt", "off"), ("SysCalc:fullCutVariation", "off"))
"""The values in MadGraph's default card that mean no matching and no scale variations."""
_BEAMS = {"1": "p", "-1": "pbar"}


@dataclass
class Cards:
    """The content of a folder of cards for a study."""

    model: str
    process: list[str]
    definitions: dict[str, str] = field(default_factory=dict)
    events: int = 0
    beams: Mapping[str, object] = field(default_factory=dict)
    run_card: Mapping[str, object] = field(default_factory=dict)
    pythia: dict[str, str] = field(default_factory=dict)
    param_card: Mapping[str, object] = field(default_factory=dict)
    delphes_card: str | None = None
    shipped_card: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    """The cards to write beside the study, by their path there."""
    notes: list[str] = field(default_factory=list)
    """Notes on what is left out, and why."""


def in_the_image() -> Cards:
    """The content of the cards in the hand-written workflow's image."""
    return Cards(
        model="EWdim6-full",
        process=["u d > u d h / a z QCD=0 QED=99 NP=2, h > a a QCD=0 QED=99 NP=0"],
        events=1000,
        beams={"energy": "6500 GeV", "particles": ["p", "p"], "pdf": "nn23lo1"},
        run_card={"ptj": 20, "pta": 10, "etaj": 5, "etaa": 2.5, "drjj": 0.4, "draa": 0.4, "draj": 0.4}
        | {"mmaa": 120, "mmaamax": 130, "cut_decays": False, "maxjetflavor": 4, "use_syst": False},
        param_card={"dim6 all": 0, "decay 25": 0.00407},
        pythia={"PartonLevel:MPI": "off"},
        shipped_card="delphes_card_CMS.tcl",
        notes=["without --cards, process, run card and detector are those of the workflow's own image"],
    )


def read_cards(folder: Path) -> Cards:
    """The cards of a folder, by the names that the workflow gives them.

    :raises UsageError: when the process card or the run card is missing or incomplete
    """
    cards = _process(_text(folder, "proc_card_signal.dat"))
    with _values_of("run_card_signal.dat"):
        _add_run_card(cards, _text(folder, "run_card_signal.dat"))
    for name, (add, instead) in _OPTIONAL.items():
        if (folder / name).exists():
            with _values_of(name):
                add(cards, _text(folder, name))
        elif instead:
            cards.notes.append(f"there is no {name} in the folder of cards: {instead}")
    background = folder / "proc_card_background.dat"
    if background.exists():
        lines = [line.strip() for line in _text(folder, background.name).splitlines() if line.strip()]
        cards.notes.append(f"the workflow has a background but never runs it: {'; '.join(lines)}")
    return cards


@contextmanager
def _values_of(name: str) -> Iterator[None]:
    """A value that is not a number ends the import in a line that names the card."""
    try:
        yield
    except (ValueError, OverflowError, IndexError) as error:
        raise UsageError(f"{name}: a value cannot be read: {show(str(error))}") from error


def _text(folder: Path, name: str) -> str:
    if leads_out(folder / name):  # the study would get a copy of it
        raise UsageError(f"{folder / name} is a link out of the folder of cards: put the card there")
    try:
        return read_bytes(folder / name, MOST_BYTES).decode("utf-8")
    except FileNotFoundError:
        raise UsageError(f"{folder / name}: there is no such card; give the folder of the workflow's cards") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{folder / name}: {getattr(error, 'strerror', None) or 'the card is not text'}") from error


def _process(text: str) -> Cards:
    cards = Cards(model="sm", process=[])
    for raw in text.splitlines():
        line = raw.partition("#")[0].strip()
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        if line.startswith("import model "):
            cards.model = (line.removeprefix("import model ").split() or [cards.model])[0]
        elif word == "generate" or line.startswith("add process "):
            cards.process.append(rest.removeprefix("process ").strip())
        elif word == "define":
            label, _, particles = rest.partition("=" if "=" in rest else " ")
            cards.definitions[label.strip()] = particles.strip()
        elif line and word not in ("output", "set"):
            cards.notes.append(f"the process card says `{line}`, which a study cannot say")
    if not cards.process:
        raise UsageError("proc_card_signal.dat: the card generates nothing: it has no line `generate ...`")
    return cards


def run_card_settings(text: str) -> dict[str, str]:
    """The settings of a MadGraph run card, as text.

    >>> run_card_settings(" 1000 = nevents ! events\\n# 5 = ptj\\n")
    {'nevents': '1000'}
    """
    return {entry.name: entry.value for entry in run_card(text)}


def _add_run_card(cards: Cards, text: str) -> None:
    said = run_card_settings(text)
    try:
        cards.events = int(float(said["nevents"]))
        energies = {float(said[key].lower().replace("d", "e")) for key in ("ebeam1", "ebeam2")}
        particles = [_BEAMS[said[key]] for key in ("lpp1", "lpp2")]
    except (KeyError, ValueError) as error:
        raise UsageError(f"run_card_signal.dat: the card has no good value of {error}") from None
    if len(energies) > 1:
        cards.notes.append(f"the beams have different energies, {energies}: mmc takes the larger for both")
    cards.beams = {"energy": f"{max(energies):g} GeV", "particles": particles, "pdf": _pdf(said)}
    if int(float(said.get("iseed", "0"))):
        cards.notes.append(f"iseed = {said['iseed']} of the run card: every job has its own seed from the study's")
    refused = list(madgraph_settings.run_card_refusals(text))
    cards.notes += [f"line {found.line} of the run card: {found.reason}" for found in refused]
    owned = {entry.line for entry in run_card(text) if entry.name in _STUDY_ALONE} | {found.line for found in refused}
    cards.files["cards/run_card.dat"] = _without(text, owned)
    cards.run_card = {"file": "cards/run_card.dat"}


def _without(text: str, numbers: Container[int]) -> str:
    """A text without the lines of these numbers."""
    kept = [line for number, line in enumerate(text.splitlines(), start=1) if number not in numbers]
    return "\n".join(kept) + "\n"


def _pdf(said: Mapping[str, str]) -> str | int:
    label = said.get("pdlabel", "nn23lo1").strip("'\"")
    return int(float(said["lhaid"].split()[0])) if label == "lhapdf" and "lhaid" in said else label


def _add_pythia(cards: Cards, text: str) -> None:
    for raw in text.splitlines():
        name, equals, value = (part.strip() for part in re.split("[!#]", raw, maxsplit=1)[0].partition("="))
        if not equals:
            continue
        owned = name.lower().startswith(("main:", "hepmcoutput:", "beams:", "random:"))
        if owned or value in ("-1", "-1.0", "<set_by_user>", "auto") or (name, value) in _SWITCHED_OFF:
            continue  # the study's own, or what MadGraph fills in
        if name.startswith(("JetMatching:", "Merging:")):
            cards.notes.append(f"{name} = {value} of the Pythia card: mmc's shower does not merge")
            continue
        refused = pythia_settings.refusal(name, value)
        if refused is not None:
            cards.notes.append(f"the Pythia card: {refused.reason}")
            continue
        spelled = {"partonlevel:mpi": "PartonLevel:MPI"}.get(name.lower(), name)
        cards.pythia[spelled] = value


def _add_param_card(cards: Cards, text: str) -> None:
    cards.param_card = {"file": "cards/param_card.dat"}
    cards.notes += _not_passed_on("param card", madgraph_settings.param_card_refusals(text))
    cards.files["cards/param_card.dat"] = text


def _add_delphes_card(cards: Cards, text: str) -> None:
    cards.delphes_card = "cards/delphes_card.tcl"
    cards.notes += _not_passed_on("Delphes card", delphes_card.card_refusals(text))
    cards.files[cards.delphes_card] = _without(text, {entry.line for entry in delphes_seeds(text)})


def _not_passed_on(card: str, refusals: Iterable[Refusal]) -> list[str]:
    """Notes on lines that a card keeps, so that `mmc validate` refuses the study."""
    return [f"line {found.line} of the {card} must be changed, or trusted: {found.reason}" for found in refusals]


def _add_configuration(cards: Cards, text: str) -> None:
    said = run_card_settings("\n".join(" = ".join(reversed(line.split("=", 1))) for line in text.splitlines()))
    for name in ("run_mode", "nb_core"):
        if name in said:
            cards.notes.append(f"{name} = {said[name]} of me5_configuration.txt: say `execution.resources` instead")


_OPTIONAL: dict[str, tuple[Callable[[Cards, str], None], str]] = {
    "param_card_template.dat": (
        _add_param_card,
        "MadGraph's own is taken, in which coefficients of many models are not 0; say them in `param_card`",
    ),
    "pythia8_card.dat": (_add_pythia, "Pythia's own settings are taken"),
    "delphes_card.dat": (_add_delphes_card, "the card of CMS that Delphes ships is taken"),
    "me5_configuration.txt": (_add_configuration, ""),
}
"""Optional cards, and the replacement when a card is missing."""
