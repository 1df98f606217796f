"""Tables of events, read into a MadMiner reader: observables from columns, and the weights at the benchmarks."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmc.compiler.settings.reading import TableAnalyseSettings
from mmc.compiler.settings.uncertainties import WeightsUncertainty
from mmc.errors import StepError
from mmc.jobs.formats import event_sketch, tables
from mmc.jobs.formats.benchmark_weights import BenchmarkWeights, check_absolute
from mmc.jobs.formats.les_houches_table import Floats
from mmc.jobs.formats.weight_groups import find_nuisance
from mmc.jobs.job import StepJob
from mmc.jobs.madminer import workarounds
from mmc.jobs.readers import table_particles
from mmc.jobs.readers.expressions import Definitions
from mmc.jobs.readers.reading import (
    Observations,
    definitions,
    efficiencies,
    hand_over,
    observables,
    passing_cuts,
)
from mmc.jobs.readers.table_particles import CHUNK, MET, Particles
from mmc.jobs.readers.values import Known, Number, Objects, UnusualExpressionError

log = logging.getLogger(__name__)

_MORE = 1e-6
"""The sum of the weights may exceed that of all generated events by this part of it, for rounding."""
_DIFFERENT = 0.999
"""Events are compared with those of other tables where more than this part of them has numbers of its own. Of two
independent tables of as many events, twice as large a part is in both by chance as is there twice in one: far below the
part that is refused."""


@dataclass(frozen=True)
class TableEvents:
    """The events of tables that are normalised together."""

    name: str
    """The first table's."""
    columns: Mapping[str, Floats]
    """The values of each quantity; NaN where an event lacks it."""
    own_weights: Floats
    """The nominal weights."""
    weights: Mapping[str, Floats]
    """The weights at the other benchmarks, and those of uncertainties under the names of their columns."""
    factor: float
    """The factor on the weights that makes their sum the cross section in pb."""
    size: float
    """About the number of generated events, of which these are a part."""
    particles: Particles
    sketches: Mapping[str, str]
    """Digests that identify the events of each table."""
    warnings: Sequence[str] = ()

    def record(self, benchmark: str) -> dict[str, Any]:
        """The entries of a job that has made the events."""
        total, squares = float(self.own_weights.sum()), float(np.square(self.own_weights).sum())
        value, size = self.factor * total, total**2 / squares
        return {
            "n_events": len(self.own_weights),
            "n_generated": None,  # a table holds any part of the events that were generated
            "size": self.size,
            "benchmark": benchmark,
            "mean_weights_pb": {benchmark: value},
            "effective_sample_size": {benchmark: size},
            "cross_section_pb": value,
            "cross_section_error_pb": 0.0,
            "events_of_files": dict(self.sketches),
            "warnings": [*self.warnings],
        }


def make(setup: Path, settings: TableAnalyseSettings) -> Any:
    """A MadMiner reader with the efficiencies of the study."""
    workarounds.apply_reader()
    from madminer.lhe import LHEReader

    reader = LHEReader(str(setup))
    for efficiency in settings.efficiencies:
        reader.add_efficiency(efficiency.definition, efficiency.default)
    return reader


def read(reader: Any, job: StepJob, settings: TableAnalyseSettings) -> dict[str, Any]:
    """Read the tables of a job into a reader.

    :returns: what describes the events, as a job that makes events writes it
    :raises StepError: when a table is damaged or lacks a column, or weights do not make sense
    """
    events = load([job.one(name) for name in settings.tables], settings, reader.benchmark_names_phys)
    try:
        observed = observe(reader, events.columns, len(events.own_weights), events.particles)
    except UnusualExpressionError as error:
        raise StepError(f"an expression cannot be computed from columns: {error}") from error
    nuisance = find_nuisance(settings.systematics, Path(events.name))
    hand_over(reader, observed, events, settings.benchmark, settings.background, nuisance=nuisance)
    return events.record(settings.benchmark)


def load(paths: Sequence[Path], settings: TableAnalyseSettings, benchmarks: Sequence[str]) -> TableEvents:
    """The events of tables, with a weight for each benchmark.

    :raises StepError: when a table is damaged or lacks a column, weights are not finite, their sum is not positive, or
        a table holds its events twice
    """
    of_ratios = not (settings.background and settings.weight is not None)  # a background has the same weight everywhere
    own = settings.weights.get(settings.benchmark) if of_ratios else None
    others = [] if settings.background or settings.only_sampled else [b for b in benchmarks if b != settings.benchmark]
    wanted = {benchmark: settings.weights.get(benchmark, benchmark) for benchmark in others}
    varied = [
        column
        for entry in settings.systematics.values()
        if isinstance(entry, WeightsUncertainty)
        for column in entry.columns
    ]
    of_weights = [*wanted.values(), *varied, *(text for text in (own, settings.weight) if text is not None)]
    optional = [settings.benchmark] if own is None and settings.weight is None else []
    first = [f"{own.pt}[0]" if name != MET else own.pt for name, own in settings.particles.items()]
    texts = tuple(dict.fromkeys((*settings.columns.values(), *of_weights, *first)))
    quantities = [*settings.columns.values(), *first]
    parts, sketches = [], {}
    for path in paths:
        part = tables.read(path, settings.tree, texts, optional)
        for text in {*of_weights, *optional} & {*part}:
            _check_finite(part[text], text, path.name)
        digests = event_sketch.of_rows(np.stack(list(part.values()), axis=1)) if part else np.zeros(0, dtype=np.uint64)
        event_sketch.check_rows_once([digests], path.name)
        # weights distinguish equal events, so they count only where events are alike without them
        for compared in (_of_quantities(part, quantities), digests):
            if len(np.unique(compared)) > _DIFFERENT * len(compared):  # otherwise events may be alike by chance
                sketches[path.name] = event_sketch.write(compared)
                break
        parts.append(part)
    for text in optional:
        _check_everywhere(text, {path.name: text in part for path, part in zip(paths, parts, strict=True)})
    found = {text: np.concatenate([part[text] for part in parts]) for text in parts[0]}
    nominal = _nominal(found, settings, own)
    weights = {benchmark: found[column] for benchmark, column in wanted.items()}
    if own is not None and settings.weight is not None:
        weights = {name: nominal * _ratio(values, found[own], paths[0].name) for name, values in weights.items()}
    if settings.only_sampled:
        weights = {name: np.zeros_like(nominal) for name in benchmarks if name != settings.benchmark}
    factor = _factor(nominal, settings, paths[0].name)
    warnings = [] if settings.background else _further_weights(paths[0], settings, benchmarks)
    if own is None and settings.weight is not None:
        relations = {name: BenchmarkWeights.of(nominal, found[column]) for name, column in wanted.items()}
        advice = f"name the weight at {settings.benchmark!r} under `weights` too, and mmc multiplies them with `weight`"
        warnings += check_absolute(relations, paths[0].name, advice)
    return TableEvents(
        name=paths[0].name,
        columns={name: found[column] for name, column in settings.columns.items()},
        own_weights=nominal,
        weights={**{column: found[column] for column in varied}, **weights},
        factor=factor,
        size=len(nominal) * (settings.cross_section_pb or factor * nominal.sum()) / (factor * nominal.sum()),
        particles=table_particles.read(paths, settings.tree, settings.particles),
        sketches=sketches,
        warnings=warnings,
    )


def _further_weights(path: Path, settings: TableAnalyseSettings, benchmarks: Sequence[str]) -> list[str]:
    """A warning if the benchmarks have the weights of a list in its order, and there are more in the list."""
    column, n = next(iter(settings.weights.values()), "").removesuffix("[0]"), len(benchmarks)
    if dict(settings.weights) != {name: f"{column}[{index}]" for index, name in enumerate(benchmarks)}:
        return []
    further = f"{column}[{n}]"
    if not np.isfinite(tables.read(path, settings.tree, [further])[further]).any():
        return []
    return [
        f"the lists {column!r} of {path.name} have more than the {n} weights of the benchmarks, which have the first "
        "ones in their order: if others are meant, name the element of each benchmark"
    ]


def _of_quantities(part: Mapping[str, Floats], texts: Sequence[str]) -> event_sketch.Digests:
    """The digests of the events of a table without their weights, in single precision, which most tables have."""
    with np.errstate(over="ignore"):
        rows = [part[text].astype(np.float32) for text in texts]
    return event_sketch.of_rows(np.stack(rows, axis=1)) if rows else np.zeros(0, dtype=np.uint64)


def _check_everywhere(text: str, has: Mapping[str, bool]) -> None:
    """:raises StepError: when only some of the tables have a column of weights"""
    if any(has.values()) and not all(has.values()):
        without, with_it = (next(name for name, own in has.items() if own is found) for found in (False, True))
        raise StepError(
            f"{with_it} has the weight {text!r} of the benchmark at which the events were sampled, and {without} does "
            "not: write it into all tables, or name the column as `weight`"
        )


def _nominal(found: Mapping[str, Floats], settings: TableAnalyseSettings, own: str | None) -> Floats:
    """The weights at the sampled benchmark: 1 where no column has them."""
    column = next((text for text in (settings.weight, own, settings.benchmark) if text in found), None)
    n_events = len(next(iter(found.values())))
    return np.ones(n_events) if column is None or column not in found else found[column]


def _ratio(values: Floats, own: Floats, name: str) -> Floats:
    """Weights relative to those at the sampled benchmark.

    :raises StepError: when an event could not have been sampled, but has a weight at another benchmark
    """
    impossible = (own == 0.0) & (values != 0.0)
    if impossible.any():
        raise StepError(
            f"event {int(impossible.argmax()) + 1} of {name} has weight 0 at the benchmark at which it was sampled, "
            "and another weight elsewhere"
        )
    return np.divide(values, own, out=np.zeros_like(values), where=own != 0.0)


def _factor(nominal: Floats, settings: TableAnalyseSettings, name: str) -> float:
    """:raises StepError: when the sum of the weights is not positive, or larger than that of all generated events"""
    total = float(nominal.sum())
    if not total > 0.0:
        raise StepError(f"the weights of {name} add up to {total:g}; the sum must be positive")
    if settings.cross_section_pb is None:
        return 1.0
    generated = total if settings.sum_of_weights is None else settings.sum_of_weights
    if total > generated * (1.0 + _MORE) and not (nominal < 0.0).any():
        raise StepError(
            f"the weights of {name} add up to {total:g}, more than sum_of_weights, {generated:g}: it is the sum of the "
            "weights of all generated events"
        )
    return settings.cross_section_pb / generated


def _check_finite(values: Floats, text: str, name: str) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        raise StepError(
            f"the weight {text!r} of {name} is not a finite number in {int(bad.sum()):,} of {len(values):,} events, "
            f"first in event {int(bad.argmax()) + 1}"
        )


def observe(
    reader: Any, columns: Mapping[str, Floats], n_events: int, particles: Particles | None = None
) -> Observations:
    """The observables of events, and which events pass the cuts.

    :param columns: the values of each quantity; NaN where an event lacks it
    :raises UnusualExpressionError: when an expression needs particles that there are not
    """
    held = Particles({}, {}) if particles is None else particles
    step = CHUNK if held.lists else max(n_events, 1)
    parts = []
    for start in range(0, n_events, step):
        rows = slice(start, start + step)
        part = {name: values[rows] for name, values in columns.items()}
        parts.append(_observe(reader, held.part(rows, n_events), part))
    return Observations(
        np.concatenate([part.passed for part in parts]),
        {name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values},
        np.concatenate([part.efficiency for part in parts]),
    )


def _observe(reader: Any, particles: Objects, columns: Mapping[str, Floats]) -> Observations:
    known = Definitions(particles, definitions(reader), _columns(reader, columns))
    found, passes = observables(reader, particles, known)
    passes = passing_cuts(reader, particles, found, passes, known)
    passed, efficiency = efficiencies(reader, particles, found, passes, known)
    return Observations(
        passed, {name: np.asarray(number.values, dtype=float) for name, number in found.items()}, efficiency
    )


def _columns(reader: Any, columns: Mapping[str, Floats]) -> Known:
    """The values of the quantities for expressions. Observables without a definition have their defaults in them."""
    known = {}
    for name, values in columns.items():
        observable, is_there = reader.observables.get(name), np.isfinite(values)
        if observable is None or observable.val_default is None or observable.is_required:
            known[name] = Number(values, plain=True), is_there
        else:
            filled = np.where(is_there, values, observable.val_default)
            known[name] = Number(filled, plain=True), np.ones_like(is_there)
    return known
