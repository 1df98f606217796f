"""``baselines``: what is reached without machine learning: rate, histogram, truth, and Fisher information."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mmc.compiler.catalogue.baselines import FISHER, HISTOGRAM, RATE, TRUTH
from mmc.errors import StepError
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.madminer.event_file import Array, EventFile, Events, Summaries
from mmc.jobs.statistics.closure import verdict
from mmc.jobs.statistics.closure.truth import DataClosure, Truth
from mmc.jobs.statistics.fisher import binned_information, profiled_information, truth_information
from mmc.jobs.statistics.histograms import BinnedRatio, Template, check_bins, histogram_figures, make_binning
from mmc.jobs.statistics.limits import LimitProblem, Limits, save_arrays
from mmc.jobs.statistics.profiling import Gain, ShapeLikelihood
from mmc.jobs.statistics.pyhf_workspace import make_workspaces
from mmc.jobs.statistics.result import Result

Found = tuple[Result, dict[str, Any]]
"""Limits, and the workspaces of pyhf by benchmark, where there are some."""


def run(job: StepJob) -> None:
    """Write ``baseline.json`` and ``limits.npz``, or for the Fisher information ``fisher.npz``.

    Of a histogram ``workspace_BENCHMARK.json`` too.
    """
    settings = job.settings
    file = EventFile.of(job.events / "events.h5", settings)
    if settings["baseline"] == FISHER.name:
        _fisher(job, LimitProblem.of(file, settings))
        return
    problem = LimitProblem.of(file, settings, job.optional("observed"))
    random = np.random.default_rng(job.seed)
    outcome, workspaces = LIKELIHOODS[settings["baseline"]](problem, settings, random)
    for name, workspace in workspaces.items():
        write_json(job.out / f"workspace_{name}.json", workspace)
    save_arrays(job.out / "limits.npz", outcome.all_arrays())
    record = {"baseline": settings["baseline"], **_binning(settings), **job.group, **outcome.summary(problem)}
    write_json(job.out / "baseline.json", record)


def _binning(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: settings[key] for key in ("observables", "bins") if key in settings}


def _rate(problem: LimitProblem, settings: Mapping[str, Any], random: np.random.Generator) -> Found:
    """The rate is all there is, whether it counts elsewhere or not: a histogram of one bin."""
    del settings, random
    gain: Gain | None = None
    variations = problem.variations("test")
    if variations is not None:
        events = problem.file.part("test")
        index = np.zeros(len(events.x), dtype=np.intp)
        ratio = BinnedRatio.of(Template.of(index, events, 1), problem.coefficients, problem.true_coefficients)
        gain = partial(ratio.varied(index, events.weights, variations).gain, np.ones(1))
    data = ShapeLikelihood(0.0, gain)

    def judge(limits: Limits, rate: bool) -> verdict.Verdict:
        del rate
        return verdict.judge(problem, limits)

    counting = replace(problem, include_xsec=True)
    return Result.of(counting, data, None if problem.observed is None else data, judge, {}), {}


def _truth(problem: LimitProblem, settings: Mapping[str, Any], random: np.random.Generator) -> Found:
    """The likelihood of someone who knows the latent variables of every event: its ratio is exact."""
    del settings
    truth = Truth(problem)
    tested = DataClosure(problem, truth.log_ratio, random)

    def judge(limits: Limits, rate: bool) -> verdict.Verdict:
        return verdict.judge(problem, limits, **tested.figures(rate))

    return Result.of(problem, ShapeLikelihood(truth.totals.mean), None, judge, {}), {}


def _histogram(problem: LimitProblem, settings: Mapping[str, Any], random: np.random.Generator) -> Found:
    """A histogram of observables, filled with all events that are not test events; its ratio is to the true point."""
    columns = [_column(problem.file, name) for name in settings["observables"]]
    for name, column in zip(settings["observables"], columns, strict=True):
        _check_finite(name, problem.file.part("all").x[:, column])
    rest, population = problem.file.part("rest"), problem.population
    template = Events(rest.x[:, columns], rest.weights)
    weights = np.maximum(rest.weights @ problem.coefficients[:-1].mean(axis=0), 0.0)
    binning = make_binning(settings["bins"], template.x, weights)
    check_bins(binning, template, problem.true_coefficients)
    x, probabilities = problem.asimov
    data = Summaries(x[:, columns], probabilities)
    observed = None if problem.observed is None else problem.observed.take(columns)
    result = histogram_figures(
        template,
        binning,
        problem.coefficients,
        problem.true_coefficients,
        data=data,
        reference=Summaries(population.x[:, columns], population.probabilities(problem.true_coefficients)),
        observed=observed,
        truth=problem.true_coefficients,
        variations=problem.variations("rest"),
    )
    arrays = result.ratio.arrays(problem.grid.shape) | {
        f"edges_{name}": edges for name, edges in zip(settings["observables"], binning.edges, strict=True)
    }

    tested = DataClosure(problem, lambda events: result.log_ratio(events.x[:, columns]), random)

    def judge(limits: Limits, rate: bool) -> verdict.Verdict:
        return verdict.judge(problem, limits, result.ratio, **tested.figures(rate), unknown=result.unknown)

    outcome = Result.of(problem, result.expected, result.observed, judge, arrays)
    counts = problem.n_expected * binning.fractions(data)
    if observed is not None:
        counts = problem.n_observed * binning.fractions(observed)
    return outcome, make_workspaces(problem, binning, template, counts, "_".join(settings["observables"]))


LIKELIHOODS: Mapping[str, Callable[[LimitProblem, Mapping[str, Any], np.random.Generator], Found]] = {
    RATE.name: _rate,
    HISTOGRAM.name: _histogram,
    TRUTH.name: _truth,
}
"""Of every baseline that has limits."""


def _column(file: EventFile, name: str) -> int:
    if name not in file.observables:
        raise StepError(f"the event file has no observable {name}: it has {', '.join(file.observables)}")
    return file.observables.index(name)


def _check_finite(name: str, values: Array) -> None:
    """:raises StepError: when an event has no value for the observable, so that it would be in no bin"""
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise StepError(
            f"the observable {name} is not a finite number in {bad:,} of {len(values):,} events, which have no bin "
            "then: give it a default, or make it required"
        )


def _fisher(job: StepJob, problem: LimitProblem) -> None:
    """Information matrices at the true point from all events, and the covariances of their entries.

    ``truth`` is that of the simulated process with nothing lost, ``rate`` that of the number of events, ``histogram``
    that of the number of events in bins of one observable. With nuisance parameters in the file, what is left of each
    when they are profiled stands beside it.
    """
    settings, point = job.settings, problem.theta_true
    events = problem.file.part("all")
    row, gradients = problem.true_coefficients, problem.file.gradients(point)
    where = (row, gradients, problem.luminosity)
    bins = {TRUTH.name: np.arange(len(events.x)), RATE.name: np.zeros(len(events.x), dtype=np.intp)}
    matrices = {
        TRUTH.name: truth_information(events, *where),
        RATE.name: binned_information(Template.of(bins[RATE.name], events, 1), *where),
    }
    if settings["observable"] is not None:
        x = events.x[:, [_column(problem.file, settings["observable"])]]
        _check_finite(settings["observable"], x)
        binning = make_binning([settings["bins"]], x, np.maximum(events.weights @ row, 0.0))
        check_bins(binning, Events(x, events.weights), row)
        bins[HISTOGRAM.name] = binning.index(x)
        matrices[HISTOGRAM.name] = binned_information(Template.of(bins[HISTOGRAM.name], events, binning.size), *where)
    arrays: dict[str, Array] = {}
    for name, information in matrices.items():
        arrays |= information.arrays(name, problem.file.parameters)
    figures = {name: information.figures(problem.file.parameters) for name, information in matrices.items()}
    if problem.file.nuisance_parameters:
        weights, slopes = (events.weights @ row, events.weights @ gradients.T), problem.file.slopes("all")
        for name, index in bins.items():
            profiled = profiled_information(*weights, slopes, problem.luminosity, index)
            arrays[f"{name}_profiled"] = profiled
            figures[name]["profiled"] = profiled.tolist()
    save_arrays(job.out / "fisher.npz", arrays)
    write_json(
        job.out / "baseline.json",
        {
            "baseline": FISHER.name,
            **job.group,
            "observable": settings["observable"],
            "bins": settings["bins"],
            "parameters": problem.file.parameters,
            "nuisance_parameters": problem.file.nuisance_parameters,
            **problem.summary(),
            "information": figures,
        },
    )
