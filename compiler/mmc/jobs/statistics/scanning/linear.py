"""Likelihoods of ratios that are linear in functions of the parameters, as morphing makes them.

r(x | θ) = Σ_k R_k(x) u_k(θ) for each event, where R does not depend on θ. So the mean of ln r needs one product of a
matrix and a vector, and its derivatives by all parameters together another one:

    ∂ Σ_i p_i ln r_i = Σ_k (∂ u_k) Σ_i p_i R_ik / r_i.
"""

from collections.abc import Callable

import numpy as np

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.toys import blocks
from mmc.jobs.statistics.histograms import FLOOR
from mmc.jobs.statistics.scanning.shape import Shape

Direction = Callable[[Array, Array], Array]
"""u at points (points, parameters), with morphing coefficients (points, benchmarks); shape (points, functions)."""
Slopes = Callable[[Array, Array, Array], Array]
"""∂u at a point (parameters,), with morphing coefficients (benchmarks,) and their derivatives (parameters, benchmarks);
shape (parameters, functions)."""


def linear_shape(
    rows: Array,
    probabilities: Array,
    direction: Direction,
    slopes: Slopes,
    *,
    floor: float = FLOOR,
    normalised: tuple[Array, Array] | None = None,
) -> Shape:
    """The likelihood of events with these R, shape (events, functions).

    :param floor: the least ratio
    :param normalised: R and probabilities of the events over which the mean ratio is 1; None without a normalisation
    """

    def mean_log(points: Array, coefficients: Array) -> Array:
        found, u = np.zeros(len(points)), direction(points, coefficients)
        for some in blocks(len(rows), len(points)):
            found += np.log(np.maximum(u @ rows[some].T, floor)) @ probabilities[some]
        if normalised is None:
            return found
        own, p = normalised
        means = np.zeros(len(points))
        for some in blocks(len(own), len(points)):
            means += np.maximum(u @ own[some].T, floor) @ p[some]
        return np.asarray(found - np.log(means))

    def slope(point: Array, coefficients: Array, gradients: Array) -> Array:
        u = direction(point[np.newaxis], coefficients[np.newaxis])[0]
        ratio = rows @ u
        above = ratio > floor
        total = np.where(above, probabilities / np.where(above, ratio, 1.0), 0.0) @ rows
        if normalised is not None:
            own, p = normalised
            ratio = own @ u
            mean = float(np.maximum(ratio, floor) @ p)
            total = total - np.where(ratio > floor, p, 0.0) @ own / mean
        return np.asarray(slopes(point, coefficients, gradients) @ total)

    return Shape(mean_log, slope=slope)
