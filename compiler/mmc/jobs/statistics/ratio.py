"""Limits and closure tests of ratio estimators, as trained and calibrated."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.jobs.learning.estimators import LogRatio, VariedLogRatio
from mmc.jobs.madminer.event_file import Array, Events
from mmc.jobs.statistics.calibration import EVERY, Calibration, Points
from mmc.jobs.statistics.closure import verdict
from mmc.jobs.statistics.closure.evidence import Compared, Evidence
from mmc.jobs.statistics.closure.ratio_sums import MeanRatio, RatioSums
from mmc.jobs.statistics.closure.toys import Pool, Totals, Toys, blocks
from mmc.jobs.statistics.closure.truth import Truth, joint_ratio
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.profiled_ratio import LogRate, Variation, VariedRatio, design
from mmc.jobs.statistics.profiling import ShapeLikelihood
from mmc.jobs.statistics.result import Result

KEPT = 150_000_000
"""Log ratios that are kept for the toys, in single precision, which is that of the networks: 0.6 GB."""

log = logging.getLogger(__name__)


class _TestEvents:
    """The test events in blocks, with the network's log ratios of each at all points, shape (points, events).

    They are gone through twice, as what toys are needed is known when there are limits.
    """

    def __init__(self, problem: LimitProblem, log_ratio: LogRatio) -> None:
        self._problem, self._log_ratio = problem, log_ratio
        self._blocks = list(blocks(len(problem.population.x), len(problem.points)))
        self._kept: list[Array] = []

    def __iter__(self) -> Iterator[tuple[slice, Array]]:
        points, x = self._problem.points, self._problem.population.x
        for k, rows in enumerate(self._blocks):
            if k < len(self._kept):
                yield rows, self._kept[k]
                continue
            logs = self._log_ratio(points, x[rows])
            if k == len(self._kept) and rows.stop * len(points) <= KEPT:
                self._kept.append(logs.astype(np.float32))
            yield rows, logs


class _Ratio:
    """A ratio, calibrated or not: its sums over Asimov data, observed events and events at the denominator."""

    def __init__(self, problem: LimitProblem, calibration: Calibration | None = None) -> None:
        self._problem = problem
        self._calibration = calibration
        self.totals, self.sums = Totals(problem), RatioSums(len(problem.points))
        self.observed = np.zeros(len(problem.points))
        self.compared: Compared | None = None
        self.toys: Toys | None = None

    def add(self, logs: Array, rows: slice, p: Array) -> None:
        """Add the network's log ratios of some test events at all points; ``p`` are the events' at the denominator."""
        transformed = self.transform(logs)
        self.totals.add(transformed, rows)
        self.sums.add(transformed, p[rows])

    def transform(self, logs: Array, points: Points = EVERY) -> Array:
        """The log ratios of the network at all points or some, calibrated."""
        return logs if self._calibration is None else self._calibration.apply(logs, points)

    @property
    def mean_ratio(self) -> MeanRatio:
        """Over the test events at the denominator, with the error that the calibration adds."""
        ratio = self.sums.mean_ratio()
        return ratio if self._calibration is None else ratio.widened(self._calibration.error)

    def compare(self, logs: Array, events: Events, row: Array, points: Points) -> None:
        """Estimated with joint ratios of events at the denominator, at some points."""
        self.compared = Compared(
            of="ratio",
            labels=[{"theta": self._problem.named(theta)} for theta in self._problem.points[points]],
            joint=joint_ratio(events.weights, self._problem.coefficients[points], row),
            estimated=np.exp(np.minimum(self.transform(logs, points), 100.0)),
            probabilities=events.probabilities(row),
        )

    def judge(self, limits: Limits, rate: bool, truth: Truth) -> verdict.Verdict:
        """The verdict on limits from this ratio."""
        return verdict.judge(
            Evidence(
                self._problem,
                limits,
                rate=rate,
                mean_ratio=self.mean_ratio,
                compared=self.compared,
                totals=self.totals,
                truth=truth,
                toys=self.toys,
            )
        )


@dataclass(frozen=True)
class _Varied:
    """A ratio at each of the values of the nuisance parameters that a fit of them starts from."""

    problem: LimitProblem
    variations: list[Variation]
    expected: Array
    """Mean log ratios of the Asimov data, shape (variations, points)."""
    observed: Array
    mean_ratios: Mapping[str, MeanRatio]
    """By the name of the variation."""

    @classmethod
    def of(
        cls, problem: LimitProblem, method: str, log_ratio: VariedLogRatio, denominator: Array, p: Array
    ) -> "_Varied":
        """``p`` are the probabilities of the test events at the denominator."""
        variations = design(problem.file.nuisance_parameters)
        log.info("the nuisance parameters are fitted: %d more values of them are evaluated", len(variations))
        expected, observed, means = [], [], {}
        for variation in variations:
            varied = partial(log_ratio, nu=variation.nu)
            calibration = None
            if method != "none":
                calibration = Calibration.fit(method, varied, problem, denominator, variation.factors)
            ratio = _Ratio(problem, calibration)
            for rows in blocks(len(problem.population.x), len(problem.points)):
                ratio.add(varied(problem.points, problem.population.x[rows]), rows, p)
            _add_observed([ratio], problem, varied)
            expected.append(ratio.totals.mean)
            observed.append(ratio.observed)
            means[variation.name] = ratio.mean_ratio
        return cls(problem, variations, np.stack(expected), np.stack(observed), means)

    def kinematics(self, nominal: _Ratio) -> tuple[ShapeLikelihood, ShapeLikelihood]:
        """Of the Asimov data and of the observed events, with the same ratio at nominal values."""
        problem = self.problem
        effects = problem.file.variations(problem.partition)
        rate = LogRate.of(problem.population.weights, problem.coefficients, effects)
        expected, observed = (
            ShapeLikelihood(mean, VariedRatio.of(mean, varied, self.variations, rate).gain)
            for mean, varied in ((nominal.totals.mean, self.expected), (nominal.observed, self.observed))
        )
        return expected, observed


def ratio_outcome(
    problem: LimitProblem, settings: EvaluateSettings, log_ratio: VariedLogRatio, random: np.random.Generator
) -> Result:
    """The Asimov data are at theta_true; mean and joint ratios are those of all test events, weighted as at theta1.

    Nuisance parameters that the ratio has learned are nominal but in the limits in which they are fitted.

    :raises StepError: when there are too few events, or a fit finds no end
    """
    denominator = problem.file.point(settings.reference)
    row = problem.file.coefficients(denominator[np.newaxis])[0]
    method = settings.calibration
    ratios = [_Ratio(problem)]
    if method != "none":
        ratios.append(_Ratio(problem, Calibration.fit(method, log_ratio, problem, denominator)))
    final = ratios[-1]
    tested = _TestEvents(problem, log_ratio)
    p = problem.population.probabilities(row)
    for rows, logs in tested:
        for ratio in ratios:
            ratio.add(logs, rows, p)
    _add_observed(ratios, problem, log_ratio)

    expected, seen = ShapeLikelihood(final.totals.mean), ShapeLikelihood(final.observed)
    judge_varied = None
    if problem.profiled and settings.profiles_nuisance:
        varied = _Varied.of(problem, method, log_ratio, denominator, p)
        expected, seen = varied.kinematics(final)
        judge_varied = partial(verdict.judge_varied, problem, varied.mean_ratios)
    observed = None if problem.observed is None else seen

    if not problem.file.has_morphing:  # toys and joint ratios need weights at points that are no benchmarks
        arrays = final.mean_ratio.arrays(problem.grid.shape)

        def judge(limits: Limits, rate: bool) -> verdict.Verdict:
            return verdict.judge(Evidence(problem, limits, rate=rate, mean_ratio=final.mean_ratio))

        return Result.of(problem, expected, observed, judge, arrays, judge_varied=judge_varied)

    pool = Pool.of(problem, problem.limits(final.totals.mean))
    toys = [Toys(pool) for _ in ratios]
    for rows, logs in tested:
        counts = pool.draw(rows, random)
        for ratio, own in zip(ratios, toys, strict=True):
            own.add(ratio.transform(logs), rows, counts)
    truth = Truth(problem)
    logs = log_ratio(problem.points[pool.probes], problem.population.x)
    for ratio, own in zip(ratios, toys, strict=True):
        ratio.toys = own
        ratio.compare(logs, problem.population, row, pool.probes)

    outcome = Result.of(
        problem,
        expected,
        observed,
        lambda limits, rate: final.judge(limits, rate, truth),
        final.mean_ratio.arrays(problem.grid.shape),
        judge_varied=judge_varied,
    )
    if method == "none":
        return outcome
    before = ratios[0].judge(problem.limits(ratios[0].totals.mean), True, truth)
    return replace(outcome, verdict=outcome.verdict.with_calibration(method, before))


def _add_observed(ratios: list[_Ratio], problem: LimitProblem, log_ratio: LogRatio) -> None:
    """Add the observed events, if there are any; the network is the same for all of the ratios."""
    if problem.observed is None:
        return
    x, probabilities = problem.observed.values, problem.observed.probabilities
    for rows in blocks(len(x), len(problem.points)):
        logs = log_ratio(problem.points, x[rows])
        for ratio in ratios:
            ratio.observed += ratio.transform(logs) @ probabilities[rows]
