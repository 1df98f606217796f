"""The spread between the members of an ensemble, and how much the confidence region would differ with each of them."""

from dataclasses import replace
from typing import Any

import numpy as np

from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.jobs.learning.estimators import Estimator
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.problem import LimitProblem

N_EVENTS = 2_000
"""The number of Asimov events on which the members are compared."""
MOST_POINTS = 10_000
"""On larger grids, members are compared in the confidence region alone, without their regions."""


def ensemble_spread(
    estimator: Estimator, problem: LimitProblem, settings: EvaluateSettings, limits: Limits
) -> dict[str, Any]:
    """The number of members, and the spread between them on some of the Asimov data.

    For ratios, the spread is the largest standard deviation of the members' ln L(θ) - ln L(θ_true), without the rate,
    in the region at the highest confidence level; and the area of the region with each member, whose standard deviation
    over the root of the number of members is the error of the area that follows from the training. For scores, it is
    the standard deviation of the members' scores in units of the spread of their mean, averaged over events and
    components.
    """
    members = estimator.members
    x, probabilities = (values[:N_EVENTS] for values in problem.asimov)
    probabilities = probabilities / probabilities.sum()
    if not members[0].kind.gives_ratio:
        scores = np.stack([member.score(x) for member in members])
        spread = np.sqrt(probabilities @ scores.var(axis=0, ddof=1)) / np.sqrt(probabilities @ scores.mean(axis=0) ** 2)
        return {"members": len(members), "score_spread": float(spread.mean())}
    inside = np.append(limits.allowed(max(problem.levels)).ravel(), True)
    is_small = len(inside) <= MOST_POINTS and problem.expects_simulation
    used = np.ones(len(inside), dtype=bool) if is_small else inside
    logs = np.stack([Estimator([member]).log_ratio(problem.points[used], x) for member in members])
    reference = None
    if settings.calibration != "none" and is_small:
        row = problem.file.coefficients(problem.file.point(settings.reference)[np.newaxis])[0]
        reference = problem.file.part(problem.simulation).probabilities(row)[:N_EVENTS]
    deviations = problem.n_expected * _deviations(logs, probabilities, reference)
    within = deviations[:, inside[used]]
    found = {"members": len(members), "log_likelihood_spread": float(within.std(axis=0, ddof=1).max())}
    if not is_small:
        return found
    each = [replace(limits, log_likelihood=limits.log_likelihood + shift, replicas=None) for shift in deviations]
    areas = {str(level): [one.allowed_area(level) for one in each] for level in problem.levels}
    errors = {level: float(np.std(values, ddof=1) / len(values) ** 0.5) for level, values in areas.items()}
    return {**found, "allowed_area": areas, "allowed_area_error": errors}


def _deviations(logs: Array, probabilities: Array, reference: Array | None) -> Array:
    """The deviation of each member from the mean ln r of the ensemble, relative to the last point: (members, points).

    :param logs: ln r of the members, shape (members, points, events)
    :param reference: probabilities of the events at the denominator, under which each ratio is normalised; None if the
        ratios are used as they are
    """
    mean = logs.mean(axis=0)
    deviations = logs @ probabilities - mean @ probabilities
    if reference is not None:
        deviations -= np.log(np.exp(logs) @ reference) - np.log(np.exp(mean) @ reference)
    return np.asarray(deviations - deviations[:, -1:])
