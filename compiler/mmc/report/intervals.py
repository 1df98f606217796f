"""Intervals of one parameter from the likelihood on a grid, profiled over all others."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import chdtri

from mmc.steps.events import Array

Interval = tuple[float | None, float | None]
"""Lower and upper end; None where it is not closed within the grid."""


def profile(axes: Mapping[str, Array], log_likelihood_ratio: Array, names: Sequence[str]) -> Array:
    """The largest log likelihood ratio over all parameters that are not named: axes in the order of the names."""
    order = [name for name in axes if name in names]
    others = tuple(k for k, name in enumerate(axes) if name not in names)
    return np.transpose(log_likelihood_ratio.max(axis=others), [order.index(name) for name in names])


def intervals(
    axes: Mapping[str, Array], log_likelihood_ratio: Array, levels: Sequence[float]
) -> dict[str, dict[str, list[Interval]]]:
    """The values of each parameter that are allowed at each confidence level; several intervals where they are apart.

    -2 ln λ of the profile likelihood is compared with the quantile of χ² with one degree of freedom. Between points of
    the grid its square root is interpolated, which is linear where the likelihood is Gaussian.
    """
    found: dict[str, dict[str, list[Interval]]] = {}
    for name, axis in axes.items():
        ratio = profile(axes, log_likelihood_ratio, [name])
        distance = np.sqrt(np.minimum(np.maximum(-2.0 * ratio, 0.0), 1e6))
        found[name] = {str(level): _below(axis, distance, float(chdtri(1, 1.0 - level)) ** 0.5) for level in levels}
    return found


def _below(axis: Array, distance: Array, threshold: float) -> list[Interval]:
    """Where a curve that is linear between points is not above the threshold."""
    inside = distance <= threshold
    found: list[Interval] = []
    start: float | None = None
    for k, here in enumerate(inside):
        before = bool(inside[k - 1]) if k else False
        if here and not before:
            start = _crossing(axis, distance, k - 1, threshold) if k else None
        elif before and not here:
            found.append((start, _crossing(axis, distance, k - 1, threshold)))
    if inside[-1]:
        found.append((start, None))
    return found


def _crossing(axis: Array, distance: Array, k: int, threshold: float) -> float:
    """Where the curve crosses the threshold between the points k and k + 1."""
    fraction = (threshold - distance[k]) / (distance[k + 1] - distance[k])
    return float(axis[k] + fraction * (axis[k + 1] - axis[k]))
