"""Standard errors of the areas and intervals of limits, from likelihoods that the error of the simulation changes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.jackknife import standard_error
from mmc.jobs.statistics.projections import Intervals
from mmc.jobs.statistics.scanning.outcome import End, Scans


def standard_error_of(value: Any, replicas: Sequence[Any] | Array, shifted: Sequence[Any] | Array) -> Any:
    """The standard error of a value from the simulated events, by a jackknife, from the critical values, and from the
    numbers of events that pass and the integration of the cross sections."""
    variance = np.square(standard_error(replicas)) if len(replicas) else np.zeros(np.shape(value))
    return np.sqrt(variance + sum(np.square(np.array(other) - np.array(value)) for other in shifted))


def interval_errors(found: Intervals, replicas: Sequence[Intervals], shifted: Sequence[Intervals]) -> Intervals:
    """The standard errors of the ends of intervals; left out where the number of intervals is not stable."""
    errors: Intervals = {}
    for name, levels in found.items():
        for level, ends in levels.items():
            left_out, moved = ([entry[name][level] for entry in others] for others in (replicas, shifted))
            if ends and all(len(other) == len(ends) for other in [*left_out, *moved]):
                errors.setdefault(name, {})[level] = standard_error_of(ends, left_out, moved).tolist()
    return errors


def end_errors(scans: Scans, points: Array, changes: Sequence[Array], per_simulated: Array | float) -> Intervals:
    """The standard errors of the ends of intervals that scans have found, where -2 ln λ grows outwards.

    To first order, a change of ln L moves neither the fit of the other parameters at an end nor the best fit. So an end
    moves by the change of -2 ln λ there, over the derivative of -2 ln λ by the parameter.

    :param points: contain the best fit and the ends, shape (points, parameters)
    :param changes: those of ln L at these points and the true one without one group of simulated events each, shape
        (groups, points + 1), and with each other error added, shape (errors, points + 1)
    :param per_simulated: f at the points and the true one
    """
    widening = np.broadcast_to(1.0 + np.asarray(per_simulated), len(points) + 1)

    def index(point: Array) -> int:
        return int(np.flatnonzero((points == point).all(axis=1))[0])

    best = index(scans.fit.best)

    def error(end: End | None) -> float:
        if end is None:
            return 0.0
        here = index(end.point)
        moved = [2.0 * (each[:, here] - each[:, best]) / (widening[here] * end.slope) for each in changes]
        return float(standard_error_of(0.0, *moved))

    found: Intervals = {}
    for name, levels in scans.ends.items():
        for level, each in levels.items():
            outwards = [-low.slope for low, _ in each if low] + [high.slope for _, high in each if high]
            if each and all(slope > 0.0 for slope in outwards):
                found.setdefault(name, {})[level] = [[error(end) for end in interval] for interval in each]
    return found
