"""Calibration of estimated likelihood ratios with validation events, at each parameter point on its own.

``normalisation`` divides r̂(x | θ) by its mean over events of the denominator, which must be 1.

``histogram`` and ``isotonic`` replace r̂ by the ratio of the densities of r̂ itself, p(r̂ | θ) / p(r̂ | θ_ref), which is
the likelihood ratio of an observable that happens to be the output of a network: it is right whatever r̂ is, and the
ratio of x if r̂ grows with that (arXiv:1506.02169, section 2). With weighted events this needs no classifier
probabilities: it is the mean of the joint ratio over events of the denominator with that r̂,

    E[r(x, z | θ) | r̂(x | θ)] = p(r̂ | θ) / p(r̂ | θ_ref),

estimated by its mean in bins of r̂ with equal numbers of events, or as the non-decreasing step function of r̂ that fits
best. (Isotonic regression of the labels of a balanced sample, as for classifiers, has the same steps: where a mean of
labels of weights w₀ + w₁ grows, the ratio w₀ / w₁ does.) The mean over the validation events is 1 by construction of
both, so normalisation afterwards would do nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from mmc.jobs.learning.estimators import LogRatio
from mmc.jobs.madminer.event_file import Array, Variations
from mmc.jobs.statistics.closure.ratio_sums import RatioSums
from mmc.jobs.statistics.closure.toys import BLOCK, blocks
from mmc.jobs.statistics.closure.truth import FLOOR, joint_ratio
from mmc.jobs.statistics.histograms import quantiles
from mmc.jobs.statistics.problem import LimitProblem

Points = slice | npt.NDArray[np.intp]
EVERY = slice(None)
BINS = 50
"""Bins of ``histogram``: with some 10,000 validation events each is known to within a part of its own width."""


@dataclass(frozen=True)
class Calibration:
    """What the log ratios at all points become, and how well that is known."""

    method: str
    apply: Callable[[Array, Points], Array]
    """From and to shape (points, events), for all points or some."""
    error: Array
    """Relative standard error of the mean ratio over independent events, from the validation events; (points,)."""

    @classmethod
    def fit(
        cls,
        method: str,
        log_ratio: LogRatio,
        problem: LimitProblem,
        denominator: Array,
        factors: Callable[[Variations], Array] | None = None,
    ) -> "Calibration":
        """From validation events next to the denominator, at all points of the problem.

        :param factors: of a ratio at other values of the nuisance parameters, what multiplies weights there
        """
        events, points = problem.file.part(problem.template_partition, denominator), problem.points
        varied = None
        if factors is not None:
            every = factors(problem.file.variations(problem.template_partition))
            varied = events.weights * every[problem.file.is_near(problem.template_partition, denominator), np.newaxis]
        row = problem.file.coefficients(denominator[np.newaxis])[0]
        p = events.probabilities(row)
        if method == "normalisation":
            sums = RatioSums(len(points))
            for rows in blocks(len(p), len(points)):
                sums.add(log_ratio(points, events.x[rows]), p[rows])
            norm = sums.mean_ratio()
            shift = np.log(np.maximum(norm.mean, 1e-12))[:, np.newaxis]
            return cls(method, lambda logs, points: logs - shift[points], norm.error / np.maximum(norm.mean, 1e-12))
        make = {"histogram": _bins, "isotonic": _isotonic}[method]
        edges: list[Array] = []
        values: list[Array] = []
        errors: list[float] = []
        size = max(1, BLOCK // len(p))  # points, few enough at a time that the ratios of all events can be held
        for rows in (slice(start, start + size) for start in range(0, len(points), size)):
            logs = log_ratio(points[rows], events.x)
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
    """Inner edges of bins in s that hold equal probability, and the mean joint ratio in each bin."""
    edges = np.unique(quantiles(s, np.maximum(p, 0.0), np.arange(1, BINS) / BINS))
    index = np.searchsorted(edges, s, side="right")
    shares = np.bincount(index, weights=p, minlength=len(edges) + 1)
    sums = np.bincount(index, weights=p * joint, minlength=len(edges) + 1)
    return edges, np.where(shares > 0.0, sums / np.where(shares > 0.0, shares, 1.0), 1.0)


def _isotonic(s: Array, joint: Array, p: Array) -> tuple[Array, Array]:
    """Where the best non-decreasing step function of s has its steps, and its values between them."""
    order = np.argsort(s, kind="stable")
    order = order[p[order] > 0.0]
    fit = isotonic_regression(joint[order], weights=p[order])
    starts = fit.blocks[1:-1]
    return 0.5 * (s[order][starts - 1] + s[order][starts]), fit.x[fit.blocks[:-1]]
