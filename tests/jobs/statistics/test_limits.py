from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.compiler.settings.limits import GridAxis
from mmc.errors import StepError
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.jackknife import GROUPS, group_of
from mmc.jobs.statistics.limits import Grid, Limits, effective_size, p_values
from mmc.jobs.statistics.problem import LimitProblem
from scipy.stats import chi2, poisson

from tests.jobs.learning_jobs import Learning
from tests.jobs.toy_events import cross_section


def test_p_values_are_those_of_a_chi_square() -> None:
    ratio = -np.array([0.0, 0.5, 3.0, 100.0, np.inf])
    for dof in (1, 2, 3):
        assert p_values(ratio, dof) == pytest.approx(chi2.sf(-2 * ratio, dof), rel=1e-12)


def test_grid_points_run_over_the_last_parameter_first() -> None:
    a, b = GridAxis(range=(-1, 1), points=2), GridAxis(range=(0, 1), points=3)
    grid = Grid.of({"b": b, "a": a}, ["a", "b"])
    assert grid.shape == (2, 3)
    assert grid.points.tolist() == [[-1, 0], [-1, 0.5], [-1, 1], [1, 0], [1, 0.5], [1, 1]]
    with pytest.raises(StepError, match="the grid is over"):
        Grid.of({"a": a}, ["a", "b"])


def test_best_fit_regions_and_edges() -> None:
    grid = Grid({"a": np.linspace(-2, 2, 5), "b": np.linspace(-1, 1, 3)})
    values = -5.0 * (grid.points[:, 0] ** 2 + grid.points[:, 1] ** 2)
    limits = Limits(grid, np.append(values, -0.01) - 7.0)
    assert limits.best_fit == {"a": 0.0, "b": 0.0}
    assert limits.allowed(0.95).sum() == 1 and not limits.touches_edge(0.95)
    assert limits.allowed(0.9999).sum() == 5 and limits.touches_edge(0.9999)
    summary = limits.summary([0.68, 0.95])
    assert summary["allowed_fraction"] == {"0.68": 1 / 15, "0.95": 1 / 15}
    assert summary["p_true"] == pytest.approx(np.exp(-0.01))


def test_areas_do_not_jump_from_point_to_point() -> None:
    grid = Grid({"a": np.linspace(-1.0, 1.0, 21), "b": np.linspace(-1.0, 1.0, 21)})
    q = np.square(grid.points).sum(axis=1)
    for radius in (0.4, 0.45, 0.5):
        limits = Limits(grid, np.append(-0.5 * q * chi2.ppf(0.95, 2) / radius**2, 0.0))
        assert limits.allowed_area(0.95) == pytest.approx(np.pi * radius**2 / 4.0, rel=0.01)


def gaussian(width: float, points: int) -> Limits:
    """A Gaussian likelihood in two parameters."""
    axis = np.linspace(-1.0, 1.0, points)
    grid = Grid({"a": axis, "b": axis})
    return Limits(grid, np.append(-0.5 * np.square(grid.points / width).sum(axis=1), 0.0))


@pytest.mark.parametrize("points", [9, 25])
def test_the_area_of_a_gaussian_region(points: int) -> None:
    """π w² q / 4, with q the χ² quantile for two degrees of freedom."""
    area = gaussian(0.2, points).allowed_area(0.95)
    assert area == pytest.approx(np.pi * 0.2**2 * chi2.ppf(0.95, 2) / 4.0, rel=0.02 if points == 9 else 0.005)


def test_the_area_tells_regions_apart_that_have_the_same_points() -> None:
    one, other = gaussian(0.21, 9), gaussian(0.22, 9)
    assert one.allowed(0.95).sum() == other.allowed(0.95).sum()
    assert one.allowed_area(0.95) < other.allowed_area(0.95)


def test_the_error_of_the_simulation_widens_the_region() -> None:
    grid = Grid({"a": np.linspace(-1.0, 1.0, 201)})
    limits = Limits(grid, np.append(-0.5 * (grid.points[:, 0] / 0.1) ** 2, 0.0), per_simulated=np.full(202, 0.44))
    assert limits.allowed_area(0.68) / limits.infinite_simulation.allowed_area(0.68) == pytest.approx(1.2, abs=0.01)
    ((low, high),) = limits.summary([0.68])["intervals"]["a"]["0.68"]
    assert 0.5 * (high - low) == pytest.approx(0.12 * chi2.ppf(0.68, 1) ** 0.5, rel=1e-3)


def test_errors_of_areas_and_intervals_are_those_of_repeated_simulations() -> None:
    """The likelihood of a Gaussian whose centre and width are estimated from events; a parabola needs few points."""
    random, axis = np.random.default_rng(3), np.linspace(-1.0, 1.0, 21)

    def log_likelihood(events: Any) -> Any:
        return np.append(-0.5 * ((axis - events.mean()) / events.std()) ** 2, 0.0)

    ends, areas, errors, area_errors = [], [], [], []
    for _ in range(100):
        events = 0.2 * random.normal(size=400)
        left_out = [events[group_of(400) != group] for group in range(GROUPS)]
        replicas = np.stack([log_likelihood(part) for part in left_out])
        summary = Limits(Grid({"a": axis}), log_likelihood(events), replicas=replicas).summary([0.68])
        ends.append(summary["intervals"]["a"]["0.68"][0])
        errors.append(summary["interval_errors"]["a"]["0.68"][0])
        areas.append(summary["allowed_area"]["0.68"])
        area_errors.append(summary["allowed_area_error"]["0.68"])
    assert np.mean(errors, axis=0) == pytest.approx(np.std(ends, axis=0), rel=0.15)
    assert np.mean(area_errors) == pytest.approx(np.std(areas), rel=0.2)


def test_a_point_without_a_likelihood_is_excluded() -> None:
    limits = Limits(Grid({"a": np.array([0.0, 1.0])}), np.array([1.0, np.nan, 0.0]))
    assert limits.p_values.tolist() == [1.0, 0.0]
    with pytest.raises(StepError, match="not finite at any point"):
        _ = Limits(limits.grid, np.full(3, -np.inf)).p_values


def test_the_rate_is_poisson(tmp_path: Path, toy_events: Path) -> None:
    learning = Learning(tmp_path, toy_events)
    problem = LimitProblem.of(EventFile(toy_events / "events.h5", 0.2, 0.2), learning.limits)
    n = round(problem.n_expected)
    scaled = replace(learning.limits, luminosity_pb=20_000.0 * n / problem.n_expected)
    problem = LimitProblem.of(EventFile(toy_events / "events.h5", 0.2, 0.2), scaled)
    assert problem.n_expected == pytest.approx(n)
    expected = poisson.logpmf(n, problem.expected)
    assert problem.log_rate - problem.log_rate[-1] == pytest.approx(expected - expected[-1], abs=1e-8)
    assert problem.expected[0] == pytest.approx(scaled.luminosity_pb * cross_section([-1, -1]), rel=0.1)
    assert problem.limits(0.0).p_true == 1.0


def test_effective_size() -> None:
    assert effective_size(np.full(7, 0.3)) == pytest.approx(7.0)
    assert effective_size(np.array([1.0, 0.0])) == 1.0


def test_limits_that_do_not_depend_on_the_simulation_have_no_errors() -> None:
    """Observed events and a ratio that is not calibrated; an error of 0 would say that it is known."""
    own = gaussian(0.2, 41)
    same = replace(own, replicas=np.tile(own.log_likelihood, (GROUPS, 1)), varied=own.log_likelihood[np.newaxis])
    other = replace(same, varied=1.1 * same.varied)
    assert same.summary([0.68])["allowed_area_error"] == same.summary([0.68])["interval_errors"] == {}
    assert other.summary([0.68])["allowed_area_error"]["0.68"] > 0.0
