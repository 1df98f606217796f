"""A summary of an event file, for logs, records and reports."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError
from mmc.jobs.madminer import analysis_workarounds
from mmc.jobs.madminer.cross_sections import CrossSections
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.madminer.event_origins import OriginSums
from mmc.jobs.madminer.event_rows import block_rows, labels_of, width

EVENTS = "events.h5"
_LARGE, _FEWEST = 0.1, 100
"""An event with a larger part of the cross section than this is told, if there are so many events."""
_SAME = 1e-6
"""The largest relative difference between weights that are the same; files have seven digits."""
PRECISION = 1e-5
"""The weights of a background at two benchmarks differ by less, relative to their size, if only rounding differs."""


def event_record(
    path: Path,
    *,
    only_background: bool = False,
    integration: Mapping[str, float] | None = None,
    samples: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The number of events, and the cross section and effective sample size at every benchmark, as in MadMiner.

    The errors of the cross sections are those of limits (:mod:`mmc.jobs.madminer.cross_sections`), which contain the
    integration, and not Σ w² alone, as in MadMiner.

    ``warnings`` name observables that are missing in some events or constant, benchmarks without a positive cross
    section, with most of it in one event or with the weights of another one, and reweighted events that give less than
    the cross section.

    With events from several benchmarks MadMiner multiplies the weights by each benchmark's share of the signal events:
    cross sections are averaged over the benchmarks, and backgrounds are added.

    :param only_background: whether no sample of the file is a signal
    :param integration: the relative errors of the signal's cross sections from their integration, by benchmark
    :param samples: those of the file as they are recorded; empty if they are not known
    :raises StepError: when weights are not finite, there is no signal event where there should be one, an
        uncertainty changes the sign of the cross section, a background depends on the parameters, or
        events of several benchmarks contradict each other
    """
    analysis_workarounds.apply()
    from madminer.analysis import DataAnalyzer

    data = DataAnalyzer(str(path))
    has_signal = np.sum(data.n_events_generated_per_benchmark) > 0
    if data.n_samples == 0 or not (has_signal or only_background):
        raise StepError("no signal event passes: loosen the cuts, or generate more events")
    n_physical, n_varying = int(data.n_benchmarks_phys), 0
    names = list(data.benchmarks)[:n_physical]
    every, sums_of_squares = np.zeros(len(data.benchmarks)), np.zeros(n_physical)
    labels: Any = labels_of(str(path)) if samples else np.zeros(0)
    of_samples = np.zeros((max(len(samples), 1), n_physical))
    observables = [_Observable(name) for name in data.observables]
    batch, n_read = block_rows(width(path)), 0
    sizes = _Sizes(n_physical)
    factors, origins = data._calculate_sampling_factors(), OriginSums(n_physical)  # the last factor is for backgrounds
    for x, weights, origin in data.event_loader(
        batch_size=batch, include_nuisance_parameters=True, return_sampling_ids=True
    ):
        if not np.isfinite(weights).all():
            raise StepError("some weights are not finite")
        every += weights.sum(axis=0)
        sums_of_squares += (weights[:, :n_physical] ** 2).sum(axis=0)
        rows = slice(n_read, n_read := n_read + len(weights))
        for k in np.unique(labels[rows]):
            of_samples[k] += weights[labels[rows] == k, :n_physical].sum(axis=0)
        sizes.add(weights[:, :n_physical], origin)
        n_varying += _n_varying(weights[origin < 0, :n_physical])
        origins.add(weights[:, :n_physical] / factors[origin, np.newaxis], origin)
        for observable, values in zip(observables, x.T, strict=True):
            observable.add(values)
    if n_varying:
        raise StepError(
            f"{n_varying:,} background events (sampling benchmark -1) have other weights at other benchmarks, and a "
            "background does not depend on the parameters: make them events of a signal, of the benchmark at which "
            "they were generated"
        )
    sums = every[:n_physical]
    _check_uncertainties(data, every)
    flaws = origins.check(names, integration)
    flaws += [
        f"the cross section at benchmark {name!r} is not positive: {total:.3g} pb"
        for name, total in zip(names, sums.tolist(), strict=True)
        if total < 0.0 or (total == 0.0 and data.morpher is not None)
    ]
    every_sample = CrossSections.of((), samples, n_physical)
    errors = replace(every_sample, of_samples=of_samples, products=np.diag(sums_of_squares)).covariance().diagonal()
    per_benchmark = dict(zip(names, data.n_events_generated_per_benchmark.tolist(), strict=True))
    effective = np.divide(sums**2, sums_of_squares, out=np.zeros_like(sums), where=sums_of_squares > 0.0)
    return {
        "n_events": int(data.n_samples),
        "per_benchmark": {name: count for name, count in per_benchmark.items() if count},
        "n_background": int(data.n_events_backgrounds),
        "nuisance_parameters": {name: entry.systematic for name, entry in data.nuisance_parameters.items()},
        "cross_sections_pb": {
            name: [value, error]
            for name, value, error in zip(names, sums.tolist(), np.sqrt(np.maximum(errors, 0.0)).tolist(), strict=True)
        },
        "effective_sample_size": dict(zip(names, effective.tolist(), strict=True)),
        "warnings": [*flaws, *sizes.flaws(names), *(text for observable in observables for text in observable.flaws)],
    }


def _n_varying(weights: Array) -> int:
    """The number of events whose weights depend on the parameters, from those at all benchmarks."""
    differences = np.abs(weights - weights[:, :1]).max(axis=1, initial=0.0)
    return int((differences > PRECISION * np.abs(weights[:, 0])).sum())


def _check_uncertainties(data: Any, sums: Array) -> None:
    """:raises StepError: when the cross section is not positive at one standard deviation of an uncertainty

    :param data: MadMiner's ``DataAnalyzer``
    :param sums: Σ w at all benchmarks, those of nuisance parameters included
    """
    if data.nuisance_morpher is None:
        return
    totals = dict(zip(data.benchmarks, sums.tolist(), strict=True))
    nominal = float(sums[data.nuisance_morpher.i_benchmark_ref])
    for parameter in data.nuisance_parameters.values():
        for name in filter(None, (parameter.benchmark_pos, parameter.benchmark_neg)):
            if nominal > 0.0 and not totals[name] > 0.0:
                raise StepError(
                    f"the uncertainty {parameter.systematic} makes the cross section {totals[name]:.3g} pb, from "
                    f"{nominal:.3g} pb: its weights ({name}) are those of something else, or are wrong"
                )


class _Sizes:
    """What is known of the weights at all benchmarks from the events so far."""

    def __init__(self, n_benchmarks: int) -> None:
        self._n_events, self._n_benchmarks = 0, n_benchmarks
        self._largest, self._total, self._apart, self._elsewhere = np.zeros((4, n_benchmarks))

    def add(self, weights: Array, origin: npt.NDArray[np.intp]) -> None:
        """Add some events, shape (events, benchmarks), and the benchmarks at which they were sampled, negative for
        backgrounds, which have the same weights at all benchmarks."""
        self._n_events += len(weights)
        self._largest = np.maximum(self._largest, np.abs(weights).max(axis=0, initial=0.0))
        self._total = self._total + np.abs(weights).sum(axis=0)
        is_signal = origin >= 0
        signal, own = weights[is_signal], weights[is_signal, origin[is_signal]]
        elsewhere = origin[is_signal, np.newaxis] != np.arange(self._n_benchmarks)
        self._elsewhere += (elsewhere * np.abs(own)[:, np.newaxis]).sum(axis=0)
        self._apart = self._apart + np.abs(signal - own[:, np.newaxis]).sum(axis=0)

    def flaws(self, names: Sequence[str]) -> Iterator[str]:
        """Describe what is wrong with them."""
        shares = np.divide(self._largest, self._total, out=np.zeros_like(self._total), where=self._total > 0.0)
        k, n_large = int(np.argmax(shares)), int((shares > _LARGE).sum())
        if n_large and self._n_events >= _FEWEST:
            more = f", and more than {_LARGE:.0%} at {n_large - 1} other benchmarks" if n_large > 1 else ""
            yield (
                f"one event of {self._n_events:,} makes {shares[k]:.0%} of the cross section at {names[k]!r}{more}: "
                "check its weights, or generate more events near there"
            )
        for name, apart, elsewhere in zip(names, self._apart, self._elsewhere, strict=True):
            if elsewhere > 0.0 and apart <= _SAME * elsewhere:
                yield (
                    f"the weights at benchmark {name!r} are those with which the events were sampled: the process does "
                    "not depend on what differs there, or the events were not reweighted to this benchmark"
                )


@dataclass
class _Observable:
    """What is known of an observable from the events so far."""

    name: str
    n: int = 0
    bad: int = 0
    """The number of events in which it is not finite."""
    least: float = math.inf
    largest: float = -math.inf

    def add(self, values: Array) -> None:
        """Add some events, shape (events,)."""
        self.n += len(values)
        self.bad += int((~np.isfinite(values)).sum())
        self.least, self.largest = min(self.least, float(values.min())), max(self.largest, float(values.max()))

    @property
    def flaws(self) -> Iterator[str]:
        """Describe what is wrong with it."""
        if self.bad:
            yield f"the observable {self.name} is not a finite number in {self.bad:,} of {self.n:,} events"
        elif self.least == self.largest:
            yield f"the observable {self.name} is {self.least:g} in all events"
