"""What a likelihood would say that knows the latent variables of every event: the truth that estimators are judged by.

The joint likelihood ratio r(x, z | θ) = (w(θ) / σ(θ)) / (w(θ_ref) / σ(θ_ref)) of a simulated event follows from its
weights. It is the exact likelihood ratio of an experiment that measures x and z, so by the information inequality no
estimator that sees x alone can exclude more, on average (arXiv:1805.00020).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.special import chdtri

from mmc.steps.events import Array
from mmc.steps.limits import Grid, Limits, Setting
from mmc.steps.pool import Pool, Totals, Toys, blocks

FLOOR = 1e-6
"""Smaller joint ratios, as of an event that cannot occur at a point, and negative ones count as this."""


def joint_ratio(weights: Array, coefficients: Array, row: Array, totals: Array | None = None) -> Array:
    """r(x, z | θ) of events with ``weights`` (events, benchmarks) for all pairs, shape (points, events).

    ``coefficients`` (points, benchmarks) and ``row`` (benchmarks,) are those of θ and of the reference; ``totals`` are
    the cross sections at the benchmarks, the sums of the weights where these are all events.
    """
    totals = weights.sum(axis=0) if totals is None else totals
    reference = weights @ row
    safe = np.where(reference == 0.0, np.inf, reference)
    return np.asarray((coefficients @ weights.T) / safe * (row @ totals / (coefficients @ totals))[:, np.newaxis])


class Truth:
    """The likelihood of the truth on the Asimov data."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._weights = setting.file.part("test", setting.theta_true).weights
        self.totals = Totals(setting)
        for rows in blocks(len(self._weights), len(setting.points)):
            self.totals.add(self.log_ratio(rows), rows)
        self.limits = self.totals.limits()

    def log_ratio(self, rows: slice) -> Array:
        """ln r(x, z | θ) to the true point, of some events at all points: shape (points, events)."""
        setting, totals = self._setting, self._weights.sum(axis=0)
        ratio = joint_ratio(self._weights[rows], setting.coefficients, setting.true_coefficients, totals)
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


def area_figures(setting: Setting, totals: Totals, truth: Truth) -> dict[str, Any]:
    """The area of the region at the highest confidence level in units of the truth's, on the same test events.

    The error is that of a jackknife over :data:`mmc.steps.pool.GROUPS` groups of test events, which both areas share.
    """
    level = max(setting.levels)
    threshold = float(chdtri(len(setting.grid.axes), 1.0 - level))

    def area(limits: Limits) -> float:
        return smooth_area(setting.grid, -2.0 * limits.log_likelihood_ratio[:-1], threshold)

    own, best = area(totals.limits()), area(truth.totals.limits())
    smallest = 1.0 / len(setting.grid.points)  # no area is known better than to a point
    left_out = [
        area(mine) / max(area(its), smallest)
        for mine, its in zip(totals.jackknife(), truth.totals.jackknife(), strict=True)
    ]
    spread = np.square(np.array(left_out) - np.mean(left_out)).sum() * (len(left_out) - 1) / len(left_out)
    counted: Mapping[str, float] = truth.limits.summary(setting.levels)["allowed_fraction"]
    return {
        "level": level,
        "allowed": own,
        "truth": best,
        "ratio": own / max(best, smallest),
        "error": float(spread**0.5),
        "truth_allowed_fraction": dict(counted),
    }


def data_closure(
    setting: Setting, limits: Limits, log_ratio: Callable[[slice], Array], random: np.random.Generator
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Coverage and area of a likelihood; ``log_ratio`` gives those of some test events, shape (points, events)."""
    pool = Pool.of(setting, limits)
    totals, toys = Totals(setting), Toys(pool)
    for rows in blocks(len(pool.x), len(setting.points)):
        logs = log_ratio(rows)
        totals.add(logs, rows)
        toys.add(logs, rows, pool.draw(rows, random))
    return toys.coverage(), area_figures(setting, totals, Truth(setting))
