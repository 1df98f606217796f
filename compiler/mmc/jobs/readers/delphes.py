"""Delphes' ROOT files, with weights from Les Houches event files: read into MadMiner's DelphesReader, all at once."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmc.compiler.settings.reading import DelphesAnalyseSettings
from mmc.errors import StepError
from mmc.jobs.formats import delphes_root, les_houches, les_houches_table
from mmc.jobs.formats.delphes_root import DelphesTable
from mmc.jobs.formats.les_houches import EVENTS
from mmc.jobs.formats.les_houches_table import Floats, UnusualFileError
from mmc.jobs.job import StepJob
from mmc.jobs.madminer import workarounds
from mmc.jobs.madminer.systematics_workarounds import sample_nuisance
from mmc.jobs.readers.delphes_objects import Acceptance, DelphesEvents, objects
from mmc.jobs.readers.expressions import evaluate
from mmc.jobs.readers.reading import Found, NotInColumnsError, hand_over, passing_cuts
from mmc.jobs.readers.values import Mask, Number, UnusualExpressionError

log = logging.getLogger(__name__)

DETECTED = "events.root"
"""What ``detect`` writes: the events as Delphes sees them, and what is said of them."""
_ACCEPTED = ("e", "mu", "a", "j")


@dataclass(frozen=True)
class Sample:
    """The events of a job."""

    generated: Path
    """The gzipped Les Houches event file, which holds the weights."""
    detected: Path
    """What Delphes made of the same events."""
    benchmark: str
    """At which the events were sampled."""
    background: bool
    generator_truth: bool
    """Whether the objects are the generator's instead of the detector's."""
    systematics: tuple[str, ...] = ()
    """The names of the sample's systematic uncertainties."""


def make(setup: Path, settings: DelphesAnalyseSettings) -> Any:
    """MadMiner's DelphesReader, told of the acceptance."""
    workarounds.apply_delphes_reader()
    from madminer.delphes import DelphesReader

    if settings.efficiencies:
        raise StepError("MadMiner's DelphesReader knows no efficiencies: the Delphes card holds them")
    reader = DelphesReader(str(setup))
    reader.set_acceptance(
        **{f"pt_min_{name}": limit for name, limit in settings.acceptance.pt_min.items()},
        **{f"eta_max_{name}": limit for name, limit in settings.acceptance.eta_max.items()},
    )
    return reader


def read(reader: Any, job: StepJob, own: DelphesAnalyseSettings) -> None:
    """Let a reader read the job's events, in columns if they can be.

    :raises StepError: when a file is damaged, one has more events than the other, or lacks the weight of a benchmark
    """
    sample = Sample(
        job.pick("events", own.simulate_job) / EVENTS,
        job.pick("detected", own.detect_job) / DETECTED,
        own.benchmark,
        own.background,
        own.generator_truth,
        own.systematics,
    )
    try:
        analyse(reader, sample)
    except NotInColumnsError as reason:
        log.warning("MadMiner reads the events one by one, which takes much longer: %s", reason)
        one_by_one(reader, sample, job.out)


def analyse(reader: Any, sample: Sample) -> None:
    """Do what ``reader.analyse_delphes_samples()`` does for a single sample, which need not be added.

    :param reader: a ``madminer.delphes.DelphesReader`` that has been told of acceptance, observables and cuts
    :raises StepError: as :func:`read`
    :raises NotInColumnsError: when MadMiner has to do it; the reader is as it was then
    """
    nuisance = sample_nuisance(reader, sample.systematics, sample.generated)
    try:
        events = les_houches_table.read(sample.generated)
        table = delphes_root.read(sample.detected, sample.generator_truth)
        _check_counts(sample, len(events.counts), table.n_events)
        found = _observe(reader, table, sample.generator_truth)
    except (UnusualFileError, UnusualExpressionError) as error:
        raise NotInColumnsError(str(error)) from error
    hand_over(reader, found, events, sample.benchmark, sample.background, nuisance=nuisance)


def one_by_one(reader: Any, sample: Sample, scratch: Path) -> None:
    """Let MadMiner read the events. It would unpack the file beside the input, which is not ours."""
    n_detected = delphes_root.read(sample.detected, sample.generator_truth).n_events
    with les_houches.unpacked(sample.generated, scratch) as path:
        _check_counts(sample, path.read_bytes().count(b"</event>"), n_detected)
        reader.add_sample(
            None, sample.benchmark, sample.background, str(sample.detected), str(path), systematics=sample.systematics
        )
        with np.errstate(all="ignore"):
            reader.analyse_delphes_samples(generator_truth=sample.generator_truth)


def _check_counts(sample: Sample, n_generated: int, n_detected: int) -> None:
    """Refuse files of different events: an event's weights stand in one, its particles in the other."""
    if n_generated != n_detected:
        first, second = (f"{path.parent.name}/{path.name}" for path in (sample.generated, sample.detected))
        raise StepError(
            f"{first} holds {n_generated} events and {second} {n_detected}: every event that was generated must go "
            "through shower and detector"
        )


def _observe(reader: Any, table: DelphesTable, generator_truth: bool) -> Found:
    acceptances = {
        name: Acceptance(getattr(reader, f"acceptance_pt_min_{name}"), getattr(reader, f"acceptance_eta_max_{name}"))
        for name in _ACCEPTED
    }
    passed = np.zeros(table.n_events, dtype=bool)
    observations = {name: np.full(table.n_events, np.nan) for name in reader.observables}
    for events in objects(table, acceptances, generator_truth):
        values, passes = _observables(reader, events)
        names = {name: Number(column) for name, column in values.items()}
        passed[events.numbers] = passing_cuts(reader, events, names, passes)
        for name, column in values.items():
            observations[name][events.numbers] = column
    return Found(passed, observations, np.ones(table.n_events))


def _observables(reader: Any, events: DelphesEvents) -> tuple[dict[str, Floats], Mask]:
    """All observables, and which events have those that are required; unlike the LHEReader, a default will do."""
    everywhere = passes = np.ones(len(events), dtype=bool)
    found = {}
    for name, observable in reader.observables.items():
        number, defined = evaluate(observable.val_expression, events, {}, everywhere)
        default = np.nan if observable.val_default is None else observable.val_default
        found[name] = np.where(defined, number.values.astype(float), default)
        if observable.is_required:
            passes = passes & np.isfinite(found[name])
    return found, passes
