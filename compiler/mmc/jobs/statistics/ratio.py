"""Limits and closure tests of ratio estimators, before and after calibration."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np

from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.jobs.learning.estimators import Estimator, LogRatio, VariedLogRatio
from mmc.jobs.learning.mixtures import Mixture
from mmc.jobs.madminer.event_file import Array, Events
from mmc.jobs.statistics.at_benchmarks import around_region, compared_at, known_points
from mmc.jobs.statistics.calibration import EVERY, Calibration, Points
from mmc.jobs.statistics.closure import verdict
from mmc.jobs.statistics.closure.evidence import Compared, Evidence
from mmc.jobs.statistics.closure.ratio_sums import MeanRatio, RatioSums
from mmc.jobs.statistics.closure.toys import AsimovLogRatio, ToyPopulation, Toys, blocks
from mmc.jobs.statistics.closure.truth import Truth, joint_ratio
from mmc.jobs.statistics.evaluated import Evaluated
from mmc.jobs.statistics.event_errors import EventErrors
from mmc.jobs.statistics.expectation import Expectation
from mmc.jobs.statistics.limits import Cloud, Limits
from mmc.jobs.statistics.neyman import Cells
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.profiled_ratio import LogRate, Variation, VariedRatio, design
from mmc.jobs.statistics.profiling import ShapeLikelihood
from mmc.jobs.statistics.result import Result
from mmc.jobs.statistics.scanning.density import Density, RatioDensity
from mmc.jobs.statistics.scanning.polynomial import PolynomialDensity

log = logging.getLogger(__name__)


class _Ratio:
    """A ratio with or without calibration: its sums over Asimov data, observed events and events at the denominator."""

    def __init__(
        self, problem: LimitProblem, calibration: Calibration | None = None, without_density: Array | None = None
    ) -> None:
        self._problem = problem
        self._calibration = calibration
        self._without_density = without_density
        self.asimov, self.sums = AsimovLogRatio(problem), RatioSums(len(problem.points))
        self.observed = np.zeros(len(problem.points))
        self.compared: Compared | None = None
        self.toys: Toys | None = None

    def add(self, logs: Array, rows: slice, p: Array) -> None:
        """Add the network's log ratios of the test events ``rows``, at all points.

        ``p`` are the probabilities of all test events at the denominator.
        """
        transformed = self.transform(logs)
        self.asimov.add(transformed, rows)
        self.sums.add(transformed, p[rows])

    def transform(self, logs: Array, points: Points = EVERY) -> Array:
        """Calibrate log ratios of the network, at all points or some."""
        return logs if self._calibration is None else self._calibration.apply(logs, points)

    def likelihoods(
        self, simulated: Evaluated, reference: Array, errors: EventErrors | None = None
    ) -> tuple[ShapeLikelihood, ShapeLikelihood]:
        """The likelihoods of the Asimov data and of the observed events.

        :param simulated: the ratio of the events that calibrate it
        :param reference: the probabilities of these events at the denominator
        :param errors: gets the log ratios of these events
        """
        problem = self._problem
        if not problem.expects_simulation:
            return ShapeLikelihood(self.asimov.mean), ShapeLikelihood(self.observed)
        _, probabilities = problem.asimov
        calibrated = None if self._calibration is None else reference
        expectation = Expectation(probabilities, calibrated, len(problem.points), errors)
        for rows, logs in simulated:
            expectation.add(self.transform(logs), rows)
        return expectation.likelihood, expectation.observed(self.observed)

    @property
    def mean_ratio(self) -> MeanRatio:
        """The mean ratio over test events at the denominator; its error includes the error of the calibration."""
        ratio = self.sums.mean_ratio()
        return ratio if self._calibration is None else ratio.widened(self._calibration.error)

    def compare(self, logs: Array, events: Events, row: Array, points: Points) -> None:
        """Compare estimated and joint ratios of events at the denominator, at some points."""
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
                asimov=self.asimov,
                truth=truth,
                toys=self.toys,
                without_density=self._without_density,
            )
        )


@dataclass(frozen=True)
class _RatioVariations:
    """A ratio at the values of the nuisance parameters from which its quadratic form is calculated."""

    problem: LimitProblem
    variations: list[Variation]
    expected: Array
    """Mean log ratios of the Asimov data, shape (variations, points)."""
    observed: Array
    """Mean log ratios of the observed events, shape (variations, points)."""
    mean_ratios: Mapping[str, MeanRatio]
    """Mean ratios by the name of the variation."""

    @classmethod
    def of(
        cls, problem: LimitProblem, method: str, log_ratio: VariedLogRatio, denominator: Array, p: Array
    ) -> "_RatioVariations":
        """Evaluate and calibrate the ratio; ``p`` are the probabilities of the test events at the denominator."""
        events, reference = _simulated(problem, denominator)
        variations = design(problem.file.nuisance_parameters)
        log.info("fitting nuisance parameters: the network is evaluated at %d more values of them", len(variations))
        expected, observed, means = [], [], {}
        for variation in variations:
            varied = partial(log_ratio, nu=variation.nu)
            simulated = Evaluated(varied, problem.points, events.x)
            calibration = None
            if method != "none":
                calibration = Calibration.fit(method, simulated, problem, denominator, variation.factors)
            ratio = _Ratio(problem, calibration)
            for rows in blocks(len(problem.population.x), len(problem.points)):
                ratio.add(varied(problem.points, problem.population.x[rows]), rows, p)
            _add_observed([ratio], problem, varied)
            expected.append(ratio.likelihoods(simulated, reference)[0].mean_log)
            observed.append(ratio.observed)
            means[variation.name] = ratio.mean_ratio
        return cls(problem, variations, np.stack(expected), np.stack(observed), means)

    def shape_likelihoods(
        self, expected: ShapeLikelihood, observed: ShapeLikelihood
    ) -> tuple[ShapeLikelihood, ShapeLikelihood]:
        """The likelihoods of the Asimov data and of the observed events, from those at ν = 0."""
        problem = self.problem
        effects = problem.file.variations(problem.partition)
        rate = LogRate.of(problem.population.weights, problem.coefficients, effects)
        expected, observed = (
            replace(shape, gain=VariedRatio.of(np.asarray(shape.mean_log), varied, self.variations, rate))
            for shape, varied in ((expected, self.expected), (observed, self.observed))
        )
        return expected, observed


def ratio_result(
    problem: LimitProblem,
    settings: EvaluateSettings,
    log_ratio: VariedLogRatio,
    random: np.random.Generator,
    without_density: Array | None = None,
) -> Result:
    """Limits from an estimated ratio, with their verdict.

    The Asimov data are validation events, which also calibrate the ratio, weighted to the true point. Mean and joint
    ratios are calculated from all test events, weighted to theta1.
    Nuisance parameters that the ratio has learned are at their nominal values, except in limits that fit them.

    :param without_density: the part of the Asimov data where the ratio is not positive at each point, shape (points,);
        None for ratios that are positive by construction
    :raises StepError: when there are too few events, or a fit does not converge
    """
    denominator = problem.file.point(settings.reference)
    row = problem.file.coefficients(denominator[np.newaxis])[0]
    method = settings.calibration
    events, reference = _simulated(problem, denominator)
    simulated = Evaluated(log_ratio, problem.points, events.x)
    ratios = [_Ratio(problem, None, without_density)]
    if method != "none":
        calibration = Calibration.fit(method, simulated, problem, denominator)
        ratios.append(_Ratio(problem, calibration, without_density))
    final = ratios[-1]
    tested = Evaluated(log_ratio, problem.points, problem.population.x)
    p = problem.population.probabilities(row)
    for rows, logs in tested:
        for ratio in ratios:
            ratio.add(logs, rows, p)
    _add_observed(ratios, problem, log_ratio)

    errors = EventErrors.of(problem)
    expected, of_observed = final.likelihoods(simulated, reference, errors)
    problem = replace(problem, errors=None if errors is None else errors.errors)
    judge_varied = None
    if problem.profiled and settings.profiles_nuisance:
        varied = _RatioVariations.of(problem, method, log_ratio, denominator, p)
        expected, of_observed = varied.shape_likelihoods(expected, of_observed)
        judge_varied = partial(verdict.judge_varied, problem, varied.mean_ratios)
    observed = None if problem.observed is None else of_observed

    def cells() -> Cells:
        own = problem.file.part(problem.partition)
        of_tests = tested if own is problem.population else Evaluated(log_ratio, problem.points, own.x)
        return Cells.of_events(problem, lambda: (final.transform(logs) for _, logs in chain(of_tests, simulated)))

    if not problem.file.has_morphing:  # toys and joint ratios need weights at points that are not benchmarks
        arrays = final.mean_ratio.arrays(problem.grid.shape)
        compared = _compared_at_benchmarks(problem, method, log_ratio, denominator, row)

        def judge(limits: Limits, rate: bool) -> verdict.Verdict:
            evidence = Evidence(problem, limits, rate=rate, mean_ratio=final.mean_ratio, asimov=final.asimov)
            return verdict.judge(replace(evidence, compared=compared))

        return Result.of(
            problem, expected, observed, judge, arrays, cells=cells, random=random, judge_varied=judge_varied
        )

    population = ToyPopulation.of(problem, problem.limits(final.asimov.mean))
    toys = [Toys(population) for _ in ratios]
    for rows, logs in tested:
        counts = population.draw(rows, random)
        for ratio, ratio_toys in zip(ratios, toys, strict=True):
            ratio_toys.add(ratio.transform(logs), rows, counts)
    truth = Truth(problem)
    logs = log_ratio(problem.points[population.probes], problem.population.x)
    for ratio, ratio_toys in zip(ratios, toys, strict=True):
        ratio.toys = None if isinstance(problem.grid, Cloud) else ratio_toys
        ratio.compare(logs, problem.population, row, population.probes)

    result = Result.of(
        problem,
        expected,
        observed,
        lambda limits, rate: final.judge(limits, rate, truth),
        final.mean_ratio.arrays(problem.grid.shape),
        cells=cells,
        random=random,
        judge_varied=judge_varied,
    )
    if method == "none":
        return result
    before = ratios[0].judge(problem.limits(ratios[0].asimov.mean), True, truth)
    return replace(result, verdict=result.verdict.with_calibration(method, before))


def _compared_at_benchmarks(
    problem: LimitProblem, method: str, log_ratio: LogRatio, denominator: Array, row: Array
) -> Compared | None:
    """Estimated ratios beside simulated events at the benchmarks around the confidence region; None if there are none.

    The ratio is evaluated, and calibrated, at the benchmarks themselves, which may lie between the points of the grid.
    """
    known, (events, _) = known_points(problem), _simulated(problem, denominator)
    ratio = _Ratio(known)
    if method != "none":
        simulated = Evaluated(log_ratio, known.points, events.x)
        ratio = _Ratio(known, Calibration.fit(method, simulated, known, denominator))
    for rows in blocks(len(known.population.x), len(known.points)):
        logs = log_ratio(known.points, known.population.x[rows])
        ratio.asimov.add(ratio.transform(logs), rows)
    chosen, n_events = around_region(known, ratio.asimov.mean)
    if not len(chosen):
        return None
    logs = ratio.transform(log_ratio(known.points[chosen], known.population.x), chosen)
    return compared_at(known, chosen, n_events, np.exp(np.minimum(logs, 100.0)), row)


def ratio_density(problem: LimitProblem, settings: EvaluateSettings, estimator: Estimator | Mixture) -> Density:
    """The ratio at any point, divided by its mean if the study says so."""
    normalised = None
    if settings.calibration != "none":
        events, reference = _simulated(problem, problem.file.point(settings.reference))
        normalised = events.x, reference
    if isinstance(estimator, Estimator) and estimator.can_be_negative:
        return PolynomialDensity(estimator, normalised)
    return RatioDensity(estimator.log_ratio, normalised)


def _simulated(problem: LimitProblem, denominator: Array) -> tuple[Events, Array]:
    """The events that calibrate a ratio, and their probabilities at its denominator."""
    events = problem.file.part(problem.simulation, denominator)
    return events, events.probabilities(problem.file.coefficients(denominator[np.newaxis])[0])


def _add_observed(ratios: list[_Ratio], problem: LimitProblem, log_ratio: LogRatio) -> None:
    """Add the observed events, if there are any. The network, which all ratios share, is evaluated once."""
    if problem.observed is None:
        return
    x, probabilities = problem.observed.values, problem.observed.probabilities
    for rows in blocks(len(x), len(problem.points)):
        logs = log_ratio(problem.points, x[rows])
        for ratio in ratios:
            ratio.observed += ratio.transform(logs) @ probabilities[rows]
