"""The likelihood of the truth, which knows the latent variables z of every event. Estimators are compared with it.

The joint likelihood ratio r(x, z | θ) = (w(θ) / σ(θ)) / (w(θ_ref) / σ(θ_ref)) of a simulated event follows from its
weights. It is the exact likelihood ratio of an experiment that measures x and z. By the information inequality, an
estimator that sees x alone cannot exclude more, on average (arXiv:1805.00020).
"""

import numpy as np

from mmc.jobs.madminer.event_file import Array, Events
from mmc.jobs.statistics.closure.toys import AsimovLogRatio, blocks
from mmc.jobs.statistics.event_errors import EventErrors
from mmc.jobs.statistics.expectation import Expectation
from mmc.jobs.statistics.histograms import FLOOR
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.profiling import ShapeLikelihood


def joint_ratio(
    weights: Array, coefficients: Array, row: Array, totals: Array | None = None, varied: Array | None = None
) -> Array:
    """r(x, z | θ) at all points for all events, shape (points, events); 0 at a point without a cross section.

    :param weights: benchmark weights of the events, shape (events, benchmarks)
    :param coefficients: morphing coefficients of the points θ, shape (points, benchmarks)
    :param row: morphing coefficients of the reference, shape (benchmarks,)
    :param totals: cross sections at the benchmarks, shape (benchmarks,); by default the sums of ``weights``
    :param varied: weights of the same events at other values of the nuisance parameters, for r(x, z | θ, ν)
    """
    totals = weights.sum(axis=0) if totals is None else totals
    reference = weights @ row
    safe = np.where(reference == 0.0, np.inf, reference)
    numerator, norm = (weights, totals) if varied is None else (varied, varied.sum(axis=0))
    there = coefficients @ norm
    scale = np.divide(row @ totals, there, out=np.zeros_like(there), where=there != 0.0)
    found = coefficients @ numerator.T
    found /= safe  # in place, as the ratios of many points are large
    found *= scale[:, np.newaxis]
    return np.asarray(found)


class Truth:
    """The likelihood of the truth on the Asimov data."""

    def __init__(self, problem: LimitProblem) -> None:
        self._problem = problem
        self.asimov = AsimovLogRatio(problem)
        for rows in blocks(len(problem.population.x), len(problem.points)):
            self.asimov.add(self.log_ratio(problem.population.take(rows)), rows)

    def log_ratio(self, events: Events) -> Array:
        """ln r(x, z | θ) to the true point, for some events at all points: shape (points, events).

        The cross sections are those of the test events.
        """
        totals = self._problem.file.part(self._problem.partition, self._problem.theta_true).weights.sum(axis=0)
        return self._log_ratio(events, totals)

    def expected(self, errors: EventErrors | None) -> ShapeLikelihood:
        """The likelihood on the Asimov data of expected limits; ``errors`` gets the log ratios of their events."""
        problem = self._problem
        events = problem.file.part(problem.simulation)
        probabilities = events.probabilities(problem.true_coefficients)
        expectation = Expectation(probabilities, probabilities, len(problem.points), errors)
        for rows in blocks(len(events.x), len(problem.points)):
            expectation.add(self.log_ratio_of_limits(events.take(rows)), rows)
        return expectation.likelihood

    def log_ratio_of_limits(self, events: Events) -> Array:
        """The same with the cross sections of the events that make the likelihood."""
        problem = self._problem
        return self._log_ratio(events, problem.file.part(problem.simulation).weights.sum(axis=0))

    def _log_ratio(self, events: Events, totals: Array) -> Array:
        ratio = joint_ratio(events.weights, self._problem.coefficients, self._problem.true_coefficients, totals)
        return np.log(np.maximum(ratio, FLOOR, out=ratio), out=ratio)
