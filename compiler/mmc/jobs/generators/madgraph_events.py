"""Let MadGraph generate events at one benchmark and weight them at all others, then shower them."""

import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmc.compiler.catalogue.stages import GENERATE, SIMULATE
from mmc.compiler.inputs import cards, madgraph_settings
from mmc.compiler.inputs.installations import GET_LHAPDF, Installation, find_lhapdf, find_madgraph
from mmc.compiler.inputs.refusals import Refusal, untrusted
from mmc.compiler.settings.generation import MadGraphSimulateSettings
from mmc.errors import StepError
from mmc.jobs.formats import les_houches_normalise
from mmc.jobs.formats.les_houches import EVENTS
from mmc.jobs.formats.les_houches_normalise import Content
from mmc.jobs.formats.weight_groups import assumptions, find_nuisance
from mmc.jobs.generators import madgraph, madgraph_cards, program
from mmc.jobs.generators.madgraph_process import ARCHIVE, MODELS, PARAM_CARD, RUN_CARD, unpack, work_folder
from mmc.jobs.job import StepJob, read_json, write_json
from mmc.jobs.madminer.setup_file import Benchmarks

log = logging.getLogger(__name__)

_CHECK_LIMIT_S = 600.0
_RUN = "run_01"
_DECAYED = f"{_RUN}_decayed_1"
_MOST_MISSING = 0.05
"""The fraction of the requested events that may be missing: MadGraph sometimes finds too few unweighted events."""
_CONFIGURATIONS = ("me5_configuration.txt", "amcatnlo_configuration.txt")
_UNKNOWN_SETTINGS = """\
import sys
sys.path.insert(0, "bin")
from internal import banner
known = {name.lower() for name in banner.RunCard(sys.argv[1])}
print(*["unknown: " + name for name in sys.argv[2:] if name.lower() not in known], sep="\\n")
"""
"""Ask the MadGraph of a process which settings its run card lacks; MadGraph accepts any name as a user's setting."""


def run(job: StepJob) -> None:
    """Write ``events.lhe.gz`` and ``simulate.json``; with a shower also ``events.hepmc.gz``.

    :raises StepError: when MadGraph or Pythia fails, or its output is incomplete
    """
    settings = job.read(MadGraphSimulateSettings)
    found = find_madgraph(settings.installation)
    job.programs["MadGraph"] = found.version
    setup = Benchmarks.of(job)
    setup.point(settings.benchmark)
    source = job.pick("process", settings.process_job)
    process = read_json(source / GENERATE.record)
    if process["sample"] != settings.sample:
        raise StepError(f"{settings.process_job} is the process of {process['sample']}, not of {settings.sample}")
    nlo = process["order"] == "NLO"
    card = _run_card_settings(settings, job.seed, nlo)
    names = [settings.benchmark] if settings.background else list(setup.benchmarks)
    with work_folder(job.out) as work:
        folder = work / madgraph.PROCESS
        unpack(source / ARCHIVE, folder)
        _require_lhapdf(found, card)
        _write_cards(job, settings, setup, found, folder=folder, card=card)
        _check_run_card(settings, found, work, folder)
        lines = madgraph.run(found, work, _launch(settings, nlo=nlo), models=folder / MODELS)
        made = _made(folder, settings, nlo=nlo)
        if made is None:
            raise StepError(f"MadGraph makes no events of {_what(settings)}{madgraph.hint(lines)}")
        content = _inspected(made, settings, names, lines)
        les_houches_normalise.write(made, job.out / EVENTS, content, settings.benchmark, names, forget=work)
        # raises when LHAPDF has not added the weights
        warnings = assumptions(find_nuisance(settings.systematics, job.out / EVENTS))
        for text in warnings:
            log.warning("%s", text)
        n_lost, n_generated = 0, content.n_events
        if settings.shower is not None:
            from mmc.jobs.generators import showered  # imports Pythia, which parton-level events do not need

            n_lost = showered.shower(
                job,
                settings.shower,
                settings.benchmark,
                names,
                n_events=content.n_events,
                trust=settings.trust,
                work=work,
                nlo=nlo,
                merging=settings.merging,
                n_flavours=_n_flavours(folder),
            )
        if settings.merging is not None:
            content = les_houches_normalise.inspect(job.out / EVENTS, settings.benchmark, names, may_lack_events=True)
    log.info("cross section of %s: (%.5g +/- %.2g) pb", _what(settings), *content.head.cross_section_pb)
    write_json(
        job.out / SIMULATE.record,
        {
            "sample": settings.sample,
            "slice": settings.slice,
            "benchmark": settings.benchmark,
            "n_events": content.n_events - (0 if settings.merging is not None else n_lost),
            "n_lost_in_shower": n_lost,
            **({} if settings.merging is None else {"n_generated": n_generated}),
            **content.record(),
            **({"warnings": warnings} if warnings else {}),
        },
    )


def _run_card_settings(settings: MadGraphSimulateSettings, seed: int, nlo: bool) -> dict[str, Any]:
    """The run card settings: the study's, overridden by those that cannot be set in a card."""
    card = {
        **settings.run_card,
        **madgraph_cards.fixed_settings(settings.n_events, seed, settings.beams),
        **({} if nlo else madgraph_cards.systematics_settings(settings.systematics.values())),
    }
    if nlo and settings.shower is not None:
        card["parton_shower"] = "PYTHIA8"
    if settings.merging is not None:
        mlm = settings.merging.scheme == "mlm"
        card |= {"ickkw": 1, "xqcut": settings.merging.xqcut_gev} if mlm else {"ptlund": settings.merging.ptlund_gev}
    return card


def _write_cards(
    job: StepJob,
    settings: MadGraphSimulateSettings,
    setup: Benchmarks,
    found: Installation,
    *,
    folder: Path,
    card: Mapping[str, Any],
) -> None:
    """Write all cards that MadGraph reads into the folder of the process.

    :raises StepError: when a card lacks a parameter's entry, a parameter has no value there, or a line may not reach
        MadGraph
    """
    param_card = _template(job, settings.param_card_file, folder / PARAM_CARD)
    origin = "of MadGraph" if settings.param_card_file is None else job.one(settings.param_card_file).name
    values = {
        name: madgraph_cards.card_values(settings.parameters, point)
        for name, point in setup.benchmarks.items()
        if name == settings.benchmark or not settings.background
    }
    here = values.pop(settings.benchmark)
    entries: dict[str, float | str] = {key.lower(): value for key, value in settings.param_card.items()}
    entries |= dict.fromkeys(settings.auto_widths, "Auto")
    if settings.param_card_file is not None:
        _refuse(settings, madgraph_settings.param_card_refusals(param_card), settings.param_card_file)
    if rest := madgraph_cards.untouched(param_card, entries, here):
        listed = ", ".join(f"{place} = {value}" for place, value in rest.items())
        log.warning("the param card %s keeps other entries of the parameters' blocks: %s", origin, listed)
    written = {
        "param_card.dat": madgraph_cards.param_card(
            param_card,
            entries,
            here,
            all_needed=not settings.background,
            origin=origin,
            where_there=settings.param_card_where_there,
        ),
        "run_card.dat": madgraph_cards.run_card(_run_card_template(job, settings, folder / RUN_CARD), card),
        **dict.fromkeys(_CONFIGURATIONS, madgraph_cards.configuration(str(found.folder), madgraph.n_cores())),
    }
    if not settings.background:
        _refuse(settings, filter(None, map(madgraph_settings.reweight_refusal, settings.reweight_card)), None)
        card_text = madgraph_cards.reweight_card(values, settings.reweight_card, settings.auto_widths)
        written["reweight_card.dat"] = card_text
    if settings.madspin is not None:
        for text in (*settings.madspin.decays, *settings.madspin.definitions.values()):
            if madgraph_settings.process_refusal(text) is not None:
                raise StepError(f"{text!r} of {settings.sample} is not a decay")
        written["madspin_card.dat"] = madgraph_cards.madspin_card(settings.madspin, job.seed)
    for name, text in written.items():
        (folder / "Cards" / name).write_text(text, encoding="utf-8")


def _run_card_template(job: StepJob, settings: MadGraphSimulateSettings, default: Path) -> str:
    """The text of the study's run card, or of MadGraph's default card.

    :raises StepError: when a setting of the study or of its card may not reach MadGraph
    """
    found = (madgraph_settings.run_card_refusal(name, str(value)) for name, value in settings.run_card.items())
    _refuse(settings, filter(None, found), None)
    text = _template(job, settings.run_card_file, default)
    if settings.run_card_file is not None:
        _refuse(settings, madgraph_settings.run_card_refusals(text), settings.run_card_file)
    return text


def _refuse(settings: MadGraphSimulateSettings, refusals: Iterable[Refusal], card: str | None) -> None:
    """:raises StepError: when the study does not trust one of these lines or settings"""
    refused = untrusted(refusals, settings.trust, card)
    if refused is not None:
        place = "the study" if card is None else f"line {refused.line} of the card"
        raise StepError(f"{place} of {settings.sample}: {refused.reason}")


def _template(job: StepJob, name: str | None, default: Path) -> str:
    """The text of the study's card, or of MadGraph's default card.

    :param name: the input with the study's card; None without one
    :raises StepError: when the card is not UTF-8 text
    """
    path = default if name is None else job.one(name)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise StepError(f"the card {path.name} is not UTF-8 text") from error


def _check_run_card(settings: MadGraphSimulateSettings, found: Installation, work: Path, folder: Path) -> None:
    """Refuse settings that MadGraph does not know: it would accept them as new settings and ignore them.

    :raises StepError: when a setting is unknown, or switches on matching to the shower
    """
    text = (folder / "Cards" / "run_card.dat").read_text(encoding="utf-8")
    entries = {entry.name: entry.value for entry in cards.run_card(text)}
    if settings.shower is not None and settings.merging is None:
        for name in (*cards.MERGING, "xqcut"):
            if cards.is_positive(entries.get(name, "0")):
                raise StepError(
                    f"{name} in the run card of {settings.sample} matches events of several jets to the shower, "
                    "without `merging`: write it in the sample"
                )
    if entries.get("custom_fcts", "").strip("[]'\" "):
        return  # the user's code may read additional settings
    words = [sys.executable, "-c", _UNKNOWN_SETTINGS, RUN_CARD, *entries]
    finished = program.run(words, folder, madgraph.environment(found, work), limit_s=_CHECK_LIMIT_S)
    unknown = [line.removeprefix("unknown: ") for line in finished.lines if line.startswith("unknown: ")]
    if finished.code != 0:
        log.warning("MadGraph does not list the settings of its run card: a mistyped setting would have no effect")
    if unknown:
        raise StepError(f"MadGraph's run card has no setting {', '.join(unknown)}: correct the name, or remove it")


def _n_flavours(folder: Path) -> int:
    """The flavours of jets in the run card of a process."""
    text = (folder / "Cards" / "run_card.dat").read_text(encoding="utf-8")
    said = [entry.value for entry in cards.run_card(text) if entry.name == "maxjetflavor"]
    return int(float(said[-1])) if said else _FLAVOURS


_FLAVOURS = 4
"""MadGraph's default of ``maxjetflavor``."""


def _require_lhapdf(found: Installation, card: Mapping[str, Any]) -> None:
    """:raises StepError: when LHAPDF is needed but missing; MadGraph would notice only after generating the events"""
    if card["pdlabel"] != "lhapdf" and "systematics_arguments" not in card:
        return
    if find_lhapdf(found) is None:
        why = "scale and PDF uncertainties need" if "systematics_arguments" in card else "a numbered PDF set needs"
        raise StepError(f"{why} LHAPDF, but lhapdf-config is missing: {GET_LHAPDF}")


def _launch(settings: MadGraphSimulateSettings, *, nlo: bool) -> list[str]:
    """MadGraph's commands: generate and reweight events, without the other programs that are installed."""
    order = ["order=NLO", "fixed_order=OFF"] if nlo else ["detector=OFF", "analysis=OFF"]
    reweight = "OFF" if settings.background else "ON"
    return [
        f"launch {madgraph.PROCESS} -n {_RUN}",
        *order,
        "shower=OFF",
        f"madspin={'OFF' if settings.madspin is None else 'ON'}",
        f"reweight={reweight}",
        "done",
        "done",  # the cards stay unchanged
    ]


def _made(folder: Path, settings: MadGraphSimulateSettings, *, nlo: bool) -> Path | None:
    """The event file that MadGraph wrote, or MadSpin if it ran; None if there is none."""
    name = "events.lhe" if nlo else "unweighted_events.lhe"
    run = _RUN if settings.madspin is None else _DECAYED
    places = (folder / "Events" / run / (name + end) for end in (".gz", ""))
    return next((path for path in places if path.is_file()), None)


def _inspected(made: Path, settings: MadGraphSimulateSettings, names: Sequence[str], lines: Sequence[str]) -> Content:
    """Inspect the event file that MadGraph wrote.

    :raises StepError: when events or weights are missing
    """
    try:
        content = les_houches_normalise.inspect(made, settings.benchmark, names, may_lack_events=True)
    except StepError as error:
        what = "generates" if settings.background else "generates and reweights"
        raise StepError(f"MadGraph {what} {_what(settings)}, but {error}{madgraph.hint(lines)}") from error
    missing = settings.n_events - content.n_events
    if not 0 <= missing <= _MOST_MISSING * settings.n_events:
        raise StepError(
            f"MadGraph makes {content.n_events} of {settings.n_events} events of {_what(settings)}"
            f"{madgraph.hint(lines)}"
        )
    if missing:
        log.warning("MadGraph generated %d events fewer than the %d requested", missing, settings.n_events)
    return content


def _what(settings: MadGraphSimulateSettings) -> str:
    """A description of the job's events, for messages."""
    part = "" if settings.slice is None else f" ({settings.slice})"
    return f"{settings.sample}{part} at {settings.benchmark}"
