"""Critical values of -2 ln λ at all points, smoothed from their values at some points.

A point θ is in the confidence region if -2 ln λ(θ) of the data is at most the quantile of -2 ln λ(θ) over toy
experiments at θ (the construction of Neyman, Phil. Trans. R. Soc. A 236 (1937) 333, with the ordering of Feldman and
Cousins, arXiv:physics/9711021). The quantiles at the points with toys scatter; a smooth function of θ is fitted to
them. It follows maxima of the critical values as far as the number of toys allows. A polynomial does not: with the
degree (at most 4) that predicts each quantile best, the score of Drell-Yan covers 1 % too little at the Standard Model.

For a few events in a bin, -2 ln λ has a few values, and the quantiles have steps, which a smooth function cuts off.
Near a point with toys where many of them have the same -2 ln λ, the critical value is at least 1 % above the largest
quantile at the nearest points with toys.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from scipy.special import chdtri

Array = npt.NDArray[np.float64]
LENGTHS, AMPLITUDES = np.geomspace(0.2, 8.0, 11), np.append(0.0, np.geomspace(0.1, 1e7, 33))
"""The correlation lengths of critical values along each parameter that are tried, in half the range of the probes, and
their variances, in units of that of the error of a value."""
ROUNDS, EXACT, ROUNDING, SMALLEST_SHARE = 2, 1e-3, 1e-18, 0.01
"""The number of times that the length along each parameter is chosen; the smallest error of a value, in units of their
spread, and its smallest square; the smallest part that smoothing leaves of a combination of values with an error."""
SAME = 1e-12
"""Quantiles that differ by at most this part are the same value of -2 ln λ."""
CLOSE = 0.01
"""-2 ln λ of data may be larger by this part than that of toys with the same numbers of events: toys are narrowed, and
p-values are rounded."""
SMALLEST, STEP = 1e-3, 1.001
"""The smallest critical value, where most toys have their best fit at their own point, and the smallest ratio of the
critical values at two levels."""


@dataclass(frozen=True)
class CriticalValues:
    """The critical values at all points of the grid and, as the last entry, at the true point.

    ``levels`` ascend. A point with toys is a *probe*.
    """

    levels: tuple[float, ...]
    values: Array
    """Shape (levels, points)."""
    errors: Array
    """Independent errors: the changes of the values by one standard deviation of combinations of those at the
    probes; shape (combinations, levels, points)."""
    probes: npt.NDArray[np.intp]
    """The points with toys."""
    asymptotic: Array
    """The critical values without toys at the probes, shape (levels, probes)."""
    coverage: Array
    """The fraction of toys that these include, shape (levels, probes)."""
    toys: int
    """The number of toys at each probe."""

    @classmethod
    def smoothed(
        cls,
        points: Array,
        probes: npt.NDArray[np.intp],
        levels: Sequence[float],
        statistics: Array,
        asymptotic: Array,
    ) -> "CriticalValues":
        """Critical values from the -2 ln λ of toys at their own points.

        :param points: all points, shape (points, parameters)
        :param levels: confidence levels, ascending
        :param statistics: shape (probes, toys)
        """
        n = statistics.shape[1]
        values, errors = [], []
        for level in levels:
            quantiles = np.quantile(statistics, level, axis=1, method="weibull")  # includes the level on average
            spread = math.sqrt(level * (1.0 - level) / n)
            ends = np.quantile(statistics, np.clip([level - spread, level + spread], 0.0, 1.0), axis=1)
            value, error = smooth(points, probes, quantiles, 0.5 * (ends[1] - ends[0]))
            values.append(value)
            errors.append(error)
        width = max(map(len, errors))
        padded = [np.pad(error, ((0, width - len(error)), (0, 0))) for error in errors]
        included = np.stack([(statistics <= row[:, np.newaxis]).mean(axis=1) for row in asymptotic])
        return cls(
            tuple(levels), _ascending(np.stack(values)), np.stack(padded, axis=1), probes, asymptotic, included, n
        )

    def at(self, level: float) -> Array:
        """The critical values at a level, shape (points,)."""
        return np.asarray(self.values[self.levels.index(level)])

    def error_at(self, level: float) -> Array:
        """Their standard errors, shape (points,)."""
        return np.asarray(np.sqrt(np.square(self.errors[:, self.levels.index(level)]).sum(axis=0)))

    def shifted(self) -> Iterator["CriticalValues"]:
        """The critical values with each of the independent errors added."""
        for error in self.errors:
            yield replace(self, values=_ascending(self.values + error))

    def scaled(self, statistic: Array, dof: int) -> Array:
        """-2 ln λ on a scale with the critical values of χ²: linear in -2 ln λ between the levels, and above them.

        :param statistic: shape (..., points)
        """
        found = np.zeros_like(statistic)
        low, low_chi_square = np.zeros(statistic.shape[-1]), 0.0
        for level, high in zip(self.levels, self.values, strict=True):
            chi_square = float(chdtri(dof, 1.0 - level))
            slope = (chi_square - low_chi_square) / (high - low)
            found = np.where(statistic > low, low_chi_square + slope * (statistic - low), found)
            low, low_chi_square = high, chi_square
        return found


def _ascending(values: Array) -> Array:
    """Positive values that grow from level to level, shape (levels, points)."""
    rows = [np.maximum(values[0], SMALLEST)]
    for row in values[1:]:
        rows.append(np.maximum(row, STEP * rows[-1]))
    return np.stack(rows)


def smooth(points: Array, probes: npt.NDArray[np.intp], values: Array, errors: Array) -> tuple[Array, Array]:
    """A smooth function through the values at some points, at all points: the mean of a Gaussian process.

    Its covariance is a exp(-Σ_k (x_k - y_k)² / 2 l_k²) around an unknown constant, with the amplitude a and the lengths
    l_k that make the differences of the values most likely (C. E. Rasmussen and C. K. I. Williams, Gaussian Processes
    for Machine Learning, MIT Press 2006, sections 2.7 and 5.4). The errors are those of the process at the probes: the
    errors of the values, or their scatter around the function if that is larger, and what smoothing takes from the
    function; between the probes they lack the error of the interpolation. Beyond the probes it stays within the values,
    except over the steps of a few events, where it may be 1 % above them.

    :param errors: standard errors of the values, which are taken as equal; 0 where many toys have the same value
    :returns: values, shape (points,), and independent errors, shape (combinations of the values, points)
    """
    low, high = points[probes].min(axis=0), points[probes].max(axis=0)
    width = np.where(high > low, high - low, np.inf)  # all lines are as that of the probes, if they have one
    scaled = np.clip(2.0 * (points - low) / width - 1.0, -1.0, 1.0)
    noise = max(float(np.square(errors).mean()), EXACT**2 * float(values.var()), ROUNDING)
    lengths = np.full(points.shape[1], LENGTHS[len(LENGTHS) // 2])

    def likelihood(tried: Array) -> float:
        return _most_likely(_kernel(scaled[probes], scaled[probes], tried), values, noise)[0]

    for axis in ROUNDS * list(np.eye(len(lengths), dtype=bool)):
        lengths = max((np.where(axis, length, lengths) for length in LENGTHS), key=likelihood)
    kernel = _kernel(scaled, scaled[probes], lengths)
    _, amplitude = _most_likely(kernel[probes], values, noise)
    inverse = np.linalg.inv(amplitude * kernel[probes] + noise * np.eye(len(probes)))
    mean = inverse.sum(axis=0) / inverse.sum()
    smoother = mean + amplitude * kernel @ (inverse - np.outer(inverse.sum(axis=1), mean))
    shares, along = np.linalg.eigh(smoother[probes])
    kept = shares > SMALLEST_SHARE
    found = np.clip(smoother @ values, values.min(), values.max())
    tied = (errors <= SAME * values) & (values > SMALLEST)
    if tied.any():
        nearest = np.argsort(-kernel, axis=1, kind="stable")[:, : 2 * points.shape[1]]  # about one on each side
        largest = (1.0 + CLOSE) * values[nearest].max(axis=1)
        found = np.where(tied[nearest].any(axis=1), np.maximum(found, largest), found)
    scatter = float(np.square(values - smoother[probes] @ values).sum()) / max(len(probes) - float(shares.sum()), 1.0)
    return found, math.sqrt(max(noise, scatter)) * (smoother @ along[:, kept] / np.sqrt(shares[kept])).T


def _kernel(points: Array, others: Array, lengths: Array) -> Array:
    """exp(-Σ_k (x_k - y_k)² / 2 l_k²), shape (points, others)."""
    return np.asarray(np.exp(-0.5 * cdist(points / lengths, others / lengths, "sqeuclidean")))


def _most_likely(kernel: Array, values: Array, noise: float) -> tuple[float, float]:
    """The largest logarithm of the likelihood of the differences of some values, and the amplitude that has it."""
    centred = kernel - kernel.mean(axis=0)
    centred -= centred.mean(axis=1)[:, np.newaxis]
    spectrum, along = np.linalg.eigh(centred)
    squares = np.square(along.T @ (values - values.mean()))
    amplitudes = noise * AMPLITUDES
    variances = noise + np.outer(amplitudes, np.maximum(spectrum, 0.0))
    likelihoods = -0.5 * (squares / variances + np.log(variances)).sum(axis=1)
    best = int(np.argmax(likelihoods))
    return float(likelihoods[best]), float(amplitudes[best])
