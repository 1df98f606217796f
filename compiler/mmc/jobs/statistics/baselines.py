"""Results without machine learning: limits from the rate, a histogram or the truth, and Fisher information."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mmc.compiler.catalogue.baselines import HISTOGRAM, RATE, TRUTH
from mmc.compiler.settings.baselines import BaselineSettings, HistogramSettings
from mmc.errors import SettingsError, StepError
from mmc.jobs.madminer.event_file import EventFile, Partition
from mmc.jobs.statistics.binned_ratio import BinnedRatio, histogram_figures
from mmc.jobs.statistics.closure import verdict
from mmc.jobs.statistics.closure.evidence import DataEvidence, Evidence
from mmc.jobs.statistics.closure.truth import Truth
from mmc.jobs.statistics.event_errors import EventErrors
from mmc.jobs.statistics.histograms import Binning, Filled, check_bins, make_binning
from mmc.jobs.statistics.jackknife import GROUPS, group_of
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.neyman import Cells
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.profiling import FilledHistogram, ShapeLikelihood
from mmc.jobs.statistics.pyhf_workspace import make_workspaces
from mmc.jobs.statistics.result import Result
from mmc.jobs.statistics.scanning.density import BinnedDensity, Density, TruthDensity
from mmc.jobs.statistics.simulated import n_samples
from mmc.jobs.statistics.summaries import Summaries

LimitsAndWorkspaces = tuple[Result, dict[str, Any]]
"""Limits, and the pyhf workspaces by benchmark, which only histograms have."""


def _rate(problem: LimitProblem, settings: BaselineSettings, random: np.random.Generator) -> LimitsAndWorkspaces:
    """Limits from the rate alone, also if other limits do not include the rate: a histogram with one bin."""
    del settings
    counting = _counting(problem)
    filled = fill(problem, problem.rate_partition, _ONE_BIN, [0])
    counting = counting.with_template(filled, np.ones(1, dtype=bool))
    ratio = BinnedRatio.of(filled.template.sums, problem.coefficients, problem.true_coefficients)
    histogram = FilledHistogram(ratio.varied(filled, profiled=problem.profiled), np.ones(1))
    gain = histogram if len(histogram.histogram.up) else None
    data = ShapeLikelihood(0.0, gain, np.zeros((GROUPS, 1)), histogram=histogram)

    def judge(limits: Limits, rate: bool) -> verdict.Verdict:
        return verdict.judge(Evidence(problem, limits, rate=rate))

    nothing = np.zeros((len(problem.points), 1))

    def cells() -> Cells:
        return Cells.binned(counting, nothing, _ONE_BIN, lambda events: events.x[:, :1])

    return Result.of(
        counting, data, None if problem.observed is None else data, judge, {}, cells=cells, random=random
    ), {}


_ONE_BIN = Binning((np.zeros(0),))


def _counting(problem: LimitProblem) -> LimitProblem:
    return replace(problem, include_xsec=True, n_measured=1, simulation="all", whole=True)


def _truth(problem: LimitProblem, settings: BaselineSettings, random: np.random.Generator) -> LimitsAndWorkspaces:
    """Limits from the joint likelihood ratio, which knows the latent variables of every event and is exact."""
    del settings
    problem = replace(problem, simulation="rest")
    truth, errors = Truth(problem), EventErrors.of(problem)
    data = truth.expected(errors) if problem.expects_simulation else ShapeLikelihood(truth.asimov.mean)
    problem = replace(problem, errors=None if errors is None else errors.errors)
    tested = DataEvidence(problem, truth.log_ratio, random)

    def judge(limits: Limits, rate: bool) -> verdict.Verdict:
        return verdict.judge(tested.on(limits, rate))

    def cells() -> Cells:
        return Cells.of_ratio(problem, truth.log_ratio_of_limits)

    return Result.of(problem, data, None, judge, {}, cells=cells, random=random), {}


def _histogram(problem: LimitProblem, settings: BaselineSettings, random: np.random.Generator) -> LimitsAndWorkspaces:
    """Limits from a histogram of observables, filled with all events except test events; r is relative to the true
    point."""
    histogram = _settings_of(settings)
    columns, filled, binning = _filled(problem, histogram)
    population = problem.population
    problem = replace(problem, n_measured=binning.size, simulation="rest", whole=True)
    data = None
    if not problem.expects_simulation:
        x, probabilities = problem.asimov
        data = Summaries(x[:, columns], probabilities)
    observed = None if problem.observed is None else problem.observed.take(columns)
    result = histogram_figures(
        filled,
        binning,
        problem.coefficients,
        problem.true_coefficients,
        data=data,
        reference=Summaries(population.x[:, columns], population.probabilities(problem.true_coefficients)),
        observed=observed,
        truth=problem.true_coefficients,
        integration=problem.integration,
        profiled=problem.profiled,
    )
    if result.binned is not None:
        problem = problem.with_template(filled, result.binned.known)
    arrays = result.ratio.arrays(problem.grid.shape) | {
        f"edges_{name}": edges for name, edges in zip(histogram.observables, binning.edges, strict=True)
    }

    tested = DataEvidence(problem, lambda events: result.log_ratio(events.x[:, columns]), random)

    def judge(limits: Limits, rate: bool) -> verdict.Verdict:
        return verdict.judge(
            replace(
                tested.on(limits, rate),
                mean_ratio=result.ratio,
                binned=result.binned,
                unfilled=result.unfilled,
                sparse=result.sparse,
            )
        )

    def cells() -> Cells:
        return Cells.of_histogram(problem, result, lambda events: events.x[:, columns])

    limits = Result.of(problem, result.expected, result.observed, judge, arrays, cells=cells, random=random)
    counts = problem.n_expected * np.asarray(result.fractions)
    if observed is not None:
        counts = problem.n_observed * binning.fractions(observed)
    return limits, make_workspaces(problem, filled, counts, "_".join(histogram.observables))


def fill(problem: LimitProblem, partition: Partition, binning: Binning, columns: Sequence[int]) -> Filled:
    """The histogram of some observables, with the effects of nuisance parameters, from all events of a partition."""
    file = problem.file
    filled = Filled(
        binning.size,
        len(file.benchmarks),
        file.nuisance_parameters,
        floating=file.floating,
        n_samples=n_samples(file, binning.size),
    )
    for block in file.blocks(partition):
        index = binning.index(block.events.x[:, list(columns)])
        groups, labels = group_of(len(index), block.start), block.labels()
        filled.add(index, block.events.weights, block.variations(), groups, file.members_of(labels), labels=labels)
    return filled


def _settings_of(settings: BaselineSettings) -> HistogramSettings:
    if settings.histogram is None:
        raise SettingsError("a histogram needs observables and bins")
    return settings.histogram


def _filled(problem: LimitProblem, histogram: HistogramSettings) -> tuple[list[int], Filled, Binning]:
    """The columns of the observables of a histogram, its contents, and its bins."""
    columns = [column_of(problem.file, name) for name in histogram.observables]
    for name in histogram.observables:
        check_finite(problem.file, name)
    some = problem.file.part("rest")
    weights = np.maximum(some.weights @ problem.probes.mean(axis=0), 0.0)
    binning = make_binning(histogram.bins, some.x[:, columns], weights)
    filled = fill(problem, "rest", binning, columns)
    check_bins(binning, filled, some.x[:, columns], problem.true_coefficients)
    return columns, filled, binning


def density(problem: LimitProblem, settings: BaselineSettings) -> tuple[LimitProblem, Density]:
    """The likelihood of a baseline at any point, with the problem as the likelihood reads it."""
    row = problem.true_coefficients
    if settings.baseline == TRUTH.name:
        totals = problem.file.part("rest").weights.sum(axis=0)
        # observed events have no latent variables
        return replace(problem, simulation="rest", observed=None), TruthDensity(row, totals)
    if settings.baseline == RATE.name:
        own, columns, binning = _counting(problem), [0], _ONE_BIN
        filled = fill(problem, problem.rate_partition, binning, columns)
    else:
        columns, filled, binning = _filled(problem, _settings_of(settings))
        own = replace(problem, simulation="rest", n_measured=binning.size, whole=True)
    return own, BinnedDensity.of(own, filled, binning, summary=lambda x: x[:, columns], reference=row)


LIKELIHOODS: Mapping[str, Callable[[LimitProblem, BaselineSettings, np.random.Generator], LimitsAndWorkspaces]] = {
    RATE.name: _rate,
    HISTOGRAM.name: _histogram,
    TRUTH.name: _truth,
}
"""The function of each baseline that has limits."""


def column_of(file: EventFile, name: str) -> int:
    """The column of an observable.

    :raises StepError: when the file does not have it
    """
    if name not in file.observables:
        raise StepError(f"the event file has no observable {name}: its observables are {', '.join(file.observables)}")
    return file.observables.index(name)


def check_finite(file: EventFile, name: str) -> None:
    """:raises StepError: when the observable is not finite in an event, which then has no bin"""
    bad = int(file.n_undefined[column_of(file, name)])
    if bad:
        raise StepError(
            f"the observable {name} is not a finite number in {bad:,} of {file.n_events:,} events, so these events "
            "have no bin: give the observable a default, or make it required"
        )
