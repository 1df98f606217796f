"""A log likelihood between the points of its grid: its maximum, values on a finer grid, and where it is below a bound.

Close to its maximum, ln L of many events is nearly a polynomial of second degree in θ, also where it changes much from
one point to the next (Wilks, Ann. Math. Stat. 9 (1938) 60). So both functions are exact for a polynomial of second
degree, whatever the distance between the points. Without them, the best fit would be a point of the grid, and
-2 ln λ at the true point would be too small: for points 1.3 standard deviations apart, 68 % regions of two parameters
would include the true point in 72 % of experiments.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

Array = npt.NDArray[np.float64]
FARTHEST = 1.0
"""The largest distance of the maximum from the highest point, in points, along each principal axis."""
ROUGHEST = 3.0
"""The largest ratio of the second differences at two neighbours between which ln L is interpolated by a polynomial."""
BEZIER = np.array([[1.0, 0.0, 0.0, 0.0], [1.0, 1 / 3, 0.0, 0.0], [1.0, 2 / 3, 1 / 3, 0.0], [1.0, 1.0, 1.0, 1.0]])
"""The Bézier points of a cubic from its coefficients of 1, t, t² and t³, for t from 0 to 1."""


def maximum(values: Array, dimensions: int) -> tuple[Array, Array]:
    """The maximum between the points of a grid, and its place.

    It is that of the polynomial of second degree whose first and second derivatives are central differences at the
    highest point. A first derivative is the mean of those from three and from five points along the axis, and 0 if they
    differ in sign: then the points are too far apart. So Asimov data of a point of the grid have their maximum
    there, also if ln L is not symmetric. Along principal axes where the polynomial has no maximum, it is that of the
    highest point. A parameter keeps its value at the highest point if this is at the edge of the grid, next to a point
    that is not finite, or beside a cliff, where second differences are not alike.

    :param values: shape (\\*grid, \\*sets), with ``dimensions`` axes of the grid
    :returns: the maxima, shape (\\*sets), and their places in points from the start of each axis, shape
        (dimensions, \\*sets)
    """
    shape, sets = values.shape[:dimensions], values.shape[dimensions:]
    flat = values.reshape(int(np.prod(shape)), -1)
    columns, highest = np.arange(flat.shape[1]), flat.argmax(axis=0)
    index, top = np.stack(np.unravel_index(highest, shape)), flat[highest, columns]
    inner = (index > 0) & (index < np.array(shape)[:, np.newaxis] - 1)
    strides = inner * np.array([int(np.prod(shape[k + 1 :])) for k in range(dimensions)])[:, np.newaxis]

    def there(*steps: tuple[int, Any]) -> Array:
        """The values some steps from the highest point, given as pairs of axis and number."""
        return np.asarray(flat[highest + sum(n * strides[k] for k, n in steps), columns])

    gradient, hessian = np.zeros((len(columns), dimensions)), np.zeros((len(columns), dimensions, dimensions))
    with np.errstate(invalid="ignore"):
        for k in range(dimensions):
            above, below = there((k, 1)), there((k, -1))
            slope, bend = 0.5 * (above - below), above + below - 2.0 * top
            uphill = np.where(slope > 0.0, 1, -1)
            uphill = np.where(_is_inside(index[k] + 2 * uphill, shape[k]), uphill, -uphill)
            known = _is_inside(index[k] + 2 * uphill, shape[k])
            next_bend = top - 2.0 * there((k, uphill)) + there((k, 2 * known * uphill))
            wide = known & _is_inside(index[k] - 2 * uphill, shape[k])
            farther = (4.0 * slope - 0.25 * (there((k, 2 * wide)) - there((k, -2 * wide)))) / 3.0
            slope = np.where(wide, np.where(slope * farther > 0.0, 0.5 * (slope + farther), 0.0), slope)
            gradient[:, k], hessian[:, k, k] = np.where(known & ~_alike(bend, next_bend), 0.0, slope), bend
        for j, k in combinations(range(dimensions), 2):
            corners = [s * t * there((j, s), (k, t)) for s in (1, -1) for t in (1, -1)]
            hessian[:, j, k] = hessian[:, k, j] = 0.25 * sum(corners)
    usable = np.isfinite(gradient) & np.isfinite(np.einsum("nkk->nk", hessian))
    gradient = np.where(usable, gradient, 0.0)
    hessian = np.where(usable[:, :, np.newaxis] & usable[:, np.newaxis] & np.isfinite(hessian), hessian, 0.0)

    curvatures, axes = np.linalg.eigh(hessian)
    slopes, bent = np.einsum("nk,nkl->nl", gradient, axes), curvatures < 0.0
    steps = np.where(bent, np.clip(slopes / np.where(bent, -curvatures, 1.0), -FARTHEST, FARTHEST), 0.0)
    gain = (slopes * steps + 0.5 * curvatures * np.square(steps)).sum(axis=1)
    places = np.clip(index + np.einsum("nkl,nl->kn", axes, steps), 0.0, np.array(shape)[:, np.newaxis] - 1.0)
    return (top + gain).reshape(sets), places.reshape(dimensions, *sets)


def highest(log_likelihood: Array, shape: Sequence[int]) -> Array:
    """The largest ln L of several data sets, between the points of a grid or at the true point.

    :param log_likelihood: at all points and, as the last entry, at the true point: shape (points + 1, \\*sets)
    :param shape: the grid's shape
    """
    on_grid = log_likelihood[:-1].reshape(*shape, *log_likelihood.shape[1:])
    return np.asarray(np.maximum(maximum(on_grid, len(shape))[0], log_likelihood[-1]))


def refined(values: Array, n: int, dimensions: int) -> Array:
    """Values on a grid with ``n`` times as many points, interpolated along one axis after the other.

    Where the second differences of neighbours are alike, the interpolation is cubic with central differences as slopes,
    which is exact for a polynomial of second degree. Elsewhere it is monotonic, so that nothing overshoots at a cliff.

    :param values: finite values, shape (\\*grid, \\*sets), with ``dimensions`` axes of the grid
    """
    for axis in range(dimensions if n > 1 else 0):
        values = np.moveaxis(_refined(np.moveaxis(values, axis, 0), n), 0, axis)
    return values


def _refined(values: Array, n: int) -> Array:
    """The same along the first axis."""
    rows = values.reshape(len(values), -1)
    between = np.vander(np.arange(n) / n, 4, increasing=True) @ _cubics(rows)  # of the points of each interval
    return np.concatenate([between.reshape(-1, *values.shape[1:]), values[-1:]])


def fractions_below(values: Array, n: int, bounds: Sequence[float]) -> Array:
    r"""The fraction of the first axis on which values are at most a bound, refined as by :func:`refined`.

    It is the integral by the trapezoidal rule, of 1 at the points that are below and 0 at the others. Most intervals
    are below or above as a whole, as a cubic stays between the smallest and the largest of its Bézier points.

    :param values: finite values, shape (size, \*others)
    :returns: shape (bounds, \*others)
    """
    rows = values.reshape(len(values), -1)
    cubics, powers = _cubics(rows), np.vander(np.arange(n) / n, 4, increasing=True)
    control = BEZIER @ cubics
    smallest, largest = control.min(axis=1), control.max(axis=1)
    found = []
    for bound in bounds:
        counts = np.where(largest <= bound, float(n), 0.0)
        crossed = np.nonzero((smallest <= bound) & (largest > bound))
        counts[crossed] = (cubics[crossed[0], :, crossed[1]] @ powers.T <= bound).sum(axis=1)
        ends = 0.5 * (rows[-1] <= bound) - 0.5 * (rows[0] <= bound)  # they count half
        found.append((counts.sum(axis=0) + ends) / (n * len(cubics)))
    return np.stack(found).reshape(-1, *values.shape[1:])


def _cubics(rows: Array) -> Array:
    """The coefficients of 1, t, t² and t³ in each interval, with t from 0 to 1: shape (size - 1, 4, columns)."""
    (first, last), rise = _slopes(rows), np.diff(rows, axis=0)
    return np.stack([rows[:-1], first, 3.0 * rise - 2.0 * first - last, first + last - 2.0 * rise], axis=1)


def _slopes(rows: Array) -> tuple[Array, Array]:
    """The slopes at the start and at the end of each interval, shapes (size - 1, columns)."""
    points = np.arange(len(rows))
    if len(rows) <= 3:
        monotonic = PchipInterpolator(points, rows).derivative()(points)
        return monotonic[:-1], monotonic[1:]
    bends = np.diff(rows, 2, axis=0)
    alike = _alike(bends[:-1], bends[1:])
    alike = np.concatenate([alike[:1], alike, alike[-1:]])  # of the interval after each point but the last
    slopes = np.gradient(rows, axis=0, edge_order=2)
    first, last, rough = slopes[:-1].copy(), slopes[1:].copy(), ~alike.all(axis=0)
    if rough.any():
        monotonic = PchipInterpolator(points, rows[:, rough]).derivative()(points)
        first[:, rough] = np.where(alike[:, rough], first[:, rough], monotonic[:-1])
        last[:, rough] = np.where(alike[:, rough], last[:, rough], monotonic[1:])
    return first, last


def _alike(one: Array, other: Array) -> npt.NDArray[np.bool_]:
    """Whether second differences at neighbours are those of a smooth function."""
    return np.asarray(one * other >= np.square(np.maximum(np.abs(one), np.abs(other))) / ROUGHEST)


def _is_inside(index: npt.NDArray[np.intp], size: int) -> npt.NDArray[np.bool_]:
    return np.asarray((index >= 0) & (index < size))
