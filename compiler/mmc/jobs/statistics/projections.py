"""A likelihood on a grid in fewer dimensions, and the intervals of single parameters that follow.

A *profile* has, at each value of the parameters that are kept, the largest likelihood over all others, on the points of
the grid. A *slice* has the others at one point of the grid. Both are log likelihood ratios whose largest value is that
of the grid or, for slices, of the slice; -2 ln λ follows a χ² distribution with as many degrees of freedom as there are
parameters left (Wilks).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise

import numpy as np
from scipy.special import chdtri

from mmc.jobs.madminer.event_file import Array

Intervals = dict[str, dict[str, list[list[float]]]]
"""By parameter and confidence level the first and last value of each interval."""


def profile(ratio: Array, keep: Sequence[int]) -> Array:
    """The log likelihood ratio of the axes that are kept."""
    return np.asarray(ratio.max(axis=tuple(k for k in range(ratio.ndim) if k not in keep)))


def cut(ratio: Array, keep: Sequence[int], through: Sequence[int]) -> Array:
    """The same on the slice through a point of the grid; -inf where the whole slice is excluded."""
    values = ratio[tuple(slice(None) if k in keep else through[k] for k in range(ratio.ndim))]
    return np.asarray(values - values.max()) if np.isfinite(values.max()) else np.asarray(values)


def projections(names: Sequence[str], ratio: Array, through: Sequence[int]) -> dict[str, Array]:
    """Profiles and slices of each parameter and, from three on, each pair: ``profile_A``, ``slice_A-B`` and so on."""
    found = {}
    for keep in _kept(len(names)):
        key = "-".join(names[k] for k in keep)
        found[f"profile_{key}"] = profile(ratio, keep)
        found[f"slice_{key}"] = cut(ratio, keep, through)
    return found


def _kept(n: int) -> Iterator[tuple[int, ...]]:
    for size in range(1, min(n, 3)):
        yield from combinations(range(n), size)


def intervals(axes: Mapping[str, Array], curves: Sequence[Array], levels: Sequence[float]) -> Intervals:
    """The confidence intervals of each parameter from its curve ln λ along its axis."""
    return {
        name: {str(level): crossings(axis, curve, level) for level in levels}
        for (name, axis), curve in zip(axes.items(), curves, strict=True)
    }


def crossings(axis: Array, curve: Array, level: float) -> list[list[float]]:
    """First and last value of each interval in which -2 ln λ is at most the quantile of χ² with one degree of freedom.

    Ends are interpolated in the square root of -2 ln λ, which is linear where the likelihood is Gaussian. An interval
    that reaches an end of the axis may be open there.
    """
    root, limit = np.sqrt(np.maximum(-2.0 * curve, 0.0)), float(np.sqrt(chdtri(1, 1.0 - level)))
    inside = root <= limit
    edges = np.flatnonzero(np.diff(inside.astype(int)))
    ends = [_between(axis, root, limit, int(k)) for k in edges]
    ends = [float(axis[0])] * bool(inside[0]) + ends + [float(axis[-1])] * bool(inside[-1])
    return [[low, high] for low, high in list(pairwise(ends))[::2]]


def _between(axis: Array, root: Array, limit: float, k: int) -> float:
    """Where the root crosses its limit between the points k and k + 1; at the inner one if the outer is excluded."""
    inner, outer = (k, k + 1) if root[k] <= limit else (k + 1, k)
    if not np.isfinite(root[outer]):
        return float(axis[inner])
    share = (limit - root[inner]) / (root[outer] - root[inner])
    return float(axis[inner] + share * (axis[outer] - axis[inner]))
