"""Critical values of -2 ln λ at all points, smoothed from their values at some points.

A point θ is in the confidence region if -2 ln λ(θ) of the data is at most the quantile of -2 ln λ(θ) over toy
experiments at θ (the construction of Neyman, Phil. Trans. R. Soc. A 236 (1937) 333, with the ordering of Feldman and
Cousins, arXiv:physics/9711021). The quantiles at the points with toys scatter; a polynomial in θ is fitted to them.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri

Array = npt.NDArray[np.float64]
HIGHEST_DEGREE = 4
"""The largest degree of the polynomial."""
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
    """Independent errors: the changes of the values by one standard deviation of combinations of the polynomial's
    coefficients; shape (coefficients, levels, points)."""
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
            quantiles = np.quantile(statistics, level, axis=1, method="inverted_cdf")
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
    """A polynomial in all parameters through the values at some points, at all points.

    The degree is the one whose polynomial predicts each value best from all others. The coefficients have the errors of
    the scatter around the polynomial, which is the error of a value and what the polynomial does not describe. Beyond
    the range of the probes the polynomial stays within the values.

    :param errors: standard errors of the values; the scatter counts as at least their mean square
    :returns: values, shape (points,), and independent errors, shape (coefficients, points)
    """
    low, high = points[probes].min(axis=0), points[probes].max(axis=0)
    width = np.where(high > low, high - low, 1.0)
    scaled = np.clip(2.0 * (points - low) / width - 1.0, -1.0, 1.0)
    fits = []
    for degree in range(HIGHEST_DEGREE + 1):
        terms = _monomials(scaled, degree)
        if degree and 2 * terms.shape[1] > len(probes):
            break
        q, r = np.linalg.qr(terms[probes])
        if np.abs(np.diag(r)).min() < 1e-6 * np.abs(r).max():  # the probes do not determine the terms
            break
        residuals = values - q @ (q.T @ values)
        left_out = residuals / np.maximum(1.0 - np.square(q).sum(axis=1), 1e-6)
        fits.append((float(np.square(left_out).sum()), terms, q, r, residuals))
    _, terms, q, r, residuals = min(fits, key=lambda fit: fit[0])
    variance = float(np.square(errors).mean())
    if len(probes) > terms.shape[1]:
        variance = max(variance, float(np.square(residuals).sum()) / (len(probes) - terms.shape[1]))
    inverse = np.linalg.inv(r)
    fitted = np.clip(terms @ (inverse @ (q.T @ values)), values.min(), values.max())
    return fitted, math.sqrt(variance) * (terms @ inverse).T


def _monomials(points: Array, degree: int) -> Array:
    """All products of at most ``degree`` coordinates, shape (points, products)."""
    columns = [np.ones(len(points))]
    for size in range(1, degree + 1):
        factors = combinations_with_replacement(range(points.shape[1]), size)
        columns += [points[:, list(which)].prod(axis=1) for which in factors]
    return np.stack(columns, axis=1)
