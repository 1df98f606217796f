"""The criteria of a tuning. Trials are judged on validation events alone, so that no choice depends on test events."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from mmc.compiler.catalogue.stages import TRAIN
from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.jobs.job import read_json
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.evaluation import evaluate_estimator, load_model
from mmc.jobs.statistics.problem import LimitProblem


@dataclass(frozen=True)
class Judgement:
    """The value of the criterion with its statistical error, and the verdict of the closure tests."""

    value: float
    order: float
    """The number that trials are sorted by; the best trial has the smallest."""
    error: float | None = None
    verdict: str | None = None
    closure: Mapping[str, Any] | None = None
    """All figures of the closure tests on validation events."""


Judge = Callable[[Sequence[Path]], Judgement]
"""Gives the judgement on an estimator, from the folders that ``train`` wrote for its members."""


def judge_of(criterion: str, settings: EvaluateSettings, path: Path) -> Judge:
    """The judge for a criterion, ``closure`` or ``expected_limit``, with the validation events of a file.

    :raises StepError: when the event file or the observed events do not fit the settings
    """
    file = EventFile.of(path, settings.own_limits)
    limits = replace(settings.own_limits, systematics="nominal")  # the criteria do not use limits with fitted ν
    problem = LimitProblem.of(file, limits, partition="validation")
    return {"closure": _closure, "expected_limit": _expected_limit}[criterion](problem, settings)


def validation_loss(models: Sequence[Path]) -> Judgement:
    """The validation loss at the kept epoch; for an ensemble, the mean over its members."""
    records = [read_json(model / TRAIN.record) for model in models]
    loss = fmean(record["loss_validation"][record["kept_epoch"] - 1] for record in records)
    return Judgement(loss, loss)


def _closure(problem: LimitProblem, settings: EvaluateSettings) -> Judge:
    """The distance from closure of the network itself, without calibration."""
    raw = replace(settings, calibration="none")

    def judge(models: Sequence[Path]) -> Judgement:
        verdict = evaluate_estimator(problem, raw, load_model(problem, raw, models)).verdict
        value, error = verdict.distance
        return Judgement(value, value, error, verdict.verdict, verdict.figures)

    return judge


def _expected_limit(problem: LimitProblem, settings: EvaluateSettings) -> Judge:
    """The fraction of the grid's volume inside the region at the highest confidence level.

    An overconfident estimator has the smallest region. So trials that fail the closure tests are sorted after all other
    trials, by the p-value of the true point and the distance from closure.
    """

    def judge(models: Sequence[Path]) -> Judgement:
        result = evaluate_estimator(problem, settings, load_model(problem, settings, models))
        limits, verdict = result.limits, result.verdict
        value, grade = limits.allowed_area(max(problem.levels)), verdict.verdict
        order = value if grade != "failed" else 2.0 - limits.p_true + verdict.distance[0]
        return Judgement(value, order, None, grade, verdict.figures)

    return judge
