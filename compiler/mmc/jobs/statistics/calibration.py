"""Calibration of estimated likelihood ratios with validation events, separately at each parameter point.

``normalisation`` divides r̂(x | θ) by its mean over events of the denominator, which must be 1.

``histogram`` and ``isotonic`` treat r̂ as an observable and replace it by the ratio of its densities,
p(r̂ | θ) / p(r̂ | θ_ref). This is a correct likelihood ratio for any r̂, and it is the likelihood ratio of x if r̂ is a
monotonic function of that ratio (arXiv:1506.02169, section 2). With weighted events, classifier probabilities are not
needed: the ratio is the mean of the joint ratio over events of the denominator with this r̂,

    E[r(x, z | θ) | r̂(x | θ)] = p(r̂ | θ) / p(r̂ | θ_ref).

``histogram`` takes this mean in bins of r̂ with equal probabilities; ``isotonic`` fits a non-decreasing step function of
r̂. (Isotonic regression of the labels of a balanced sample, as for classifiers, has the same steps: the mean label of
events with weights w₀ + w₁ grows where the ratio w₀ / w₁ grows.) Both give a mean of 1 over the validation events by
construction, so they need no normalisation afterwards.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from mmc.jobs.madminer.event_file import Array, Variations
from mmc.jobs.statistics.closure.ratio_sums import RatioSums
from mmc.jobs.statistics.closure.toys import BLOCK
from mmc.jobs.statistics.closure.truth import joint_ratio
from mmc.jobs.statistics.evaluated import Evaluated
from mmc.jobs.statistics.histograms import FLOOR, quantiles
from mmc.jobs.statistics.problem import LimitProblem

Points = slice | npt.NDArray[np.intp]
EVERY = slice(None)
BINS = 50
"""The number of bins of ``histogram``. With 10,000 validation events, the error of a bin is smaller than its width."""


@dataclass(frozen=True)
class Calibration:
    """The transformation of log ratios at all points, and its error."""

    method: str
    apply: Callable[[Array, Points], Array]
    """Calibrates log ratios of shape (points, events), at all points or some."""
    error: Array
    """Relative standard error, from the validation events, of the mean ratio over other events; shape (points,)."""

    @classmethod
    def fit(
        cls,
        method: str,
        evaluated: Evaluated,
        problem: LimitProblem,
        denominator: Array,
        factors: Callable[[Variations], Array] | None = None,
    ) -> "Calibration":
        """The calibration from validation events generated next to the denominator, at all points of the problem.

        :param evaluated: the ratio of these events
        :param factors: for a ratio at other values of the nuisance parameters, the factors of the weights there
        """
        events, points = problem.file.part(problem.simulation, denominator), problem.points
        varied = None
        if factors is not None:
            near = problem.file.is_near(problem.simulation, denominator)
            varied = events.weights * factors(problem.file.variations(problem.simulation))[near, np.newaxis]
        row = problem.file.coefficients(denominator[np.newaxis])[0]
        p = events.probabilities(row)
        if method == "normalisation":
            sums = RatioSums(len(points))
            for rows, logs in evaluated:
                sums.add(logs, p[rows])
            norm = sums.mean_ratio()
            shift = np.log(np.maximum(norm.mean, 1e-12))[:, np.newaxis]
            return cls(method, lambda logs, points: logs - shift[points], norm.error / np.maximum(norm.mean, 1e-12))
        make = {"histogram": _bins, "isotonic": _isotonic}[method]
        edges: list[Array] = []
        values: list[Array] = []
        errors: list[float] = []
        size = max(1, BLOCK // len(p))  # points in a block, so that the ratios of all events fit into memory
        for rows in (slice(start, start + size) for start in range(0, len(points), size)):
            logs = evaluated.log_ratio(points[rows], events.x)
            joint = joint_ratio(events.weights, problem.coefficients[rows], row, varied=varied)
            for s, r in zip(logs, joint, strict=True):
                edge, mean = make(s, r, p)
                edges.append(edge)
                values.append(np.log(np.maximum(mean, FLOOR)))
                excess = mean[np.searchsorted(edge, s, side="right")] - 1.0
                errors.append(float(np.sqrt(np.square(p * excess).sum())))

        def apply(logs: Array, points: Points) -> Array:
            where = np.arange(len(values))[points]
            steps = zip((values[k] for k in where), (edges[k] for k in where), logs, strict=True)
            return np.stack([value[np.searchsorted(edge, s, side="right")] for value, edge, s in steps])

        return cls(method, apply, np.array(errors))


def _bins(s: Array, joint: Array, p: Array) -> tuple[Array, Array]:
    """Inner edges of bins in s with equal probability, and the mean joint ratio in each bin."""
    edges = np.unique(quantiles(s, np.maximum(p, 0.0), np.arange(1, BINS) / BINS))
    index = np.searchsorted(edges, s, side="right")
    shares = np.bincount(index, weights=p, minlength=len(edges) + 1)
    sums = np.bincount(index, weights=p * joint, minlength=len(edges) + 1)
    return edges, np.where(shares > 0.0, sums / np.where(shares > 0.0, shares, 1.0), 1.0)


def _isotonic(s: Array, joint: Array, p: Array) -> tuple[Array, Array]:
    """The positions of the steps of the best non-decreasing step function of s, and its values between the steps."""
    order = np.argsort(s, kind="stable")
    order = order[p[order] > 0.0]
    fit = isotonic_regression(joint[order], weights=p[order])
    starts = fit.blocks[1:-1]
    return 0.5 * (s[order][starts - 1] + s[order][starts]), fit.x[fit.blocks[:-1]]
