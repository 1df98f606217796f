"""Densities that are polynomials in the parameters, as event weights are by morphing.

The weight of an event is w(z | θ) = Σ_k δ^k c_k(z), where δ = (θ - point) / unit and δ^k is a product of powers. For
events with the density p_mix, the coefficients of the density of the observables are means over the latent variables
(arXiv:2211.02058, arXiv:2410.07315), with w_mix(z) ∝ p_mix(z):

    p(x | θ) / p_mix(x) = Σ_k δ^k C_k(x) / Σ_k δ^k E[C_k(x)],    C_k(x) = E[c_k(z) / w_mix(z) | x].

Both expectation values are over events with the density p_mix. A network with a squared loss learns C_k(x). It does
not depend on θ, and the ratio has mean 1 at every θ if the network has the right mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import comb, prod
from typing import Any

import numpy as np

from mmc.jobs.madminer.event_file import Array

FLOOR = 0.01
"""The least ratio of a polynomial, which may be negative where ln r needs a positive ratio."""


@dataclass(frozen=True)
class Polynomial:
    """The monomials of δ = (θ - point) / unit, and the means of their coefficients."""

    powers: tuple[tuple[int, ...], ...]
    """The power of each parameter in each monomial."""
    point: Array
    """Shape (parameters,)."""
    unit: Array
    """The unit of each parameter, shape (parameters,); all derivatives are then of similar size."""
    means: Array
    """The mean of each coefficient over the training samples, shape (monomials,)."""

    @classmethod
    def about(cls, point: Array, unit: Array, components: Sequence[Sequence[int]]) -> "Polynomial":
        """The Taylor expansion of a polynomial about a point; the means are 0.

        :param components: the power of each parameter in each monomial of θ itself, as morphing has them
        """
        lower = {powers for component in components for powers in product(*(range(int(n) + 1) for n in component))}
        powers = tuple(sorted(lower, key=lambda entry: (sum(entry), tuple(-n for n in entry))))
        return cls(powers, point, unit, np.zeros(len(powers)))

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Polynomial":
        """The polynomial in a record that :meth:`record` made."""
        powers = tuple(tuple(entry) for entry in record["powers"])
        return cls(powers, *(np.array(record[name], dtype=float) for name in ("point", "unit", "means")))

    @property
    def record(self) -> dict[str, Any]:
        """The entries of records of samples and trainings."""
        arrays = {"point": self.point, "unit": self.unit, "means": self.means}
        return {"powers": self.powers} | {name: values.tolist() for name, values in arrays.items()}

    def expansion(self, components: Sequence[Sequence[int]]) -> Array:
        """The matrix from coefficients of monomials of θ to coefficients of monomials of δ, by the binomial theorem.

        :returns: shape (monomials, components)
        """

        def entry(powers: Sequence[int], component: Sequence[int]) -> float:
            each = zip(component, powers, self.point, self.unit, strict=True)
            return float(prod(comb(int(n), k) * at ** max(int(n) - k, 0) * unit**k for n, k, at, unit in each))

        return np.array([[entry(powers, component) for component in components] for powers in self.powers])

    def monomials(self, points: Array) -> Array:
        """All monomials at some points (points, parameters), shape (points, monomials)."""
        delta = (points - self.point) / self.unit
        return np.asarray(np.prod(delta[:, np.newaxis] ** np.array(self.powers), axis=2))

    def slopes(self, point: Array) -> Array:
        """The derivatives of all monomials by the parameters at a point, shape (parameters, monomials)."""
        delta, powers = (point - self.point) / self.unit, np.array(self.powers)
        lower = np.maximum(powers - 1, 0)
        found = [
            powers[:, k] / self.unit[k] * np.prod(delta ** np.where(np.arange(len(delta)) == k, lower, powers), axis=1)
            for k in range(len(delta))
        ]
        return np.array(found)

    def normalised(self, points: Array) -> Array:
        """All monomials, over their sum with the means: the density is their sum with the coefficients; shape (points,
        monomials)."""
        monomials = self.monomials(points)
        return np.asarray(monomials / (monomials @ self.means)[:, np.newaxis])

    def normalised_slopes(self, point: Array) -> Array:
        """Their derivatives by the parameters at a point, shape (parameters, monomials)."""
        monomials, slopes = self.monomials(point[np.newaxis])[0], self.slopes(point)
        mean = float(monomials @ self.means)
        return np.asarray(slopes / mean - np.outer(slopes @ self.means, monomials) / mean**2)

    def density(self, points: Array, coefficients: Array) -> Array:
        """p(x | θ) / p_mix(x) for coefficients of shape (events, monomials): shape (points, events)."""
        return np.asarray(self.normalised(points) @ coefficients.T)
