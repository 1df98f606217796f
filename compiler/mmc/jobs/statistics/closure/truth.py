"""What a likelihood would say that knows the latent variables of every event: the truth that estimators are judged by.

The joint likelihood ratio r(x, z | θ) = (w(θ) / σ(θ)) / (w(θ_ref) / σ(θ_ref)) of a simulated event follows from its
weights. It is the exact likelihood ratio of an experiment that measures x and z, so by the information inequality no
estimator that sees x alone can exclude more, on average (arXiv:1805.00020).
"""

import numpy as np

from mmc.jobs.madminer.event_file import Array, Events
from mmc.jobs.statistics.closure.toys import Totals, blocks
from mmc.jobs.statistics.problem import LimitProblem

FLOOR = 1e-6
"""Smaller joint ratios, as of an event that cannot occur at a point, and negative ones count as this."""


def joint_ratio(
    weights: Array, coefficients: Array, row: Array, totals: Array | None = None, varied: Array | None = None
) -> Array:
    """r(x, z | θ) of events with ``weights`` (events, benchmarks) for all pairs, shape (points, events).

    ``coefficients`` (points, benchmarks) and ``row`` (benchmarks,) are those of θ and of the reference; ``totals`` are
    the cross sections at the benchmarks, the sums of the weights where these are all events. ``varied`` are
    the weights of the same events at other values of the nuisance parameters, for r(x, z | θ, ν).
    """
    totals = weights.sum(axis=0) if totals is None else totals
    reference = weights @ row
    safe = np.where(reference == 0.0, np.inf, reference)
    numerator, its_totals = (weights, totals) if varied is None else (varied, varied.sum(axis=0))
    return np.asarray((coefficients @ numerator.T) / safe * (row @ totals / (coefficients @ its_totals))[:, np.newaxis])


class Truth:
    """The likelihood of the truth on the Asimov data."""

    def __init__(self, problem: LimitProblem) -> None:
        self._problem = problem
        self.totals = Totals(problem)
        for rows in blocks(len(problem.population.x), len(problem.points)):
            self.totals.add(self.log_ratio(problem.population.take(rows)), rows)

    def log_ratio(self, events: Events) -> Array:
        """ln r(x, z | θ) to the true point, of some events at all points: shape (points, events)."""
        problem = self._problem
        totals = problem.file.part(problem.partition, problem.theta_true).weights.sum(axis=0)
        ratio = joint_ratio(events.weights, problem.coefficients, problem.true_coefficients, totals)
        return np.log(np.maximum(ratio, FLOOR))
