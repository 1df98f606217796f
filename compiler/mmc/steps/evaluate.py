"""``evaluate``: expected limits of a trained estimator, and the closure tests that say whether to believe them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mmc.errors import StepError
from mmc.steps import closure
from mmc.steps.calibration import EVERY, Calibration, Points
from mmc.steps.estimators import LogRatio, load_estimator, network_log_ratio, network_score
from mmc.steps.events import Array, EventFile, Events, Summaries
from mmc.steps.histograms import HistogramFigures, histogram_figures, make_binning
from mmc.steps.job import StepJob, write_json
from mmc.steps.joint import joint_figures, regression
from mmc.steps.limits import Limits, Setting, save_arrays
from mmc.steps.mean_ratio import MeanRatio, RatioSums
from mmc.steps.pool import Pool, Totals, Toys, blocks
from mmc.steps.truth import Truth, area_figures, data_closure, joint_ratio
from mmc.study import SCORE_METHODS


def run(job: StepJob) -> None:
    """Write ``limits.npz`` (see :meth:`mmc.steps.limits.Limits.arrays`) and ``evaluate.json``.

    :raises StepError: when the model is not that of the job, or the network returns numbers that are not finite
    """
    settings = job.settings
    model = job.pick("model", settings["train_job"])
    record = json.loads((model / "train.json").read_text(encoding="utf-8"))
    if record["method"] != settings["method"]:
        raise StepError(f"{model.name} is a model of {record['method']}, not of {settings['method']}")
    file = EventFile(job.events / "events.h5", settings["test_split"], settings["validation_split"])
    setting = Setting.of(file, settings)
    random = np.random.default_rng(job.seed)
    if settings["method"] in SCORE_METHODS:
        limits, arrays, verdict = _score(setting, settings, load_estimator(model, "score"), random)
    else:
        limits, arrays, verdict = _ratio(setting, settings, load_estimator(model, "ratio"), random)
    save_arrays(job.out / "limits.npz", {**limits.arrays(), **arrays})
    write_json(
        job.out / "evaluate.json",
        {
            **job.group,
            "method_name": settings["method_name"],
            "method": settings["method"],
            "train_job": settings["train_job"],
            **setting.summary(),
            **limits.summary(setting.levels),
            **verdict.summary(),
        },
    )


class _Ratio:
    """A ratio estimator, calibrated or not: the sums over the test events of its Asimov data and its denominator."""

    def __init__(self, setting: Setting, calibration: Calibration | None = None) -> None:
        self._setting = setting
        self._calibration = calibration
        self.totals, self.sums = Totals(setting), RatioSums(len(setting.points))

    def transform(self, logs: Array, points: Points = EVERY) -> Array:
        """The log ratios of the network at all points or some, calibrated."""
        return logs if self._calibration is None else self._calibration.apply(logs, points)

    @property
    def mean_ratio(self) -> MeanRatio:
        """Over the test events at the denominator, with the error that the calibration adds."""
        ratio = self.sums.mean_ratio()
        return ratio if self._calibration is None else ratio.widened(self._calibration.error)

    def joint(self, logs: Array, events: Events, row: Array, points: Points) -> list[dict[str, Any]]:
        """Estimated against joint ratios of events at the denominator, at some points."""
        estimated = np.exp(np.minimum(self.transform(logs, points), 100.0))
        true, p = joint_ratio(events.weights, self._setting.coefficients[points], row), events.probabilities(row)
        return [
            {"theta": self._setting.named(theta), **regression(joint, own, p)}
            for theta, joint, own in zip(self._setting.points[points], true, estimated, strict=True)
        ]


def _ratio(
    setting: Setting, settings: Any, estimator: Any, random: np.random.Generator
) -> tuple[Limits, dict[str, Array], closure.Verdict]:
    """A ratio estimator: the Asimov data at theta_true, and the mean ratio over test events at its denominator."""
    log_ratio = network_log_ratio(estimator)
    denominator = setting.file.point(settings["theta1"])
    row = setting.file.coefficients(denominator[np.newaxis])[0]
    method = settings.get("calibration")
    ratios = [_Ratio(setting)]
    if method is not None:
        ratios.append(_Ratio(setting, Calibration.fit(method, log_ratio, setting, denominator)))
    _add_up(ratios, setting, denominator, log_ratio)

    limits = [ratio.totals.limits() for ratio in ratios]
    pool = Pool.of(setting, limits[-1])
    toys = [Toys(pool) for _ in ratios]
    for rows in blocks(len(pool.x), len(setting.points)):
        logs, counts = log_ratio(setting.points, pool.x[rows]), pool.draw(rows, random)
        for ratio, own in zip(ratios, toys, strict=True):
            own.add(ratio.transform(logs), rows, counts)
    events, truth = setting.file.part("test", denominator), Truth(setting)
    at_probes = log_ratio(setting.points[pool.probes], events.x)
    verdicts = [
        closure.judge(
            setting,
            limits[k],
            ratio.mean_ratio,
            joint=joint_figures("ratio", ratio.joint(at_probes, events, row, pool.probes)),
            coverage=toys[k].coverage(),
            area=area_figures(setting, ratio.totals, truth),
        )
        for k, ratio in enumerate(ratios)
    ]
    verdict = verdicts[-1] if method is None else verdicts[-1].with_calibration(method, verdicts[0])
    return limits[-1], ratios[-1].mean_ratio.arrays(setting.grid.shape), verdict


def _add_up(ratios: Sequence[_Ratio], setting: Setting, denominator: Array, log_ratio: LogRatio) -> None:
    """Add all test events that limits and mean ratios need; the network is the same for all of the ratios."""
    x, _ = setting.asimov
    events = setting.file.part("test", denominator)
    p = events.probabilities(setting.file.coefficients(denominator[np.newaxis])[0])
    same = setting.file.closest_benchmark(denominator) == setting.file.closest_benchmark(setting.theta_true)
    for rows in blocks(len(x), len(setting.points)):
        logs = log_ratio(setting.points, x[rows])
        for ratio in ratios:
            transformed = ratio.transform(logs)
            ratio.totals.add(transformed, rows)
            if same:
                ratio.sums.add(transformed, p[rows])
    for rows in () if same else blocks(len(p), len(setting.points)):
        logs = log_ratio(setting.points, events.x[rows])
        for ratio in ratios:
            ratio.sums.add(ratio.transform(logs), p[rows])


def _score(
    setting: Setting, settings: Any, estimator: Any, random: np.random.Generator
) -> tuple[Limits, dict[str, Array], closure.Verdict]:
    """A score estimator: histograms of the estimated score, filled with validation events, that it was not trained on.

    SALLY has one histogram in all components. SALLINO has at each θ a histogram of the component h along θ - θ_ref; as
    in arXiv:1805.00020 its ratio is p(h | θ) / p(h | θ_ref). (MadMiner 0.9.6 leaves out the denominator and compares
    densities of different variables with each other.)
    """
    reference = setting.file.point(settings["theta"])
    row = setting.file.coefficients(reference[np.newaxis])[0]
    template, at_reference = setting.file.part("validation"), setting.file.part("test", reference)
    x, asimov = setting.asimov
    test = Summaries(network_score(estimator, at_reference.x), at_reference.probabilities(row))
    data = Summaries(network_score(estimator, x), asimov)
    scores = network_score(estimator, template.x)

    def figures(direction: Array, bins: list[int], coefficients: Array, binning_row: Array) -> HistogramFigures:
        projected = Events(scores @ direction, template.weights)
        binning = make_binning(bins, projected.x, np.maximum(template.weights @ binning_row, 0.0))
        result = histogram_figures(
            projected, binning, coefficients, row, data=data.project(direction), reference=test.project(direction)
        )
        return replace(result, log_ratio=lambda values: result.log_ratio(values @ direction))

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
    components = zip(
        setting.grid.axes, setting.file.joint_scores(at_reference, reference).T, test.values.T, strict=True
    )
    coverage, area = data_closure(setting, limits, lambda rows: result.log_ratio(data.values[rows]), random)
    verdict = closure.judge(
        setting,
        limits,
        result.ratio,
        score=closure.mean_score(test, joint),
        joint=joint_figures(
            "score",
            [
                {"component": name, **regression(true, estimated, test.probabilities)}
                for name, true, estimated in components
            ],
        ),
        coverage=coverage,
        area=area,
        unknown=result.unknown,
    )
    return limits, result.ratio.arrays(setting.grid.shape), verdict


def _direction(difference: Array) -> Array:
    """A unit vector, as a column; the first axis where the difference is 0."""
    norm = float(np.linalg.norm(difference))
    vector = difference / norm if norm > 0.0 else np.eye(len(difference))[0]
    return np.asarray(vector[:, np.newaxis])
