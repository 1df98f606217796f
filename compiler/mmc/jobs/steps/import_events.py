"""Take over events that exist: check that they fit the study, and bring them into the form of generated ones."""

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

_ADVICE = "; let MadGraph's reweighting add it, under the benchmark's name, or remove the benchmark"


def run(job: StepJob) -> None:
    """Write ``events.lhe.gz`` and ``simulate.json``; with a HepMC file ``events.hepmc.gz``, and with one of Delphes
    ``events.root`` and ``detect.json``.

    :raises StepError: when a file is damaged, holds fewer or more events than another, lacks weights, those of
        systematic uncertainties too, or has those of other points; or when the weights of a background differ
    """
    own = job.read(ImportEventsSettings)
    benchmarks = Setup.read(job.one("setup")).benchmarks
    source = job.one(own.lhe)
    if own.benchmark not in benchmarks:
        known = ", ".join(benchmarks)
        raise StepError(f"{source.name} was sampled at {own.benchmark!r}, which is no benchmark: there are {known}")
    names, same = [own.benchmark], list(benchmarks)
    if not own.background:
        names, same = same, []
    content = les_houches_normalise.inspect(source, own.benchmark, names, same=same, advice=_ADVICE)
    if not own.background and own.parameters:
        expected = {name: madgraph_cards.card_values(own.parameters, point) for name, point in benchmarks.items()}
        check_points(content.head.header, own.benchmark, expected, source.name)
    find_nuisance(own.systematics, source)
    les_houches_normalise.write(source, job.out / EVENTS, content, own.benchmark, names)
    if own.hepmc is not None:
        path = job.one(own.hepmc)
        hepmc.version(path)
        _check_count(path, hepmc.count(path), source, content.n_events)
        _copy_packed(path, job.out / SHOWERED)
    made = {"sample": own.sample, "slice": None, "benchmark": own.benchmark, "n_events": content.n_events}
    if own.delphes is not None:
        path = job.one(own.delphes)
        _check_count(path, delphes_root.count(path), source, content.n_events)
        shutil.copyfile(path, job.out / DETECTED)
        write_json(job.out / DETECT.record, made)
    log.info("%d events of %s at %s", content.n_events, own.sample, own.benchmark)
    write_json(job.out / SIMULATE.record, {**made, **content.record()})


def _check_count(path: Path, n_events: int, source: Path, expected: int) -> None:
    """:raises StepError: when a file holds other events than the one with their weights"""
    if n_events != expected:
        raise StepError(
            f"{path.name} holds {n_events} events and {source.name} {expected}: every event needs its weights, and "
            "every weight its event"
        )


def _copy_packed(source: Path, out: Path) -> None:
    if gzipped.is_packed(source):
        shutil.copyfile(source, out)
        return
    with source.open("rb") as content, gzipped.writing(out) as sink:
        shutil.copyfileobj(content, sink)
