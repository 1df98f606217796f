"""What a likelihood would say that knows the latent variables of every event: the truth that estimators are judged by.

The joint likelihood ratio r(x, z | θ) = (w(θ) / σ(θ)) / (w(θ_ref) / σ(θ_ref)) of a simulated event follows from its
weights. It is the exact likelihood ratio of an experiment that measures x and z, so by the information inequality no
estimator that sees x alone can exclude more, on average (arXiv:1805.00020).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import chdtri

from mmc.jobs.madminer.event_file import Array, Events
from mmc.jobs.statistics.closure.toys import Pool, Totals, Toys, blocks
from mmc.jobs.statistics.limits import Grid
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


def smooth_area(grid: Grid, q: Array, threshold: float) -> float:
    """The part of the grid where q is below a threshold, without the steps of counting points.

    A point near the contour counts with the part of its cell that is inside, for a q that is linear in the cell;
    ``q`` has shape (points,).
    """
    values = np.minimum(q, 1e6).reshape(grid.shape)
    slopes = np.gradient(values)
    across = sum(np.abs(slope) for slope in (slopes if isinstance(slopes, tuple | list) else [slopes]))
    inside = 0.5 + (threshold - values) / np.maximum(across, 1e-12)
    return float(np.clip(inside, 0.0, 1.0).mean())


def area_figures(problem: LimitProblem, totals: Totals, truth: Truth, *, rate: bool = True) -> dict[str, Any]:
    """The area of the region at the highest confidence level in units of the truth's, on the same test events.

    The error is that of a jackknife over :data:`mmc.jobs.statistics.closure.toys.GROUPS` groups of test events, which
    both areas share. The rate is part of the likelihoods if the problem says so and ``rate`` is true.
    """
    level = max(problem.levels)
    threshold = float(chdtri(len(problem.grid.axes), 1.0 - level))

    def area(mean: Array) -> float:
        limits = problem.limits(mean, rate=rate)
        return smooth_area(problem.grid, -2.0 * limits.log_likelihood_ratio[:-1], threshold)

    own, best = area(totals.mean), area(truth.totals.mean)
    smallest = 1.0 / len(problem.grid.points)  # no area is known better than to a point
    left_out = [
        area(mine) / max(area(its), smallest)
        for mine, its in zip(totals.jackknife(), truth.totals.jackknife(), strict=True)
    ]
    spread = np.square(np.array(left_out) - np.mean(left_out)).sum() * (len(left_out) - 1) / len(left_out)
    counted = problem.limits(truth.totals.mean, rate=rate)
    return {
        "level": level,
        "allowed": own,
        "truth": best,
        "ratio": own / max(best, smallest),
        "error": float(spread**0.5),
        "truth_allowed_fraction": {str(level): float(counted.allowed(level).mean()) for level in problem.levels},
    }


class DataClosure:
    """The figures of a likelihood that need nothing but its log ratios of test events: coverage and area."""

    def __init__(
        self, problem: LimitProblem, log_ratio: Callable[[Events], Array], random: np.random.Generator
    ) -> None:
        """``log_ratio`` gives the log ratios of events, shape (points, events)."""
        self._problem, self._truth, self._totals = problem, Truth(problem), Totals(problem)
        every = list(blocks(len(problem.population.x), len(problem.points)))
        for rows in every:
            self._totals.add(log_ratio(problem.population.take(rows)), rows)
        pool = Pool.of(problem, problem.limits(self._totals.mean))
        self._toys = Toys(pool)
        for rows in every:
            self._toys.add(log_ratio(problem.population.take(rows)), rows, pool.draw(rows, random))

    def figures(self, rate: bool) -> dict[str, Any]:
        """As :func:`mmc.jobs.statistics.closure.verdict.judge` takes them."""
        return {
            "coverage": self._toys.coverage(rate=rate),
            "area": area_figures(self._problem, self._totals, self._truth, rate=rate),
        }
