"""What a trial of a tuning is judged by: validation events alone, so that test events stay unseen by any choice."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from scipy.ndimage import zoom

from mmc.compiler.catalogue.stages import TRAIN
from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.jobs.job import read_json
from mmc.jobs.madminer.event_file import Array, EventFile
from mmc.jobs.statistics.evaluation import evaluate_estimator, load_model
from mmc.jobs.statistics.limits import Limits, p_values
from mmc.jobs.statistics.problem import LimitProblem

MOST_POINTS = 2_000_000
"""Points to which a grid is refined at most."""
FINEST = 16
"""Points that take the place of one along an axis, at most."""


@dataclass(frozen=True)
class Judgement:
    """The value of the criterion with its statistical error, and the closure tests' verdict."""

    value: float
    order: float
    """What trials are sorted by, smallest for the best."""
    error: float | None = None
    verdict: str | None = None
    closure: Mapping[str, Any] | None = None
    """All figures of the closure tests on validation events."""


Judge = Callable[[Sequence[Path]], Judgement]
"""The judgement on an estimator, from the folders that ``train`` wrote of its members."""


def judge_of(criterion: str, settings: EvaluateSettings, path: Path) -> Judge:
    """What a criterion says of an estimator: ``closure`` or ``expected_limit``, from the events of a file.

    :raises StepError: when there are no events to judge with
    """
    file = EventFile.of(path, settings.limits)
    limits = replace(settings.limits, systematics="nominal")  # no fit is looked at
    problem = LimitProblem.of(file, limits, partition="validation")
    return {"closure": _closure, "expected_limit": _expected_limit}[criterion](problem, settings)


def validation_loss(models: Sequence[Path]) -> Judgement:
    """The validation loss of the network that is kept; of an ensemble, the mean of its members'."""
    records = [read_json(model / TRAIN.record) for model in models]
    loss = fmean(record["loss_validation"][record["kept_epoch"] - 1] for record in records)
    return Judgement(loss, loss)


def _closure(problem: LimitProblem, settings: EvaluateSettings) -> Judge:
    """How far the network itself, without calibration, is from closure."""
    raw = replace(settings, calibration="none")

    def judge(models: Sequence[Path]) -> Judgement:
        verdict = evaluate_estimator(problem, raw, load_model(problem, raw, models)).verdict
        value, error = verdict.distance
        return Judgement(value, value, error, verdict.summary()["verdict"], verdict.figures)

    return judge


def _expected_limit(problem: LimitProblem, settings: EvaluateSettings) -> Judge:
    """The part of the grid's volume inside the region at the highest confidence level.

    The smallest region of all is that of an estimator that is too sure of itself. So trials that fail the closure tests
    come after all others, in the order of how far they are from closure.
    """

    def judge(models: Sequence[Path]) -> Judgement:
        outcome = evaluate_estimator(problem, settings, load_model(problem, settings, models))
        limits, verdict = outcome.limits, outcome.verdict
        value, passes = volume(limits, max(problem.levels)), verdict.summary()["verdict"]
        order = value if passes != "failed" else 2.0 - limits.p_true + verdict.distance[0]
        return Judgement(value, order, None, passes, verdict.figures)

    return judge


def volume(limits: Limits, level: float) -> float:
    """The part of the grid's volume inside the confidence region, with ln λ linear between the points of the grid.

    A count of points would be the same for trials that differ by less than a point.
    """
    values = np.maximum(limits.log_likelihood_ratio[:-1], -1e6).reshape(limits.grid.shape)
    fine: Array = zoom(values, _refinement(values.shape), order=1, mode="nearest", grid_mode=False)
    return float((p_values(fine, limits.dof) >= 1.0 - level).mean())


def _refinement(shape: tuple[int, ...]) -> list[float]:
    """The factors that put the same number of new points between two points along every axis."""
    n = FINEST
    while n > 1 and np.prod([(size - 1) * n + 1 for size in shape], dtype=float) > MOST_POINTS:
        n -= 1
    return [((size - 1) * n + 1) / size for size in shape]
