"""The coefficients of the weights at the benchmarks that give the weights at other points."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError

Array = npt.NDArray[np.float64]

ROUNDING = 1e-9
"""A point is a benchmark if its distance from it is at most this part of the parameter's largest value there."""


def morphed(morpher: Any, points: Array) -> Array:
    """The coefficients of the benchmarks of MadMiner's morphing basis at points: shape (points, elements of the basis).

    As MadMiner's ``calculate_morphing_weights``, for all points at once.
    """
    exponents = np.asarray(morpher.components, dtype=int)
    powers = points[:, :, np.newaxis] ** np.arange(exponents.max() + 1)
    components = np.prod(powers[:, np.arange(points.shape[1]), exponents], axis=2)
    return np.asarray(components @ np.asarray(morpher.morphing_matrix))


def morphed_slopes(morpher: Any, point: Array) -> Array:
    """The derivatives of these coefficients by the parameters at a point: shape (parameters, elements of the basis).

    As MadMiner's ``calculate_morphing_weight_gradient``.
    """
    exponents = np.asarray(morpher.components, dtype=int)
    powers = point[:, np.newaxis] ** np.arange(exponents.max() + 1)
    factors = powers[np.arange(len(point)), exponents]  # of each component, shape (components, parameters)
    lower = powers[np.arange(len(point)), np.maximum(exponents - 1, 0)]
    slopes = np.empty((len(point), len(exponents)))
    for k in range(len(point)):
        others = np.prod(np.delete(factors, k, axis=1), axis=1)
        slopes[k] = exponents[:, k] * lower[:, k] * others
    return np.asarray(slopes @ np.asarray(morpher.morphing_matrix))


def are_at(benchmarks: Mapping[str, Array], points: Array) -> npt.NDArray[np.bool_]:
    """Whether each benchmark is at each of the points (points, parameters): shape (points, benchmarks)."""
    places = np.array(list(benchmarks.values()))
    return np.asarray((np.abs(places - points[:, np.newaxis]) <= ROUNDING * np.abs(places).max(axis=0)).all(axis=2))


def benchmark_at(benchmarks: Mapping[str, Array], parameters: list[str], point: Array) -> int:
    """The index of the benchmark at a point.

    :raises StepError: when the point is not a benchmark
    """
    (is_here,) = are_at(benchmarks, point[np.newaxis])
    if is_here.any():
        return int(is_here.argmax())
    where = ", ".join(f"{name} = {value:g}" for name, value in zip(parameters, point, strict=True))
    raise StepError(f"without morphing weights are known only at the benchmarks, not at {where}")
