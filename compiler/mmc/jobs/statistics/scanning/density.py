"""The likelihoods of baselines and estimators at any point of parameter space, for some data.

On a grid the same likelihoods are calculated at all points together (:mod:`mmc.jobs.statistics.problem`). Here the
points are those that a minimiser asks for, and whatever does not depend on them is calculated once.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from mmc.jobs.madminer.event_file import Array, Events
from mmc.jobs.statistics.closure.toys import blocks
from mmc.jobs.statistics.closure.truth import joint_ratio
from mmc.jobs.statistics.histograms import FLOOR, IMPOSSIBLE, Binning, Filled, are_possible
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.profiling import VariedHistogram
from mmc.jobs.statistics.scanning.linear import linear_shape
from mmc.jobs.statistics.scanning.shape import Shape
from mmc.jobs.statistics.simulated import TemplateSums
from mmc.jobs.statistics.summaries import Summaries

if TYPE_CHECKING:  # baselines do not need torch
    from mmc.jobs.learning.estimators import LogRatio


class EventDensity(Protocol):
    """ln r(x | θ) of a baseline or an estimator without bins, at any θ."""

    def shape(self, data: Events, probabilities: Array, *, expected: bool = False) -> Shape:
        """The likelihood of some events with these probabilities; ``expected`` if they are the Asimov data."""
        ...

    def logs(self, points: Array, coefficients: Array, events: Events) -> Array:
        """ln r of simulated events up to a number that is the same for all events, shape (points, events)."""
        ...


@dataclass(frozen=True)
class BinnedDensity:
    """The density of a histogram, whose bins are the same at all points."""

    binning: Binning
    summary: Callable[[Array], Array]
    """The variables of the histogram, from observables of shape (events, observables)."""
    sums: Array
    """Sums of the benchmark weights in each bin, shape (bins, benchmarks)."""
    reference: Array
    """Morphing coefficients of the denominator, shape (benchmarks,)."""
    known: npt.NDArray[np.bool_]
    """Whether the bin has a positive content at the denominator, and at all probes that have a distribution."""
    truth: Array
    """Morphing coefficients of the true point, shape (benchmarks,)."""
    fills_itself: bool
    """Whether the Asimov data are the events of the histogram."""
    template: TemplateSums | None
    """What the error of the distribution follows from; None if limits do not include it."""
    varied: VariedHistogram | None = None

    @classmethod
    def of(
        cls,
        problem: LimitProblem,
        filled: Filled,
        binning: Binning,
        *,
        summary: Callable[[Array], Array],
        reference: Array,
    ) -> "BinnedDensity":
        """The density of a histogram that is filled.

        :param reference: morphing coefficients of the denominator, shape (benchmarks,)
        """
        sums, probes = filled.template.sums, problem.probes
        probes = probes[~filled.template.has_no_distribution(probes, reference)]
        known = (probes @ sums.T > 0.0).all(axis=0) & (sums @ reference > 0.0)
        varied = None
        if problem.profiled and filled.varied:
            up, down = (np.stack(sides) for sides in zip(*filled.varied.values(), strict=True))
            varied = VariedHistogram(reference[np.newaxis], sums, up, down, known)
        fills_itself = problem.expects_simulation
        template = problem.with_template(filled, known).template
        return cls(binning, summary, sums, reference, known, problem.true_coefficients, fills_itself, template, varied)

    def shape(self, data: Events, probabilities: Array, *, expected: bool = False) -> Shape:
        """The likelihood of some events."""
        if expected and self.fills_itself:
            fractions = self.sums @ self.truth / (self.sums @ self.truth).sum()
        else:
            fractions = self.binning.fractions(Summaries(self.summary(data.x), probabilities))

        def mean_log(_: Array, coefficients: Array) -> Array:
            return np.asarray(self.log_ratio(coefficients) @ fractions)

        if self.varied is None:
            return Shape(mean_log)
        filled = np.maximum(fractions, 0.0)
        varied = self.varied.matched(self.truth, filled) if expected else self.varied

        def gain(coefficients: Array, n: float, mu: Array | None) -> Array:
            possible = are_possible(coefficients, self.sums, self.known)
            return replace(varied, coefficients=self._normalised(coefficients, possible)).gain(filled, n, mu)

        return Shape(mean_log, gain)

    def _normalised(self, coefficients: Array, possible: npt.NDArray[np.bool_]) -> Array:
        totals = self.sums.sum(axis=0)
        scaled = coefficients / np.where(possible, coefficients @ totals, 1.0)[:, np.newaxis]
        return np.where(possible[:, np.newaxis], scaled, self.reference / (self.reference @ totals))

    def log_ratio(self, coefficients: Array) -> Array:
        """ln r in all bins, shape (points, bins); 0 in bins that are not known."""
        denominator = self.sums @ self.reference / (self.reference @ self.sums.sum(axis=0))
        possible = are_possible(coefficients, self.sums, self.known)
        ratio = (self._normalised(coefficients, possible) @ self.sums.T) / np.where(self.known, denominator, 1.0)
        logs = np.where(self.known, np.log(np.where(self.known, np.maximum(ratio, FLOOR), 1.0)), 0.0)
        return np.where(possible[:, np.newaxis], logs, IMPOSSIBLE)


@dataclass(frozen=True)
class TruthDensity:
    """The joint ratio of simulated events to the true point."""

    truth: Array
    """Morphing coefficients of the true point, shape (benchmarks,)."""
    totals: Array
    """Cross sections at the benchmarks in pb, shape (benchmarks,)."""

    def shape(self, data: Events, probabilities: Array, *, expected: bool = False) -> Shape:
        """The likelihood of some simulated events."""
        del expected
        reference = data.weights @ self.truth
        rows = data.weights / np.where(reference == 0.0, np.inf, reference)[:, np.newaxis]
        total = float(self.truth @ self.totals)

        def direction(_: Array, coefficients: Array) -> Array:
            there = coefficients @ self.totals
            scale = np.divide(total, there, out=np.zeros_like(there), where=there != 0.0)
            return np.asarray(coefficients * scale[:, np.newaxis])

        def slopes(_: Array, coefficients: Array, gradients: Array) -> Array:
            there = coefficients @ self.totals
            if there == 0.0:
                return np.zeros_like(gradients)
            relative = gradients - np.outer(gradients @ self.totals / there, coefficients)
            return np.asarray(relative * (total / there))

        return linear_shape(rows, probabilities, direction, slopes)

    def logs(self, _points: Array, coefficients: Array, events: Events) -> Array:
        """ln r of simulated events."""
        return np.asarray(np.log(np.maximum(joint_ratio(events.weights, coefficients, self.truth, self.totals), FLOOR)))


@dataclass(frozen=True)
class RatioDensity:
    """The ratio of an estimator, divided by its mean over some events at the denominator if it is normalised."""

    log_ratio: "LogRatio"
    calibration: tuple[Array, Array] | None = None
    """Observables (events, observables) and probabilities (events,) of the events that normalise the ratio."""

    def shape(self, data: Events, probabilities: Array, *, expected: bool = False) -> Shape:
        """The likelihood of some events. Expected data may be the events that normalise the ratio."""
        normalised = self.calibration
        same = normalised is not None and expected and data.x is normalised[0]

        def mean_log(points: Array, _: Array) -> Array:
            mean, norm = np.zeros((2, len(points)))
            for rows in blocks(len(data.x), len(points)):
                logs = self.log_ratio(points, data.x[rows])
                mean += logs @ probabilities[rows]
                if same and normalised is not None:
                    norm += _ratios(logs) @ normalised[1][rows]
            if normalised is None:
                return mean
            if not same:
                for rows in blocks(len(normalised[0]), len(points)):
                    norm += _ratios(self.log_ratio(points, normalised[0][rows])) @ normalised[1][rows]
            return np.asarray(mean - np.log(np.maximum(norm, 1e-12)))

        return Shape(mean_log)

    def logs(self, points: Array, _coefficients: Array, events: Events) -> Array:
        """ln r of the estimator, which is not normalised."""
        return self.log_ratio(points, events.x)


Density = BinnedDensity | EventDensity
"""ln r(x | θ) at any θ."""


def _ratios(logs: Array) -> Array:
    return np.asarray(np.exp(np.minimum(logs, 100.0)))
