"""Les Houches event files, read into MadMiner's LHEReader, all events at once."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mmc.compiler.settings.reading import LesHouchesAnalyseSettings
from mmc.jobs.formats import les_houches, les_houches_table
from mmc.jobs.formats.les_houches import EVENTS
from mmc.jobs.formats.les_houches_table import EventTable
from mmc.jobs.formats.les_houches_text import UnusualFileError
from mmc.jobs.job import StepJob
from mmc.jobs.madminer import workarounds
from mmc.jobs.madminer.systematics_workarounds import sample_nuisance
from mmc.jobs.readers.expressions import Definitions
from mmc.jobs.readers.les_houches_objects import Columns, Detector
from mmc.jobs.readers.reading import (
    NotInColumnsError,
    Observations,
    defined_for_madminer,
    definitions,
    efficiencies,
    hand_over,
    observables,
    passing_cuts,
    refuse_functions,
)
from mmc.jobs.readers.values import UnusualExpressionError

log = logging.getLogger(__name__)


def make(setup: Path, settings: LesHouchesAnalyseSettings) -> Any:
    """MadMiner's LHEReader with the detector effects and efficiencies of the study."""
    workarounds.apply_reader()
    from madminer.lhe import LHEReader

    reader = LHEReader(str(setup))
    for entry in settings.smearing:
        arguments = asdict(entry)
        on_shell = arguments.pop("on_shell")
        if on_shell is not None:  # the reader calculates this quantity from the mass and the other quantities
            arguments[f"{on_shell}_resolution_abs"] = None
        reader.set_smearing(**arguments)
    reader.set_met_noise(abs_=settings.met_noise.abs, rel=settings.met_noise.rel)
    for efficiency in settings.efficiencies:
        reader.add_efficiency(efficiency.definition, efficiency.default)
    return reader


def read(reader: Any, job: StepJob, settings: LesHouchesAnalyseSettings) -> None:
    """Read the events of a job into a reader, in columns if possible.

    :raises StepError: when the file is damaged, or lacks the weight of a benchmark
    """
    packed = job.counterpart("events") / EVENTS
    sample = settings.benchmark, settings.background
    try:
        analyse(reader, packed, *sample, settings.systematics)
    except NotInColumnsError as reason:
        log.warning("MadMiner reads the events one by one, which takes longer: %s", reason)
        one_by_one(reader, packed, *sample, job.out, systematics=settings.systematics)


def one_by_one(
    reader: Any, packed: Path, benchmark: str, background: bool, scratch: Path, *, systematics: Sequence[str] = ()
) -> None:
    """Let MadMiner read the events, from a file unpacked in ``scratch``: MadMiner would write into the input folder."""
    with les_houches.unpacked(packed, scratch) as path, defined_for_madminer(reader):
        reader.add_sample(str(path), benchmark, is_background=background, systematics=list(systematics))
        reader.analyse_samples()


def analyse(reader: Any, path: Path, benchmark: str, background: bool, systematics: Sequence[str] = ()) -> None:
    """The equivalent of ``reader.analyse_samples()`` for a single sample, which is not added to the reader.

    :param reader: a ``madminer.lhe.LHEReader`` with detector effects, observables, cuts and efficiencies
    :param path: a gzipped event file
    :param benchmark: the benchmark at which the events were sampled
    :param systematics: the names of the sample's systematic uncertainties
    :raises StepError: when the file is damaged, or lacks the weight of a benchmark or of a nuisance parameter
    :raises NotInColumnsError: when MadMiner must read the events one by one; the reader is then unchanged
    """
    refuse_functions(reader)
    nuisance = sample_nuisance(reader, systematics, path)
    try:
        events = les_houches_table.read(path)
        observed = _observe(reader, events)
    except (UnusualFileError, UnusualExpressionError) as error:
        raise NotInColumnsError(str(error)) from error
    hand_over(reader, observed, events, benchmark, background, nuisance=nuisance)


def _observe(reader: Any, events: EventTable) -> Observations:
    from madminer.utils.interfaces.lhe import get_elementary_pdg_ids

    detector = Detector(
        reader.energy_resolution,
        reader.pt_resolution,
        reader.eta_resolution,
        reader.phi_resolution,
        frozenset(get_elementary_pdg_ids()),
    )
    n_events = len(events.counts)
    passed, efficiency = np.zeros(n_events, dtype=bool), np.ones(n_events)
    observations = {name: np.full(n_events, np.nan) for name in reader.observables}
    for group in Columns(events, detector).groups():
        known = Definitions(group, definitions(reader))
        found, passes = observables(reader, group, known)
        passes = passing_cuts(reader, group, found, passes, known)
        passes, efficiency[group.events] = efficiencies(reader, group, found, passes, known)
        passed[group.events] = passes
        for name, number in found.items():
            observations[name][group.events] = number.values
    return Observations(passed, observations, efficiency)
