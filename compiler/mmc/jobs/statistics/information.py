"""The Fisher information that an estimator sees: in the rate, and in its estimated score."""

from typing import Any

import numpy as np

from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.jobs.learning.estimators import Estimator
from mmc.jobs.learning.mixtures import Mixture
from mmc.jobs.madminer.event_file import Array, Partition
from mmc.jobs.statistics.fisher import Information, full_information, score_of
from mmc.jobs.statistics.problem import LimitProblem

STEP = 0.005
"""The step to each side for the derivative of a ratio, as a fraction of the grid's range."""
NU_STEP = 0.05
"""The same step for nuisance parameters, in standard deviations."""


def learned_information(
    problem: LimitProblem, settings: EvaluateSettings, estimator: Estimator | Mixture
) -> tuple[dict[str, Array], dict[str, Any]]:
    """The information in the test events: the arrays of ``fisher.npz``, and the entries of result files."""
    point, whole = estimator_information(problem, settings, estimator, "test")
    parameters = problem.file.parameters
    n, n_nuisance = len(parameters), len(whole.matrix) - len(parameters)
    information = whole.known(n)
    arrays, full = information.arrays("full", parameters), information.figures(parameters, settings.directions)
    if n_nuisance:
        arrays["full_profiled"] = whole.constrained(n_nuisance).profiled(range(n)).matrix
        full["profiled"] = arrays["full_profiled"].tolist()
    return arrays, {"at": dict(zip(parameters, point.tolist(), strict=True)), "full": full}


def estimator_information(
    problem: LimitProblem, settings: EvaluateSettings, estimator: Estimator | Mixture, partition: Partition
) -> tuple[Array, Information]:
    """A point, and the information at this point in the rate and in the estimated score of some events.

    For score methods the point is the reference, because the score is only known there. For ratios it is the true
    point. Nuisance parameters whose score is learned are the last parameters.
    """
    events = problem.file.part(partition)
    if isinstance(estimator, Estimator) and settings.score is not None:
        point = problem.file.point(settings.reference)
        scores = estimator.score(events.x)
    else:
        point = problem.theta_true
        steps = np.array([STEP * (axis[-1] - axis[0]) for axis in problem.grid.axes.values()])
        scores = score_of(estimator.log_ratio, point, steps, events.x)
        if settings.profiles_nuisance:
            n = len(problem.file.nuisance_parameters)

            def varied_log_ratio(nus: Array, x: Array) -> Array:
                return np.concatenate([estimator.log_ratio(point[np.newaxis], x, nu) for nu in nus])

            scores = np.hstack([scores, score_of(varied_log_ratio, np.zeros(n), np.full(n, NU_STEP), events.x)])
    weights = events.weights @ problem.file.coefficients(point[np.newaxis])[0]
    slopes = events.weights @ problem.file.gradients(point).T
    if settings.profiles_nuisance:
        slopes = np.hstack([slopes, weights[:, np.newaxis] * problem.file.slopes(partition)])
    if not problem.file.is_balanced:
        return point, full_information(scores, weights, slopes, problem.luminosity)
    common = problem.file.cross_sections.common_of(len(weights) / problem.file.n_events)
    labels = problem.file.labels(partition)
    return point, full_information(scores, weights, slopes, problem.luminosity, labels=labels, common=common)
