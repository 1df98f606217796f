"""Fisher information without machine learning: of the truth, of the rate, of histograms, and bin by bin."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmc.compiler.catalogue.baselines import HISTOGRAM, RATE, TRUTH
from mmc.compiler.settings.baselines import Bins, EqualBins, FisherSettings, HistogramSettings
from mmc.compiler.settings.encoding import to_json
from mmc.jobs.madminer.event_file import Array, Events
from mmc.jobs.statistics.baselines import check_finite, column_of
from mmc.jobs.statistics.fisher import Information, binned_information, profiled_information, truth_information
from mmc.jobs.statistics.histograms import Binning, Template, check_bins, make_binning
from mmc.jobs.statistics.problem import LimitProblem

Where = tuple[Array, Array, float]
"""The morphing coefficients of the point, their derivatives, and the luminosity in pb^-1."""
_NOWHERE = -1
"""The bin of an event that is in no bin."""


def fisher_information(problem: LimitProblem, settings: FisherSettings) -> tuple[dict[str, Array], dict[str, Any]]:
    """Information matrices at the true point from all events, and the covariances of their entries.

    ``truth`` is the full information of the simulated process, ``rate`` the information in the number of events, and
    the others the information in the numbers of events in the bins of histograms. If the file has nuisance parameters,
    the matrices with profiled nuisance parameters are added.

    :returns: the arrays, and the entries of the result file
    """
    events, names = problem.file.part("all"), problem.file.parameters
    where = (problem.true_coefficients, problem.file.gradients(problem.theta_true), problem.luminosity)
    bins = {TRUTH.name: np.arange(len(events.x)), RATE.name: np.zeros(len(events.x), dtype=np.intp)}
    if settings.observable is not None:
        only = HistogramSettings(observables=(settings.observable,), bins=(settings.bins,))
        bins[HISTOGRAM.name] = _index(problem, events, only, exact=False)[0]
    bins |= {name: _index(problem, events, item)[0] for name, item in settings.histograms.items()}
    matrices = {name: _binned(events, index, where) for name, index in bins.items() if name != TRUTH.name}
    matrices = {TRUTH.name: truth_information(events, *where), **matrices}
    arrays: dict[str, Array] = {}
    for name, information in matrices.items():
        arrays |= information.arrays(name, names)
    figures = {name: information.figures(names, settings.directions) for name, information in matrices.items()}
    if problem.file.nuisance_parameters:
        weights, slopes = events.weights @ where[0], events.weights @ where[1].T
        of_nuisance = problem.file.slopes("all")
        for name, index in bins.items():
            kept = index != _NOWHERE
            given = (weights[kept], slopes[kept], of_nuisance[kept])
            profiled = profiled_information(*given, problem.luminosity, index[kept])
            arrays[f"{name}_profiled"] = profiled
            figures[name]["profiled"] = profiled.tolist()
    found: dict[str, Any] = {
        "parameters": names,
        "nuisance_parameters": problem.file.nuisance_parameters,
        **problem.summary(),
        "information": figures,
    }
    if settings.histograms:
        weights = events.weights @ where[0]
        outside = {name: float(weights[bins[name] == _NOWHERE].sum() / weights.sum()) for name in settings.histograms}
        found["histograms"] = {
            name: {**to_json(item), "outside": outside[name]} for name, item in settings.histograms.items()
        }
    if settings.per_bin:
        found["per_bin"] = {
            name: _per_bin(problem, events, name, item, where) for name, item in settings.per_bin.items()
        }
    return arrays, found


def _index(
    problem: LimitProblem, events: Events, histogram: HistogramSettings, *, exact: bool = True
) -> tuple[npt.NDArray[np.intp], Binning]:
    """The bin of each event, and the edges between the bins.

    :param exact: whether events outside of explicit edges are in no bin; else the first and last bins are open
    """
    columns = [column_of(problem.file, name) for name in histogram.observables]
    for name, column in zip(histogram.observables, columns, strict=True):
        check_finite(name, events.x[:, column])
    x, row = events.x[:, columns], problem.true_coefficients
    binning = make_binning(histogram.bins, x, np.maximum(events.weights @ row, 0.0))
    kept = _inside(histogram.bins, x) if exact else np.ones(len(x), dtype=bool)
    check_bins(binning, Events(x[kept], events.weights[kept]), row)
    return np.where(kept, binning.index(x), _NOWHERE), binning


def _inside(bins: Sequence[Bins], x: Array) -> npt.NDArray[np.bool_]:
    """Whether an event is between the outermost edges of all variables whose edges are given."""
    inside = np.ones(len(x), dtype=bool)
    for given, column in zip(bins, x.T, strict=True):
        edges = given.range if isinstance(given, EqualBins) else given
        if isinstance(edges, tuple):
            inside &= (column >= edges[0]) & (column < edges[-1])
    return inside


def _binned(events: Events, index: npt.NDArray[np.intp], where: Where) -> Information:
    kept = index != _NOWHERE
    inside = Events(events.x[kept], events.weights[kept])
    return binned_information(Template.of(index[kept], inside, int(index.max()) + 1), *where)


def _per_bin(problem: LimitProblem, events: Events, name: str, bins: Bins, where: Where) -> dict[str, Any]:
    """The cross section in pb and the information of the events in each bin of an observable."""
    index, binning = _index(problem, events, HistogramSettings(observables=(name,), bins=(bins,)))
    found: dict[str, list[Any]] = {"cross_sections_pb": [], TRUTH.name: [], RATE.name: []}
    for number in range(binning.size):
        inside = Events(events.x[index == number], events.weights[index == number])
        zeros = np.zeros(len(inside.x), dtype=np.intp)
        found["cross_sections_pb"].append(float((inside.weights @ where[0]).sum()))
        found[TRUTH.name].append(truth_information(inside, *where).matrix.tolist())
        found[RATE.name].append(_binned(inside, zeros, where).matrix.tolist() if len(zeros) else _nothing(where))
    return {"edges": binning.edges[0].tolist(), **found}


def _nothing(where: Where) -> list[list[float]]:
    size = len(where[1])
    return np.zeros((size, size)).tolist()
