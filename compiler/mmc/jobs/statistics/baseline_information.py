"""Fisher information without machine learning: of the truth, of the rate, of histograms, and bin by bin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmc.compiler.catalogue.baselines import HISTOGRAM, RATE, TRUTH
from mmc.compiler.settings.baselines import Bins, EqualBins, FisherSettings, HistogramSettings
from mmc.compiler.settings.encoding import to_json
from mmc.jobs.madminer import nuisance_effects
from mmc.jobs.madminer.event_file import Array, Block, Events
from mmc.jobs.statistics.baselines import check_finite, column_of
from mmc.jobs.statistics.fisher import (
    Information,
    binned_information,
    joint_matrix,
    of_each_sample,
    profiled_matrix,
    truth_information,
)
from mmc.jobs.statistics.histograms import Binning, Filled, Template, bin_sums, check_bins, make_binning
from mmc.jobs.statistics.problem import LimitProblem

Where = tuple[Array, Array, float]
"""The morphing coefficients of the point, their derivatives, and the luminosity in pb^-1."""
_NOWHERE = -1
"""The bin of an event that is in no bin."""
_PER_BIN = "per bin: "
"""The beginning of the names of histograms whose bins have an information each."""


def fisher_information(problem: LimitProblem, settings: FisherSettings) -> tuple[dict[str, Array], dict[str, Any]]:
    """Information matrices at the true point from all events, and the covariances of their entries.

    ``truth`` is the full information of the simulated process, ``rate`` the information in the number of events, and
    the others the information in the numbers of events in the bins of histograms. If the file has nuisance parameters,
    the matrices with profiled nuisance parameters are added.

    :returns: the arrays, and the entries of the result file
    """
    names, n_nuisance = problem.file.parameters, len(problem.file.nuisance_parameters)
    where = (problem.true_coefficients, problem.file.gradients(problem.theta_true), problem.luminosity)
    cells = {RATE.name: Cells(Binning(()), (), None)}
    if settings.observable is not None:
        only = HistogramSettings(observables=(settings.observable,), bins=(settings.bins,))
        cells[HISTOGRAM.name] = _cells(problem, only, exact=False)
    cells |= {name: _cells(problem, item) for name, item in settings.histograms.items()}
    cells |= {
        f"{_PER_BIN}{name}": _cells(problem, HistogramSettings(observables=(name,), bins=(bins,)))
        for name, bins in settings.per_bin.items()
    }
    sums = _Sums(problem, cells, where)
    for name in cells.keys() - {RATE.name}:
        sums.check(name)
    matrices = sums.information()
    arrays: dict[str, Array] = {}
    for name, information in matrices.items():
        arrays |= information.arrays(name, names)
    figures = {name: information.figures(names, settings.directions) for name, information in matrices.items()}
    for name in matrices if n_nuisance else ():
        profiled = profiled_matrix(sums.joint_matrix(name), len(names))
        arrays[f"{name}_profiled"] = profiled
        figures[name]["profiled"] = profiled.tolist()
    found: dict[str, Any] = {
        "parameters": names,
        "nuisance_parameters": problem.file.nuisance_parameters,
        **problem.summary(),
        "information": figures,
    }
    if settings.histograms:
        total = float(sums.filled[RATE.name].template.sums[0] @ where[0])
        found["histograms"] = {
            name: {**to_json(item), "outside": 1.0 - float((sums.filled[name].template.sums @ where[0]).sum()) / total}
            for name, item in settings.histograms.items()
        }
    if settings.per_bin:
        found["per_bin"] = {name: sums.bin_by_bin(f"{_PER_BIN}{name}") for name in settings.per_bin}
    return arrays, found


@dataclass(frozen=True)
class Cells:
    """The bins of a histogram of some observables."""

    binning: Binning
    columns: tuple[int, ...]
    inside: Sequence[Bins] | None
    """The settings of the bins, if events outside of explicit edges are in no bin; else the outer bins are open."""

    def index(self, x: Array) -> npt.NDArray[np.intp]:
        """The bin of each event, from all its observables."""
        if not self.columns:
            return np.zeros(len(x), dtype=np.intp)
        values = x[:, list(self.columns)]
        kept = np.ones(len(x), dtype=bool) if self.inside is None else _inside(self.inside, values)
        return np.where(kept, self.binning.index(values), _NOWHERE)


def _cells(problem: LimitProblem, histogram: HistogramSettings, *, exact: bool = True) -> Cells:
    """The bins of a histogram; adaptive edges are found with the events in memory.

    :param exact: whether events outside of explicit edges are in no bin; else the first and last bins are open
    """
    for name in histogram.observables:
        check_finite(problem.file, name)
    columns = tuple(column_of(problem.file, name) for name in histogram.observables)
    events = problem.file.part("all")
    weights = np.maximum(events.weights @ problem.true_coefficients, 0.0)
    binning = make_binning(histogram.bins, events.x[:, list(columns)], weights)
    return Cells(binning, columns, histogram.bins if exact else None)


class _Sums:
    """What the information is calculated from, summed over all events of the file a block at a time."""

    def __init__(self, problem: LimitProblem, cells: Mapping[str, Cells], where: Where) -> None:
        self._problem, self._cells, self._where = problem, cells, where
        n, n_benchmarks, n_nuisance = len(where[1]), len(where[0]), len(problem.file.nuisance_parameters)
        self._truth, self._samples = _no_information(n), max(len(problem.file.samples), 1)
        self._truth_of_samples = np.zeros((self._samples, n, n))
        self.filled = {
            name: Filled(
                cell.binning.size,
                n_benchmarks,
                n_samples=0 if name.startswith(_PER_BIN) else self._samples,
                with_groups=False,
            )
            for name, cell in cells.items()
        }
        self._joint = {
            name: np.zeros((cell.binning.size, 1 + n + n_nuisance)) for name, cell in cells.items() if n_nuisance
        }
        self._joint_truth = np.zeros((n + n_nuisance, n + n_nuisance))
        self._in_bins = {
            name: [_no_information(n)] * cell.binning.size for name, cell in cells.items() if name.startswith(_PER_BIN)
        }
        for block in problem.file.blocks("all"):
            self._add(block)

    def _add(self, block: Block) -> None:
        events, (row, gradients, luminosity) = block.events, self._where
        self._truth += truth_information(events, *self._where)
        labels = block.labels()
        self._truth_of_samples += of_each_sample(events, labels, self._samples, self._where)
        columns = np.zeros((len(events.x), 0))
        if self._joint:
            up, down = (np.stack(sides) for sides in zip(*block.variations().values(), strict=True))
            weights = (events.weights @ row)[:, np.newaxis]
            of_nuisance = nuisance_effects.exponents(up, down)[0].T
            columns = np.hstack([weights, events.weights @ gradients.T, weights * of_nuisance])
            self._joint_truth += joint_matrix(columns, luminosity)
        for name, cell in self._cells.items():
            index = cell.index(events.x)
            kept = index != _NOWHERE
            self.filled[name].add(index[kept], events.weights[kept], {}, labels=labels[kept])
            if self._joint:
                self._joint[name] += bin_sums(index[kept], columns[kept], cell.binning.size)
            if name in self._in_bins:
                self._in_bins[name] = [
                    found + truth_information(Events(events.x[index == k], events.weights[index == k]), *self._where)
                    for k, found in enumerate(self._in_bins[name])
                ]

    def information(self) -> dict[str, Information]:
        """The information of the truth and in each histogram, with the errors of the simulation and the integration."""
        balanced = self._problem.file.is_balanced
        common = self._problem.file.cross_sections.common_of() if balanced else np.zeros(self._samples)
        found = {TRUTH.name: self._truth.with_samples(self._truth_of_samples, common)}
        for name, filled in self.filled.items():
            if not name.startswith(_PER_BIN):
                sums = filled.of_samples
                found[name] = binned_information(filled.template, *self._where, of_samples=sums, common=common)
        return found

    def check(self, name: str) -> None:
        """:raises StepError: as :func:`check_bins`"""
        cell = self._cells[name]
        x = self._problem.file.part("all").x[:, list(cell.columns)]
        check_bins(cell.binning, self.filled[name], x, self._where[0])

    def joint_matrix(self, name: str) -> Array:
        """The information matrix of the parameters and the nuisance parameters."""
        return self._joint_truth if name == TRUTH.name else joint_matrix(self._joint[name], self._where[2])

    def bin_by_bin(self, name: str) -> dict[str, Any]:
        """The cross section in pb and the information of the events in each bin of an observable."""
        template = self.filled[name].template
        each = (Template(template.sums[[k]], template.products[[k]]) for k in range(len(template.sums)))
        return {
            "edges": self._cells[name].binning.edges[0].tolist(),
            "cross_sections_pb": (template.sums @ self._where[0]).tolist(),
            TRUTH.name: [found.matrix.tolist() for found in self._in_bins[name]],
            RATE.name: [binned_information(one, *self._where).matrix.tolist() for one in each],
        }


def _inside(bins: Sequence[Bins], x: Array) -> npt.NDArray[np.bool_]:
    """Whether an event is between the outermost edges of all variables whose edges are given."""
    inside = np.ones(len(x), dtype=bool)
    for given, column in zip(bins, x.T, strict=True):
        edges = given.range if isinstance(given, EqualBins) else given
        if isinstance(edges, tuple):
            inside &= (column >= edges[0]) & (column < edges[-1])
    return inside


def _no_information(n: int) -> Information:
    return Information(np.zeros((n, n)), np.zeros((n, n, n, n)))
