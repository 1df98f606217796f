"""Let MadGraph generate events at one benchmark and weight them at all others; then shower them."""

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmc.compiler.catalogue.stages import GENERATE, SIMULATE
from mmc.compiler.inputs import cards
from mmc.compiler.inputs.installations import GET_LHAPDF, Installation, find_lhapdf, find_madgraph
from mmc.compiler.settings.generation import MadGraphSimulateSettings
from mmc.errors import StepError
from mmc.jobs.formats import hepmc, les_houches_normalise
from mmc.jobs.formats.hepmc import SHOWERED
from mmc.jobs.formats.les_houches import EVENTS
from mmc.jobs.formats.les_houches_normalise import Content
from mmc.jobs.formats.weight_groups import find_nuisance
from mmc.jobs.generators import madgraph, madgraph_cards, program
from mmc.jobs.generators.madgraph_process import ARCHIVE, PARAM_CARD, RUN_CARD, unpack, work_folder
from mmc.jobs.job import StepJob, read_json, write_json
from mmc.jobs.madminer.setup_file import Setup

log = logging.getLogger(__name__)

_LIMIT_S = 48 * 3600.0
_CHECK_LIMIT_S = 600.0
_RUN = "run_01"
_MOST_MISSING = 0.05
"""The share of events that MadGraph may leave out, where it does not find enough of small weight."""
_CONFIGURATIONS = ("me5_configuration.txt", "amcatnlo_configuration.txt")
_MATCHING = ("ickkw", "xqcut", "ktdurham", "ptlund")
_UNKNOWN_SETTINGS = """\
import sys
sys.path.insert(0, "bin")
from internal import banner
known = {name.lower() for name in banner.RunCard(sys.argv[1])}
print(*["unknown: " + name for name in sys.argv[2:] if name.lower() not in known], sep="\\n")
"""
"""Asks the MadGraph of a process which settings its run card does not have; it takes any word for one of the user's."""


def run(job: StepJob) -> None:
    """Write ``events.lhe.gz``, with a shower ``events.hepmc.gz``, and ``simulate.json``.

    :raises StepError: when MadGraph or Pythia cannot do what is asked, or what they made is not whole
    """
    own = job.read(MadGraphSimulateSettings)
    found = find_madgraph(own.installation)
    setup = Setup.read(job.one("setup"))
    setup.point(own.benchmark)
    source = job.pick("process", own.process_job)
    process = read_json(source / GENERATE.record)
    if process["sample"] != own.sample:
        raise StepError(f"{own.process_job} is the process of {process['sample']}, not of {own.sample}")
    nlo = process["order"] == "NLO"
    card = _run_card_settings(own, job.seed, nlo)
    names = [own.benchmark] if own.background else list(setup.benchmarks)
    with work_folder(job.out) as work:
        folder = work / madgraph.PROCESS
        unpack(source / ARCHIVE, folder)
        _require_lhapdf(found, card)
        _write_cards(job, own, setup, found, folder=folder, card=card)
        _check_run_card(own, found, work, folder)
        lines = madgraph.run(found, work, _launch(nlo, own.background), _LIMIT_S)
        made = _made(folder, nlo)
        if made is None:
            raise StepError(f"MadGraph makes no events of {_what(own)}{madgraph.hint(lines)}")
        content = _inspected(made, own, names, lines)
        les_houches_normalise.write(made, job.out / EVENTS, content, own.benchmark, names, forget=work)
        find_nuisance(own.systematics, job.out / EVENTS)  # says so when LHAPDF has not done what it should
        n_lost = _shower(job, own, content, names, work=work, nlo=nlo)
    log.info("cross section of %s: (%.5g +/- %.2g) pb", _what(own), *content.head.cross_section_pb)
    write_json(
        job.out / SIMULATE.record,
        {
            "sample": own.sample,
            "slice": own.slice,
            "benchmark": own.benchmark,
            "n_events": content.n_events - n_lost,
            "n_lost_in_shower": n_lost,
            **content.record(),
        },
    )


def _run_card_settings(own: MadGraphSimulateSettings, seed: int, nlo: bool) -> dict[str, Any]:
    """What the run card says: the settings of the study and, over them, what is not a card's to say."""
    settings = {
        **own.run_card,
        **madgraph_cards.fixed_settings(own.n_events, seed, own.beams),
        **({} if nlo else madgraph_cards.systematics_settings(own.systematics.values())),
    }
    if nlo and own.shower is not None:
        settings["parton_shower"] = "PYTHIA8"
    return settings


def _write_cards(
    job: StepJob,
    own: MadGraphSimulateSettings,
    setup: Setup,
    found: Installation,
    *,
    folder: Path,
    card: Mapping[str, Any],
) -> None:
    """Write everything that MadGraph reads into the folder of the process.

    :raises StepError: when a card lacks a parameter's place, or a parameter has no value for it
    """
    param_card = _template(job, own.param_card_file, folder / PARAM_CARD)
    origin = "of MadGraph" if own.param_card_file is None else job.one(own.param_card_file).name
    values = {
        name: madgraph_cards.card_values(own.parameters, point)
        for name, point in setup.benchmarks.items()
        if name == own.benchmark or not own.background
    }
    here = values.pop(own.benchmark)
    entries = {key.lower(): value for key, value in own.param_card.items()}
    if rest := madgraph_cards.untouched(param_card, entries, here):
        listed = ", ".join(f"{place} = {value}" for place, value in rest.items())
        log.warning("the param card %s keeps other entries of the parameters' blocks: %s", origin, listed)
    written = {
        "param_card.dat": madgraph_cards.param_card(
            param_card,
            entries,
            here,
            all_needed=not own.background,
            origin=origin,
            where_there=own.param_card_where_there,
        ),
        "run_card.dat": madgraph_cards.run_card(_template(job, own.run_card_file, folder / RUN_CARD), card),
        **dict.fromkeys(_CONFIGURATIONS, madgraph_cards.configuration(str(found.folder), madgraph.n_cores())),
        **({} if own.background else {"reweight_card.dat": madgraph_cards.reweight_card(values)}),
    }
    for name, text in written.items():
        (folder / "Cards" / name).write_text(text, encoding="utf-8")


def _template(job: StepJob, name: str | None, default: Path) -> str:
    """The text of a card of the study, or of the one that MadGraph wrote.

    :param name: of the input that the card is, if the study has one
    :raises StepError: when it is no text
    """
    path = default if name is None else job.one(name)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise StepError(f"the card {path.name} is not UTF-8 text") from error


def _check_run_card(own: MadGraphSimulateSettings, found: Installation, work: Path, folder: Path) -> None:
    """Refuse settings that MadGraph does not know: it would take them for new ones, and ignore them.

    :raises StepError: when there is one, or the events are to be matched to the shower
    """
    text = (folder / "Cards" / "run_card.dat").read_text(encoding="utf-8")
    settings = {entry.name: entry.value for entry in cards.run_card(text)}
    if own.shower is not None:
        for name in _MATCHING:
            if _is_positive(settings.get(name, "0")):
                raise StepError(
                    f"{name} in the run card of {own.sample} matches events of several jets to the shower, "
                    "which mmc does not support: generate one number of jets, or use slices"
                )
    if settings.get("custom_fcts", "").strip("[]'\" "):
        return  # code of the user's own, which may read settings of its own
    words = [sys.executable, "-c", _UNKNOWN_SETTINGS, RUN_CARD, *settings]
    finished = program.run(words, folder, madgraph.environment(found, work), _CHECK_LIMIT_S)
    unknown = [line.removeprefix("unknown: ") for line in finished.lines if line.startswith("unknown: ")]
    if finished.code != 0:
        log.warning("MadGraph does not tell which settings its run card has: a mistyped one would have no effect")
    if unknown:
        raise StepError(f"MadGraph's run card has no setting {', '.join(unknown)}: correct the name, or remove it")


def _is_positive(value: str) -> bool:
    try:
        return float(value) > 0.0
    except ValueError:
        return False


def _require_lhapdf(found: Installation, card: Mapping[str, Any]) -> None:
    """:raises StepError: when LHAPDF is needed and MadGraph would find out only after it has generated the events"""
    if card["pdlabel"] != "lhapdf" and "systematics_arguments" not in card:
        return
    if find_lhapdf(found) is None:
        why = "scale and PDF uncertainties need" if "systematics_arguments" in card else "a numbered PDF set needs"
        raise StepError(f"{why} LHAPDF, and there is no lhapdf-config: {GET_LHAPDF}")


def _launch(nlo: bool, background: bool) -> list[str]:
    """What MadGraph is told: nothing but events and weights, whatever else it could do with what is installed."""
    order = ["order=NLO", "fixed_order=OFF"] if nlo else ["detector=OFF", "analysis=OFF"]
    reweight = "OFF" if background else "ON"
    return [
        f"launch {madgraph.PROCESS} -n {_RUN}",
        *order,
        "shower=OFF",
        "madspin=OFF",
        f"reweight={reweight}",
        "done",
        "done",  # with the cards as they are
    ]


def _made(folder: Path, nlo: bool) -> Path | None:
    """The file with the events, if there is one."""
    name = "events.lhe" if nlo else "unweighted_events.lhe"
    places = (folder / "Events" / _RUN / (name + end) for end in (".gz", ""))
    return next((path for path in places if path.is_file()), None)


def _inspected(made: Path, own: MadGraphSimulateSettings, names: Sequence[str], lines: Sequence[str]) -> Content:
    """What MadGraph made.

    :raises StepError: when events or weights are missing
    """
    try:
        content = les_houches_normalise.inspect(made, own.benchmark, names)
    except StepError as error:
        what = "generates" if own.background else "generates and reweights"
        raise StepError(f"MadGraph {what} {_what(own)}, but {error}{madgraph.hint(lines)}") from error
    missing = own.n_events - content.n_events
    if not 0 <= missing <= _MOST_MISSING * own.n_events:
        raise StepError(
            f"MadGraph makes {content.n_events} of {own.n_events} events of {_what(own)}{madgraph.hint(lines)}"
        )
    if missing:
        log.warning("MadGraph makes %d events less than the %d asked for", missing, own.n_events)
    return content


def _shower(
    job: StepJob, own: MadGraphSimulateSettings, content: Content, names: Sequence[str], *, work: Path, nlo: bool
) -> int:
    """Shower the events if they are to be, and drop those from the event file that Pythia gave up on; how many those
    are."""
    if own.shower is None:
        return 0
    from mmc.jobs.generators import shower  # Pythia, which events on parton level do not need

    events = job.out / EVENTS
    card = own.shower.card
    text = None if card is None else job.one(card).read_text(encoding="utf-8", errors="replace")
    lines = shower.setting_lines(text, own.shower.settings, nlo)
    first = [own.benchmark, *(name for name in names if name != own.benchmark)]
    lost = shower.run(events, job.out / SHOWERED, lines, seed=job.seed, weights=first, scratch=work)
    if lost:
        whole = work / EVENTS
        events.rename(whole)
        kept = les_houches_normalise.inspect(whole, own.benchmark, names)
        les_houches_normalise.write(whole, events, kept, own.benchmark, names, lost=lost)
    return _check_showered(job.out / SHOWERED, content.n_events - len(lost), len(lost))


def _check_showered(path: Path, expected: int, n_lost: int) -> int:
    """:raises StepError: unless the file holds as many events as it should"""
    found = hepmc.count(path)
    if found != expected:
        raise StepError(f"{path.name} holds {found} events where {expected} were showered")
    return n_lost


def _what(own: MadGraphSimulateSettings) -> str:
    """The job's events, for messages."""
    part = "" if own.slice is None else f" ({own.slice})"
    return f"{own.sample}{part} at {own.benchmark}"
