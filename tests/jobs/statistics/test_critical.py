import numpy as np
import pytest
from mmc.jobs.statistics.critical import CriticalValues, smooth
from mmc.jobs.statistics.limits import p_values
from scipy.special import xlogy
from scipy.stats import chi2, poisson

AXIS = np.linspace(-1.0, 1.0, 41)[:, np.newaxis]
PROBES = np.arange(0, 41, 2)


def test_a_curve_is_found_and_noise_is_not_followed() -> None:
    random = np.random.default_rng(1)
    curve = 4.0 + AXIS[:, 0] - 0.5 * AXIS[:, 0] ** 2
    exact, error = smooth(AXIS, PROBES, curve[PROBES], np.full(21, 1e-9))
    assert exact == pytest.approx(curve, abs=0.003) and np.abs(error).max() < 0.003
    flat, error = smooth(AXIS, PROBES, 4.0 + 0.1 * random.normal(size=21), np.full(21, 0.1))
    assert np.ptp(flat) < 0.3 and np.sqrt(np.square(error).sum(axis=0)).mean() < 0.06


@pytest.mark.parametrize("claimed", [0.1, 0.05])
def test_the_errors_of_smoothed_values_are_their_scatter(claimed: float) -> None:
    """Also if the values scatter by more than their errors claim."""
    random, curve = np.random.default_rng(2), 4.0 + AXIS[:, 0] ** 2
    fits = [
        smooth(AXIS, PROBES, curve[PROBES] + 0.1 * random.normal(size=21), np.full(21, claimed)) for _ in range(100)
    ]
    scatter = np.std([values for values, _ in fits], axis=0)
    errors = np.sqrt(np.mean([np.square(error).sum(axis=0) for _, error in fits], axis=0))
    assert errors == pytest.approx(scatter, rel=0.35)


def test_two_parameters_and_points_beyond_the_probes() -> None:
    points = np.stack(np.meshgrid(AXIS[:, 0], AXIS[:, 0], indexing="ij"), axis=-1).reshape(-1, 2)
    probes = np.flatnonzero(np.square(points).sum(axis=1) < 0.5)[::12]
    curve = 5.0 + points[:, 0] * points[:, 1]
    values, _ = smooth(points, probes, curve[probes], np.full(len(probes), 1e-9))
    inside = np.square(points).sum(axis=1) < 0.4
    assert values[inside] == pytest.approx(curve[inside], abs=1e-3)
    assert values.min() >= curve[probes].min() and values.max() <= curve[probes].max()


def test_a_ridge_of_the_critical_values_is_not_smoothed_away() -> None:
    """Its top is found in 0.02 of its height 1 on average; the best polynomial is 0.18 too low there."""
    random = np.random.default_rng(5)
    points = np.stack(np.meshgrid(AXIS[::2, 0], AXIS[::2, 0], indexing="ij"), axis=-1).reshape(-1, 2)
    probes, top = random.permutation(np.delete(np.arange(441), 220))[:49], 220
    probes, curve = np.append(probes, top), 3.0 + np.exp(-0.5 * (points[:, 0] / 0.25) ** 2) + 0.3 * points[:, 1]
    found = [smooth(points, probes, curve[probes] + 0.1 * random.normal(size=50), np.full(50, 0.1)) for _ in range(20)]
    off = np.array([values[top] - curve[top] for values, _ in found])
    errors = np.array([np.sqrt(np.square(error[:, top]).sum()) for _, error in found])
    assert abs(off.mean()) < 0.02 + 3.0 * off.std() / 20**0.5
    assert np.sqrt(np.square(off).mean()) == pytest.approx(errors.mean(), rel=0.4) and errors.max() < 0.07


def test_a_quantile_of_few_toys_includes_the_level_on_average() -> None:
    """Of 20 toys the largest but one includes 19/21."""
    statistics, points = np.random.default_rng(6).random((300, 20)), np.linspace(0.0, 1.0, 300)[:, np.newaxis]
    critical = CriticalValues.smoothed(points, np.arange(300), [0.95], statistics, np.ones((1, 300)))
    assert critical.at(0.95).mean() == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("dof", [1, 2])
def test_toys_of_a_chi_square_have_its_critical_values(dof: int) -> None:
    statistics = np.random.default_rng(3).chisquare(dof, size=(21, 1000))
    levels = (0.68, 0.95)
    asymptotic = np.stack([np.full(21, chi2.ppf(level, dof)) for level in levels])
    critical = CriticalValues.smoothed(AXIS, PROBES, levels, statistics, asymptotic)
    for level in levels:
        error = critical.error_at(level)
        assert np.all(np.abs(critical.at(level) - chi2.ppf(level, dof)) < 4.0 * error) and error.max() < 0.3
    assert critical.coverage.mean(axis=1) == pytest.approx(levels, abs=0.01)


def test_scaled_statistics_have_the_critical_values_of_a_chi_square() -> None:
    values = np.array([[2.0, 3.0], [7.0, 8.0]])
    critical = CriticalValues((0.68, 0.95), values, np.zeros((1, 2, 2)), PROBES[:1], values[:, :1], values[:, :1], 10)
    for level, row in zip((0.68, 0.95), values, strict=True):
        assert critical.scaled(row, 2) == pytest.approx(chi2.ppf(level, 2))
    assert critical.scaled(np.zeros(2), 2).tolist() == [0.0, 0.0]
    assert critical.scaled(np.full(2, np.inf), 2).tolist() == [np.inf, np.inf]
    steps = np.array([critical.scaled(np.full(2, q), 2) for q in np.linspace(0.0, 12.0, 50)])
    assert (np.diff(steps, axis=0) > 0.0).all()


def test_probes_on_one_line_of_the_grid_stand_for_all_lines() -> None:
    """A parameter that is measured better than a step of the grid, whatever its unit."""
    points = np.stack(np.meshgrid(AXIS[:, 0], [0.0, 100.0, 200.0], indexing="ij"), axis=-1).reshape(-1, 2)
    curve, on_line = 4.0 + points[:, 0], np.flatnonzero(points[:, 1] == 100.0)
    values, error = smooth(points, on_line[::2], curve[on_line[::2]], np.full(21, 1e-9))
    assert values == pytest.approx(curve, abs=0.003) and np.abs(error).max() < 0.003


@pytest.mark.parametrize(("level", "smallest", "low"), [(0.68, 0.61, 0.02), (0.95, 0.93, 0.005)])
def test_few_events_are_covered(level: float, smallest: float, low: float) -> None:
    """The exact coverage of a Poisson number with a mean of 1 to 4, between the probes too.

    Toys fluctuate by 0.01 % less than data, as they do if their mean has an error; limits are those of p-values.
    """

    def statistic(n: np.ndarray, mu: np.ndarray) -> np.ndarray:
        return np.asarray(2.0 * (mu - n + xlogy(n, n / mu)))

    mu, probes, random = np.linspace(1.0, 4.0, 121), np.arange(0, 121, 3), np.random.default_rng(1)
    at_probes, n = mu[probes, np.newaxis], np.arange(40)[:, np.newaxis]
    toys = at_probes + 0.9999 * (random.poisson(at_probes, (41, 1000)) - at_probes)
    statistics = statistic(toys, at_probes)
    critical = CriticalValues.smoothed(mu[:, np.newaxis], probes, [level], statistics, np.ones((1, 41)))
    inside = p_values(-0.5 * critical.scaled(statistic(n, mu), 1), 1) >= 1.0 - level
    coverage = (inside * poisson.pmf(n, mu)).sum(axis=0)
    assert coverage.mean() > level + 0.01 and coverage.min() > smallest
    assert (coverage < level - 0.02).mean() < low


def test_equal_values_at_a_probe_leave_far_points_as_they_are() -> None:
    random = np.random.default_rng(8)
    values, errors, far = 4.0 + 0.1 * random.normal(size=21), np.full(21, 0.1), np.arange(41) >= 4
    tied = np.where(np.arange(21) == 0, 0.0, 0.1)
    smoothed, stepped = (smooth(AXIS, PROBES, values, own)[0] for own in (errors, tied))
    assert stepped[far] == pytest.approx(smoothed[far], abs=0.02)
    assert stepped[0] >= 1.01 * values[0] > 0
