"""Whether -2 ln λ of templates follows χ², for likelihoods whose distribution is known."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mmc.jobs.statistics.binned_ratio import BinnedRatio
from mmc.jobs.statistics.closure.declaration import DOUBTFUL, PASSED
from mmc.jobs.statistics.closure.tests.chi_square import TEST
from mmc.jobs.statistics.limits import Grid, Limits

GRID = Grid({"theta": np.linspace(-1.0, 1.0, 81)}, (0.0,))
THETA = np.append(GRID.points[:, 0], 0.0)
LEVELS = (0.68, 0.95)


def evidence(values: np.ndarray, slopes: tuple[float, ...], n: float, **limits: Any) -> Any:
    """Two bins that change in proportion to the values at each point, with toys at the true point."""
    rows = np.stack([np.ones(len(values)), values], axis=1)
    sums = np.stack([np.ones(len(slopes)), slopes], axis=1)
    problem = SimpleNamespace(
        points=THETA[:, np.newaxis],
        expected=np.full(len(THETA), n),
        levels=LEVELS,
        grid=GRID,
        include_xsec=True,
        named=lambda point: {"theta": float(point[0])},
    )
    return SimpleNamespace(
        problem=problem,
        limits=Limits(GRID, np.zeros(len(THETA)), **limits),
        binned=BinnedRatio.of(sums, rows, rows[-1]),
        toys=SimpleNamespace(population=SimpleNamespace(probes=[len(THETA) - 1])),
        rate=False,
    )


@pytest.mark.parametrize(
    ("values", "coverage", "noted"),
    [(THETA, LEVELS, False), (THETA**2, (0.84, 0.975), True)],
    ids=["linear", "square"],
)
def test_the_coverage_is_the_known_one(values: np.ndarray, coverage: tuple[float, ...], noted: bool) -> None:
    """A parameter that changes the bins through its square alone: half of the data fit best at zero."""
    own = evidence(values, (0.5, -0.5), 2000.0)
    figures = TEST.measure(own)
    assert [entry["coverage"] for entry in figures["chi_square"]] == pytest.approx(coverage, abs=0.03)
    assert TEST.grade(figures, own) == (PASSED, "")
    notes = list(TEST.notes(figures, own))
    assert len(notes) == noted
    if noted:
        assert "of toys instead of 68%" in notes[0] and "`confidence: toys`" in notes[0]
    assert TEST.columns[0].text(figures).endswith(" %") and TEST.columns[0].value(figures) > 0.6


def test_limits_that_are_too_small_are_doubtful() -> None:
    """Two parameters, of which limits count one: they would include the truth in 39 % where 68 % are claimed."""
    grid = Grid({"a": np.linspace(-0.3, 0.3, 31), "b": np.linspace(-0.3, 0.3, 31)}, (0.0, 0.0))
    points = np.concatenate([grid.points, np.zeros((1, 2))])
    rows = np.concatenate([np.ones((len(points), 1)), points], axis=1)
    own = evidence(THETA, (0.0, 0.0), 3000.0)
    own.problem.points, own.problem.grid, own.problem.expected = points, grid, np.full(len(points), 3000.0)
    own.toys.population.probes = [len(points) - 1]
    own.limits = Limits(grid, np.zeros(len(points)), n_measured=1)
    own.binned = BinnedRatio.of(np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [1.0, -1.0, -1.0]]), rows, rows[-1])
    figures = TEST.measure(own)
    assert figures["chi_square"][0]["coverage"] == pytest.approx(0.39, abs=0.03)
    verdict, reason = TEST.grade(figures, own)
    assert verdict == DOUBTFUL and "write `confidence: toys`" in reason and not list(TEST.notes(figures, own))


def test_it_is_not_made_with_toys_or_without_bins() -> None:
    own = evidence(THETA, (0.5, -0.5), 2000.0)
    own.limits = replace(own.limits, critical=SimpleNamespace())
    assert TEST.measure(own) == {"chi_square": []}
    own.limits, own.binned = replace(own.limits, critical=None), None
    assert TEST.measure(own) == {"chi_square": []}
