"""Import existing event files: check that they fit the study, and bring them into the form of generated events."""

import logging
import shutil
from pathlib import Path

from mmc.compiler.catalogue.stages import DETECT, SIMULATE
from mmc.compiler.settings.generation import ImportEventsSettings
from mmc.errors import StepError
from mmc.jobs.formats import delphes_root, gzipped, hepmc, les_houches_normalise
from mmc.jobs.formats.hepmc import SHOWERED
from mmc.jobs.formats.les_houches import EVENTS
from mmc.jobs.formats.les_houches_points import check_points
from mmc.jobs.formats.weight_groups import find_nuisance
from mmc.jobs.generators import madgraph_cards
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.madminer.setup_file import Setup
from mmc.jobs.readers.delphes import DETECTED

log = logging.getLogger(__name__)

_ADVICE = "; let MadGraph's reweighting add it under the benchmark's name, or remove the benchmark"


def run(job: StepJob) -> None:
    """Write ``events.lhe.gz`` and ``simulate.json``; with a HepMC file also ``events.hepmc.gz``; with a Delphes file
    also ``events.root`` and ``detect.json``.

    :raises StepError: when a file is damaged, the numbers of events differ, weights (of benchmarks or of systematic
        uncertainties) are missing or belong to other points, or the weights of a background differ
    """
    settings = job.read(ImportEventsSettings)
    benchmarks = Setup.read(job.one("setup")).benchmarks
    source = job.one(settings.lhe)
    if settings.benchmark not in benchmarks:
        known = ", ".join(benchmarks)
        raise StepError(
            f"{source.name} was sampled at {settings.benchmark!r}, which is not a benchmark; the benchmarks are {known}"
        )
    names, same = [settings.benchmark], list(benchmarks)
    if not settings.background:
        names, same = same, []
    content = les_houches_normalise.inspect(source, settings.benchmark, names, same=same, advice=_ADVICE)
    if not settings.background and settings.parameters:
        expected = {name: madgraph_cards.card_values(settings.parameters, point) for name, point in benchmarks.items()}
        check_points(content.head.header, settings.benchmark, expected, source.name)
    find_nuisance(settings.systematics, source)
    les_houches_normalise.write(source, job.out / EVENTS, content, settings.benchmark, names)
    if settings.hepmc is not None:
        path = job.one(settings.hepmc)
        hepmc.version(path)
        _check_count(path, hepmc.count(path), source, content.n_events)
        _copy_packed(path, job.out / SHOWERED)
    made = {"sample": settings.sample, "slice": None, "benchmark": settings.benchmark, "n_events": content.n_events}
    if settings.delphes is not None:
        path = job.one(settings.delphes)
        _check_count(path, delphes_root.count(path), source, content.n_events)
        shutil.copyfile(path, job.out / DETECTED)
        write_json(job.out / DETECT.record, made)
    log.info("%d events of %s at %s", content.n_events, settings.sample, settings.benchmark)
    write_json(job.out / SIMULATE.record, {**made, **content.record()})


def _check_count(path: Path, n_events: int, source: Path, expected: int) -> None:
    """:raises StepError: when a file and the file with its weights have different numbers of events"""
    if n_events != expected:
        raise StepError(
            f"{path.name} holds {n_events} events and {source.name} {expected}: the two files must hold the same events"
        )


def _copy_packed(source: Path, out: Path) -> None:
    if gzipped.is_packed(source):
        shutil.copyfile(source, out)
        return
    with source.open("rb") as content, gzipped.writing(out) as sink:
        shutil.copyfileobj(content, sink)
