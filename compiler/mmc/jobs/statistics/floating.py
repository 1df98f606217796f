"""Normalisations of samples that float: factors on their cross sections, fitted with the parameters.

With the part φ_bs of bin b that is of sample s, the content of a bin at the factors μ is

    n_b(θ, ν, μ) = n_b(θ) (1 + Σ_s (μ_s - 1) φ_bs) exp(g_b(ν)),

with the nuisance parameters ν and their g of :mod:`mmc.jobs.statistics.profiling`. The factors have no constraint, and
are never negative. At fixed θ, the largest change of ln L over ν and μ is the gain, as for nuisance parameters.

The error of a factor is that of the profile likelihood of all parameters (Rolke, López and Conrad,
physics/0403059): where -2 ln λ(θ) + ((μ_s - μ̂_s(θ)) / σ_s(θ))² is at most 1 at any θ, with the factor μ̂_s(θ) ± σ_s(θ)
that is fitted at θ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.allowed_areas import refinement
from mmc.jobs.statistics.between_points import refined
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.profiling import Response, ascent_step, maximise

SMALLEST = 1e-9
"""The smallest factor: a bin that only this sample fills is then empty, but its logarithm is finite."""
SAME = 1e-6
"""Two factors are not distinguished if the smallest eigenvalue of their scaled information is below this number."""
FLAT, EXCLUDED = 1e-4, 1.0
"""Nothing measures the parameters if floating factors reduce -2 ln λ to this part of it, wherever it is larger than the
second number."""


@dataclass(frozen=True)
class Normalisations:
    """The fit of the factors at all points."""

    gain: Array
    """The change of ln L, shape (points,)."""
    per_bin: Array
    """What each bin contributes to it, shape (points, bins); the rest is from the constraints of nuisance parameters.
    """
    values: Array
    """Shape (points, samples)."""
    errors: Array
    """At fixed θ, with everything else fitted; shape (points, samples)."""
    events: Array
    """The content of the bins, shape (points, bins)."""
    effects: Array
    """exp(g_b) of the nuisance parameters, shape (points, bins)."""
    place: Array
    """The nuisance parameters, and the factors minus 1: shape (points, nuisance + samples)."""

    @property
    def constraints(self) -> Array:
        """½ Σ ν² of the nuisance parameters, which ln L loses by their constraints, shape (points,)."""
        n = self.place.shape[1] - self.values.shape[1]
        return np.asarray(0.5 * np.square(self.place[:, :n]).sum(axis=1))

    @classmethod
    def join(cls, parts: Sequence["Normalisations"]) -> "Normalisations":
        """One fit with the points of all parts."""
        return cls(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(cls)))

    def summary(self, names: Sequence[str], limits: Limits) -> dict[str, Any]:
        """Value and interval of each factor, from the limits with the gain."""
        shape, n = limits.grid.shape, refinement(limits.grid.shape)
        q = np.minimum(-2.0 * limits.on_grid, 1e6)
        on_fine = np.maximum(refined(q, n, q.ndim), 0.0)
        inside = on_fine <= max(1.0, float(on_fine.min()))
        at_edge = any(bool(np.take(inside, (0, -1), axis=k).any()) for k in range(len(shape)))
        widening = np.sqrt(1.0 + np.broadcast_to(limits.per_simulated, limits.log_likelihood.shape))
        best = tuple(
            round(float(np.interp(limits.best_fit[name], axis, np.arange(len(axis))) * n))
            for name, axis in limits.grid.axes.items()
        )
        found = {}
        for name, values, errors in zip(names, self.values.T, (self.errors * widening[:, np.newaxis]).T, strict=True):
            value, error = (refined(column[:-1].reshape(shape), n, len(shape)) for column in (values, errors))
            reach = error * np.sqrt(np.maximum(1.0 - on_fine, 0.0))
            low, high = max(float((value - reach)[inside].min()), 0.0), float((value + reach)[inside].max())
            found[name] = {
                "value": float(value[best]),
                "interval": [low, high],
                "error": 0.5 * (high - low),
                "at_edge": at_edge,
            }
        return found


def check_constrained(names: Sequence[str], response: Response) -> None:
    """Check that the bins distinguish the factors, if the parameters are known.

    :param response: as in :class:`FloatingLikelihood`, at the true point
    :raises StepError: when a sample is in no bin, or several samples have the same parts of all bins
    """
    events, parts = response.shares[0], response.parts[0]
    information = (parts * events[:, np.newaxis]).T @ parts
    size = np.sqrt(np.diag(information))
    for name, own in zip(names, size, strict=True):
        if not own > 0.0:
            raise StepError(f"the normalisation of {name} floats, but no region of the combination has its events")
    values, vectors = np.linalg.eigh(information / np.outer(size, size))
    if values[0] < SAME:
        alike = " and ".join(name for name, along in zip(names, vectors[:, 0], strict=True) if abs(along) > 0.1)
        raise StepError(
            f"the normalisations of {alike} cannot both float: they change all bins alike; add a region that "
            "distinguishes them, or let only one of them float"
        )


def check_measures(names: Sequence[str], nominal: Limits, floating: Limits, values: Array) -> None:
    """Check that the parameters are still measured when the factors are fitted.

    :param values: the factors, shape (points, samples)
    :raises StepError: when the factors describe any data at all points
    """
    q, left = (-2.0 * limits.log_likelihood_ratio for limits in (nominal, floating))
    free = (q > EXCLUDED) & (values > 2.0 * SMALLEST).all(axis=1)
    if free.any() and bool((left[free] < FLAT * q[free]).all()):
        raise StepError(
            f"nothing constrains the normalisation of {' and '.join(names)}: any value of the parameters describes the "
            "data as well with another normalisation; add a control region, or do not let it float"
        )


class FloatingLikelihood:
    """The change of ln L with nuisance parameters and factors: z = (ν, μ - 1), shape (points, nuisance + samples)."""

    def __init__(self, response: Response, data: Array) -> None:
        """
        :param response: ``shares`` are the expected numbers of events in the bins; the parts are those that float
        :param data: the numbers of events in the bins, shape (points, bins)
        """
        self._response, self._data = response, data
        self.n_nuisance = response.linear.shape[2]

    def fit(self) -> Normalisations:
        """Fit nuisance parameters and factors at all points.

        :raises StepError: when a fit does not converge
        """
        n = self.n_nuisance
        low = np.concatenate([np.full(n, -np.inf), np.full(self._response.parts.shape[2], SMALLEST - 1.0)])
        gain, place = maximise(np.zeros((len(self._data), len(low))), self.change, self.step, (low, np.inf))
        values, vectors = np.linalg.eigh(self.hessian(place))
        covariance = np.einsum("pij,pj,pkj->pik", vectors, 1.0 / np.maximum(values, SAME), vectors)
        errors = np.sqrt(np.einsum("pkk->pk", covariance))
        events, effects = self._slopes(place)[1], np.exp(self._response.exponent(place[:, :n]))
        return Normalisations(gain, self.per_bin(place), 1.0 + place[:, n:], errors[:, n:], events, effects, place)

    def per_bin(self, z: Array) -> Array:
        """The change of ln L in each bin, shape (points, bins); not finite where the content is negative."""
        nu, delta = np.split(z, [self.n_nuisance], axis=1)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            factor = 1.0 + np.einsum("pbs,ps->pb", self._response.parts, delta)
            exponent = self._response.exponent(nu) + np.log(factor)
            gained = np.where(self._data > 0.0, exponent, 0.0) * self._data
            return np.asarray(gained - self._response.shares * np.expm1(exponent))

    def change(self, z: Array) -> tuple[Array, Array]:
        """The change of ln L, and z itself."""
        gained = self.per_bin(z).sum(axis=1) - 0.5 * np.square(z[:, : self.n_nuisance]).sum(axis=1)
        return np.where(np.isfinite(gained), gained, -np.inf), z

    def _slopes(self, z: Array) -> tuple[Array, Array]:
        """The derivatives of the logarithms of the contents by z (points, bins, z), and the contents."""
        nu, delta = np.split(z, [self.n_nuisance], axis=1)
        factor = np.maximum(1.0 + np.einsum("pbs,ps->pb", self._response.parts, delta), SMALLEST)
        slopes = np.concatenate([self._response.slope(nu), self._response.parts / factor[:, :, np.newaxis]], axis=2)
        with np.errstate(over="ignore"):
            return slopes, self._response.shares * factor * np.exp(self._response.exponent(nu))

    def hessian(self, z: Array) -> Array:
        """The second derivatives of -ln L, shape (points, z, z)."""
        n, (slopes, events) = self.n_nuisance, self._slopes(z)
        weights = np.broadcast_to(events[:, :, np.newaxis], slopes.shape)
        found = np.swapaxes(slopes * weights, 1, 2) @ slopes
        factors = slopes[:, :, n:]
        found[:, n:, n:] = np.swapaxes(factors * self._data[:, :, np.newaxis], 1, 2) @ factors
        curved = np.einsum("pb,pbk->pk", self._data - events, self._response.quadratic)
        found[:, :n, :n] += np.eye(n) * (1.0 - 2.0 * curved)[:, :, np.newaxis]
        return np.asarray(found)

    def step(self, z: Array, _: Array) -> tuple[Array, Array]:
        """The step for :func:`mmc.jobs.statistics.profiling.maximise`; factors do not go below 0."""
        n, (slopes, events) = self.n_nuisance, self._slopes(z)
        gradient = np.einsum("pb,pbk->pk", self._data - events, slopes)
        gradient[:, :n] -= z[:, :n]
        at_zero: npt.NDArray[np.bool_] = (z <= SMALLEST - 1.0) & (gradient < 0.0)
        at_zero[:, :n] = False
        both = ~(at_zero[:, :, np.newaxis] | at_zero[:, np.newaxis, :])
        hessian = np.where(both, self.hessian(z), np.eye(z.shape[1]))
        return ascent_step(np.where(at_zero, 0.0, gradient), hessian)
