"""Histograms of weighted events, which are known at all parameter points at once.

The content of a bin is linear in the benchmark weights, so the sums of the benchmark weights per bin give the histogram
at any parameter point. Unlike in MadMiner, the first and last bins are open: events beyond the outermost edges count in
both templates and data. The likelihoods equal MadMiner's if the edges enclose all events.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmc.compiler.settings.baselines import Bins, EqualBins
from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array, Events, Members, Variations
from mmc.jobs.statistics.jackknife import GROUPS, group_of
from mmc.jobs.statistics.summaries import Summaries

FEW, MOST_SPARSE = 10.0, 0.5
"""A bin with fewer than FEW effective events is sparse; at most the fraction MOST_SPARSE of the cross section may be in
sparse bins."""
ROUNDING = 1e-9
"""A cross section that is smaller than this part of its positive and negative terms is zero."""
IMPOSSIBLE = -100.0
"""The log ratio of any event at a point where no events are expected: such a point is excluded by a single event."""
FLOOR = 1e-6
"""Smaller and negative ratios of probabilities are replaced by this value; they are 0 for what is impossible."""
SIGNIFICANT = 5.0
"""A content that is negative by so many standard errors is not negative by chance."""
BLOCK = 1_000_000
"""The largest number of products of weights in bins, at some points, in memory at once."""
TAIL = 0.001
"""Adaptive edges lie between this quantile and one minus this quantile, as in MadMiner."""


@dataclass(frozen=True)
class Binning:
    """The edges between the bins, for each variable."""

    edges: tuple[Array, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of bins of each variable."""
        return tuple(len(edges) + 1 for edges in self.edges)

    @property
    def size(self) -> int:
        """The number of bins."""
        return math.prod(self.shape)

    def index(self, x: Array) -> npt.NDArray[np.intp]:
        """The index of the bin of each event; ``x`` has shape (events, variables)."""
        each = [np.searchsorted(edges, column, side="right") for edges, column in zip(self.edges, x.T, strict=True)]
        return np.asarray(np.ravel_multi_index(tuple(each), self.shape), dtype=np.intp)

    def fractions(self, data: Summaries) -> Array:
        """The fraction of the data in each bin."""
        return bin_sum(self.index(data.values), data.probabilities, self.size)


def make_binning(bins: Sequence[Bins], x: Array, weights: Array) -> Binning:
    """The binning from the settings of each variable.

    Adaptive bins hold equal shares of the events ``x`` (events, variables) with non-negative ``weights``, which are
    the same for all variables (events,) or those of each (events, variables).
    """
    each = np.broadcast_to(weights[:, np.newaxis] if weights.ndim == 1 else weights, x.shape)
    return Binning(tuple(_inner_edges(*item) for item in zip(bins, x.T, each.T, strict=True)))


def _inner_edges(bins: Bins, x: Array, weights: Array) -> Array:
    if isinstance(bins, EqualBins):
        space = np.geomspace if bins.scale == "log" else np.linspace
        return np.asarray(space(*bins.range, bins.n + 1)[1:-1])
    if isinstance(bins, int):
        return np.unique(quantiles(x, weights, np.linspace(TAIL, 1.0 - TAIL, bins + 1))[1:-1])
    return np.asarray(bins, dtype=float)[1:-1]


def quantiles(x: Array, weights: Array, levels: Array) -> Array:
    """Weighted quantiles in MadMiner's convention: the first event is level 0, the last event level 1."""
    order = np.argsort(x, kind="stable")
    x, weights = x[order], weights[order]
    cumulated = np.cumsum(weights) - 0.5 * weights
    return np.interp(levels, (cumulated - cumulated[0]) / (cumulated[-1] - cumulated[0]), x)


def check_bins(binning: Binning, filled: "Filled", x: Array, coefficients: Array) -> None:
    """Refuse a histogram without information, or one whose bins mostly show statistical fluctuations.

    :param x: variables of some of the events, shape (events, variables), for the message
    :raises StepError: when all events are in one of several bins, or most of the cross section is in sparse bins
    """
    if binning.size > 1 and np.count_nonzero(filled.counts) == 1:
        ranges = ", ".join(f"{column.min():g} to {column.max():g}" for column in x.T)
        raise StepError(f"all events are in one of {binning.size} bins: change the bins; the values are {ranges}")
    part = filled.template.sparse(coefficients)
    if part > MOST_SPARSE:
        raise StepError(
            f"{part:.0%} of the cross section is in bins with fewer than {FEW:g} effective events "
            f"({binning.size} bins, {filled.n_events:,} events): use fewer bins, or generate more events"
        )


def are_possible(coefficients: Array, sums: Array, known: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Whether a histogram is a distribution at each of some points: its sum and all bins that are ``known`` are
    positive; shape (points,).

    :param coefficients: morphing coefficients, shape (points, benchmarks)
    :param sums: sums of the benchmark weights, shape (bins, benchmarks)
    """
    totals = sums.sum(axis=0)
    whole = coefficients @ totals > ROUNDING * np.abs(coefficients) @ np.abs(totals)
    return np.asarray(whole & (coefficients @ sums[known].T > 0.0).all(axis=1))


@dataclass(frozen=True)
class Template:
    """Sums over the events in each bin."""

    sums: Array
    """Sums of the benchmark weights, shape (bins, benchmarks)."""
    products: Array
    """Sums of products of two benchmark weights, shape (bins, benchmarks, benchmarks)."""

    def __add__(self, other: "Template") -> "Template":
        return Template(self.sums + other.sums, self.products + other.products)

    def sparse(self, coefficients: Array) -> float:
        """The part of the cross section in bins with fewer than :data:`FEW` effective events, at a point."""
        sums = self.sums @ coefficients
        squares = self.products @ coefficients @ coefficients
        return float(sums[sums**2 < FEW * squares].sum() / sums.sum())

    def has_no_distribution(self, coefficients: Array, reference: Array) -> npt.NDArray[np.bool_]:
        """Whether a bin has no positive content at each of some points (points, benchmarks); shape (points,).

        Only bins count that are positive at the reference (benchmarks,), and negative beyond their statistical error at
        one of the points, as where weights are linear in the parameters. Others may be negative by chance.
        """
        size = max(1, BLOCK // self.products.size)
        blocks = [coefficients[start : start + size] for start in range(0, len(coefficients), size)]
        counts = np.any([self._are_negative(rows) for rows in blocks], axis=0) & (self.sums @ reference > 0.0)
        return np.concatenate([(rows @ self.sums[counts].T <= 0.0).any(axis=1) for rows in blocks])

    def _are_negative(self, coefficients: Array) -> npt.NDArray[np.bool_]:
        """Whether each bin is negative beyond its statistical error at one of some points, shape (bins,)."""
        contents = coefficients @ self.sums.T
        points, bins = np.nonzero(contents < 0.0)
        own = coefficients[points]
        squares = np.einsum("ki,kij,kj->k", own, self.products[bins], own)
        beyond = contents[points, bins] < -SIGNIFICANT * np.sqrt(np.maximum(squares, 0.0))
        return np.bincount(bins[beyond], minlength=len(self.sums)) > 0

    @classmethod
    def of(cls, index: npt.NDArray[np.intp], events: Events, size: int) -> "Template":
        """The template of ``size`` bins from the bin index of each event."""
        weights = events.weights
        if size == 1:
            return cls(weights.sum(axis=0)[np.newaxis], (weights.T @ weights)[np.newaxis])
        benchmarks = range(weights.shape[1])
        sums = bin_sums(index, weights, size)
        products = np.empty((size, len(benchmarks), len(benchmarks)))
        for i in benchmarks:
            for j in range(i + 1):
                products[:, i, j] = products[:, j, i] = bin_sum(index, weights[:, i] * weights[:, j], size)
        return cls(sums, products)


class Filled:
    """A histogram that is filled with events, a block at a time."""

    def __init__(
        self,
        size: int,
        n_benchmarks: int,
        nuisance: Iterable[str] = (),
        *,
        floating: Iterable[str] = (),
        n_samples: int = 0,
        with_groups: bool = True,
    ) -> None:
        """
        :param size: the number of bins
        :param nuisance: the nuisance parameters whose effects on the histogram are known
        :param floating: the samples whose part of the histogram is known
        :param n_samples: the number of samples, for :attr:`of_samples`; 0 if it is not needed
        :param with_groups: whether :attr:`left_out` is needed, which takes twenty times the memory
        """
        self.template = Template(np.zeros((size, n_benchmarks)), np.zeros((size, n_benchmarks, n_benchmarks)))
        self.counts = np.zeros(size, dtype=np.int64)
        """The number of events in each bin."""
        self.varied = {name: (np.zeros((size, n_benchmarks)), np.zeros((size, n_benchmarks))) for name in nuisance}
        """Sums of the benchmark weights with each nuisance parameter at 1 and at -1, each (bins, benchmarks)."""
        self.parts = dict.fromkeys(floating, self.template)
        """The sums of each sample that floats."""
        self.of_samples = np.zeros((size, n_samples, n_benchmarks))
        """Sums of the benchmark weights of each sample that was generated together, (bins, samples, benchmarks)."""
        self._of_groups = np.zeros((size * GROUPS if with_groups else 0, n_benchmarks))

    @classmethod
    def of(
        cls,
        index: npt.NDArray[np.intp],
        weights: Array,
        size: int,
        variations: Variations | None = None,
        members: Members | None = None,
        *,
        labels: npt.NDArray[np.intp] | None = None,
        n_samples: int = 0,
    ) -> "Filled":
        """The histogram of some events; see :meth:`add`."""
        filled = cls(size, weights.shape[1], variations or (), floating=members or (), n_samples=n_samples)
        filled.add(index, weights, variations or {}, members=members, labels=labels)
        return filled

    def add(
        self,
        index: npt.NDArray[np.intp],
        weights: Array,
        variations: Variations,
        groups: npt.NDArray[np.intp] | None = None,
        members: Members | None = None,
        *,
        labels: npt.NDArray[np.intp] | None = None,
    ) -> None:
        """Add some events.

        :param index: the bin of each event
        :param weights: at the benchmarks, shape (events, benchmarks)
        :param groups: of the jackknife; None for those of the first events of a file
        :param members: which events are of the samples that float
        :param labels: the sample of each event, for :attr:`of_samples`
        """
        size = len(self.counts)
        more = Template.of(index, Events(weights, weights), size)
        self.template += more
        self.counts += np.bincount(index, minlength=size)
        if len(self._of_groups):
            groups = group_of(len(index)) if groups is None else groups
            self._of_groups += bin_sums(index * GROUPS + groups, weights, size * GROUPS)
        if labels is not None and self.of_samples.size:
            n_samples = self.of_samples.shape[1]
            each = bin_sums(index * n_samples + labels, weights, size * n_samples)
            self.of_samples += each.reshape(self.of_samples.shape)
        for name, sides in self.varied.items():
            for side, factor in zip(sides, variations[name], strict=True):
                np.add(side, bin_sums(index, weights * factor[:, np.newaxis], size), out=side)
        for name in self.parts:
            here = (members or {})[name]
            self.parts[name] += Template.of(index[here], Events(weights[here], weights[here]), size)

    @property
    def n_events(self) -> int:
        """The number of events in all bins."""
        return int(self.counts.sum())

    @property
    def left_out(self) -> Array:
        """The sums of the benchmark weights in each bin without one group of the events: (groups, bins, benchmarks)."""
        each = np.moveaxis(self._of_groups.reshape(len(self.counts), GROUPS, -1), 1, 0)
        return np.asarray(each.sum(axis=0) - each)


def bin_sums(index: npt.NDArray[np.intp], weights: Array, size: int) -> Array:
    """Sums of each column of ``weights`` over the events in each bin: shape (bins, columns)."""
    return np.stack([bin_sum(index, column, size) for column in weights.T], axis=1)


def bin_sum(index: npt.NDArray[np.intp], weights: Array, size: int) -> Array:
    """The sum of ``weights`` (events,) over the events in each bin: shape (bins,)."""
    return np.asarray(np.bincount(index, weights=weights, minlength=size), dtype=float)
