"""Read an event file into MadMiner's LHEReader, all events at once."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mmc.errors import StepError
from mmc.steps import lhe_table
from mmc.steps.column_expressions import evaluate
from mmc.steps.column_values import Mask, Number, UnusualExpressionError
from mmc.steps.columns import Columns, Group, Smearing
from mmc.steps.lhe_table import EventTable, Floats, UnusualFileError

log = logging.getLogger(__name__)


class NotInColumnsError(Exception):
    """MadMiner has to read the events one by one; the message says why."""


def analyse(reader: Any, path: Path, benchmark: str, background: bool) -> None:
    """Do what ``reader.analyse_samples()`` does for a single sample, which need not be added.

    :param reader: a ``madminer.lhe.LHEReader`` that has been told of detector effects, observables, cuts, efficiencies
    :param path: a gzipped event file
    :param benchmark: at which the events were sampled
    :raises StepError: when the file is damaged, or lacks the weight of a benchmark
    :raises NotInColumnsError: when MadMiner has to do it; the reader is as it was then
    """
    try:
        events = lhe_table.read(path)
        passed, observations, efficiency = _observe(reader, events)
    except (UnusualFileError, UnusualExpressionError) as error:
        raise NotInColumnsError(str(error)) from error
    names = reader.benchmark_names_phys
    reader.reference_benchmark = names[0]
    if not passed.any():
        return
    weights = {benchmark: events.own_weights, **events.weights}
    negative = np.any([column < 0.0 for column in weights.values()], axis=0)
    if negative.any():
        log.warning("%d events contain negative weights", negative.sum())
    reader.weights = {}
    for name in names:
        column = weights.get(benchmark if background else name)
        if column is None:
            raise StepError(f"the events in {path.name} have no weight for the benchmark {name!r}")
        reader.weights[name] = events.factor * (column * efficiency)[passed]
    reader.observations = {name: values[passed] for name, values in observations.items()}
    n_passed = int(passed.sum())
    index = -1 if background else names.index(benchmark)
    reader.events_sampling_benchmark_ids = np.full(n_passed, index, dtype=int)
    reader.signal_events_per_benchmark = [n_passed if i == index else 0 for i in range(len(names))]
    reader.background_events = n_passed if background else 0


def _observe(reader: Any, events: EventTable) -> tuple[Mask, dict[str, Floats], Floats]:
    """Which events pass, all their observables, and the product of their efficiencies."""
    from madminer.utils.interfaces.lhe import get_elementary_pdg_ids

    smearing = Smearing(
        reader.energy_resolution,
        reader.pt_resolution,
        reader.eta_resolution,
        reader.phi_resolution,
        frozenset(get_elementary_pdg_ids()),
    )
    n_events = len(events.counts)
    passed, efficiency = np.zeros(n_events, dtype=bool), np.ones(n_events)
    observations = {name: np.full(n_events, np.nan) for name in reader.observables}
    for group in Columns(events, smearing).groups():
        found, passes = _observables(reader, group)
        passes = _cuts(reader, group, found, passes)
        passes, efficiency[group.events] = _efficiencies(reader, group, found, passes)
        passed[group.events] = passes
        for name, number in found.items():
            observations[name][group.events] = number.values
    return passed, observations, efficiency


def _observables(reader: Any, group: Group) -> tuple[dict[str, Number], Mask]:
    everywhere = passes = np.ones(len(group), dtype=bool)
    found = {}
    for name, observable in reader.observables.items():
        number, defined = evaluate(observable.val_expression, group, {}, everywhere)
        default = np.nan if observable.val_default is None else observable.val_default
        found[name] = replace(number, values=np.where(defined, number.values, default))
        if observable.is_required:
            passes = passes & defined
    return found, passes


def _cuts(reader: Any, group: Group, observables: dict[str, Number], passes: Mask) -> Mask:
    """The events that pass all cuts; a cut without value is passed if it is "required", as MadMiner calls it."""
    held = passes
    for cut in reader.cuts:
        number, defined = evaluate(cut.val_expression, group, observables, passes)
        held = held & np.where(defined, number.values.astype(bool), cut.is_required)
    return held


def _efficiencies(reader: Any, group: Group, observables: dict[str, Number], passes: Mask) -> tuple[Mask, Floats]:
    held, total = passes, np.ones(len(group))
    for efficiency in reader.efficiencies:
        number, defined = evaluate(efficiency.val_expression, group, observables, passes)
        values = np.where(defined, number.values.astype(float), efficiency.val_default)
        held = held & (values > 0.0)
        total = total * values
    return held, total
