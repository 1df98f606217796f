"""Shower and hadronise the events of a Les Houches event file with Pythia 8."""

import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmc.compiler.inputs import cards, pythia_settings
from mmc.compiler.inputs.refusals import is_trusted
from mmc.compiler.settings.generation import Merging
from mmc.errors import StepError
from mmc.jobs.formats import hepmc
from mmc.jobs.formats.gzipped import writing_text
from mmc.jobs.formats.les_houches import unpacked
from mmc.jobs.generators.pythia8 import configured

log = logging.getLogger(__name__)

_ALWAYS = (
    "SLHA:verbose = 0",  # about the param card in the head of the file
    "Check:epTolErr = 1e-2",  # momenta in LHE files are rounded; value of MadGraph's own interface
)
_MC_AT_NLO = (
    "SpaceShower:pTmaxMatch = 1",
    "SpaceShower:pTmaxFudge = 1.",
    "SpaceShower:MEcorrections = off",
    "TimeShower:pTmaxMatch = 1",
    "TimeShower:pTmaxFudge = 1.",
    "TimeShower:MEcorrections = off",
    "TimeShower:globalRecoil = on",
    "TimeShower:weightGluonToQuark = 1",
)
"""The settings that Pythia's manual requires for MadGraph's MC@NLO events."""

_OURS = re.compile(r"^(?:random:.*|beams:(?:frametype|lhef|ecm|ea|eb|ida|idb))$")
_OVERRULED = re.compile(r"^(?:random|beams):")
"""What the study sets: such entries of a card are dropped."""
_MERGING = re.compile(r"^(?:jetmatching:merge|merging:do\w+)$")
_ON = frozenset({"on", "yes", "true", "ok", "1"})

_MERGED = {
    "mlm": (
        "JetMatching:merge = on",
        "JetMatching:scheme = 1",
        "JetMatching:setMad = off",
        "JetMatching:jetAlgorithm = 2",
        "JetMatching:slowJetPower = 1",
        "JetMatching:exclusive = 2",
        "JetMatching:doShowerKt = off",
        "JetMatching:clFact = 1.0",
        "JetMatching:coneRadius = 1.0",
        "JetMatching:etaJetMax = 1000.0",
    ),
    "ckkwl": ("Merging:doPTLundMerging = on", "Merging:includeWeightInXsection = off"),
}
"""MadGraph's own settings of Pythia for its events."""

_MOST_LOST = 0.01
_FEW = 3
"""The fraction of events, and the number in any case, that Pythia may fail to shower."""
COMPRESSION = 1
"""HepMC files are large and short-lived."""


def setting_lines(
    card: str | None,
    settings: Mapping[str, Any],
    nlo: bool,
    *,
    trust: Collection[str] = (),
    trusts_card: bool = False,
) -> list[str]:
    """Pythia's settings: first those for all event files, then the card's, then the study's.

    :param card: the text of a Pythia card or of MadGraph's shower card
    :param trust: the names of settings that the study trusts; with ``trusts_card`` all those of the card
    :raises StepError: when a setting is reserved to mmc, switches merging on, or may not reach Pythia
    """
    found = [(entry.name, entry.value, trusts_card) for entry in cards.pythia(card or "")]
    of_card = [True] * len(found) + [False] * len(settings)
    found += [(name, pythia_settings.word(value), False) for name, value in settings.items()]
    lines = [*_ALWAYS, *(_MC_AT_NLO if nlo else ())]
    for (name, value, trusted), is_of_card in zip(found, of_card, strict=True):
        lowered = name.lower()
        if is_of_card and _OVERRULED.match(lowered):
            continue
        if _OURS.match(lowered):
            raise StepError(
                f"mmc sets the shower's setting {name} itself: beams, events and seed follow from the study"
            )
        if _MERGING.match(lowered) and value.lower() in _ON:
            raise StepError(f"the shower's setting {name} = {value} switches on merging, which mmc does not support")
        refused = None if trusted else pythia_settings.refusal(name, value)
        if refused is not None and not is_trusted(refused, trust):
            raise StepError(f"the shower: {refused.reason}")
        if not pythia_settings.is_ignored(name):
            lines.append(f"{name} = {value}")
    return lines


def merging_lines(merging: Merging, n_flavours: int) -> list[str]:
    """Pythia's settings for merging.

    :param n_flavours: the flavours of MadGraph's jets, ``maxjetflavor``
    """
    lines = list(_MERGED[merging.scheme])
    if merging.scheme == "mlm":
        lines += [f"JetMatching:qCut = {merging.qcut_gev!r}", f"JetMatching:nJetMax = {merging.jets}"]
        return [*lines, f"JetMatching:nQmatch = {n_flavours}"]
    lines += [f"Merging:TMS = {merging.ptlund_gev!r}", f"Merging:nJetMax = {merging.jets}"]
    return [*lines, f"Merging:Process = {merging.core}", f"Merging:nQuarksMerge = {n_flavours}"]


def run(
    source: Path,
    out: Path,
    lines: Sequence[str],
    *,
    seed: int,
    weights: Sequence[str],
    scratch: Path,
    merging: str | None = None,
) -> dict[int, float]:
    """Shower the events of a gzipped file in its normal form into a gzipped HepMC file.

    :param weights: the names of the event weights to copy into the HepMC file, in pb
    :param scratch: a folder for temporary files
    :param merging: the scheme by which events of several processes are merged, with its settings in ``lines``
    :returns: the numbers of the showered events, the first event is 1, each with its merging weight. Without merging
        this is 1, and those that are missing could not be showered; with merging they are also those that are vetoed
    :raises StepError: when Pythia does not know a setting, does not start, or fails to shower too many events
    """
    with unpacked(source, scratch) as plain:
        numbered = scratch / "numbered.lhe"
        n_events = _number_events(plain, numbered)
    hooks = merging == "mlm"
    pythia = _start([*lines, "Beams:frameType = 4", f"Beams:LHEF = {numbered}"], seed, matches=hooks)
    kept: dict[int, float] = {}
    with writing_text(out, COMPRESSION) as text:
        hepmc.write_start(text, weights, "Pythia8", f"{pythia.parm('Pythia:versionNumber'):.3f}")
        for number in _events(pythia, n_events):
            info = pythia.infoPython()
            merged = float(info.mergingWeight()) if merging == "ckkwl" else 1.0
            if merged == 0.0:
                continue
            values = [merged * float(info.getWeightsDetailedValue(name)) for name in weights]
            scale = {"event_scale": f"{info.QRen():.9g}", "signal_process_id": info.code()}
            with suppress(hepmc.LoopError):
                hepmc.write_event(text, len(kept), pythia.event, values, scale)
                kept[number] = merged
            if len(kept) % 1000 == 0:
                log.info("%d of %d events are showered", len(kept), n_events)
        hepmc.write_end(text)
    numbered.unlink()
    n_lost = n_events - len(kept)
    if not kept or (merging is None and n_lost > max(_FEW, _MOST_LOST * n_events)):
        raise StepError(f"Pythia showers only {len(kept)} of {n_events} events")
    if merging is not None:
        log.info("merging keeps %d of %d events", len(kept), n_events)
    elif n_lost:
        log.warning("Pythia gave up on %d of %d events, which are left out", n_lost, n_events)
    return kept


def _events(pythia: Any, n_events: int) -> Iterator[int]:
    """Let Pythia shower one event after the other, and yield their numbers in the file."""
    for _ in range(2 * n_events + 1):
        if pythia.next():
            yield int(pythia.infoPython().getEventAttribute("number"))
        elif pythia.infoPython().atEndOfFile():
            return
    raise StepError("Pythia does not reach the end of the event file")


def _start(lines: Iterable[str], seed: int, *, matches: bool = False) -> Any:
    """:param matches: whether partons are matched to jets
    :raises StepError: when Pythia does not know a line, or cannot start"""
    pythia = configured(lines, seed)
    if matches:
        import pythia8mc

        pythia.setUserHooksPtr(pythia8mc.JetMatchingMadgraph())
    if not pythia.init():
        raise StepError("Pythia cannot start the shower: check the shower's settings")
    return pythia


def _number_events(source: Path, out: Path) -> int:
    """Write the number of each event into its tag: Pythia skips to the next event when it fails at one."""
    n_events = 0
    with source.open(encoding="utf-8") as lines, out.open("w", encoding="utf-8") as text:
        for line in lines:
            if line == "<event>\n":
                n_events += 1
                text.write(f"<event number='{n_events}'>\n")
            else:
                text.write(line)
    return n_events
