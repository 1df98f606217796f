"""Profiles and slices of a likelihood on a grid, and confidence intervals of single parameters.

A *profile* keeps some parameters and takes the largest likelihood over all other parameters, between the points
of the grid. A *slice* keeps some parameters and fixes all others at one point of the grid. Both are log likelihood
ratios ln λ: to the maximum over the grid for profiles, and to the maximum over the slice for slices. -2 ln λ follows a
χ² distribution whose degrees of freedom are the parameters that are kept (Wilks' theorem).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise

import numpy as np
from scipy.special import chdtri

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.between_points import maximum

Intervals = dict[str, dict[str, list[list[float]]]]
"""The first and last value of each interval, by parameter and confidence level."""
NARROWEST = 0.5
"""The smallest width of an interval, in units of the distance between points, that a grid resolves."""


def profile(ratio: Array, keep: Sequence[int]) -> Array:
    """The profile of the log likelihood ratio along the axes ``keep``."""
    return np.asarray(profiles(ratio[np.newaxis], keep)[0])


def profiles(ratios: Array, keep: Sequence[int]) -> Array:
    """The profile of each of several log likelihood ratios, of shape (sets, \\*grid)."""
    others = [k for k in range(1, ratios.ndim) if k - 1 not in keep]
    if not others:
        return ratios
    values, _ = maximum(ratios.transpose(*others, 0, *(k + 1 for k in sorted(keep))), len(others))
    return np.minimum(values, 0.0)


def slice_through(ratio: Array, keep: Sequence[int], point: Sequence[int]) -> Array:
    """The slice along the axes ``keep`` through a point of the grid; all -inf if the whole slice is excluded."""
    values = ratio[tuple(slice(None) if k in keep else point[k] for k in range(ratio.ndim))]
    best, _ = maximum(values, values.ndim)
    return np.asarray(values - best if np.isfinite(best) else values)


def projections(names: Sequence[str], ratio: Array, point: Sequence[int]) -> dict[str, Array]:
    """Profiles and slices of each parameter, ``profile_A`` and ``slice_A``.

    With three or more parameters also of each pair, ``profile_A-B`` and ``slice_A-B``. Slices go through ``point``.
    """
    found = {}
    for keep in _kept_axes(len(names)):
        key = "-".join(names[k] for k in keep)
        found[f"profile_{key}"] = profile(ratio, keep)
        found[f"slice_{key}"] = slice_through(ratio, keep, point)
    return found


def _kept_axes(n: int) -> Iterator[tuple[int, ...]]:
    for size in range(1, min(n, 3)):
        yield from combinations(range(n), size)


def intervals(axes: Mapping[str, Array], curves: Sequence[Array], levels: Sequence[float]) -> Intervals:
    """The confidence intervals of each parameter, from the curve of ln λ along its axis."""
    return each_intervals(axes, [curve[np.newaxis] for curve in curves], levels)[0]


def each_intervals(axes: Mapping[str, Array], curves: Sequence[Array], levels: Sequence[float]) -> list[Intervals]:
    """The same of several likelihoods, from their curves along each axis, shape (sets, points)."""
    limits = {str(level): float(np.sqrt(chdtri(1, 1.0 - level))) for level in levels}
    roots = [_roots(axis, each) for axis, each in zip(axes.values(), curves, strict=True)]
    return [
        {
            name: {level: _crossings(axis, root, limit) for level, limit in limits.items()}
            for name, (axis, root) in zip(axes, one, strict=True)
        }
        for one in zip(*roots, strict=True)
    ]


def are_wide(axes: Mapping[str, Array], found: Intervals) -> bool:
    """Whether the widest interval of each parameter has at least :data:`NARROWEST` steps; at the edge of the grid, half
    of that.

    Ends of intervals of a smooth likelihood are then right within 2 % of the width.
    """

    def steps(axis: Array, ends: list[float]) -> float:
        at_edge = axis[0] in ends or axis[-1] in ends
        return float((ends[-1] - ends[0]) / (axis[1] - axis[0])) * (2.0 if at_edge else 1.0)

    each = [(axes[name], ends) for name, levels in found.items() for ends in levels.values() if ends]
    return all(max(steps(axis, own) for own in ends) >= NARROWEST for axis, ends in each)


def _roots(axis: Array, curves: Array) -> list[tuple[Array, Array]]:
    """The axis with the maximum between the points, and the square root of -2 ln λ there, of each curve."""
    best, (places,) = maximum(curves.T, 1)
    full = [_with_maximum(axis, *one) for one in zip(curves, best, places.tolist(), strict=True)]
    return [(values, np.sqrt(np.maximum(-2.0 * curve, 0.0))) for values, curve in full]


def _crossings(axis: Array, root: Array, limit: float) -> list[list[float]]:
    """First and last value of each interval where the square root of -2 ln λ is at most a limit.

    Ends are interpolated in the root, which is linear for a Gaussian likelihood on both sides of the maximum between
    the points. An interval that reaches an end of the axis may be open there.
    """
    inside = root <= limit
    edges = np.flatnonzero(np.diff(inside.astype(int)))
    ends = [_between(axis, root, limit, int(k)) for k in edges]
    ends = [float(axis[0])] * bool(inside[0]) + ends + [float(axis[-1])] * bool(inside[-1])
    return [[low, high] for low, high in list(pairwise(ends))[::2]]


def _with_maximum(axis: Array, curve: Array, best: float, place: float) -> tuple[Array, Array]:
    """The axis and the curve with the maximum between the points."""
    if place.is_integer():
        return axis, curve
    k = int(place) + 1
    return np.insert(axis, k, np.interp(place, np.arange(len(axis)), axis)), np.insert(curve, k, best)


def _between(axis: Array, root: Array, limit: float, k: int) -> float:
    """The crossing of the limit between the points k and k + 1; the inner point if ln λ is -inf at the outer point."""
    inner, outer = (k, k + 1) if root[k] <= limit else (k + 1, k)
    if not np.isfinite(root[outer]):
        return float(axis[inner])
    share = (limit - root[inner]) / (root[outer] - root[inner])
    return float(axis[inner] + share * (axis[outer] - axis[inner]))
