"""Without morphing, weights are known at the benchmarks alone: there a ratio is compared with simulated events."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri

from mmc.jobs.madminer.event_file import Array, Events
from mmc.jobs.statistics.closure.evidence import Compared
from mmc.jobs.statistics.closure.truth import joint_ratio
from mmc.jobs.statistics.limits import Cloud
from mmc.jobs.statistics.problem import LimitProblem

MOST_ALONE = 0.02
"""The largest part of the cross section at a benchmark in events without a weight at the denominator. The joint ratios
of the others lack this part, so that the slope of an exact ratio is smaller by as much."""


def known_points(problem: LimitProblem) -> LimitProblem:
    """The same problem at the benchmarks with simulated events of the signal, and the true point, in place of the grid;
    without a signal, at all benchmarks."""
    is_signal = problem.file.origin(problem.partition) >= 0
    sums = problem.population.weights[is_signal if is_signal.any() else slice(None)].sum(axis=0)
    places = np.array([place for place, total in zip(problem.file.benchmarks.values(), sums, strict=True) if total > 0])
    return replace(problem, grid=Cloud(problem.grid.axes, problem.grid.center, places))


def compared_at(
    problem: LimitProblem, chosen: npt.NDArray[np.intp], n_events: list[float], estimated: Array, row: Array
) -> Compared:
    """Estimated ratios of test events beside their weights, at some of :func:`known_points`.

    :param estimated: shape (points, events)
    :param row: morphing coefficients of the denominator, shape (benchmarks,)
    """
    events: Events = problem.population
    simulated = np.stack([events.probabilities(own) for own in problem.coefficients[chosen]])
    alone = simulated[:, events.weights @ row == 0.0].sum(axis=1)
    is_joint = alone.max() <= MOST_ALONE
    return Compared(
        of="ratio",
        labels=[{"theta": problem.named(theta)} for theta in problem.points[chosen]],
        joint=joint_ratio(events.weights, problem.coefficients[chosen], row) if is_joint else None,
        estimated=estimated,
        probabilities=events.probabilities(row),
        simulated=simulated,
        n_events=n_events,
    )


def around_region(problem: LimitProblem, mean_log: Array) -> tuple[npt.NDArray[np.intp], list[float]]:
    """The benchmarks around the confidence region, and how many events must not tell the ratio there from the truth.

    They are the true point and, below and above it in each parameter, the last benchmark in the region and the next
    one. That is farther away than the region is wide, so as many events count as would put it on the contour: a ratio
    of which these learn nothing wrong is right in the region.

    :param problem: of :func:`known_points`
    :param mean_log: the mean log ratio of the Asimov data, shape (points,)
    """
    contour = float(chdtri(problem.dof(rate=bool(problem.include_xsec)), 1.0 - max(problem.levels)))
    logs = problem.limits(mean_log).log_likelihood
    distances = np.maximum(2.0 * (logs[-1] - logs[:-1]), 0.0)
    away = problem.grid.points - problem.theta_true
    chosen = np.flatnonzero(~away.any(axis=1)).tolist()
    for along in (away.T[:, np.newaxis] * np.array([[-1.0], [1.0]])).reshape(-1, len(away)):
        inside, outside = (along > 0.0) & (distances <= contour), (along > 0.0) & (distances > contour)
        chosen += [int(np.argmax(np.where(inside, along, 0.0)))] * bool(inside.any())
        chosen += [int(np.argmin(np.where(outside, distances, np.inf)))] * bool(outside.any())
    points = np.array(sorted(set(chosen)), dtype=np.intp)
    return points, (problem.n_expected * contour / np.maximum(distances[points], contour)).tolist()
