"""Areas of confidence regions of one or several likelihoods on a grid."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.integrate import trapezoid
from scipy.special import chdtri

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.between_points import fractions_below, refined

MOST_POINTS = 60_000
"""The largest number of points of a refined grid, unless the grid has more."""
FINEST = 1000
"""The largest number of refined points per point along an axis."""
TOGETHER = 16
"""As many likelihoods are refined at once: one after the other takes more time, and all at once more memory."""


def allowed_areas(ratios: Array, dof: int, levels: Sequence[float]) -> Array:
    """The fractions of the grid's volume where -2 ln λ, interpolated between the points, is at most the quantile of χ².

    :param ratios: ln λ of each likelihood on the grid, shape (sets, \\*grid)
    :returns: shape (levels, sets)
    """
    starts = range(0, len(ratios), TOGETHER)
    parts = [_areas(ratios[start : start + TOGETHER], dof, levels) for start in starts]
    return np.concatenate([np.empty((len(levels), 0)), *parts], axis=1)


def _areas(ratios: Array, dof: int, levels: Sequence[float]) -> Array:
    shape = ratios.shape[1:]
    n, dimensions = refinement(shape), len(shape)
    values = np.moveaxis(np.minimum(-2.0 * ratios, 1e6), 0, -1)
    last = np.moveaxis(refined(values, n, dimensions - 1), dimensions - 1, 0)
    parts = fractions_below(last, n, [float(chdtri(dof, 1.0 - level)) for level in levels])
    for _ in shape[1:]:
        parts = np.asarray(trapezoid(parts, axis=1) / (parts.shape[1] - 1))
    return parts


@cache
def refinement(shape: tuple[int, ...]) -> int:
    """The number of refined points per point along each axis."""
    n = FINEST
    while n > 1 and np.prod([(size - 1) * n + 1 for size in shape], dtype=float) > MOST_POINTS:
        n -= 1
    return n
