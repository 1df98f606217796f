"""The limits of a trained estimator of any method, with the verdict of the closure tests."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.jobs.learning.estimators import Estimator, load_estimator
from mmc.jobs.learning.mixtures import Mixture
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.toys import blocks
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.ratio import ratio_density, ratio_result
from mmc.jobs.statistics.result import Result
from mmc.jobs.statistics.scanning.density import Density
from mmc.jobs.statistics.score import score_density, score_result


def load_model(problem: LimitProblem, settings: EvaluateSettings, models: Sequence[Path]) -> Estimator:
    """The estimator of a method, from the folders of its ensemble members."""
    return load_estimator(models, None if settings.score is not None else problem.file.point(settings.reference))


def evaluate_estimator(
    problem: LimitProblem, settings: EvaluateSettings, estimator: Estimator | Mixture, seed: int = 1
) -> Result:
    """The limits of an estimator, with the verdict of the closure tests; ``seed`` seeds the toy experiments."""
    random, problem = np.random.default_rng(seed), replace(problem, trained=estimator.trained)
    if isinstance(estimator, Estimator) and settings.score is not None:
        return score_result(problem, settings, settings.score, estimator, random)
    return ratio_result(problem, settings, estimator.log_ratio, random, _share_without_density(problem, estimator))


def estimated_density(problem: LimitProblem, settings: EvaluateSettings, estimator: Estimator | Mixture) -> Density:
    """The likelihood of an estimator at any point."""
    if isinstance(estimator, Estimator) and settings.score is not None:
        return score_density(problem, settings, settings.score, estimator)
    return ratio_density(problem, settings, estimator)


def _share_without_density(problem: LimitProblem, estimator: Estimator | Mixture) -> Array | None:
    """The part of the Asimov data where a polynomial is too small to be a density at each point, shape (points,).

    None for estimators whose ratio is positive by construction.
    """
    if isinstance(estimator, Mixture) or not estimator.can_be_negative:
        return None
    row = problem.file.coefficients(problem.theta_true[np.newaxis])[0]
    x, p = problem.population.x, problem.population.probabilities(row)
    rows = blocks(len(x), len(problem.points))
    return np.asarray(np.sum([estimator.too_small(problem.points, x[block]) @ p[block] for block in rows], axis=0))
