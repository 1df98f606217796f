"""Delphes ROOT files with weights from Les Houches files, read into MadMiner's DelphesReader, all events at once."""

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
from mmc.jobs.formats.les_houches_table import Floats
from mmc.jobs.formats.les_houches_text import UnusualFileError
from mmc.jobs.job import StepJob
from mmc.jobs.madminer import workarounds
from mmc.jobs.madminer.systematics_workarounds import sample_nuisance
from mmc.jobs.readers.delphes_objects import Acceptance, DelphesEvents, objects
from mmc.jobs.readers.expressions import Definitions, evaluate
from mmc.jobs.readers.reading import (
    NotInColumnsError,
    Observations,
    defined_for_madminer,
    definitions,
    hand_over,
    passing_cuts,
    refuse_functions,
)
from mmc.jobs.readers.values import Mask, Number, UnusualExpressionError

log = logging.getLogger(__name__)

DETECTED = "events.root"
"""The output of ``detect``: the events after Delphes."""
_ACCEPTED = ("e", "mu", "a", "j")


@dataclass(frozen=True)
class Sample:
    """The events of a job."""

    generated: Path
    """The gzipped Les Houches event file with the weights."""
    detected: Path
    """The Delphes file of the same events."""
    benchmark: str
    """The benchmark at which the events were sampled."""
    background: bool
    generator_truth: bool
    """Whether objects are those of the generator instead of the detector."""
    systematics: tuple[str, ...] = ()
    """The names of the sample's systematic uncertainties."""
    b_tag_bits: tuple[int, ...] = ()
    """The bits of Delphes' ``BTag`` that make a b-tag; any bit if there are none here."""


def make(setup: Path, settings: DelphesAnalyseSettings) -> Any:
    """MadMiner's DelphesReader with the acceptance of the study."""
    workarounds.apply_delphes_reader()
    from madminer.delphes import DelphesReader

    if settings.efficiencies:
        raise StepError("MadMiner's DelphesReader has no efficiencies: set them in the Delphes card")
    reader = DelphesReader(str(setup))
    reader.set_acceptance(
        **{f"pt_min_{name}": limit for name, limit in settings.acceptance.pt_min.items()},
        **{f"eta_max_{name}": limit for name, limit in settings.acceptance.eta_max.items()},
    )
    return reader


def read(reader: Any, job: StepJob, settings: DelphesAnalyseSettings) -> None:
    """Read the events of a job into a reader, in columns if possible.

    :raises StepError: when a file is damaged, the numbers of events differ, or the weight of a benchmark is missing
    """
    sample = Sample(
        job.counterpart("events") / EVENTS,
        job.counterpart("detected") / DETECTED,
        settings.benchmark,
        settings.background,
        settings.generator_truth,
        settings.systematics,
        settings.b_tag_bits,
    )
    try:
        analyse(reader, sample)
    except NotInColumnsError as reason:
        log.warning("MadMiner reads the events one by one, which takes much longer: %s", reason)
        one_by_one(reader, sample, job.out)


def analyse(reader: Any, sample: Sample) -> None:
    """The equivalent of ``reader.analyse_delphes_samples()`` for a single sample, which is not added to the reader.

    :param reader: a ``madminer.delphes.DelphesReader`` with acceptance, observables and cuts
    :raises StepError: see :func:`read`
    :raises NotInColumnsError: when MadMiner must read the events one by one; the reader is then unchanged
    """
    refuse_functions(reader)
    nuisance = sample_nuisance(reader, sample.systematics, sample.generated)
    try:
        events = les_houches_table.read(sample.generated)
        table = delphes_root.read(sample.detected, sample.generator_truth, sample.b_tag_bits)
        _check_counts(sample, len(events.counts), table.n_events)
        observed = _observe(reader, table, sample.generator_truth)
    except (UnusualFileError, UnusualExpressionError) as error:
        raise NotInColumnsError(str(error)) from error
    hand_over(reader, observed, events, sample.benchmark, sample.background, nuisance=nuisance)


def one_by_one(reader: Any, sample: Sample, scratch: Path) -> None:
    """Let MadMiner read the events, from a file unpacked in ``scratch``: MadMiner would write into the input folder."""
    n_detected = delphes_root.read(sample.detected, sample.generator_truth).n_events
    with les_houches.unpacked(sample.generated, scratch) as path:
        with path.open("rb") as lines:
            n_generated = sum(line.count(b"</event>") for line in lines)
        _check_counts(sample, n_generated, n_detected)
        reader.add_sample(
            None, sample.benchmark, sample.background, str(sample.detected), str(path), systematics=sample.systematics
        )
        b_tags = workarounds.b_tags(delphes_root.b_tag_mask(sample.b_tag_bits))
        with np.errstate(all="ignore"), b_tags, defined_for_madminer(reader):
            reader.analyse_delphes_samples(generator_truth=sample.generator_truth)


def _check_counts(sample: Sample, n_generated: int, n_detected: int) -> None:
    """Refuse files with different events: the weights of an event are in one file, its particles in the other.

    :raises StepError: when the numbers of events differ
    """
    if n_generated != n_detected:
        first, second = (f"{path.parent.name}/{path.name}" for path in (sample.generated, sample.detected))
        raise StepError(
            f"{first} has {n_generated} events and {second} {n_detected}: every generated event must go through shower "
            "and detector"
        )


def _observe(reader: Any, table: DelphesTable, generator_truth: bool) -> Observations:
    acceptances = {
        name: Acceptance(getattr(reader, f"acceptance_pt_min_{name}"), getattr(reader, f"acceptance_eta_max_{name}"))
        for name in _ACCEPTED
    }
    passed = np.zeros(table.n_events, dtype=bool)
    observations = {name: np.full(table.n_events, np.nan) for name in reader.observables}
    for events in objects(table, acceptances, generator_truth):
        known = Definitions(events, definitions(reader))
        values, passes = _observables(reader, events, known)
        names = {name: Number(column) for name, column in values.items()}
        passed[events.numbers] = passing_cuts(reader, events, names, passes, known)
        for name, column in values.items():
            observations[name][events.numbers] = column
    return Observations(passed, observations, np.ones(table.n_events))


def _observables(reader: Any, events: DelphesEvents, known: Definitions) -> tuple[dict[str, Floats], Mask]:
    """All observables, and the events with all required observables. Unlike in the LHEReader, a default counts."""
    everywhere = passes = np.ones(len(events), dtype=bool)
    found = {}
    for name, observable in reader.observables.items():
        number, defined = evaluate(observable.val_expression, events, {}, everywhere, known)
        default = np.nan if observable.val_default is None else observable.val_default
        found[name] = np.where(defined, number.values.astype(float), default)
        if observable.is_required:
            passes = passes & np.isfinite(found[name])
    return found, passes
