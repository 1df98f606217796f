"""The statistical error of the simulation, in units of the error of the data.

If θ is the true point, ln L(θ) - ln L(θ_true) changes with the numbers of events that are expected at θ: with the
expected events μ_b of bin b, by Σ_b l_b δμ_b with l_b = ln μ_b(θ) / μ_b(θ_true). For the Poisson numbers of data its
variance is Σ_b l_b² μ_b, and f is that of the simulation over that of the data. All errors of the simulation are those
of sums of weights, with the covariance of :mod:`mmc.jobs.madminer.cross_sections`: the numbers of events that pass, and
the integration of the cross section of each sample. They enter a likelihood twice. The expected number of events has
the relative variance v, to which N events of data compare as N v. The distribution has the probabilities p_b of the
events that make the likelihood, with the logarithms l_b of their ratio minus their mean; the variance of Σ_b l_b δp_b
is

    V = (Σ_b l_b² Σ_{i in b} w_i² + Σ_k (ε_k² - 1/n_k) (Σ_b l_b S_bk)²) / S²,

with the weights w_i at θ and their sums S_bk in a bin and a sample, and S over all, scaled to the cross sections. That
of N events of data is D/N with D = Σ_b l_b² p_b. With q = ln L(θ_true) - ln L(θ) of expected data, of which the part c
is of the rate, and the covariance C of the distribution with the relative error of the rate,

    f(θ) / N = c v + (1 - c) V/D ± 2 (c (1 - c) C² / D)^½,    ± the sign of μ(θ) - μ(θ_true).

For events of one sample with equal weights V/D is 1/n, as for Poisson numbers. In a likelihood of single events each is
a bin (:mod:`mmc.jobs.statistics.event_errors`). Where neither is known V/D is 1/n, and C is 0. Combinations of several
regions: :mod:`mmc.jobs.statistics.joint_errors`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mmc.jobs.madminer.event_file import Array, EventFile, Partition
from mmc.jobs.statistics.histograms import FLOOR, Filled

FARTHEST = 1e6
"""ln L is smaller by at most this number."""
SAME = 1e-20
"""Distributions with a smaller D are the same."""
SAME_DISTANCE = 0.01
"""Two points are equally far from the true point if their distances differ by at most this part."""
MOST_SUMS = 20_000_000
"""The largest number of sums of weights over the events in a bin and a sample: 0.16 GB, and three times as much while
bins are filled."""
BLOCK = 1_000_000
"""The largest number of sums of weights in bins, and of their products, at some points in memory at once."""


@lru_cache(maxsize=4)
def totals(file: EventFile, partition: Partition) -> Filled:
    """The sums of all events of a partition, in one bin."""
    found = Filled(1, len(file.benchmarks), with_groups=False)
    for block in file.blocks(partition):
        found.add(np.zeros(len(block.origin), dtype=np.intp), block.events.weights, {})
    return found


def n_samples(file: EventFile, n_bins: int) -> int:
    """The number of samples whose sums in so many bins fit into memory; 0 if they do not, and f has N/n."""
    n = max(len(file.samples), 1)
    return n if n_bins * n * len(file.benchmarks) <= MOST_SUMS else 0


@dataclass(frozen=True)
class TemplateErrors:
    """The error of a distribution at some points; 0 where no distribution exists."""

    mean: Array
    """Σ_bk ν_k p_bk a_b of numbers a_b, with factors ν_k of the samples; l_bk = ν_k a_b less this, shape (points,)."""
    data: Array
    """D, shape (points,)."""
    variance: Array
    """V, shape (points,)."""
    covariance: Array
    """C, shape (points,)."""
    of_samples: Array
    """Σ_b l_bk S_bk / S, shape (points, samples)."""
    grows: Array
    """The sign of μ(θ) - μ(θ_true), shape (points,)."""

    @classmethod
    def join(cls, items: "Sequence[TemplateErrors]") -> "TemplateErrors":
        """The errors at the points of all items."""
        return cls(*(np.concatenate([getattr(item, own.name) for item in items]) for own in fields(cls)))


@dataclass(frozen=True)
class TemplateSums:
    """Sums over the simulated events in each bin, from which the error of their distribution follows."""

    of_samples: Array
    """Sums of the weights of the events of each sample, shape (bins, samples, benchmarks)."""
    products: Array
    """Sums of the products of two weights, shape (bins, benchmarks, benchmarks)."""
    known: npt.NDArray[np.bool_]
    """Whether the likelihood uses the bin, shape (bins,)."""
    truth: Array
    """The morphing coefficients of the true point, shape (benchmarks,)."""
    rates: Array
    """Sums of the weights of all events of each sample, shape (samples, benchmarks)."""
    common: Array
    """ε_k² - 1/n_k, shape (samples,)."""
    part: Array | float
    """The part of all events that is in the bins."""
    floating: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    """Which samples have each factor that floats, shape (factors, samples)."""
    of_floating: Array = field(default_factory=lambda: np.zeros((0, 0, 0, 0)))
    """The :attr:`products` of the events with each factor, shape (factors, bins, benchmarks, benchmarks)."""

    @classmethod
    def of(cls, file: EventFile, filled: Filled, known: npt.NDArray[np.bool_], truth: Array) -> "TemplateSums":
        """The sums of a histogram that knows those of each sample."""
        own, part = file.cross_sections, filled.n_events / file.n_events
        labels, each = np.arange(filled.of_samples.shape[1]), filled.parts
        members = np.array([file.members_of(labels)[name] for name in each], dtype=bool).reshape(-1, len(labels))
        products = np.array([floating.products for floating in each.values()])
        in_bins = filled.of_samples, filled.template.products, known, truth
        floats = members, products.reshape(-1, *filled.template.products.shape)
        return cls(*in_bins, own.of_samples, own.common_of(), part, *floats)

    def errors(
        self, coefficients: Array, numbers: Array | None = None, factors: Array | None = None
    ) -> "TemplateErrors":
        """What the error of the distribution is at points with these morphing coefficients (points, benchmarks).

        :param numbers: what a change of ln L is for one event more in each bin, shape (points, bins); by default the
            logarithms of the ratio to the true point
        :param factors: the values of the factors that float, shape (points, factors); by default 1
        """
        factors = np.ones((len(coefficients), len(self.floating))) if factors is None else factors
        n_bins, n_samples, n_benchmarks = self.of_samples.shape
        size = max(1, BLOCK // (n_benchmarks * max(n_bins, n_samples, n_benchmarks)))
        rows = [slice(start, start + size) for start in range(0, len(coefficients), size)]
        found = [
            self._errors(coefficients[some], None if numbers is None else numbers[some], factors[some]) for some in rows
        ]
        return TemplateErrors.join(found)

    def _errors(self, rows: Array, numbers: Array | None, factors: Array) -> TemplateErrors:
        n_samples, sums = self.of_samples.shape[1], self.of_samples.sum(axis=1)
        totals, true = sums.sum(axis=0), sums @ self.truth
        whole, of_rates = rows @ totals, rows @ self.rates.T
        possible = (whole > 0.0) & (of_rates.sum(axis=1) > 0.0)
        scale = np.where(possible, 1.0 / np.where(possible, whole, 1.0), 0.0)[:, np.newaxis]
        p, known = scale * (rows @ sums.T), self.known & (true > 0.0)
        if numbers is None:
            ratio = np.where(known, p / np.where(known, true / true.sum(), 1.0), 1.0)
            numbers = np.where(possible[:, np.newaxis], np.log(np.maximum(ratio, FLOOR)), 0.0)
        of_each = 1.0 + (factors - 1.0) @ self.floating.reshape(-1, n_samples)
        each = np.tensordot(numbers, self.of_samples, axes=(1, 0))  # (points, samples, benchmarks)
        of_samples = scale * of_each * np.einsum("pkj,pj->pk", each, rows)
        mean = of_samples.sum(axis=1)
        of_samples -= scale * mean[:, np.newaxis] * (rows @ self.of_samples.sum(axis=0).T)
        squares, *of_floating = (
            np.square(scale) * np.einsum("pi,bij,pj->pb", rows, products, rows, optimize=True)
            for products in (self.products, *self.of_floating)
        )
        linear, quadratic = moments(numbers, mean, squares, of_floating, factors)
        relative = of_rates / np.where(possible, of_rates.sum(axis=1), np.inf)[:, np.newaxis]
        data = np.maximum((p * np.square(numbers - mean[:, np.newaxis])).sum(axis=1), 0.0)
        variance = quadratic + np.square(of_samples) @ self.common
        covariance = self.part * linear + (of_samples * relative) @ self.common
        grows = np.sign((rows - self.truth) @ self.rates.sum(axis=0))
        return TemplateErrors(mean, data, np.maximum(variance, 0.0), covariance, of_samples, grows)


def moments(
    numbers: Array, mean: Array, weights: Array, of_floating: Sequence[Array], factors: Array
) -> tuple[Array, Array]:
    """Σ_bk l_bk W_bk and Σ_bk l_bk² W_bk with l_bk = a_b ν_k - m, shape (points,).

    :param numbers: a, shape (points, bins)
    :param mean: m, shape (points,)
    :param weights: Σ_k W_bk, shape (points, bins)
    :param of_floating: W_bk of the events with each factor that floats, shape (points, bins) each
    :param factors: ν of these, shape (points, factors)
    """
    logs = numbers - mean[:, np.newaxis]
    found = [(weights * logs**power).sum(axis=1) for power in (1, 2)]
    for own, factor in zip(of_floating, factors.T, strict=True):
        moved = factor[:, np.newaxis] * numbers - mean[:, np.newaxis]
        found = [sums + (own * (moved**power - logs**power)).sum(axis=1) for power, sums in enumerate(found, 1)]
    return found[0], found[1]


@dataclass(frozen=True)
class SimulatedSums:
    """Sums over the simulated events, from which rates and the statistical error of the simulation follow."""

    rates: Array
    """Expected events at the benchmarks, shape (benchmarks,)."""
    sums: Array
    """Sums of the weights of the events that make the likelihood, shape (benchmarks,)."""
    products: Array | None
    """Sums of the products of two weights, shape (benchmarks, benchmarks); None if limits do not include this error."""
    covariance: Array | None
    """The covariance of the :attr:`rates`, of the same shape; None if limits do not include this error."""
    template: TemplateSums | None
    """The sums in each bin; None without bins that all points share."""
    errors: TemplateErrors | None = field(default=None, kw_only=True)
    """Without such bins, the error of the distribution at the points of the limits; None if it is not known, which is
    N/n then."""

    def of_rate(self, coefficients: Array) -> Array:
        """v at points with these morphing coefficients (points, benchmarks); shape (points,)."""
        return _relative(coefficients, self.covariance, self.rates)

    def per_effective(self, coefficients: Array) -> Array:
        """1/n at the same points."""
        return _relative(coefficients, self.products, self.sums)

    def of_shape(self, coefficients: Array, near: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
        """V/D and ± C/√D at the same points.

        Where the distribution is the same at all points, they are 1/n and 0.

        :param near: the points that stand for the true point, where both D and V vanish, and for those without a
            distribution; the point of the smallest D if none of them has a D
        """
        own = self.errors if self.template is None else self.template.errors(coefficients)
        differs = np.zeros(len(coefficients), dtype=bool) if own is None else own.data > SAME
        if own is None or not differs.any():
            return self.per_effective(coefficients), np.zeros(len(coefficients))
        of_near = _standing(differs & near, np.where(differs, own.data, np.inf))
        both, found = own.grows * np.sqrt(own.data) * own.covariance, []
        for value in (own.variance, both):
            average = float(value[of_near].sum() / own.data[of_near].sum())
            found.append(np.divide(value, own.data, out=np.full(len(own.data), average), where=differs))
        return found[0], found[1]

    def per_event(self, coefficients: Array, rate_share: Array | float, near: npt.NDArray[np.bool_]) -> Array:
        """f/N at the same points.

        :param rate_share: c, the part of the rate in ln L
        :param near: as in :meth:`of_shape`
        """
        of_shape, both = self.of_shape(coefficients, near)
        alone = rate_share * self.of_rate(coefficients) + (1.0 - rate_share) * of_shape
        together = alone + 2.0 * np.sqrt(np.maximum(rate_share * (1.0 - np.asarray(rate_share)), 0.0)) * both
        return np.asarray(np.maximum(together, 0.0))


def _relative(coefficients: Array, covariance: Array | None, sums: Array) -> Array:
    """The relative variance of a sum; 0 where it is not known.

    A sum of equal weights of all events that were generated has no variance, which rounding can make negative.
    """
    total = np.square(coefficients @ sums)
    if covariance is None:
        return np.zeros(len(total))
    variance = np.maximum(np.einsum("pi,ij,pj->p", coefficients, covariance, coefficients), 0.0)
    return np.asarray(np.divide(variance, total, out=np.zeros(len(total)), where=total > 0.0))


def relative_slope(coefficients: Array, covariance: Array | None, sums: Array) -> Array:
    """The derivatives of the relative variance of a sum by the coefficients, both of shape (benchmarks,)."""
    total = float(coefficients @ sums)
    if covariance is None or total == 0.0:
        return np.zeros(len(coefficients))
    half = covariance @ coefficients
    return np.asarray(2.0 * (half - float(coefficients @ half) / total * sums) / total**2)


def _standing(near: npt.NDArray[np.bool_], distances: Array) -> npt.NDArray[np.bool_]:
    """The points that stand for the true point: those nearby or, without any, the nearest ones; none if all distances
    are infinite."""
    smallest = float(distances.min(initial=np.inf))
    return near if near.any() or not np.isfinite(smallest) else distances <= smallest * (1.0 + SAME_DISTANCE)


def rate_share(of_rate: Array, whole: Array, near: npt.NDArray[np.bool_]) -> Array:
    """q_rate over q at each point, from ln L of the rate and of everything; the last point is the true one.

    :param near: the points, without the last, that stand for the true point, where both vanish; the point of the
        smallest q if all of them vanish there too
    """
    distances = [values[-1] - np.maximum(values, values[-1] - FARTHEST) for values in (of_rate, whole)]
    q_rate, q = distances[0], np.maximum(*distances)
    inside = _standing(np.append(near, False) & (q > 0.0), np.where(q > 0.0, q, np.inf))
    average = float(q_rate[inside].sum() / q[inside].sum()) if inside.any() else 0.0
    return np.asarray(np.divide(q_rate, q, out=np.full(len(q), average), where=q > 0.0))


def per_trained(training: Array, log_likelihood: Array, n: float, near: npt.NDArray[np.bool_]) -> Array:
    """V/N: the variance of ln L(θ) - ln L(θ_true) from the training over that from N events, for expected limits.

    For a Gaussian likelihood, that from the events is 2 (ln L(θ_true) - ln L(θ)) of the Asimov data. So V is to the
    networks what N/n is to the simulated events. At the true point, where both variances vanish, it is the mean over
    the points ``near`` it, as in :func:`rate_share`.
    """
    from_data = 2.0 * (log_likelihood[-1] - log_likelihood) * n
    found = np.divide(training, from_data, out=np.zeros(len(training)), where=from_data > 0.0)
    inside = np.append(near, False) & (from_data > 0.0)
    found[from_data <= 0.0] = found[inside].mean() if inside.any() else 0.0
    return np.asarray(found)
