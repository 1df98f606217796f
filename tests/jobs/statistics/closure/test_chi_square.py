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
from scipy.special import ndtr

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
        training=None,
        profiled=False,
        named=lambda point: {"theta": float(point[0])},
        file=SimpleNamespace(is_balanced=True, has_morphing=True, floating=()),
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
        assert "of toys instead of 68%" in notes[0] and "`evaluation: {confidence: toys}`" in notes[0]
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
    assert (
        verdict == DOUBTFUL
        and reason.endswith("write `evaluation: {confidence: toys}` where `mmc validate` allows it")
        and not list(TEST.notes(figures, own))
    )


def test_it_names_what_stands_in_the_way_of_toys() -> None:
    own = evidence(THETA**2, (0.5, -0.5), 2000.0)
    own.problem.file = SimpleNamespace(is_balanced=False, has_morphing=True, floating=("ttbar",))
    figures = TEST.measure(own)
    (note,) = TEST.notes(figures, own)
    assert note.endswith("allows it; it does not with `event_weights: madminer` and `floating` in a combination")
    own.problem.file = SimpleNamespace(is_balanced=True, has_morphing=True, floating=())
    own.problem.training, own.problem.profiled = np.zeros(len(THETA)), True
    (note,) = TEST.notes(figures, own)
    assert note.endswith("not with `error: included` of an ensemble and `systematics: profile` in a combination")


def test_events_in_bins_that_the_likelihood_does_not_use() -> None:
    """One in a thousand of a million events is in a bin that is negative at an end of the grid, as many as the error of
    the number of events. Close to the true point this bin grows as all do."""
    own, grid = evidence(THETA, (0.0, 0.0), 1e6), Grid({"theta": np.linspace(-0.4, 0.4, 801)}, (0.0,))
    theta = np.append(grid.points[:, 0], 0.0)
    rows = np.stack([np.ones(802), theta, theta**2], axis=1)
    sums = np.array([[0.4995, 0.2, 0.0], [0.4995, 0.0997, 0.0], [0.001, 0.0003, -0.0065]])
    own.problem.points, own.problem.grid = theta[:, np.newaxis], grid
    own.problem.expected, own.toys.population.probes = 1e6 * rows @ sums.sum(axis=0), [801]
    own.binned, own.limits, own.rate = BinnedRatio.of(sums, rows, rows[-1]), Limits(grid, np.zeros(802)), True
    assert own.binned.known.tolist() == [True, True, False]
    found = [entry["coverage"] for entry in TEST.measure(own)["chi_square"]]
    assert found == pytest.approx(LEVELS, abs=0.04)


def test_a_point_is_judged_once_and_not_where_the_grid_ends() -> None:
    """At the end of the grid most best fits are there, and limits include the truth more often."""
    own = evidence(THETA, (0.5, -0.5), 2000.0)
    own.toys.population.probes = [len(THETA) - 1, 40, 0]  # the true point, the same on the grid, and an end of the grid
    figures = TEST.measure(own)
    assert [entry["theta"]["theta"] for entry in figures["chi_square"]] == [0.0, 0.0, -1.0, -1.0]
    assert figures["chi_square"][0]["at_edge"] == 0.0
    error = (2000.0 * (0.25**2 / 0.25 + 0.25**2 / 0.75)) ** -0.5
    assert figures["chi_square"][-1]["at_edge"] == pytest.approx(ndtr(0.5 * 0.025 / error), abs=0.05)
    assert figures["chi_square"][2]["coverage"] > 0.78
    assert TEST.grade(figures, own) == (PASSED, "") and not list(TEST.notes(figures, own))
    assert "–" not in TEST.columns[0].text(figures)


def test_a_note_says_that_no_point_is_judged() -> None:
    """With 20 events the error of the best fit is 0.45, and 3 % of toys are beyond 1; with two it is 1.4."""
    for n, judged in ((20.0, True), (2.0, False)):
        own = evidence(THETA, (0.5, -0.5), n)
        figures = TEST.measure(own)
        notes = [note for note in TEST.notes(figures, own) if note.startswith("χ² is not tested: at all points more")]
        assert TEST.grade(figures, own) == (PASSED, "")
        assert bool(notes) is not judged and (TEST.columns[0].text(figures) == "–") is not judged


def test_it_is_not_made_with_toys_or_without_bins() -> None:
    own = evidence(THETA, (0.5, -0.5), 2000.0)
    own.limits = replace(own.limits, critical=SimpleNamespace())
    assert TEST.measure(own) == {"chi_square": []}
    own.limits, own.binned = replace(own.limits, critical=None), None
    assert TEST.measure(own) == {"chi_square": []}
