from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from mmc.jobs.madminer.event_file import Array, EventFile
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.closure.ratio_sums import MeanRatio
from mmc.jobs.statistics.closure.registry import TESTS
from mmc.jobs.statistics.closure.tests.area import area_figures
from mmc.jobs.statistics.closure.tests.mean_score import mean_score
from mmc.jobs.statistics.closure.verdict import Verdict, grade, judge, unresolved
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.summaries import Summaries

from tests.jobs.learning_jobs import Learning


@pytest.fixture
def problem(tmp_path: Path, toy_events: Path) -> LimitProblem:
    learning = Learning(tmp_path, toy_events)
    learning.evaluation["grid"] = {name: {"range": [-1.0, 1.0], "points": 21} for name in ("c1", "c2")}
    return LimitProblem.of(EventFile(toy_events / "events.h5", 0.2, 0.2), learning.limits)


def verdict(
    problem: LimitProblem,
    mean: Any,
    error: float = 0.001,
    true: float = 0.0,
    unfilled: float | None = None,
    sparse: float = 0.0,
    **figures: Any,
) -> Verdict:
    """The verdict on a Gaussian likelihood around the point (``true``, 0), with figures of further tests."""
    difference = problem.points - np.array([true, 0.0])
    limits = problem.limits(-0.1 * np.square(difference).sum(axis=1))
    ratio = None if mean is None else MeanRatio(np.broadcast_to(mean, len(problem.points)), np.full(442, error))
    evidence = Evidence(
        problem, limits, mean_ratio=ratio, unfilled=unfilled, sparse=None if unfilled is None else sparse
    )
    assert set(figures) <= {test.name for test in TESTS}
    return grade(judge(evidence).figures | figures, evidence)


def test_a_ratio_with_mean_one_passes(problem: LimitProblem) -> None:
    found = verdict(problem, 1.0)
    assert not found.reasons and not found.warnings
    assert found.figures["mean_ratio"]["moved"] == 0.0
    assert found.summary()["verdict"] == "passed"
    assert found.figures["verdicts"] == {"true_point": "passed", "integration": "passed", "mean_ratio": "passed"}


def test_a_small_constant_factor_cancels(problem: LimitProblem) -> None:
    found = verdict(problem, 1.05)
    assert not found.reasons
    assert found.figures["mean_ratio"]["largest_pull"] == pytest.approx(50.0)


def test_a_large_constant_factor_fails(problem: LimitProblem) -> None:
    assert verdict(problem, 0.6).reasons == (
        "the mean ratio is 0.600 to 0.600 in the confidence region, where it must be 1",
    )


def test_a_factor_that_moves_the_contour_fails(problem: LimitProblem) -> None:
    slope = 1.0 + 0.05 * problem.points[:, 0]
    found = verdict(problem, slope)
    assert found.verdict == "failed" and found.reasons[0].startswith("dividing the ratio by its mean would change")
    assert verdict(problem, slope, error=0.012).verdict == "doubtful"
    uncertain = verdict(problem, slope, error=0.05)  # the Monte Carlo error explains it
    assert uncertain.verdict == "doubtful" and "too few to check the mean ratio" in uncertain.reasons[0]


def test_deviations_at_excluded_points_do_not_matter(problem: LimitProblem) -> None:
    far = np.abs(problem.points).max(axis=1) > 0.95
    found = verdict(problem, np.where(far, 1.5, 1.0))
    assert not found.reasons
    assert found.figures["mean_ratio"]["highest"] == 1.0
    assert found.figures["mean_ratio"]["highest_on_grid"] == 1.5


def test_an_excluded_true_point_fails(problem: LimitProblem) -> None:
    (reason,) = verdict(problem, None, true=1.0).reasons
    assert reason.startswith("the true point has a p-value of")


def test_an_excluded_true_point_that_few_test_events_explain_is_doubtful(problem: LimitProblem) -> None:
    """With a thousand times more expected events than simulated ones, the maximum is never at the true point."""
    limits = Limits(problem.grid, -4.0 * np.square(problem.points - [1.0, 0.0]).sum(axis=1))
    assert judge(Evidence(problem, limits)).verdict == "failed"
    found = judge(Evidence(replace(problem, luminosity=1e8), limits))
    assert limits.p_true < 0.05 < found.figures["p_value_true_chance"]
    assert found.verdict == "doubtful" and "effective test events explain" in found.reasons[0]


def test_data_in_bins_without_simulated_events_are_doubtful(problem: LimitProblem) -> None:
    found = verdict(problem, 1.0, unfilled=0.02)
    assert found.verdict == "doubtful" and "2.0% of the data are in bins without simulated events" in found.reasons[0]
    assert verdict(problem, 1.0, unfilled=0.009).verdict == "passed"


def test_bins_with_few_events_make_limits_too_strong(problem: LimitProblem) -> None:
    """As 4,000 events in 5^7 cells of the score of seven parameters, whose limits are 7 % too strong."""
    found = verdict(problem, 1.0, unfilled=0.0, sparse=0.7)
    assert found.verdict == "doubtful"
    assert "70% of the cross section is in bins with fewer than 10 effective events" in found.reasons[0]
    assert verdict(problem, 1.0, unfilled=0.0, sparse=0.4).verdict == "passed"


def test_a_region_narrower_than_half_the_distance_of_points_is_not_resolved(problem: LimitProblem) -> None:
    """Also if it has a point of the grid, as the Standard Model mostly is one: its ends are far from all points, and
    the rate's second region, where the expected number of events is the same, may be between two of them."""

    def gaussian(error: float, best: Array) -> Limits:
        return Limits(problem.grid, -0.5 * np.square((problem.points - best) / error).sum(axis=1))

    point, between = problem.points[220], problem.points[220:222].mean(axis=0)
    step, levels = problem.points[1, 1] - problem.points[0, 1], problem.levels
    assert [gaussian(error * step, point).is_resolved(0.95) for error in (0.01, 0.12, 0.135)] == [False, False, True]
    shown = "the grid does not resolve the confidence region at {}: an interval is narrower than half the "
    shown += "distance between the points, so use more points or a narrower range"
    for best in (point, between):
        assert unresolved(gaussian(0.02 * step, best), levels) == [shown.format("68% and 95%")]
    assert unresolved(gaussian(0.2 * step, point), levels) == [shown.format("68%")]
    assert judge(Evidence(problem, gaussian(0.2 * step, point))).warnings == (shown.format("68%"),)
    assert unresolved(gaussian(step, point), levels) == []
    corner = problem.points[0]  # of the grid, which has a quarter of the region
    assert [unresolved(gaussian(error * step, corner), (0.95,)) == [] for error in (0.12, 0.135)] == [False, True]


def test_fewer_test_events_than_expected_ones_are_doubtful(problem: LimitProblem) -> None:
    found = judge(Evidence(replace(problem, luminosity=1e7), problem.limits(0.0)))
    assert found.verdict == "doubtful" and "effective test events, but" in found.reasons[0]


def joint(of: str, slope: float, error: float) -> dict[str, Any]:
    return {"of": of, "each": [{"slope": slope, "slope_error": error}, {"slope": None, "slope_error": None}]}


@pytest.mark.parametrize(
    ("of", "slope", "error", "expected"),
    [
        ("ratio", 1.05, 0.001, "passed"),
        ("ratio", 0.7, 0.06, "failed"),
        ("ratio", 1.25, 0.06, "doubtful"),
        ("ratio", 1.2, 0.06, "passed"),
        ("ratio", 1.0, 0.4, "doubtful"),
        ("score", 1.3, 0.01, "passed"),
        ("score", 2.0, 0.01, "failed"),
    ],
)
def test_slopes(problem: LimitProblem, of: str, slope: float, error: float, expected: str) -> None:
    found = verdict(problem, 1.0, joint=joint(of, slope, error))
    assert found.verdict == found.figures["verdicts"]["joint"] == expected


@pytest.mark.parametrize(
    ("ratio", "error", "expected"),
    [
        (1.0, 0.01, "passed"),
        (0.86, 0.01, "failed"),
        (0.86, 0.015, "doubtful"),
        (0.91, 0.001, "passed"),
        (8.0, 0.9, "passed"),
        (0.9, 0.4, "doubtful"),
    ],
)
def test_areas(problem: LimitProblem, ratio: float, error: float, expected: str) -> None:
    assert verdict(problem, 1.0, area={"ratio": ratio, "error": error}).verdict == expected


def test_the_area_of_a_region_that_the_grid_cuts_off_says_nothing(problem: LimitProblem) -> None:
    """As with the Standard Model at the edge: areas of two unbiased likelihoods differ by a factor of 2 or more."""
    area = {"ratio": 0.35, "error": 0.06}
    found = verdict(problem, 1.0, true=3.0, area=area)
    assert "area" not in {test for test, _, _ in found.findings}
    assert "the area is not compared with that of the truth, because the edge of the grid" in found.warnings[-1]
    assert verdict(problem, 1.0, area=area).verdict == "failed" and not verdict(problem, 1.0, area=area).warnings


@pytest.mark.parametrize(("own", "of_truth", "ratio"), [(0.1, 0.06, 1.0), (0.3, 0.06, 1.5), (0.1, 0.3, 2.0 / 3.0)])
def test_areas_that_the_grid_does_not_resolve_are_the_same(own: float, of_truth: float, ratio: float) -> None:
    """A grid of five points."""
    area = SimpleNamespace(allowed_area=lambda _: of_truth, allowed=lambda _: np.array([True]))
    problem = SimpleNamespace(levels=(0.95,), grid=SimpleNamespace(points=np.zeros(5)), limits=lambda _, rate: area)
    evidence = SimpleNamespace(problem=problem, rate=True, tested_area=own, tested_areas_left_out=[own] * 20)
    truth = SimpleNamespace(asimov=SimpleNamespace(mean=None, jackknife=lambda: [None] * 20))
    found = area_figures(cast(Any, evidence), cast(Any, truth))
    assert found["ratio"] == pytest.approx(ratio) and found["error"] == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("coverage", "non_centrality", "nu", "expected"),
    [
        (0.94, 0.0, 0.01, "passed"),
        (1.0, 0.0, 0.01, "passed"),
        (0.90, 0.0, 0.01, "doubtful"),
        (0.88, 0.0, 0.01, "failed"),
        (0.88, 1.0, 0.3, "passed"),  # the Asimov data are as far off as so few test events may be
        (0.88, 1.0, 0.001, "failed"),  # they are further off
    ],
)
def test_coverages(problem: LimitProblem, coverage: float, non_centrality: float, nu: float, expected: str) -> None:
    entry: dict[str, Any] = {"theta": {"c1": 0.0}, "level": 0.95, "coverage": coverage, "error": 0.012, "toys": 400}
    entry |= {
        "non_centrality": non_centrality,
        "half_step": 0.0,
        "nu": nu,
        "widening": 1.0,
        "width_error": 0.0,
        "left_out": 0.0,
    }
    found = verdict(problem, 1.0, coverage=[entry])
    assert found.verdict == expected, found.reasons


def test_toys_without_many_events_are_doubtful(problem: LimitProblem) -> None:
    entry: dict[str, Any] = {"theta": {"c1": 0.0}, "level": 0.95, "coverage": 0.95, "error": 0.012, "toys": 400}
    entry |= {"non_centrality": 0.0, "half_step": 0.0, "nu": 0.01, "widening": 1.0, "width_error": 0.0}
    for own in (entry, entry | {"coverage": 0.43}):  # too many events in the toys are not the fault of the limits
        found = verdict(problem, 1.0, coverage=[own | {"left_out": 0.03}])
        text = (
            "events with negative weights, 3.0% of the cross section, are in no toy, so toys do not tell the coverage"
        )
        assert found.reasons == (text,) and found.verdict == "doubtful"
    assert verdict(problem, 1.0, coverage=[entry | {"left_out": 0.005}]).verdict == "passed"


def test_mean_score() -> None:
    random = np.random.default_rng(3)
    scores, probabilities = random.normal(size=(4000, 2)) * [1.0, 5.0], np.full(4000, 1 / 4000)
    labels = Summaries(random.normal(size=(6000, 2)) * [2.0, 10.0], np.full(6000, 1 / 6000))

    def figures(values: Any) -> dict[str, Any]:
        return mean_score(Summaries(values, probabilities), labels)

    good = figures(scores)
    assert good["p_value"] > 0.001 and good["bias"] < 0.06
    assert good["error"] == pytest.approx([(1 / 4000 + 4 / 6000) ** 0.5, (25 / 4000 + 100 / 6000) ** 0.5], rel=0.05)
    biased = figures(scores + np.array([0.2, 0.0]))
    assert biased["bias"] == pytest.approx(0.2, abs=0.05) and biased["p_value"] < 1e-10
    assert figures(scores * [1.0, 0.0])["bias"] < 0.06  # a component that is always 0


def test_a_biased_score_fails_only_when_it_is_large(problem: LimitProblem) -> None:
    def score(bias: float, p_value: float) -> dict[str, Any]:
        return {"mean": [0.0], "error": [0.0], "bias": bias, "p_value": p_value}

    assert verdict(problem, 1.0, mean_score=score(0.3, 1e-9)).reasons == (
        "the mean score at the reference is 0.30 of its spread from 0, where at most 0.1 is harmless",
    )
    assert not verdict(problem, 1.0, mean_score=score(0.05, 1e-9)).reasons
    assert verdict(problem, 1.0, mean_score=score(0.3, 0.01)).verdict == "doubtful"
    assert verdict(problem, 1.0, mean_score=score(0.3, 0.1)).verdict == "passed"
