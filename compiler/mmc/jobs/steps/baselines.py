"""``baselines``: what is reached without machine learning: rate, histogram, truth, and Fisher information."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mmc.errors import StepError
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.madminer.event_file import Array, EventFile, Events, Summaries
from mmc.jobs.statistics.closure import verdict
from mmc.jobs.statistics.closure.truth import DataClosure, Truth
from mmc.jobs.statistics.fisher import binned_information, profiled_information, truth_information
from mmc.jobs.statistics.histograms import BinnedRatio, Template, check_bins, histogram_figures, make_binning
from mmc.jobs.statistics.limits import Limits, Setting, save_arrays
from mmc.jobs.statistics.profiling import Gain, Kinematics
from mmc.jobs.statistics.pyhf_workspace import make_workspaces
from mmc.jobs.statistics.result import Outcome


def run(job: StepJob) -> None:
    """Write ``baseline.json`` and ``limits.npz``, or for the Fisher information ``fisher.npz``.

    Of a histogram ``workspace_BENCHMARK.json`` too.
    """
    settings = job.settings
    file = EventFile.of(job.events / "events.h5", settings)
    if settings["baseline"] == "fisher":
        _fisher(job, Setting.of(file, settings))
        return
    setting = Setting.of(file, settings, job.optional("observed"))
    random = np.random.default_rng(job.seed)
    if settings["baseline"] == "rate":
        outcome = _rate(setting)
    elif settings["baseline"] == "truth":
        outcome = _truth(setting, random)
    else:
        outcome, workspaces = _histogram(setting, settings, random)
        for name, workspace in workspaces.items():
            write_json(job.out / f"workspace_{name}.json", workspace)
    save_arrays(job.out / "limits.npz", outcome.all_arrays())
    record = {"baseline": settings["baseline"], **_binning(settings), **job.group, **outcome.summary(setting)}
    write_json(job.out / "baseline.json", record)


def _binning(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: settings[key] for key in ("observables", "bins") if key in settings}


def _rate(setting: Setting) -> Outcome:
    """The rate is all there is, whether it counts elsewhere or not: a histogram of one bin."""
    gain: Gain | None = None
    variations = setting.variations("test")
    if variations is not None:
        events = setting.file.part("test")
        index = np.zeros(len(events.x), dtype=np.intp)
        ratio = BinnedRatio.of(Template.of(index, events, 1), setting.coefficients, setting.true_coefficients)
        gain = partial(ratio.varied(index, events.weights, variations).gain, np.ones(1))
    data = Kinematics(0.0, gain)

    def judge(limits: Limits, rate: bool) -> verdict.Verdict:
        del rate
        return verdict.judge(setting, limits)

    counting = replace(setting, include_xsec=True)
    return Outcome.of(counting, data, None if setting.observed is None else data, judge, {})


def _truth(setting: Setting, random: np.random.Generator) -> Outcome:
    """The likelihood of someone who knows the latent variables of every event: its ratio is exact."""
    truth = Truth(setting)
    tested = DataClosure(setting, truth.log_ratio, random)

    def judge(limits: Limits, rate: bool) -> verdict.Verdict:
        return verdict.judge(setting, limits, **tested.figures(rate))

    return Outcome.of(setting, Kinematics(truth.totals.mean), None, judge, {})


def _histogram(
    setting: Setting, settings: Mapping[str, Any], random: np.random.Generator
) -> tuple[Outcome, dict[str, Any]]:
    """A histogram of observables, filled with all events that are not test events; its ratio is to the true point.

    Its workspaces of pyhf too, by benchmark.
    """
    columns = [_column(setting.file, name) for name in settings["observables"]]
    for name, column in zip(settings["observables"], columns, strict=True):
        _check_finite(name, setting.file.part("all").x[:, column])
    rest, population = setting.file.part("rest"), setting.population
    template = Events(rest.x[:, columns], rest.weights)
    weights = np.maximum(rest.weights @ setting.coefficients[:-1].mean(axis=0), 0.0)
    binning = make_binning(settings["bins"], template.x, weights)
    check_bins(binning, template, setting.true_coefficients)
    x, probabilities = setting.asimov
    data = Summaries(x[:, columns], probabilities)
    observed = None if setting.observed is None else setting.observed.take(columns)
    result = histogram_figures(
        template,
        binning,
        setting.coefficients,
        setting.true_coefficients,
        data=data,
        reference=Summaries(population.x[:, columns], population.probabilities(setting.true_coefficients)),
        observed=observed,
        truth=setting.true_coefficients,
        variations=setting.variations("rest"),
    )
    arrays = result.ratio.arrays(setting.grid.shape) | {
        f"edges_{name}": edges for name, edges in zip(settings["observables"], binning.edges, strict=True)
    }

    tested = DataClosure(setting, lambda events: result.log_ratio(events.x[:, columns]), random)

    def judge(limits: Limits, rate: bool) -> verdict.Verdict:
        return verdict.judge(setting, limits, result.ratio, **tested.figures(rate), unknown=result.unknown)

    outcome = Outcome.of(setting, result.expected, result.observed, judge, arrays)
    counts = setting.n_expected * binning.fractions(data)
    if observed is not None:
        counts = setting.n_observed * binning.fractions(observed)
    return outcome, make_workspaces(setting, binning, template, counts, "_".join(settings["observables"]))


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


def _fisher(job: StepJob, setting: Setting) -> None:
    """Information matrices at the true point from all events, and the covariances of their entries.

    ``truth`` is that of the simulated process with nothing lost, ``rate`` that of the number of events, ``histogram``
    that of the number of events in bins of one observable. With nuisance parameters in the file, what is left of each
    when they are profiled stands beside it.
    """
    settings, point = job.settings, setting.theta_true
    events = setting.file.part("all")
    row, gradients = setting.true_coefficients, setting.file.gradients(point)
    where = (row, gradients, setting.luminosity)
    bins = {"truth": np.arange(len(events.x)), "rate": np.zeros(len(events.x), dtype=np.intp)}
    matrices = {
        "truth": truth_information(events, *where),
        "rate": binned_information(Template.of(bins["rate"], events, 1), *where),
    }
    if settings["observable"] is not None:
        x = events.x[:, [_column(setting.file, settings["observable"])]]
        _check_finite(settings["observable"], x)
        binning = make_binning([settings["bins"]], x, np.maximum(events.weights @ row, 0.0))
        check_bins(binning, Events(x, events.weights), row)
        bins["histogram"] = binning.index(x)
        matrices["histogram"] = binned_information(Template.of(bins["histogram"], events, binning.size), *where)
    arrays: dict[str, Array] = {}
    for name, information in matrices.items():
        arrays |= information.arrays(name, setting.file.parameters)
    figures = {name: information.figures(setting.file.parameters) for name, information in matrices.items()}
    if setting.file.nuisance_parameters:
        weights, slopes = (events.weights @ row, events.weights @ gradients.T), setting.file.slopes("all")
        for name, index in bins.items():
            profiled = profiled_information(*weights, slopes, setting.luminosity, index)
            arrays[f"{name}_profiled"] = profiled
            figures[name]["profiled"] = profiled.tolist()
    save_arrays(job.out / "fisher.npz", arrays)
    write_json(
        job.out / "baseline.json",
        {
            "baseline": "fisher",
            **job.group,
            "observable": settings["observable"],
            "bins": settings["bins"],
            "parameters": setting.file.parameters,
            "nuisance_parameters": setting.file.nuisance_parameters,
            **setting.summary(),
            "information": figures,
        },
    )
