"""The best fit lies between the points of the grid, checked with likelihoods whose maximum is known."""

import numpy as np
import numpy.typing as npt
import pytest
from mmc.jobs.statistics.between_points import fractions_below, highest, maximum, refined
from mmc.jobs.statistics.limits import Grid, Limits
from scipy.integrate import trapezoid
from scipy.stats import chi2, poisson

Array = npt.NDArray[np.float64]
STEP = 1.3
"""The distance of the points, in standard deviations of a parameter with the others fixed."""


def grid(dimensions: int, points: int = 15) -> Grid:
    axis = STEP * (np.arange(points) - points // 2)
    return Grid(dict.fromkeys("abc"[:dimensions], axis))


def gaussian(points: Array, information: Array, best: Array) -> Array:
    """The log likelihoods of experiments with these best fits: shape (points, experiments)."""
    distance = points[:, np.newaxis] - best
    return np.asarray(-0.5 * np.einsum("nsi,ij,nsj->ns", distance, information, distance))


@pytest.mark.parametrize(("dimensions", "correlation"), [(1, 0.0), (2, 0.0), (2, 0.8), (3, 0.4)])
def test_the_true_point_of_a_gaussian_follows_a_chi_square(dimensions: int, correlation: float) -> None:
    """Whatever the distance of the points; with the best point of the grid as best fit, regions cover too much."""
    random, own = np.random.default_rng(1), grid(dimensions, 11 if dimensions == 3 else 15)
    information = np.full((dimensions, dimensions), correlation) + (1.0 - correlation) * np.eye(dimensions)
    best = random.multivariate_normal(np.zeros(dimensions), np.linalg.inv(information), 2000)
    truth = np.zeros((1, dimensions))
    values = gaussian(np.concatenate([own.points, truth]), information, best)
    q = 2.0 * (highest(values, own.shape) - values[-1])
    assert q == pytest.approx(-2.0 * values[-1], abs=1e-9)
    on_points = 2.0 * (values.max(axis=0) - values[-1])
    for level in (0.68, 0.95):
        threshold, error = chi2.ppf(level, dimensions), (level * (1.0 - level) / len(q)) ** 0.5
        assert (q <= threshold).mean() == pytest.approx(level, abs=3.0 * error)
        assert (on_points <= threshold).mean() > (q <= threshold).mean()
    _, places = maximum(values[:-1].reshape(*own.shape, -1), dimensions)
    fits = np.stack([np.interp(place, np.arange(len(own.axes["a"])), own.axes["a"]) for place in places], axis=1)
    assert fits == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_regions_and_intervals_of_few_points_are_those_of_many(correlation: float) -> None:
    information = np.array([[1.0, correlation], [correlation, 1.0]])
    covariance = np.linalg.inv(information)
    own = grid(2)
    for best in np.random.default_rng(2).uniform(-0.5 * STEP, 0.5 * STEP, (5, 2)):
        limits = Limits(own, np.append(gaussian(own.points, information, best[np.newaxis])[:, 0], -50.0))
        assert list(limits.best_fit.values()) == pytest.approx(best)
        summary, width = limits.summary([0.68, 0.95]), np.ptp(own.axes["a"])
        for level in (0.68, 0.95):
            area = np.pi * chi2.ppf(level, 2) / np.sqrt(np.linalg.det(information)) / width**2
            assert summary["allowed_area"][str(level)] == pytest.approx(area, rel=0.02)
            half = (chi2.ppf(level, 1) * np.diag(covariance)) ** 0.5
            for k, name in enumerate(own.axes):
                assert summary["intervals"][name][str(level)] == [pytest.approx([best[k] - half[k], best[k] + half[k]])]


def test_a_poisson_mean_between_the_points() -> None:
    """n ln μ - μ is not a polynomial: its maximum is at μ = n, and 1.3 standard deviations lie between the points."""
    mu, n = 400.0 + STEP * 20.0 * (np.arange(9) - 4), poisson.rvs(400.0, size=1000, random_state=3)
    values = n * np.log(mu)[:, np.newaxis] - mu[:, np.newaxis]
    exact = n * np.log(n) - n
    found, (places,) = maximum(values, 1)
    assert 2.0 * np.abs(found - exact).max() < 0.02 < 0.3 < 2.0 * (exact - values.max(axis=0)).max()
    assert np.interp(places, np.arange(9), mu) == pytest.approx(n, abs=0.5)
    asimov = 400.0 * np.log(mu) - mu
    assert maximum(asimov, 1) == (asimov[4], pytest.approx([4.0]))  # not symmetric, but a point of the grid


def test_the_best_fit_stays_at_an_edge_and_beside_a_cliff() -> None:
    line = np.array([0.0, -1.0, -4.0, -9.0, -16.0])
    for values in (line, line[::-1], np.array([-np.inf, 0.0, -1.0, -4.0, -9.0]), np.full(5, -np.inf), np.zeros(1)):
        found, (place,) = maximum(values, 1)
        assert (found, place) == (values.max(), values.argmax())
    cliff = np.array([-900.0, -800.0, -0.1, 0.0, -0.3, -0.8, -1.5])  # the parabola at -0.1 would be 100 too high
    assert maximum(cliff, 1)[0] < 0.05
    assert maximum(np.array([-900.0, -800.0, 0.0, -0.1, -0.4, -0.9, -1.6]), 1)[0] == 0.0
    # one parameter at its edge: the other is fitted there
    values = -np.square(np.arange(5.0)[:, np.newaxis] + 3.0) - np.square(np.arange(7.0) - 3.3)
    found, places = maximum(values, 2)
    assert found == pytest.approx(-9.0) and places == pytest.approx([0.0, 3.3])


def test_interpolation_is_exact_for_a_parabola_and_does_not_overshoot_at_a_cliff() -> None:
    x = np.arange(6.0)
    parabola = np.square(x - 2.4)[:, np.newaxis] + 3.0 * np.square(x - 3.3)
    fine = np.linspace(0.0, 5.0, 26)
    expected = np.square(fine - 2.4)[:, np.newaxis] + 3.0 * np.square(fine - 3.3)
    assert refined(parabola, 5, 2) == pytest.approx(expected, abs=1e-9)
    assert refined(parabola, 1, 2).tolist() == parabola.tolist()
    cliff = refined(np.array([0.0, 0.0, 0.0, 1e6, 1e6, 1e6]), 10, 1)
    assert cliff.min() == 0.0 and cliff.max() == 1e6
    assert refined(np.array([0.0, 1.0]), 2, 1).tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("size", [2, 3, 4, 9])
def test_fractions_are_those_of_the_refined_points(size: int) -> None:
    rng = np.random.default_rng(size)
    smooth = np.square(np.linspace(-1.0, 1.5, size)[:, np.newaxis] - rng.normal(size=40))
    values = np.concatenate([smooth, rng.exponential(size=(size, 40)), np.full((size, 1), 0.5)], axis=1)
    bounds = [0.1, 0.5, 2.0]
    fine = refined(values, 7, 1)
    for bound, found in zip(bounds, fractions_below(values, 7, bounds), strict=True):
        assert found == pytest.approx(trapezoid(1.0 * (fine <= bound), axis=0) / (len(fine) - 1))
