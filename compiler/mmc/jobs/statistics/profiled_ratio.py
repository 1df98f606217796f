"""Nuisance parameters fitted with an estimated ratio that has learned their effects.

With the ratio r̂(x | θ, ν) to a denominator with ν = 0 and the expected events μ(θ, ν), ln L of n events changes with ν
by

    n [m(θ, ν) - m(θ, 0)] + n ln μ(θ, ν) / μ(θ, 0) - [μ(θ, ν) - μ(θ, 0)] - ½ Σ_k ν_k²,

where m is the mean of ln r̂ over the events. Without the rate, only the first and the last term count. The *gain* is the
largest value over ν.

MadMiner gives the weight of a simulated event the form w exp(g), g = Σ_k (a_k ν_k + b_k ν_k²) (arXiv:1907.10621). So

    ln μ(θ, ν) / μ(θ, 0) = ln E_θ[exp(g)] = E_θ[g] + ½ Var_θ(g) + …,

where the next term, a sixth of the third cumulant of g, is neglected because effects are of order ten per cent. For a
single event, s = m + ln μ is a quadratic form in ν. For the mean of a network's ratio, s is approximated by a quadratic
form: the network is evaluated and calibrated at ν = 0, with each nuisance parameter at ±1, and with each pair at 1.
Fits end at :data:`REACH`: there the constraint alone exceeds the threshold of any contour, and a network has hardly
learned larger values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mmc.jobs.madminer.event_file import Array, Variations
from mmc.jobs.madminer.nuisance_effects import exponents
from mmc.jobs.statistics.profiling import ascent_step, maximise

REACH = 5.0
"""The largest |ν| of a fit, in standard deviations."""


@dataclass(frozen=True)
class Variation:
    """Values of the nuisance parameters, shape (nuisance,)."""

    name: str
    nu: Array

    def factors(self, variations: Variations) -> Array:
        """The factors of the weights of events at these values, shape (events,); ``variations`` are those at ±1."""
        changed = [
            factors[0 if value > 0.0 else 1]
            for factors, value in zip(variations.values(), self.nu, strict=True)
            if value
        ]
        return np.asarray(np.prod(changed, axis=0))


def design(names: Sequence[str]) -> list[Variation]:
    """The values of the nuisance parameters that :meth:`Quadratic.of` needs, in this order."""
    steps = np.eye(len(names))
    single = [
        Variation(f"{name} = {sign:+d}", sign * step)
        for sign in (1, -1)
        for name, step in zip(names, steps, strict=True)
    ]
    pairs = [
        Variation(f"{one} = {other} = +1", steps[k] + steps[m])
        for (k, one), (m, other) in combinations(enumerate(names), 2)
    ]
    return [*single, *pairs]


@dataclass(frozen=True)
class Quadratic:
    """A quadratic form in the nuisance parameters at each point."""

    slope: Array
    """shape (points, nuisance)"""
    curvature: Array
    """shape (points, nuisance, nuisance)"""

    @classmethod
    def of(cls, values: Array, n: int) -> "Quadratic":
        """The form from its values at the :func:`design` of n parameters minus those at ν = 0: (variations, points)."""
        up, down, pairs = values[:n], values[n : 2 * n], values[2 * n :]
        curvature = np.zeros((values.shape[1], n, n))
        curvature[:, range(n), range(n)] = (up + down).T
        for (k, m), both in zip(combinations(range(n), 2), pairs, strict=True):
            curvature[:, k, m] = curvature[:, m, k] = both - up[k] - up[m]
        return cls(0.5 * (up - down).T, curvature)

    def value(self, nu: Array) -> Array:
        """The value at ν of shape (points, nuisance); shape (points,)."""
        return np.asarray(
            np.einsum("pk,pk->p", self.slope, nu) + 0.5 * np.einsum("pk,pkl,pl->p", nu, self.curvature, nu)
        )

    def slope_at(self, nu: Array) -> Array:
        """The derivatives at ν; both have the shape (points, nuisance)."""
        return np.asarray(self.slope + np.einsum("pkl,pl->pk", self.curvature, nu))


@dataclass(frozen=True)
class LogRate:
    """ln μ(θ, ν) / μ(θ, 0) at some points, to second order in the effects g of the nuisance parameters on events.

    g is linear in the powers (ν, ν²), so ln μ is a quadratic form in these powers. The slope of the form is the means
    of (a, b) over the events at each point, and the curvature is their covariances.
    """

    in_powers: Quadratic

    @classmethod
    def of(cls, weights: Array, coefficients: Array, variations: Variations) -> "LogRate":
        """The form from weights (events, benchmarks), coefficients (points, benchmarks) and effects on the events.

        ln μ does not depend on ν at points where the cross section is not positive.
        """
        up, down = (np.stack(sides) for sides in zip(*variations.values(), strict=True))
        effects = np.concatenate(exponents(up, down)).T
        totals = coefficients @ weights.sum(axis=0)
        shares = np.where(totals > 0.0, 1.0 / np.where(totals > 0.0, totals, 1.0), 0.0)[:, np.newaxis] * coefficients
        mean = shares @ (weights.T @ effects)
        squares = np.stack([shares @ (weights.T @ (effects * column[:, np.newaxis])) for column in effects.T], axis=1)
        return cls(Quadratic(mean, squares - mean[:, :, np.newaxis] * mean[:, np.newaxis, :]))

    def value(self, nu: Array) -> Array:
        """The value at ν of shape (points, nuisance); shape (points,)."""
        return self.in_powers.value(_powers(nu))

    def slope(self, nu: Array) -> Array:
        """The derivatives, shape (points, nuisance)."""
        a, b = np.hsplit(self.in_powers.slope_at(_powers(nu)), 2)
        return np.asarray(a + 2.0 * nu * b)

    def curvature(self, nu: Array) -> Array:
        """The second derivatives, shape (points, nuisance, nuisance)."""
        n = nu.shape[1]
        identity = np.eye(n)
        jacobian = np.concatenate(
            [np.broadcast_to(identity, (len(nu), n, n)), 2.0 * nu[:, :, np.newaxis] * identity], 1
        )
        curved = 2.0 * self.in_powers.slope_at(_powers(nu))[:, n:, np.newaxis] * identity
        return np.asarray(np.swapaxes(jacobian, 1, 2) @ self.in_powers.curvature @ jacobian + curved)


def _powers(nu: Array) -> Array:
    return np.hstack([nu, np.square(nu)])


@dataclass(frozen=True)
class VariedRatio:
    """The dependence of a ratio and of the rate on the nuisance parameters: a
    :data:`mmc.jobs.statistics.profiling.Gain`."""

    density: Quadratic
    """s = m + ln μ."""
    log_rate: LogRate

    @classmethod
    def of(cls, nominal: Array, varied: Array, variations: Sequence[Variation], log_rate: LogRate) -> "VariedRatio":
        """From the mean log ratios, nominal (points,) and at the :func:`design` (variations, points)."""
        rates = [log_rate.value(np.tile(variation.nu, (len(nominal), 1))) for variation in variations]
        return cls(Quadratic.of(varied - nominal + np.stack(rates), len(variations[0].nu)), log_rate)

    def __call__(self, n: float, expected: Array | None) -> Array:
        """The gain of n events at all points.

        :raises StepError: when a fit does not converge
        """
        return self.fit(n, expected)[0]

    def fit(self, n: float, expected: Array | None) -> tuple[Array, Array]:
        """The gain and the fitted nuisance parameters."""
        points, k = self.density.slope.shape
        fit = _Fit(self, n, expected)
        starts = np.concatenate([np.zeros((1, k)), np.eye(k), -np.eye(k)])
        values = np.stack([fit.change(np.tile(start, (points, 1)))[0] for start in starts])
        return maximise(starts[values.argmax(axis=0)], fit.change, fit.step, (-REACH, REACH))

    def at(self, nu: Array, n: float, expected: Array | None, _group: int | None = None) -> Array:
        """The change of ln L at ν, which is the same for all groups of events."""
        return _Fit(self, n, expected).change(nu)[0]


class _Fit:
    """The change of ln L with the nuisance parameters, and the steps of the fit."""

    def __init__(self, ratio: VariedRatio, n: float, expected: Array | None) -> None:
        self._ratio, self._n = ratio, n
        self._expected = None if expected is None else np.maximum(expected, 0.0)

    def change(self, nu: Array) -> tuple[Array, Array]:
        """The change of ln L at ν (points, nuisance), and the expected events at ν, or n without the rate."""
        change = self._n * self._ratio.density.value(nu) - 0.5 * np.square(nu).sum(axis=1)
        log_rate = self._ratio.log_rate.value(nu)
        if self._expected is None:
            return change - self._n * log_rate, np.full(len(nu), self._n)
        events = self._expected * np.exp(np.minimum(log_rate, 100.0))
        return change - (events - self._expected), events

    def step(self, nu: Array, events: Array) -> tuple[Array, Array]:
        """The step for :func:`mmc.jobs.statistics.profiling.maximise`, which does not go beyond the reach."""
        slope = self._ratio.log_rate.slope(nu)
        gradient = self._n * self._ratio.density.slope_at(nu) - events[:, np.newaxis] * slope - nu
        curvature = self._ratio.log_rate.curvature(nu)
        if self._expected is not None:
            curvature = curvature + slope[:, :, np.newaxis] * slope[:, np.newaxis, :]
        hessian = np.eye(nu.shape[1]) - self._n * self._ratio.density.curvature
        hessian = hessian + events[:, np.newaxis, np.newaxis] * curvature
        free = ~((np.abs(nu) >= REACH) & (gradient * nu > 0.0))
        both = free[:, :, np.newaxis] & free[:, np.newaxis, :]
        return ascent_step(np.where(free, gradient, 0.0), np.where(both, hessian, np.eye(nu.shape[1])))
