"""Likelihood ratios from histograms of weighted events, at all points of a grid.

A table of all points and bins may be large: 91 MB for 18,225 points and 625 bins. So the tables without one group of
events each, and all else that has this shape, are made for a block of points at a time and not kept.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.ratio_sums import MeanRatio
from mmc.jobs.statistics.histograms import IMPOSSIBLE, ROUNDING, Binning, Filled, Template, are_possible, bin_sum
from mmc.jobs.statistics.profiling import FilledHistogram, ShapeLikelihood, VariedHistogram
from mmc.jobs.statistics.summaries import Summaries

BLOCK = 1_000_000
"""The largest number of ratios, at some points in all bins, in memory at once."""
KEPT = 25_000_000
"""The largest number of ratios kept in memory: 0.2 GB. Larger tables are calculated anew for every block of events."""


@dataclass(frozen=True)
class BinnedRatio:
    """The ratio r of the histogram at each point to the histogram at a reference, in every bin.

    If the template is empty or negative at the reference or at one of the possible points, the bin is not ``known`` and
    its ratio is 1. A point is not ``possible`` if its cross section, or the content of a bin that is not negative by
    chance (:meth:`Template.has_no_distribution`), is not positive there: it has no distribution, its ratio is 1 in all
    bins, and only the logarithms exclude it.
    """

    sums: Array
    """Sums of the benchmark weights, shape (bins, benchmarks)."""
    coefficients: Array
    """Shape (points, benchmarks)."""
    reference: Array
    """Shape (benchmarks,)."""
    known: npt.NDArray[np.bool_]
    possible: npt.NDArray[np.bool_]

    @classmethod
    def of_template(cls, template: Template, coefficients: Array, reference: Array) -> "BinnedRatio":
        """The ratio from morphing coefficients, at points that have a distribution."""
        excluded = template.has_no_distribution(coefficients, reference)
        found = cls.of(template.sums, np.where(excluded[:, np.newaxis], reference, coefficients), reference)
        return replace(found, possible=found.possible & ~excluded)

    @classmethod
    def of(cls, sums: Array, coefficients: Array, reference: Array) -> "BinnedRatio":
        """The ratio from morphing coefficients, which are scaled so that the template sums to probabilities."""
        totals = sums.sum(axis=0)
        possible = coefficients @ totals > ROUNDING * np.abs(coefficients) @ np.abs(totals)
        coefficients = np.where(possible[:, np.newaxis], coefficients, reference)
        coefficients = coefficients / (coefficients @ totals)[:, np.newaxis]
        reference = reference / (reference @ totals)
        found = cls(sums, coefficients, reference, np.ones(len(sums), dtype=bool), possible)
        positive = [(coefficients[rows] @ sums.T > 0.0).all(axis=0) for rows in found._blocks()]
        known = np.asarray(np.all(positive, axis=0) & (sums @ reference > 0.0))
        return replace(found, known=known)

    def at(self, points: slice, bins: slice | npt.NDArray[np.intp] = slice(None)) -> Array:
        """r at some points in some bins, shape (points, bins)."""
        known, denominator = self.known[bins], (self.sums @ self.reference)[bins]
        numerator = self.coefficients[points] @ self.sums[bins].T
        return np.where(known, numerator / np.where(known, denominator, 1.0), 1.0)

    @cached_property
    def log(self) -> Array:
        """ln r in every bin at all points, shape (points, bins)."""
        return self._log_in(np.arange(len(self.known)))

    def log_of(self, index: npt.NDArray[np.intp]) -> Array:
        """ln r of events in these bins at all points, shape (points, events)."""
        if len(self.coefficients) * len(self.known) <= KEPT:
            return self.log[:, index]
        bins, places = np.unique(index, return_inverse=True)
        return self._log_in(bins)[:, places]

    def mean_logs(self, *fractions: Array) -> Array:
        """Σ_b f_b ln r_b for the fractions f of several data sets in each bin: shape (sets, points)."""
        tables = (self._log_at(rows) for rows in self._blocks())
        return np.concatenate([np.stack([table @ each for each in fractions]) for table in tables], axis=1)

    def refilled(self, sums: Array) -> "BinnedRatio":
        """The same from other sums of the benchmark weights, shape (bins, benchmarks).

        Where a bin that is known here has no positive content, the point is excluded, and not the bin left out: it is
        at the end of the points that are possible.
        """
        each = [are_possible(self.coefficients[rows], sums, self.known) for rows in self._blocks()]
        possible = np.concatenate(each)
        rows = np.where(possible[:, np.newaxis], self.coefficients, self.reference)
        return replace(BinnedRatio.of(sums, rows, self.reference), possible=possible & self.possible)

    def varied(self, filled: Filled, *, profiled: bool = True) -> VariedHistogram:
        """The same histogram, with the nuisance parameters if they are ``profiled``, and the samples that float."""
        nothing = np.zeros((0, *self.sums.shape))
        sides = list(zip(*filled.varied.values(), strict=True)) if profiled else []
        up, down = (np.stack(side) for side in sides) if sides else (nothing, nothing)
        parts = np.stack([part.sums for part in filled.parts.values()]) if filled.parts else nothing
        return VariedHistogram(self.coefficients, self.sums, up, down, self.known, parts=parts)

    def mean(self, products: Array, index: npt.NDArray[np.intp], probabilities: Array) -> MeanRatio:
        """Mean m of r over independent events at the reference, in the bins ``index``, and its standard error.

        The error is that of the events and, to first order, that of the template. Event j of the template in bin c
        changes the mean by w_j(θ) u_c - w_j(ref) v_c with u_c = f_c/h_c - m and v_c = r_c f_c/h_c - m, where h is the
        template at the reference and f the fractions of the events.

        :param products: those of the template, shape (bins, benchmarks, benchmarks)
        """
        size = len(self.known)
        fractions = bin_sum(index, probabilities, size)
        squares = bin_sum(index, np.square(probabilities), size)
        found = [self._mean_at(rows, products, fractions, squares) for rows in self._blocks()]
        return MeanRatio(np.concatenate([mean for mean, _ in found]), np.concatenate([error for _, error in found]))

    def unknown_fraction(self, fractions: Array) -> float:
        """The fraction of the data in bins that are not known, from the fractions in all bins."""
        return float(fractions[~self.known].sum())

    def _mean_at(self, points: slice, products: Array, fractions: Array, squares: Array) -> tuple[Array, Array]:
        """The mean and its error at some points, from sums of probabilities and of their squares in each bin."""
        ratio, a, b = self.at(points), self.coefficients[points], self.reference
        mean = ratio @ fractions
        variance = np.square(ratio - mean[:, np.newaxis]) @ squares
        share = np.where(self.known, fractions / np.where(self.known, self.sums @ b, 1.0), 0.0)
        u = (share - mean[:, np.newaxis]) * self.known
        v = (ratio * share - mean[:, np.newaxis]) * self.known
        with_reference = products @ b  # (bins, benchmarks)
        point_point = np.einsum("pi,cij,pj->pc", a, products, a, optimize=True)
        variance += (np.square(u) * point_point).sum(axis=1)
        variance -= 2.0 * (u * v * (a @ with_reference.T)).sum(axis=1)
        variance += np.square(v) @ (with_reference @ b)
        return np.asarray(mean), np.sqrt(np.maximum(variance, 0.0))

    def _log_at(self, points: slice, bins: slice | npt.NDArray[np.intp] = slice(None)) -> Array:
        return np.where(self.possible[points, np.newaxis], np.log(self.at(points, bins)), IMPOSSIBLE)

    def _log_in(self, bins: npt.NDArray[np.intp]) -> Array:
        """ln r at all points in some bins, shape (points, bins)."""
        found = np.empty((len(self.coefficients), len(bins)))
        for rows in self._blocks():
            found[rows] = self._log_at(rows, bins)
        return found

    def _blocks(self) -> Iterator[slice]:
        """Blocks of points, so small that their ratios, and the products of their coefficients, fit into memory."""
        n_points, n_benchmarks = self.coefficients.shape
        size = max(1, BLOCK // max(len(self.sums), n_benchmarks**2))
        return (slice(start, start + size) for start in range(0, n_points, size))


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
    binned: BinnedRatio | None = None
    """r in each bin; None if the bins differ from point to point."""
    binning: Binning | None = None
    """The bins; None if they differ from point to point."""

    @classmethod
    def join(cls, items: Sequence["HistogramFigures"]) -> "HistogramFigures":
        """One set of figures with the points of all items."""
        ratio = MeanRatio(
            np.concatenate([item.ratio.mean for item in items]), np.concatenate([item.ratio.error for item in items])
        )
        observed = [item.observed for item in items if item.observed is not None]
        log_ratios = [item.log_ratio for item in items]  # not the items, which hold histograms
        return cls(
            expected=ShapeLikelihood.join([item.expected for item in items]),
            observed=ShapeLikelihood.join(observed) if observed else None,
            ratio=ratio,
            unfilled=max(item.unfilled for item in items),
            sparse=max(item.sparse for item in items),
            log_ratio=lambda values: np.concatenate([log_ratio(values) for log_ratio in log_ratios]),
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
    integration: Array | None = None,
    profiled: bool = True,
) -> HistogramFigures:
    """The histogram likelihood of ``data`` and of observed events.

    :param profiled: whether nuisance parameters are fitted, if the histogram knows their effects
    :param coefficients: morphing coefficients of the points, shape (points, benchmarks)
    :param row: morphing coefficients of the reference point, shape (benchmarks,)
    :param data: the Asimov data; None if they are the events of the histogram, at the point ``truth``
    :param reference: test events at the reference point
    :param truth: morphing coefficients of the point of the data, shape (benchmarks,)
    :param integration: the relative error of the cross section of each sample, shape (samples,); None if limits do not
        include it
    """
    ratio = BinnedRatio.of_template(filled.template, coefficients, row)
    varied = ratio.varied(filled, profiled=profiled)
    left_out = filled.left_out
    filling = filled.template.sums @ truth
    fractions = filling / filling.sum() if data is None else binning.fractions(data)
    sets = [fractions, *([] if observed is None else [binning.fractions(observed)])]
    groups = [_without_group(sums @ truth, sets, itself=data is None) for sums in left_out]
    nominal = ratio.mean_logs(*sets)
    replicas = np.stack([ratio.refilled(sums).mean_logs(*each) for sums, each in zip(left_out, groups, strict=True)])
    changed = None
    if integration is not None and filled.of_samples.size:
        others = filled.template.sums + integration[:, np.newaxis, np.newaxis] * filled.of_samples.transpose(1, 0, 2)
        moved = [_without_group(sums @ truth, sets, itself=data is None) for sums in others]
        changed = np.stack([ratio.refilled(sums).mean_logs(*each) for sums, each in zip(others, moved, strict=True)])

    def filled_varied(found: Array, sums: Array | None = None, *, matches: bool) -> FilledHistogram:
        histogram, data = varied if sums is None else varied.refilled(sums), np.maximum(found, 0.0)
        return FilledHistogram(histogram.matched(truth, data) if matches else histogram, data)

    def shape_likelihood(k: int) -> ShapeLikelihood:
        with_data = filled_varied(sets[k], matches=k == 0)
        if len(varied.up) or len(varied.parts):
            each = zip(groups, left_out, strict=True)
            others = [filled_varied(of_group[k], sums, matches=k == 0) for of_group, sums in each]
            with_data = replace(with_data, without_groups=others)
        gain, of_integration = with_data if len(varied.up) else None, None if changed is None else changed[:, k]
        return ShapeLikelihood(nominal[k], gain, replicas[:, k], of_integration, with_data)

    return HistogramFigures(
        expected=shape_likelihood(0),
        observed=None if observed is None else shape_likelihood(1),
        ratio=ratio.mean(filled.template.products, binning.index(reference.values), reference.probabilities),
        unfilled=max(map(ratio.unknown_fraction, sets)),
        sparse=filled.template.sparse(truth),
        log_ratio=lambda values: ratio.log_of(binning.index(values)),
        fractions=fractions,
        binned=ratio,
        binning=binning,
    )


def _without_group(filling: Array, sets: Sequence[Array], *, itself: bool) -> list[Array]:
    """The fractions of the data sets in each bin, for a histogram without one group of events, or otherwise changed.

    :param filling: this histogram at the true point, shape (bins,)
    :param itself: whether the first data set are the events of the histogram
    """
    return [filling / filling.sum() if itself and k == 0 else found for k, found in enumerate(sets)]
