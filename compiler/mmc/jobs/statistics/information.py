"""What an estimator sees of the Fisher information: that of the rate, and that of its estimated score."""

from typing import Any

import numpy as np

from mmc.compiler.catalogue.methods import METHODS, SCORE
from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.jobs.learning.estimators import Estimator
from mmc.jobs.madminer.event_file import Array, Partition
from mmc.jobs.statistics.fisher import Information, full_information, score_of
from mmc.jobs.statistics.problem import LimitProblem

STEP = 0.005
"""Half the distance of points between which a ratio is differentiated, as a part of the grid's range."""
NU_STEP = 0.05
"""The same of nuisance parameters, in standard deviations."""


def learned_information(
    problem: LimitProblem, settings: EvaluateSettings, estimator: Estimator
) -> tuple[dict[str, Array], dict[str, Any]]:
    """The information in the test events: what ``fisher.npz`` holds, and what result files say of it."""
    point, whole = estimator_information(problem, settings, estimator, "test")
    parameters = problem.file.parameters
    n, n_nuisance = len(parameters), len(whole.matrix) - len(parameters)
    information = whole.known(n)
    arrays, full = information.arrays("full", parameters), information.figures(parameters)
    if n_nuisance:
        arrays["full_profiled"] = whole.constrained(n_nuisance).profiled(range(n)).matrix
        full["profiled"] = arrays["full_profiled"].tolist()
    return arrays, {"at": dict(zip(parameters, point.tolist(), strict=True)), "full": full}


def estimator_information(
    problem: LimitProblem, settings: EvaluateSettings, estimator: Estimator, partition: Partition
) -> tuple[Array, Information]:
    """What the rate and the estimated score of some events say of the parameters, and the point at which.

    A score method knows the score at its own reference, a ratio has one everywhere, at the true point too. Nuisance
    parameters whose score is learned are the last ones.
    """
    events = problem.file.part(partition)
    if METHODS[settings.method].family is SCORE:
        point = problem.file.point(settings.reference)
        scores = estimator.score(events.x)
    else:
        point = problem.theta_true
        steps = np.array([STEP * (axis[-1] - axis[0]) for axis in problem.grid.axes.values()])
        scores = score_of(estimator.log_ratio, point, steps, events.x)
        if settings.profiles_nuisance:
            n = len(problem.file.nuisance_parameters)

            def at(nus: Array, x: Array) -> Array:
                return np.concatenate([estimator.log_ratio(point[np.newaxis], x, nu) for nu in nus])

            scores = np.hstack([scores, score_of(at, np.zeros(n), np.full(n, NU_STEP), events.x)])
    weights = events.weights @ problem.file.coefficients(point[np.newaxis])[0]
    slopes = events.weights @ problem.file.gradients(point).T
    if settings.profiles_nuisance:
        slopes = np.hstack([slopes, weights[:, np.newaxis] * problem.file.slopes(partition)])
    return point, full_information(scores, weights, slopes, problem.luminosity)
