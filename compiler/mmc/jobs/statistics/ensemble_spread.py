"""The spread between the members of an ensemble: what the training adds to the error of the confidence region.

The mean of M networks that differ by chance alone has an error of their standard deviation over the root of M. Networks
that learn from bootstrap samples differ also by the statistical error of the training events, which their mean does not
reduce, as all these samples are drawn from the same events. Then the error of the mean is at most their standard
deviation.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.jobs.learning.estimators import Estimator
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.limits import Cloud, Limits
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.projections import Intervals

N_EVENTS = 2_000
"""The number of Asimov events on which the members are compared."""
POINTS_AT_ONCE = 1_000
"""So many points of a grid that the log ratios of all members fit into memory."""
MOST_POINTS = 10_000
"""On larger grids, members are compared in the confidence region alone, without their regions."""


class EnsembleSpread:
    """The members of an ensemble, compared on some of the Asimov data."""

    def __init__(self, estimator: Estimator, problem: LimitProblem, settings: EvaluateSettings) -> None:
        self._members, self._problem, self._settings = estimator.members, problem, settings
        x, probabilities = (values[:N_EVENTS] for values in problem.asimov)
        self._x, self._probabilities = x, probabilities / probabilities.sum()
        on_grid = not isinstance(problem.grid, Cloud) and len(problem.points) <= MOST_POINTS
        self._has_regions = on_grid and problem.expects_simulation

    @cached_property
    def deviations(self) -> Array:
        """The deviations of the members' ln L(θ) - ln L(θ_true) from the ensemble's, without the rate, at all points.

        Shape (members, points + 1).
        """
        return self._deviations(slice(None))

    @property
    def errors_per_spread(self) -> float:
        """The error of the mean of the members, in units of their standard deviation."""
        return 1.0 if self._settings.bootstrap else len(self._members) ** -0.5

    @property
    def variance(self) -> Array:
        """The variance of ln L(θ) - ln L(θ_true) from the training, for the expected events: shape (points + 1,)."""
        return np.asarray(self.deviations.var(axis=0, ddof=1) * self.errors_per_spread**2)

    def arrays(self, limits: Limits) -> dict[str, Array]:
        """``members``: ln λ with each member alone, shape (members, *grid); ``training_error``: the standard error of
        ln λ from the training, shape (*grid). Nothing for scores, and on large grids.

        The latter is that of ln L(θ) - ln L(θ_true), in the scale of ln λ.
        """
        if not self._members[0].kind.gives_ratio or not self._has_regions:
            return {}
        ratio, unscaled = limits.on_grid, limits.infinite_simulation.on_grid
        widened = 1.0 + np.broadcast_to(limits.per_simulated, limits.log_likelihood.shape)[:-1].reshape(ratio.shape)
        known = np.isfinite(ratio) & (unscaled < 0.0)
        scale = np.divide(ratio, unscaled, out=1.0 / widened, where=known)
        error = scale * np.sqrt(self.variance[:-1]).reshape(ratio.shape)
        return {"members": np.stack([member.on_grid for member in self._each(limits)]), "training_error": error}

    def summary(self, limits: Limits) -> dict[str, Any]:
        """The number of members, and the spread between them.

        For ratios, the spread is the largest standard deviation of the members' ln L(θ) - ln L(θ_true), without the
        rate, in the region at the highest confidence level; and the area of the region with each member, with the
        errors of the area and of the ends of intervals that follow from the training. For scores, it is the standard
        deviation of the members' scores in units of the spread of their mean, averaged over events and components.
        """
        members, p = self._members, self._probabilities
        if not members[0].kind.gives_ratio:
            scores = np.stack([member.score(self._x) for member in members])
            spread = np.sqrt(p @ scores.var(axis=0, ddof=1)) / np.sqrt(p @ scores.mean(axis=0) ** 2)
            return {"members": len(members), "score_spread": float(spread.mean())}
        inside = np.append(limits.allowed(max(self._problem.levels)).ravel(), True)
        within = self.deviations[:, inside] if self._has_regions else self._deviations(inside)
        found = {"members": len(members), "log_likelihood_spread": float(within.std(axis=0, ddof=1).max())}
        if not self._has_regions:
            return found
        each = self._each(limits)
        areas = {str(level): [one.allowed_area(level) for one in each] for level in self._problem.levels}
        errors = {level: float(np.std(area, ddof=1)) * self.errors_per_spread for level, area in areas.items()}
        ends = self._errors_of_ends([one.profiled_intervals(self._problem.levels) for one in each])
        return {**found, "allowed_area": areas, "allowed_area_error": errors, "interval_errors": ends}

    def _errors_of_ends(self, each: Sequence[Intervals]) -> Intervals:
        """The errors of the ends of intervals; left out where members have different numbers of them."""
        found: Intervals = {}
        for name, levels in each[0].items():
            for level in levels:
                ends = [intervals[name][level] for intervals in each]
                if ends[0] and all(len(other) == len(ends[0]) for other in ends):
                    errors = np.std(ends, axis=0, ddof=1) * self.errors_per_spread
                    found.setdefault(name, {})[level] = errors.tolist()
        return found

    def _each(self, limits: Limits) -> list[Limits]:
        shifted = limits.log_likelihood + self.deviations
        return [replace(limits, log_likelihood=values, replicas=None, varied=None) for values in shifted]

    def _deviations(self, used: Any) -> Array:
        problem, settings = self._problem, self._settings
        points = problem.points[used]
        reference = None
        if settings.calibration != "none" and problem.expects_simulation:
            row = problem.file.coefficients(problem.file.point(settings.reference)[np.newaxis])[0]
            reference = problem.file.part(problem.simulation).probabilities(row)[:N_EVENTS]
        found = []
        for start in range(0, len(points), POINTS_AT_ONCE):
            some = points[start : start + POINTS_AT_ONCE]
            logs = np.stack([Estimator([member]).log_ratio(some, self._x) for member in self._members])
            found.append(_mean_deviations(logs, self._probabilities, reference))
        deviations = np.concatenate(found, axis=1)
        return np.asarray(problem.n_expected * (deviations - deviations[:, -1:]))


def _mean_deviations(logs: Array, probabilities: Array, reference: Array | None) -> Array:
    """The deviation of each member from the mean ln r of the ensemble, shape (members, points).

    :param logs: ln r of the members, shape (members, points, events)
    :param reference: probabilities of the events at the denominator, under which each ratio is normalised; None if the
        ratios are used as they are
    """
    mean = logs.mean(axis=0)
    deviations = logs @ probabilities - mean @ probabilities
    if reference is not None:
        deviations -= np.log(np.exp(logs) @ reference) - np.log(np.exp(mean) @ reference)
    return np.asarray(deviations)
