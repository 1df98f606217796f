"""``baselines``: what is reached without machine learning: rate, histogram, truth, and Fisher information."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmc.errors import StepError
from mmc.steps import closure
from mmc.steps.events import Array, EventFile, Events, Summaries
from mmc.steps.fisher import binned_information, profiled_information, truth_information
from mmc.steps.histograms import Template, histogram_figures, make_binning
from mmc.steps.job import StepJob, write_json
from mmc.steps.limits import Limits, Setting, save_arrays
from mmc.steps.truth import Truth, data_closure


def run(job: StepJob) -> None:
    """Write ``baseline.json`` and ``limits.npz``, or for the Fisher information ``fisher.npz``."""
    settings = job.settings
    file = EventFile(job.events / "events.h5", settings["test_split"], settings["validation_split"])
    setting = Setting.of(file, settings)
    if settings["baseline"] == "fisher":
        _fisher(job, setting)
        return
    random = np.random.default_rng(job.seed)
    if settings["baseline"] == "rate":
        limits, arrays, verdict = _rate(setting)
    elif settings["baseline"] == "truth":
        limits, arrays, verdict = _truth(setting, random)
    else:
        limits, arrays, verdict = _histogram(setting, settings, random)
    save_arrays(job.out / "limits.npz", {**limits.arrays(), **arrays})
    record = {**job.group, **setting.summary(), **limits.summary(setting.levels), **verdict.summary()}
    write_json(job.out / "baseline.json", {"baseline": settings["baseline"], **_binning(settings), **record})


def _binning(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: settings[key] for key in ("observables", "bins") if key in settings}


def _rate(setting: Setting) -> tuple[Limits, dict[str, Array], closure.Verdict]:
    limits = Limits(setting.grid, setting.log_rate)
    return limits, {}, closure.judge(setting, limits)


def _truth(setting: Setting, random: np.random.Generator) -> tuple[Limits, dict[str, Array], closure.Verdict]:
    """The likelihood of someone who knows the latent variables of every event: its ratio is exact."""
    truth = Truth(setting)
    coverage, area = data_closure(setting, truth.limits, truth.log_ratio, random)
    return truth.limits, {}, closure.judge(setting, truth.limits, coverage=coverage, area=area)


def _histogram(
    setting: Setting, settings: Mapping[str, Any], random: np.random.Generator
) -> tuple[Limits, dict[str, Array], closure.Verdict]:
    """A histogram of observables, filled with all events that are not test events; its ratio is to the true point."""
    columns = [_column(setting.file, name) for name in settings["observables"]]
    rest, test = setting.file.part("rest"), setting.file.part("test", setting.theta_true)
    template = Events(rest.x[:, columns], rest.weights)
    weights = np.maximum(rest.weights @ setting.coefficients[:-1].mean(axis=0), 0.0)
    binning = make_binning(settings["bins"], template.x, weights)
    data = Summaries(test.x[:, columns], setting.asimov[1])
    result = histogram_figures(
        template, binning, setting.coefficients, setting.true_coefficients, data=data, reference=data
    )
    limits = setting.limits(result.mean_log)
    arrays = result.ratio.arrays(setting.grid.shape) | {
        f"edges_{name}": edges for name, edges in zip(settings["observables"], binning.edges, strict=True)
    }
    coverage, area = data_closure(setting, limits, lambda rows: result.log_ratio(data.values[rows]), random)
    return (
        limits,
        arrays,
        closure.judge(setting, limits, result.ratio, coverage=coverage, area=area, unknown=result.unknown),
    )


def _column(file: EventFile, name: str) -> int:
    if name not in file.observables:
        raise StepError(f"the event file has no observable {name}: it has {', '.join(file.observables)}")
    return file.observables.index(name)


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
        binning = make_binning([settings["bins"]], x, np.maximum(events.weights @ row, 0.0))
        bins["histogram"] = binning.index(x)
        matrices["histogram"] = binned_information(Template.of(bins["histogram"], events, binning.size), *where)
    arrays: dict[str, Array] = {}
    for name, (information, covariance) in matrices.items():
        arrays |= {name: information, f"{name}_covariance": covariance}
    figures = {
        name: {
            "matrix": information.tolist(),
            "standard_errors": np.sqrt(np.maximum(np.einsum("ijij->ij", covariance), 0.0)).tolist(),
        }
        for name, (information, covariance) in matrices.items()
    }
    if setting.file.nuisance_parameters:
        weights, slopes = (events.weights @ row, events.weights @ gradients.T), setting.file.slopes()
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
