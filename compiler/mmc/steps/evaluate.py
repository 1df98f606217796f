"""``evaluate``: expected limits of a trained estimator, and the closure tests that say whether to believe them."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from mmc.errors import StepError
from mmc.steps import closure
from mmc.steps.ensembles import ensemble_spread
from mmc.steps.estimators import Estimator, LogRatio, load_estimator
from mmc.steps.events import Array, EventFile, Events, Summaries
from mmc.steps.histograms import HistogramFigures, histogram_figures, make_binning
from mmc.steps.job import StepJob, write_json
from mmc.steps.limits import Limits, Setting, save_arrays
from mmc.study import SCORE_METHODS


def run(job: StepJob) -> None:
    """Write ``limits.npz`` (see :meth:`mmc.steps.limits.Limits.arrays`) and ``evaluate.json``.

    :raises StepError: when the model is not that of the job, or the network returns numbers that are not finite
    """
    settings = job.settings
    models = job.pick_all("model", settings.get("members", [settings["train_job"]]))
    for model in models:
        record = json.loads((model / "train.json").read_text(encoding="utf-8"))
        if record["method"] != settings["method"]:
            raise StepError(f"{model.name} is a model of {record['method']}, not of {settings['method']}")
    file = EventFile(job.events / "events.h5", settings["test_split"], settings["validation_split"])
    setting = Setting.of(file, settings)
    if settings["method"] in SCORE_METHODS:
        estimator = load_estimator(models)
        limits, arrays, verdict = _score(setting, settings, estimator)
    else:
        estimator = load_estimator(models, file.point(settings["theta1"]))
        limits, arrays, verdict = _ratio(setting, settings, estimator)
    save_arrays(job.out / "limits.npz", {**limits.arrays(), **arrays})
    write_json(
        job.out / "evaluate.json",
        {
            **job.group,
            "method_name": settings["method_name"],
            "method": settings["method"],
            "estimator": estimator.members[0].kind,
            "train_job": settings["train_job"],
            **setting.summary(),
            **limits.summary(setting.levels),
            **({"ensemble": ensemble_spread(estimator, setting, limits)} if len(models) > 1 else {}),
            **verdict.summary(),
        },
    )


def _ratio(setting: Setting, settings: Any, estimator: Estimator) -> tuple[Limits, dict[str, Array], closure.Verdict]:
    """A ratio estimator: the Asimov data at theta_true, and the mean ratio over test events at its denominator."""
    log_ratio = estimator.log_ratio
    denominator = setting.file.point(settings["theta1"])
    row = setting.file.coefficients(denominator[np.newaxis])[0]
    x, asimov = setting.asimov
    events = setting.file.part("test", denominator)
    shared = setting.file.closest_benchmark(denominator) == setting.file.closest_benchmark(setting.theta_true)
    at_denominator = Summaries(events.x, events.probabilities(row))
    kinematics, figures = _mean_ratio(log_ratio, setting.points, at_denominator, asimov if shared else None)
    if not shared:
        kinematics = _mean_log(log_ratio, setting.points, Summaries(x, asimov))
    limits = setting.limits(kinematics)
    verdict = closure.judge(setting, limits, figures)
    if settings.get("calibration") == "normalisation":
        validation = setting.file.part("validation", denominator)
        _, norm = _mean_ratio(log_ratio, setting.points, Summaries(validation.x, validation.probabilities(row)))
        before = verdict
        limits = setting.limits(kinematics - np.log(norm.mean))
        figures = figures.over(norm)
        verdict = closure.judge(setting, limits, figures).with_calibration("normalisation", before)
    return limits, figures.arrays(setting.grid.shape), verdict


def _mean_ratio(
    log_ratio: LogRatio, points: Array, events: Summaries, data: Array | None = None
) -> tuple[Array, closure.MeanRatio]:
    """The mean ratio over events at every point with its error, and the mean log ratio over the same events.

    The latter has the probabilities ``data`` where those of the data are others.
    """
    logs, mean, error = [], [], []
    for part in _chunks(points, len(events.values)):
        values = log_ratio(part, events.values)
        logs.append(values @ (events.probabilities if data is None else data))
        ratio = np.exp(np.minimum(values, 100.0))
        mean.append(ratio @ events.probabilities)
        error.append(np.sqrt(np.square(ratio - mean[-1][:, np.newaxis]) @ np.square(events.probabilities)))
    return np.concatenate(logs), closure.MeanRatio(np.concatenate(mean), np.concatenate(error))


def _mean_log(log_ratio: LogRatio, points: Array, data: Summaries) -> Array:
    chunks = _chunks(points, len(data.values))
    return np.concatenate([log_ratio(part, data.values) @ data.probabilities for part in chunks])


def _chunks(points: Array, n_events: int) -> Iterator[Array]:
    """Points, few enough at a time that their ratios for all events take less than 200 MB."""
    size = max(1, 10_000_000 // max(n_events, 1))
    for start in range(0, len(points), size):
        yield points[start : start + size]


def _score(setting: Setting, settings: Any, estimator: Estimator) -> tuple[Limits, dict[str, Array], closure.Verdict]:
    """A score estimator: histograms of the estimated score, filled with validation events, that it was not trained on.

    SALLY has one histogram in all components. SALLINO has at each θ a histogram of the component h along θ - θ_ref; as
    in arXiv:1805.00020 its ratio is p(h | θ) / p(h | θ_ref). (MadMiner 0.9.6 leaves out the denominator and compares
    densities of different variables with each other.)
    """
    reference = setting.file.point(settings["theta"])
    row = setting.file.coefficients(reference[np.newaxis])[0]
    template, at_reference = setting.file.part("validation"), setting.file.part("test", reference)
    x, asimov = setting.asimov
    test = Summaries(estimator.score(at_reference.x), at_reference.probabilities(row))
    data = Summaries(estimator.score(x), asimov)
    scores = estimator.score(template.x)

    def figures(direction: Array, bins: list[int], coefficients: Array, binning_row: Array) -> HistogramFigures:
        projected = Events(scores @ direction, template.weights)
        binning = make_binning(bins, projected.x, np.maximum(template.weights @ binning_row, 0.0))
        return histogram_figures(
            projected, binning, coefficients, row, data=data.project(direction), reference=test.project(direction)
        )

    n = len(reference)
    if settings["method"] == "sally":
        result = figures(
            np.eye(n), [settings["score_bins"]] * n, setting.coefficients, setting.coefficients[:-1].mean(axis=0)
        )
    else:
        result = HistogramFigures.join(
            [
                figures(_direction(point - reference), [settings["score_bins"]], coefficients[np.newaxis], row)
                for point, coefficients in zip(setting.points, setting.coefficients, strict=True)
            ]
        )
    limits = setting.limits(result.mean_log)
    training = setting.file.part("train", reference)
    joint = Summaries(setting.file.joint_scores(training, reference), training.probabilities(row))
    score = closure.mean_score(test, joint)
    verdict = closure.judge(setting, limits, result.ratio, score=score, unknown=result.unknown)
    return limits, result.ratio.arrays(setting.grid.shape), verdict


def _direction(difference: Array) -> Array:
    """A unit vector, as a column; the first axis where the difference is 0."""
    norm = float(np.linalg.norm(difference))
    vector = difference / norm if norm > 0.0 else np.eye(len(difference))[0]
    return np.asarray(vector[:, np.newaxis])
