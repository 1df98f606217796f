from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mmc.compiler.settings.limits import GridAxis
from mmc.errors import StepError
from mmc.jobs.madminer.event_file import EventFile
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


def test_a_point_without_a_likelihood_is_excluded() -> None:
    limits = Limits(Grid({"a": np.array([0.0, 1.0])}), np.array([1.0, np.nan, 0.0]))
    assert limits.p_values.tolist() == [1.0, 0.0]
    with pytest.raises(StepError, match="finite nowhere"):
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
