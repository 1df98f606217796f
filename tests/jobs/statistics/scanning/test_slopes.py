"""Derivatives of likelihoods by the parameters are those of differences."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mmc.jobs.learning.polynomials import Polynomial
from mmc.jobs.madminer.coefficients import morphed, morphed_slopes
from mmc.jobs.madminer.event_file import EventFile, Events
from mmc.jobs.statistics.event_errors import ScoreErrors
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.scanning.box import Box
from mmc.jobs.statistics.scanning.density import TruthDensity
from mmc.jobs.statistics.scanning.fit import Fitter
from mmc.jobs.statistics.scanning.linear import linear_shape
from mmc.jobs.statistics.scanning.minimum import Minimiser
from mmc.jobs.statistics.scanning.surface import Simulation, Surface

from tests.jobs.learning_jobs import Learning

COMPONENTS = np.array([[0, 0], [1, 0], [2, 0], [0, 1], [0, 2], [1, 1]])
BENCHMARKS = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1], [1, 1]], dtype=float)
MORPHER = SimpleNamespace(
    components=COMPONENTS,
    morphing_matrix=np.linalg.inv(np.prod(BENCHMARKS[:, np.newaxis] ** COMPONENTS, axis=2)),
)
POINT = np.array([0.3, -0.7])


def differences(function, point, step=1e-5):  # type: ignore[no-untyped-def]
    """Derivatives by the parameters, shape (parameters, …)."""
    steps = step * np.eye(len(point))
    return np.array([(function(point + d) - function(point - d)) / (2.0 * step) for d in steps])


def events(n: int = 200) -> Events:
    z = np.random.default_rng(4).normal(size=(n, 2))
    return Events(z, (1.0 + 0.3 * z @ BENCHMARKS.T) ** 2)


def test_derivatives_of_morphing() -> None:
    known = differences(lambda point: morphed(MORPHER, point[np.newaxis])[0], POINT)
    np.testing.assert_allclose(morphed_slopes(MORPHER, POINT), known, atol=1e-8)


@pytest.mark.parametrize("point", [POINT, np.zeros(2)])
def test_derivatives_of_polynomials(point: np.ndarray) -> None:
    powers = tuple(map(tuple, COMPONENTS.tolist()))
    polynomial = Polynomial(powers, np.array([0.1, 0.2]), np.array([0.5, 2.0]), np.array([1.0, 0.1, 0.4, 0, 0.2, 0.3]))
    known = differences(lambda at: polynomial.normalised(at[np.newaxis])[0], point)
    np.testing.assert_allclose(polynomial.normalised_slopes(point), known, atol=1e-8)


def test_derivatives_of_the_truth() -> None:
    data = events()
    p = np.random.default_rng(5).dirichlet(np.ones(len(data.x)))
    truth = morphed(MORPHER, np.zeros((1, 2)))[0]
    shape = TruthDensity(truth, data.weights.sum(axis=0)).shape(data, p)
    assert shape.slope is not None
    found = shape.slope(POINT, morphed(MORPHER, POINT[np.newaxis])[0], morphed_slopes(MORPHER, POINT))
    known = differences(lambda at: shape.mean_log(at[np.newaxis], morphed(MORPHER, at[np.newaxis]))[0], POINT)
    np.testing.assert_allclose(found, known, atol=1e-8)


def test_derivatives_of_a_normalised_ratio() -> None:
    random = np.random.default_rng(6)
    rows, other = random.uniform(0.2, 1.0, (50, 6)), random.uniform(0.2, 1.0, (40, 6))
    p, q = random.dirichlet(np.ones(50)), random.dirichlet(np.ones(40))
    shape = linear_shape(
        rows,
        p,
        lambda points, _: morphed(MORPHER, points) + 2.0,
        lambda point, _a, _g: morphed_slopes(MORPHER, point),
        normalised=(other, q),
    )
    nothing = np.zeros(0)
    assert shape.slope is not None
    known = differences(lambda at: shape.mean_log(at[np.newaxis], nothing)[0], POINT)
    np.testing.assert_allclose(shape.slope(POINT, nothing, nothing), known, atol=1e-8)


def test_a_fit_with_derivatives_is_that_without() -> None:
    """-2 ln L with a widening that varies; the derivatives save most of the values."""
    box, calls, asked = Box(-np.ones(2), np.ones(2)), [], []
    matrix, place = np.array([[30.0, 8.0], [8.0, 50.0]]), np.array([0.2, -0.1])

    def value(points: np.ndarray) -> np.ndarray:
        asked.append(len(points))
        return np.asarray((((points - place) @ matrix) * (points - place)).sum(axis=1))

    def widening(points: np.ndarray) -> np.ndarray:
        return np.asarray(1.2 + 0.3 * points[:, 0])

    def slope(point: np.ndarray) -> np.ndarray:
        calls.append(point)
        return np.asarray(2.0 * matrix @ (point - place))

    fits, counts = [], []
    for own in (slope, None):
        asked.clear()
        fits.append(Fitter(value, widening, box, levels=[0.68], dof=2, slope=own).fit([np.zeros(2)]))
        counts.append(sum(asked))
    assert calls and counts[0] < 0.5 * counts[1]
    np.testing.assert_allclose(fits[0].best, place, atol=1e-4)
    np.testing.assert_allclose(fits[0].errors, fits[1].errors, rtol=1e-3)
    np.testing.assert_allclose(fits[0].minos["0.68"], fits[1].minos["0.68"], atol=1e-4)


def test_the_value_and_the_derivatives_of_differences() -> None:
    box = Box(np.array([-2.0, 0.0]), np.array([2.0, 10.0]))
    found = Minimiser(lambda points: points[:, 0] ** 2 + 3.0 * points[:, 1], box).with_slope(np.array([0.5, 4.0]))
    assert found[0] == pytest.approx(12.25)
    np.testing.assert_allclose(found[1], [1.0, 3.0], atol=1e-6)


def test_a_second_attempt_has_second_derivatives_of_its_own() -> None:
    """Rosenbrock's valley, with second derivatives that are far too small."""

    def value(points: np.ndarray) -> np.ndarray:
        x, y = points.T
        return np.asarray(100.0 * (y - x**2) ** 2 + (1.0 - x) ** 2)

    def slope(point: np.ndarray) -> np.ndarray:
        x, y = point
        return np.array([-400.0 * x * (y - x**2) - 2.0 * (1.0 - x), 200.0 * (y - x**2)])

    minimiser = Minimiser(value, Box(np.full(2, -2.0), np.full(2, 3.0)), slope, 1e-6 * np.eye(2))
    start = np.array([-1.2, 1.0])
    first = minimiser.minuit(start)
    assert not first.migrad().valid
    found = minimiser.minimum(start)
    assert found.converged
    np.testing.assert_allclose(found.point, 1.0, atol=0.01)


@pytest.mark.parametrize(("small", "is_determined"), [(1e-2, True), (1e-9, False)])
def test_data_that_hardly_determine_a_combination_have_no_covariance(small: float, is_determined: bool) -> None:
    matrix = np.array([[9.0 + small, 9.0 - small], [9.0 - small, 9.0 + small]])
    fit = Fitter(
        lambda points: np.asarray(((points @ matrix) * points).sum(axis=1)),
        lambda points: np.ones(len(points)),
        Box(-np.ones(2), np.ones(2)),
        levels=[0.68],
        dof=2,
        slope=lambda point: np.asarray(2.0 * matrix @ point),
    ).fit([np.zeros(2)])
    assert (fit.covariance is not None) is is_determined
    if fit.covariance is not None:
        np.testing.assert_allclose(fit.covariance, np.linalg.inv(matrix), rtol=1e-3)


class Counted:
    """A likelihood of a rate and of a distribution that depend quadratically on some parameters."""

    def __init__(self, n: int) -> None:
        random = np.random.default_rng(n)
        components = np.array([[(i == k) + (j == k) for k in range(n)] for i in range(-1, n) for j in range(i, n)])
        benchmarks = random.uniform(-1.0, 1.0, (len(components), n))
        powers = np.prod(benchmarks[:, np.newaxis] ** components, axis=2)
        morpher = SimpleNamespace(components=components, morphing_matrix=np.linalg.inv(powers))
        file: Any = SimpleNamespace(
            coefficients=lambda points: morphed(morpher, points),
            gradients=lambda point: morphed_slopes(morpher, point),
            has_morphing=True,
        )
        z = random.normal(size=(300, n))
        data = Events(z, (1.0 + 0.3 * z @ benchmarks.T) ** 2 / 300)
        sums, products = data.weights.sum(axis=0), data.weights.T @ data.weights
        density = TruthDensity(file.coefficients(np.zeros((1, n)))[0], sums)
        shape = density.shape(data, np.full(300, 1.0 / 300))
        self.asked: list[int] = []

        def mean_log(points: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
            self.asked.append(len(points))
            return shape.mean_log(points, coefficients)

        near = np.concatenate([0.01 * np.eye(n), -0.01 * np.eye(n), np.zeros((1, n))])
        simulation = Simulation(40.0 * sums, sums, products, 900.0 * products, None, file, near)
        expected = Surface(simulation, replace(shape, mean_log=mean_log), 40.0, True)
        self.surface = Surface(simulation, shape, 40.0, True, expected)


SCORES = ScoreErrors(
    np.array([0.05, 0.02]),
    np.array([[0.4, 0.1], [0.1, 0.3]]),
    np.array([[0.003, 0.0], [0.0, 0.001]]),
    np.array([2e-3, -1e-3]),
)


@pytest.mark.parametrize("rate", [True, False])
@pytest.mark.parametrize("scores", [None, SCORES], ids=["equal", "own"])
def test_derivatives_of_the_widening_by_the_error_of_the_simulation(rate: bool, scores: ScoreErrors | None) -> None:
    counted, point = Counted(2).surface, np.array([0.3, -0.4])
    surface = replace(counted, rate=rate, simulation=replace(counted.simulation, scores=scores))
    assert surface.widening_slope is not None
    known = differences(lambda at: surface.widening(at[np.newaxis])[0], point)
    assert np.abs(known).min() > 1e-3
    np.testing.assert_allclose(surface.widening_slope(point), known, rtol=1e-4)


@pytest.mark.parametrize("n", [3, 8])
def test_evaluations_of_expected_data_grow_as_the_number_of_parameters(n: int) -> None:
    counted, box = Counted(n), Box(np.full(n, -0.5), np.full(n, 0.5))
    surface, best = counted.surface, np.full(n, 0.1)
    fitter = Fitter(
        surface.minus_2_log,
        surface.widening,
        box,
        levels=[0.68],
        dof=n,
        slope=surface.slope,
        widening_slope=surface.widening_slope,
    )
    surface.widening(best[np.newaxis])  # once for the points next to the true one
    counted.asked.clear()
    fit: Any = SimpleNamespace(best=best, value=float(surface.minus_2_log(best[np.newaxis])[0]))
    fitter.relative(fit)
    assert 0 < sum(counted.asked) <= 4 * n  # two for each of the 2n derivatives that the curvature is made of


def test_the_error_of_rate_and_distribution_together_has_the_sign_of_the_rate() -> None:
    """μ(θ) - μ(θ_true) is not linear: it has another sign than its derivative at some points."""
    simulation = replace(Counted(2).surface.simulation, scores=replace(SCORES, truth=np.zeros(2)))
    points = np.random.default_rng(3).uniform(-1.0, 1.0, (100, 2))
    rows, truth = simulation.file.coefficients(points), simulation.file.coefficients(np.zeros((1, 2)))
    growth = (rows - truth) @ simulation.rates
    linear = points @ simulation.file.gradients(np.zeros(2)) @ simulation.rates
    assert (growth * linear < 0.0).sum() > 5
    d, v = (np.einsum("pi,ij,pj->p", points, own, points) for own in (SCORES.data, SCORES.variance))
    both = np.sign(growth) * (points @ SCORES.covariance) / np.sqrt(d)
    expected = 0.5 * simulation.of_rate(rows) + 0.5 * v / d + both
    np.testing.assert_allclose(simulation.per_event_at(points, np.full(100, 0.5)), np.maximum(expected, 0.0))


def test_derivatives_along_a_line_on_which_the_distribution_is_the_same() -> None:
    """There V/D is that of the points next to the true point; the part of the rate varies."""
    first = np.array([[1.0, 0.0], [0.0, 0.0]])
    scores = replace(
        SCORES, truth=np.zeros(2), data=0.4 * first, variance=0.003 * first, covariance=np.array([2e-3, 0])
    )
    surface = Counted(2).surface
    surface = replace(surface, simulation=replace(surface.simulation, scores=scores))
    assert surface.widening_slope is not None
    point = np.array([0.0, 0.3])
    up, down = surface.widening(point + np.array([[0.0, 1e-5], [0.0, -1e-5]]))
    assert surface.widening_slope(point)[1] == pytest.approx((up - down) / 2e-5, rel=1e-4)


@pytest.mark.parametrize("power", [1, 2])
def test_a_score_that_vanishes_says_nothing_about_the_error(tmp_path: Path, toy_events: Path, power: int) -> None:
    """ln r = c² x at c = 0: the error is N/n, not 0."""
    limits = Learning(tmp_path, toy_events).limits
    problem = LimitProblem.of(EventFile.of(toy_events / "events.h5", limits), limits)
    density: Any = SimpleNamespace(
        logs=lambda points, _, events: np.sum(points**power, axis=1)[:, None] * events.x[:, 0]
    )
    simulation, points = Simulation.of(replace(problem, theta_true=np.zeros(2)), density), np.array([[0.1, 0.2]])
    expected, scores = simulation.per_effective(simulation.file.coefficients(points))[0], simulation.scores
    assert (scores is None) is (power == 2)
    if scores is not None:
        (a,) = points
        expected = (a @ scores.variance @ a) / (a @ scores.data @ a)
    assert simulation.per_event_at(points, np.zeros(1)) == pytest.approx(expected, rel=1e-9) and expected > 0.0
