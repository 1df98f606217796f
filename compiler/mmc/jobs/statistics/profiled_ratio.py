"""Nuisance parameters fitted with an estimated ratio that has learned them.

With r̂(x | θ, ν) to a denominator with ν = 0 and the expected events μ(θ, ν), ln L of n events changes with ν by

    n [m(θ, ν) - m(θ, 0)] + n ln μ(θ, ν) / μ(θ, 0) - [μ(θ, ν) - μ(θ, 0)] - ½ Σ_k ν_k²,

where m is the mean of ln r̂ over the events; without the rate, by the first and the last term. The *gain* is the largest
value over ν.

MadMiner gives the weight of a simulated event the form w exp(g), g = Σ_k (a_k ν_k + b_k ν_k²) (arXiv:1907.10621). So

    ln μ(θ, ν) / μ(θ, 0) = ln E_θ[exp(g)] = E_θ[g] + ½ Var_θ(g) + …,

whose next term, a sixth of the third cumulant of g, is left out: effects are of some ten per cent.
And s = m + ln μ is for a single event a quadratic form in ν. For the mean of a network's ratio it is taken for one: the
network is evaluated, and calibrated, at the nominal values, at ±1 of each nuisance parameter and at 1 of each pair.
A network has hardly learned values beyond :data:`REACH`, where the constraint alone is worth more than any contour, and
fits end there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mmc.jobs.madminer.event_file import Array, Variations
from mmc.jobs.statistics.profiling import climb, uphill

REACH = 5.0
"""Standard deviations."""


@dataclass(frozen=True)
class Variation:
    """Values of the nuisance parameters, shape (nuisance,)."""

    name: str
    nu: Array

    def factors(self, variations: Variations) -> Array:
        """What multiplies the weights of events there, from what the parameters do to them: shape (events,)."""
        changed = [
            factors[0 if value > 0.0 else 1]
            for factors, value in zip(variations.values(), self.nu, strict=True)
            if value
        ]
        return np.asarray(np.prod(changed, axis=0))


def design(names: Sequence[str]) -> list[Variation]:
    """Where a ratio has to be known for :meth:`Quadratic.of`, in that order."""
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
    """A quadratic form in the nuisance parameters for each of some points."""

    slope: Array
    """shape (points, nuisance)"""
    curvature: Array
    """shape (points, nuisance, nuisance)"""

    @classmethod
    def of(cls, values: Array, n: int) -> "Quadratic":
        """From values at the :func:`design` of n parameters less those at ν = 0, shape (variations, points)."""
        up, down, pairs = values[:n], values[n : 2 * n], values[2 * n :]
        curvature = np.zeros((values.shape[1], n, n))
        curvature[:, range(n), range(n)] = (up + down).T
        for (k, m), both in zip(combinations(range(n), 2), pairs, strict=True):
            curvature[:, k, m] = curvature[:, m, k] = both - up[k] - up[m]
        return cls(0.5 * (up - down).T, curvature)

    def value(self, nu: Array) -> Array:
        """At ν of shape (points, nuisance)."""
        return np.asarray(
            np.einsum("pk,pk->p", self.slope, nu) + 0.5 * np.einsum("pk,pkl,pl->p", nu, self.curvature, nu)
        )

    def slope_at(self, nu: Array) -> Array:
        """The derivatives at ν of shape (points, nuisance), and of that shape."""
        return np.asarray(self.slope + np.einsum("pkl,pl->pk", self.curvature, nu))


@dataclass(frozen=True)
class LogRate:
    """ln μ(θ, ν) / μ(θ, 0) at some points, to second order in the effects g of the nuisance parameters on events.

    g is linear in the powers (ν, ν²), so this is a quadratic form in them. Its slope are the means of a and, after
    them, b over the events at each point, its curvature their covariances.
    """

    in_powers: Quadratic

    @classmethod
    def of(cls, weights: Array, coefficients: Array, variations: Variations) -> "LogRate":
        """From weights (events, benchmarks), coefficients (points, benchmarks), and what is done to the events.

        Where a cross section is not positive, nothing changes.
        """
        logs = [(np.log(up), np.log(down)) for up, down in variations.values()]
        effects = np.stack(
            [*(0.5 * (up - down) for up, down in logs), *(0.5 * (up + down) for up, down in logs)], axis=1
        )
        totals = coefficients @ weights.sum(axis=0)
        shares = np.where(totals > 0.0, 1.0 / np.where(totals > 0.0, totals, 1.0), 0.0)[:, np.newaxis] * coefficients
        mean = shares @ (weights.T @ effects)
        squares = np.stack([shares @ (weights.T @ (effects * column[:, np.newaxis])) for column in effects.T], axis=1)
        return cls(Quadratic(mean, squares - mean[:, :, np.newaxis] * mean[:, np.newaxis, :]))

    def value(self, nu: Array) -> Array:
        """At ν of shape (points, nuisance)."""
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
    """What a ratio and the rate do with the nuisance parameters."""

    density: Quadratic
    """s = m + ln μ."""
    log_rate: LogRate

    @classmethod
    def of(cls, nominal: Array, varied: Array, variations: Sequence[Variation], log_rate: LogRate) -> "VariedRatio":
        """From mean log ratios, nominal ones (points,) and those at the :func:`design`, (variations, points)."""
        rates = [log_rate.value(np.tile(variation.nu, (len(nominal), 1))) for variation in variations]
        return cls(Quadratic.of(varied - nominal + np.stack(rates), len(variations[0].nu)), log_rate)

    def gain(self, n: float, expected: Array | None) -> Array:
        """The gain of n events at all points, :data:`mmc.jobs.statistics.profiling.Gain`.

        :raises StepError: when a fit finds no end
        """
        points, k = self.density.slope.shape
        fit = _Fit(self, n, None if expected is None else np.maximum(expected, 0.0))
        starts = np.concatenate([np.zeros((1, k)), np.eye(k), -np.eye(k)])
        values = np.stack([fit.change(np.tile(start, (points, 1)))[0] for start in starts])
        return climb(starts[values.argmax(axis=0)], fit.change, fit.step, REACH)[0]


class _Fit:
    """The change of ln L with the nuisance parameters, and the way up."""

    def __init__(self, ratio: VariedRatio, n: float, expected: Array | None) -> None:
        self._ratio, self._n, self._expected = ratio, n, expected

    def change(self, nu: Array) -> tuple[Array, Array]:
        """At ν (points, nuisance), and the events that are expected there, or n without the rate."""
        change = self._n * self._ratio.density.value(nu) - 0.5 * np.square(nu).sum(axis=1)
        log_rate = self._ratio.log_rate.value(nu)
        if self._expected is None:
            return change - self._n * log_rate, np.full(len(nu), self._n)
        events = self._expected * np.exp(np.minimum(log_rate, 100.0))
        return change - (events - self._expected), events

    def step(self, nu: Array, events: Array) -> tuple[Array, Array]:
        """As :func:`mmc.jobs.statistics.profiling.climb` takes it; none beyond the reach."""
        slope = self._ratio.log_rate.slope(nu)
        gradient = self._n * self._ratio.density.slope_at(nu) - events[:, np.newaxis] * slope - nu
        curvature = self._ratio.log_rate.curvature(nu)
        if self._expected is not None:
            curvature = curvature + slope[:, :, np.newaxis] * slope[:, np.newaxis, :]
        hessian = np.eye(nu.shape[1]) - self._n * self._ratio.density.curvature
        hessian = hessian + events[:, np.newaxis, np.newaxis] * curvature
        free = ~((np.abs(nu) >= REACH) & (gradient * nu > 0.0))
        both = free[:, :, np.newaxis] & free[:, np.newaxis, :]
        return uphill(np.where(free, gradient, 0.0), np.where(both, hessian, np.eye(nu.shape[1])))
