"""Import existing event files: check that they fit the study, and bring them into the form of generated events."""

import logging
import shutil
from pathlib import Path

import numpy as np

from mmc.compiler.catalogue.stages import DETECT, SIMULATE
from mmc.compiler.settings.generation import ImportEventsSettings
from mmc.errors import StepError
from mmc.jobs.formats import delphes_root, gzipped, hepmc, les_houches_normalise, les_houches_table
from mmc.jobs.formats.hepmc import SHOWERED
from mmc.jobs.formats.les_houches import EVENTS
from mmc.jobs.formats.les_houches_points import check_points
from mmc.jobs.formats.les_houches_table import EventTable
from mmc.jobs.formats.weight_groups import find_nuisance
from mmc.jobs.generators import madgraph_cards
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.madminer.setup_file import Benchmarks
from mmc.jobs.readers.delphes import DETECTED

_COMPARED = 6
"""The number of weights of each event that are compared."""
_PRECISION = 1e-3
"""The largest relative difference between the same weight in two files: Delphes keeps single precision."""
_MOST_EVENTS = 0.99
"""At least this part of the events must have the same weights in two files."""

log = logging.getLogger(__name__)

_ADVICE = (
    "; let MadGraph's reweighting add it under the benchmark's name, say what it is called with `weights` of the "
    "sample, or remove the benchmark"
)


def run(job: StepJob) -> None:
    """Write ``events.lhe.gz`` and ``simulate.json``; with a HepMC file also ``events.hepmc.gz``; with a Delphes file
    also ``events.root`` and ``detect.json``.

    :raises StepError: when a file is damaged, the numbers of events differ, weights (of benchmarks or of systematic
        uncertainties) are missing or belong to other points, or the weights of a background differ
    """
    settings = job.read(ImportEventsSettings)
    benchmarks = Benchmarks.of(job).benchmarks
    source = job.one(settings.lhe)
    if settings.benchmark not in benchmarks:
        known = ", ".join(benchmarks)
        raise StepError(
            f"{source.name} was sampled at {settings.benchmark!r}, which is not a benchmark; the benchmarks are {known}"
        )
    names, same = [settings.benchmark], list(benchmarks)
    if not settings.background:
        names, same = same, []
    content = les_houches_normalise.inspect(
        source,
        settings.benchmark,
        names,
        same=same,
        advice=_ADVICE,
        names_in_file=settings.weights,
        filtered=settings.filtered,
    )
    if not settings.background and settings.parameters:
        in_file = {name: settings.weights.get(name, name) for name in benchmarks}
        expected = {
            in_file[name]: madgraph_cards.card_values(settings.parameters, point) for name, point in benchmarks.items()
        }
        check_points(content.head.header, in_file[settings.benchmark], expected, source.name)
    find_nuisance(settings.systematics, source)
    les_houches_normalise.write(
        source, job.out / EVENTS, content, settings.benchmark, names, names_in_file=settings.weights
    )
    if settings.hepmc is not None:
        path = job.one(settings.hepmc)
        hepmc.version(path)
        _check_count(path, hepmc.count(path), source, content.n_events)
        _copy_packed(path, job.out / SHOWERED)
    made = {
        "sample": settings.sample,
        "slice": settings.slice,
        "benchmark": settings.benchmark,
        "n_events": content.n_events,
    }
    if settings.delphes is not None:
        path = job.one(settings.delphes)
        _check_count(path, delphes_root.count(path), source, content.n_events)
        _check_same_events(path, source.name, les_houches_table.read(job.out / EVENTS))
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


def _check_same_events(path: Path, source: str, events: EventTable) -> None:
    """Check that a Delphes file has the events of its Les Houches file, in the same order, by the weights in both.

    Pythia divides the weights by the nominal weight before it passes them on, so ratios to the nominal weight are
    compared. A file with the nominal weight alone cannot be checked.

    :raises StepError: when they are other events
    """
    detected, names = delphes_root.weights(path), list(events.weights)[:_COMPARED]
    if detected is None or detected.shape[1] < 2 or len(names) < 2:
        return
    nominal = np.where(events.own_weights == 0.0, np.inf, events.own_weights)
    expected = np.stack([events.weights[name] / nominal for name in names], axis=1)
    found = detected / np.where(detected[:, :1] == 0.0, np.inf, detected[:, :1])
    distance = np.abs(found[:, np.newaxis, :] - expected[:, :, np.newaxis]).min(axis=2)
    same = (distance <= _PRECISION * np.maximum(np.abs(expected), 1e-6)).all(axis=1)
    if same.mean() < _MOST_EVENTS:
        raise StepError(
            f"{path.name} holds other events than {source}, or the same events in another order: the weights of "
            f"{same.sum():,} of {len(same):,} events agree"
        )


def _copy_packed(source: Path, out: Path) -> None:
    if gzipped.is_packed(source):
        shutil.copyfile(source, out)
        return
    with source.open("rb") as content, gzipped.writing(out) as sink:
        shutil.copyfileobj(content, sink)
