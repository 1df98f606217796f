"""Morphing at one random point: |M|² is a polynomial in the parameters, so its values at a basis give all others."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmc.compiler.catalogue.morphing import component_powers
from mmc.errors import StepError

Floats = npt.NDArray[np.float64]

TOLERANCE = 1e-6
"""The largest difference between a morphed value and the value itself, relative to the sum of the terms' sizes."""


@dataclass(frozen=True)
class MorphedPoint:
    """A point of parameter space at which |M|² follows from that at the basis: Σ_b coefficient_b |M_b|²."""

    values: Mapping[str, float]
    """By parameter."""
    coefficients: Mapping[str, float]
    """By benchmark of the basis."""

    def disagreement(self, at_basis: Mapping[str, Floats], direct: Floats) -> float:
        """The largest difference between morphed and direct values, relative to the sizes of the terms.

        :param at_basis: the values at the benchmarks of the basis, (events,) each
        :param direct: the values at this point, (events,)
        """
        terms = np.array([coefficient * at_basis[name] for name, coefficient in self.coefficients.items()])
        size = np.abs(terms).sum(axis=0) + np.abs(direct)
        return float((np.abs(terms.sum(axis=0) - direct) / np.where(size > 0.0, size, 1.0)).max(initial=0.0))

    def require(self, what: str, at_basis: Mapping[str, Floats], direct: Floats) -> None:
        """:raises StepError: when |M|² at this point is not what morphing makes of that at the basis"""
        difference = self.disagreement(at_basis, direct)
        if difference > TOLERANCE:
            at = ", ".join(f"{name} = {value:.4g}" for name, value in self.values.items())
            raise StepError(
                f"{what}: |M|² is not a polynomial with the study's powers of the parameters: at {at}, morphing "
                f"differs by {difference:.2g} of its terms; limit the orders (`NP=1`, say), or check `max_power` and "
                "`max_overall_power`, and write widths as numbers"
            )


def random_point(
    basis: Mapping[str, Mapping[str, float]], max_powers: Mapping[str, int], max_overall_power: int, seed: int
) -> MorphedPoint | None:
    """A random point within the box around the benchmarks; None if these are not a basis.

    :param basis: values of the parameters at the benchmarks of the basis
    :param max_powers: the largest power of each parameter in |M|²
    :param max_overall_power: the largest sum of the powers
    """
    powers = np.array(component_powers(list(max_powers.values()), max_overall_power))
    points = np.array([[point[name] for name in max_powers] for point in basis.values()], dtype=float)
    unit = np.where((largest := np.abs(points).max(axis=0)) > 0.0, largest, 1.0)
    point = np.random.default_rng(seed).uniform(points.min(axis=0), points.max(axis=0))
    matrix = ((points / unit)[:, np.newaxis] ** powers).prod(axis=2)
    coefficients, _, rank, _ = np.linalg.lstsq(matrix.T, ((point / unit) ** powers).prod(axis=1), rcond=None)
    if rank < len(powers):
        return None
    return MorphedPoint(
        dict(zip(max_powers, point.tolist(), strict=True)), dict(zip(basis, coefficients.tolist(), strict=True))
    )
