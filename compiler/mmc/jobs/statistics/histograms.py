"""Likelihood ratios from histograms of weighted events, at all parameter points at once.

The content of a bin is linear in the benchmark weights, so the sums of the benchmark weights per bin give the histogram
at any parameter point. Unlike in MadMiner, the first and last bins are open: events beyond the outermost edges count in
both templates and data. The likelihoods equal MadMiner's if the edges enclose all events.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mmc.compiler.settings.baselines import Bins, EqualBins
from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array, Events, Members, Variations
from mmc.jobs.statistics.closure.ratio_sums import MeanRatio
from mmc.jobs.statistics.jackknife import GROUPS, group_of
from mmc.jobs.statistics.profiling import FilledHistogram, ShapeLikelihood, VariedHistogram
from mmc.jobs.statistics.summaries import Summaries

FEW, MOST_SPARSE = 10.0, 0.5
"""A bin with fewer than FEW effective events is sparse; at most the fraction MOST_SPARSE of the cross section may be in
sparse bins."""
ROUNDING = 1e-9
"""A cross section that is smaller than this part of its positive and negative terms is zero."""
IMPOSSIBLE = -100.0
"""The log ratio of any event at a point where no events are expected: such a point is excluded by a single event."""
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
        return _sum(self.index(data.values), data.probabilities, self.size)


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


@dataclass(frozen=True)
class Template:
    """Sums over the events in each bin."""

    sums: Array
    """Sums of the benchmark weights, shape (bins, benchmarks)."""
    products: Array
    """Sums of products of two benchmark weights, shape (bins, benchmarks, benchmarks)."""

    def sparse(self, coefficients: Array) -> float:
        """The part of the cross section in bins with fewer than :data:`FEW` effective events, at a point."""
        sums = self.sums @ coefficients
        squares = self.products @ coefficients @ coefficients
        return float(sums[sums**2 < FEW * squares].sum() / sums.sum())

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
                products[:, i, j] = products[:, j, i] = _sum(index, weights[:, i] * weights[:, j], size)
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
        with_groups: bool = True,
    ) -> None:
        """
        :param size: the number of bins
        :param nuisance: the nuisance parameters whose effects on the histogram are known
        :param floating: the samples whose part of the histogram is known
        :param with_groups: whether :attr:`left_out` is needed, which takes twenty times the memory
        """
        self.template = Template(np.zeros((size, n_benchmarks)), np.zeros((size, n_benchmarks, n_benchmarks)))
        self.counts = np.zeros(size, dtype=np.int64)
        """The number of events in each bin."""
        self.varied = {name: (np.zeros((size, n_benchmarks)), np.zeros((size, n_benchmarks))) for name in nuisance}
        """Sums of the benchmark weights with each nuisance parameter at 1 and at -1, each (bins, benchmarks)."""
        self.parts = {name: np.zeros((size, n_benchmarks)) for name in floating}
        """Sums of the benchmark weights of each sample that floats, each (bins, benchmarks)."""
        self._of_groups = np.zeros((size * GROUPS if with_groups else 0, n_benchmarks))

    @classmethod
    def of(
        cls,
        index: npt.NDArray[np.intp],
        weights: Array,
        size: int,
        variations: Variations | None = None,
        members: Members | None = None,
    ) -> "Filled":
        """The histogram of some events; see :meth:`add`."""
        filled = cls(size, weights.shape[1], variations or (), floating=members or ())
        filled.add(index, weights, variations or {}, members=members)
        return filled

    def add(
        self,
        index: npt.NDArray[np.intp],
        weights: Array,
        variations: Variations,
        groups: npt.NDArray[np.intp] | None = None,
        members: Members | None = None,
    ) -> None:
        """Add some events.

        :param index: the bin of each event
        :param weights: at the benchmarks, shape (events, benchmarks)
        :param groups: of the jackknife; None for those of the first events of a file
        :param members: which events are of the samples that float
        """
        size = len(self.counts)
        more = Template.of(index, Events(weights, weights), size)
        self.template = Template(self.template.sums + more.sums, self.template.products + more.products)
        self.counts += np.bincount(index, minlength=size)
        if len(self._of_groups):
            groups = group_of(len(index)) if groups is None else groups
            self._of_groups += bin_sums(index * GROUPS + groups, weights, size * GROUPS)
        for name, sides in self.varied.items():
            for side, factor in zip(sides, variations[name], strict=True):
                np.add(side, bin_sums(index, weights * factor[:, np.newaxis], size), out=side)
        for name, sums in self.parts.items():
            here = (members or {})[name]
            np.add(sums, bin_sums(index[here], weights[here], size), out=sums)

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
    return np.stack([_sum(index, column, size) for column in weights.T], axis=1)


def _sum(index: npt.NDArray[np.intp], weights: Array, size: int) -> Array:
    return np.asarray(np.bincount(index, weights=weights, minlength=size), dtype=float)


@dataclass(frozen=True)
class BinnedRatio:
    """The ratio r of the histogram at each point to the histogram at a reference, in every bin.

    ``ratio`` has shape (points, bins). If the template is empty or negative at the reference or at one of the possible
    points, the bin is not ``known`` and its ratio is 1. A point is not ``possible`` if its cross section is not
    positive: it has no distribution, its ratio is 1 in all bins, and only :meth:`log` excludes it.
    """

    template: Template
    coefficients: Array
    reference: Array
    ratio: Array
    known: npt.NDArray[np.bool_]
    possible: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, template: Template, coefficients: Array, reference: Array) -> "BinnedRatio":
        """The ratio from morphing coefficients, which are scaled so that the template sums to probabilities."""
        totals = template.sums.sum(axis=0)
        possible = coefficients @ totals > ROUNDING * np.abs(coefficients) @ np.abs(totals)
        coefficients = np.where(possible[:, np.newaxis], coefficients, reference)
        coefficients = coefficients / (coefficients @ totals)[:, np.newaxis]
        reference = reference / (reference @ totals)
        numerator, denominator = coefficients @ template.sums.T, template.sums @ reference
        known = np.asarray((numerator > 0.0).all(axis=0) & (denominator > 0.0))
        ratio = np.where(known, numerator / np.where(known, denominator, 1.0), 1.0)
        return cls(template, coefficients, reference, ratio, known, possible)

    @property
    def log(self) -> Array:
        """ln r in every bin at all points, shape (points, bins)."""
        return np.where(self.possible[:, np.newaxis], np.log(self.ratio), IMPOSSIBLE)

    def log_with(self, sums: Array) -> Array:
        """ln r as in :attr:`log`, from other sums of the benchmark weights, shape (bins, benchmarks)."""
        other = BinnedRatio.of(replace(self.template, sums=sums), self.coefficients, self.reference)
        return np.where(self.possible[:, np.newaxis], other.log, IMPOSSIBLE)

    def varied(self, filled: Filled, *, profiled: bool = True) -> VariedHistogram:
        """The same histogram, with the nuisance parameters if they are ``profiled``, and the samples that float."""
        nothing = np.zeros((0, *self.template.sums.shape))
        sides = list(zip(*filled.varied.values(), strict=True)) if profiled else []
        up, down = (np.stack(side) for side in sides) if sides else (nothing, nothing)
        parts = np.stack(list(filled.parts.values())) if filled.parts else nothing
        return VariedHistogram(self.coefficients, self.template.sums, up, down, self.known, parts=parts)

    def mean_log(self, fractions: Array) -> Array:
        """Σ_b f_b ln r_b for the fractions f of the data in each bin: shape (points,)."""
        return np.asarray(self.log @ fractions)

    def mean(self, index: npt.NDArray[np.intp], probabilities: Array) -> tuple[Array, Array]:
        """Mean m of r over independent events at the reference, in the bins ``index``, and its standard error.

        The error is that of the events and, to first order, that of the template. Event j of the template in bin c
        changes the mean by w_j(θ) u_c - w_j(ref) v_c with u_c = f_c/h_c - m and v_c = r_c f_c/h_c - m, where h is the
        template at the reference and f the fractions of the events.
        """
        size = len(self.known)
        fractions = _sum(index, probabilities, size)
        squares = _sum(index, np.square(probabilities), size)
        mean = self.ratio @ fractions
        variance = np.square(self.ratio - mean[:, np.newaxis]) @ squares
        denominator = self.template.sums @ self.reference
        share = np.where(self.known, fractions / np.where(self.known, denominator, 1.0), 0.0)
        u = (share - mean[:, np.newaxis]) * self.known
        v = (self.ratio * share - mean[:, np.newaxis]) * self.known
        a, b, products = self.coefficients, self.reference, self.template.products
        with_reference = products @ b  # (bins, benchmarks)
        point_point = np.einsum("pi,cij,pj->pc", a, products, a, optimize=True)
        variance += (np.square(u) * point_point).sum(axis=1)
        variance -= 2.0 * (u * v * (a @ with_reference.T)).sum(axis=1)
        variance += np.square(v) @ (with_reference @ b)
        return np.asarray(mean), np.sqrt(np.maximum(variance, 0.0))

    def unknown_fraction(self, fractions: Array) -> float:
        """The fraction of the data in bins that are not known, from the fractions in all bins."""
        return float(fractions[~self.known].sum())


@dataclass(frozen=True)
class HistogramFigures:
    """The likelihoods of a histogram for the data and for the observed events, and figures for the closure tests."""

    expected: ShapeLikelihood
    observed: ShapeLikelihood | None
    ratio: MeanRatio
    """The mean of r under the reference at each point."""
    unfilled: float
    """The fraction of the data, expected or observed, in unknown bins; the larger of the two."""
    sparse: float
    """The part of the cross section in bins with few effective events, at the point of the Asimov data."""
    log_ratio: Callable[[Array], Array]
    """ln r of events (events, variables) at each point, shape (points, events)."""
    fractions: Array | None = None
    """The fraction of the Asimov data in each bin; None if the bins differ from point to point."""
    table: Array | None = None
    """ln r of each bin at each point, shape (points, bins); None if the bins differ from point to point."""
    binning: Binning | None = None
    """The bins; None if they differ from point to point."""

    @classmethod
    def join(cls, items: Sequence["HistogramFigures"]) -> "HistogramFigures":
        """One set of figures with the points of all items."""
        ratio = MeanRatio(
            np.concatenate([item.ratio.mean for item in items]), np.concatenate([item.ratio.error for item in items])
        )
        observed = [item.observed for item in items if item.observed is not None]
        return cls(
            expected=ShapeLikelihood.join([item.expected for item in items]),
            observed=ShapeLikelihood.join(observed) if observed else None,
            ratio=ratio,
            unfilled=max(item.unfilled for item in items),
            sparse=max(item.sparse for item in items),
            log_ratio=lambda values: np.concatenate([item.log_ratio(values) for item in items]),
        )


def histogram_figures(
    filled: Filled,
    binning: Binning,
    coefficients: Array,
    row: Array,
    *,
    data: Summaries | None,
    reference: Summaries,
    observed: Summaries | None = None,
    truth: Array,
    profiled: bool = True,
) -> HistogramFigures:
    """The histogram likelihood of ``data`` and of observed events.

    :param profiled: whether nuisance parameters are fitted, if the histogram knows their effects
    :param coefficients: morphing coefficients of the points, shape (points, benchmarks)
    :param row: morphing coefficients of the reference point, shape (benchmarks,)
    :param data: the Asimov data; None if they are the events of the histogram, at the point ``truth``
    :param reference: test events at the reference point
    :param truth: morphing coefficients of the point of the data, shape (benchmarks,)
    """
    ratio = BinnedRatio.of(filled.template, coefficients, row)
    varied = ratio.varied(filled, profiled=profiled)
    mean, error = ratio.mean(binning.index(reference.values), reference.probabilities)
    table = ratio.log
    left_out = filled.left_out
    tables = [ratio.log_with(sums) for sums in left_out]
    filling = filled.template.sums @ truth
    fractions = filling / filling.sum() if data is None else binning.fractions(data)
    of_observed = None if observed is None else binning.fractions(observed)

    def filled_varied(found: Array, sums: Array | None = None, *, matches: bool) -> FilledHistogram:
        histogram, data = varied if sums is None else varied.refilled(sums), np.maximum(found, 0.0)
        return FilledHistogram(histogram.matched(truth, data) if matches else histogram, data)

    def shape_likelihood(found: Array, *, itself: bool, expected: bool) -> ShapeLikelihood:
        each = [sums @ truth / (sums @ truth).sum() if itself else found for sums in left_out]
        with_data = filled_varied(found, matches=expected)
        if len(varied.up) or len(varied.parts):
            others = [filled_varied(*pair, matches=expected) for pair in zip(each, left_out, strict=True)]
            with_data = replace(with_data, without_groups=others)
        replicas = np.stack([other @ filling for other, filling in zip(tables, each, strict=True)])
        return ShapeLikelihood(ratio.mean_log(found), with_data if len(varied.up) else None, replicas, with_data)

    return HistogramFigures(
        expected=shape_likelihood(fractions, itself=data is None, expected=True),
        observed=None if of_observed is None else shape_likelihood(of_observed, itself=False, expected=False),
        ratio=MeanRatio(mean, error),
        unfilled=max(ratio.unknown_fraction(found) for found in (fractions, of_observed) if found is not None),
        sparse=filled.template.sparse(truth),
        log_ratio=lambda values: table[:, binning.index(values)],
        fractions=fractions,
        table=table,
        binning=binning,
    )
