"""Toys, truth and calibration for a model with a known likelihood."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from mmc.jobs.madminer.event_file import Array, EventFile
from mmc.jobs.statistics.calibration import EVERY, Calibration
from mmc.jobs.statistics.closure.evidence import DataEvidence
from mmc.jobs.statistics.closure.ratio_sums import RatioSums
from mmc.jobs.statistics.closure.toys import LARGEST_BLOCK, ToyPopulation, blocks
from mmc.jobs.statistics.closure.truth import Truth, joint_ratio
from mmc.jobs.statistics.closure.verdict import Verdict, judge
from mmc.jobs.statistics.evaluated import Evaluated
from mmc.jobs.statistics.limits import Grid, Limits
from mmc.jobs.statistics.problem import LimitProblem

from tests.jobs.learning_jobs import Learning
from tests.jobs.toy_events import SIGMA, cross_section, squared_amplitude, write_events


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> LimitProblem:
    """Observables without loss of information, 50 expected events, 4,000 test events."""
    folder = tmp_path_factory.mktemp("exact")
    events = write_events(folder / "events", 2, 40_000, smearing=0.0)
    learning = Learning(folder / "learning", events, luminosity_pb=5_000.0)
    learning.evaluation["grid"] = {name: {"range": [-0.75, 0.75], "points": 15} for name in ("c1", "c2")}
    return LimitProblem.of(EventFile(events / "events.h5", 0.2, 0.2), learning.limits)


def exact(points: Array, x: Array) -> Array:
    return np.stack([np.log(squared_amplitude(x, point) * SIGMA / cross_section(point)) for point in points])


def truth_limits(problem: LimitProblem) -> Limits:
    return problem.limits(Truth(problem).asimov.mean)


def verdict(problem: LimitProblem, log_ratio: Callable[[Array, Array], Array]) -> Verdict:
    x, p = problem.tested
    limits = problem.limits(log_ratio(problem.points, x) @ p)
    tested = DataEvidence(problem, lambda events: log_ratio(problem.points, events.x), np.random.default_rng(7))
    return judge(tested.on(limits, rate=True))


def test_an_exact_ratio_covers_as_often_as_it_should_and_has_the_area_of_the_truth(problem: LimitProblem) -> None:
    found = verdict(problem, exact)
    assert found.verdict == "passed", found.reasons
    coverage = found.figures["coverage"]
    assert {entry["level"] for entry in coverage} == {0.68, 0.95}
    assert coverage[0]["theta"] == {"c1": 0.0, "c2": 0.0} and len({str(entry["theta"]) for entry in coverage}) == 5
    for entry in coverage:
        assert abs(entry["coverage"] - entry["expected"]) < 3.5 * entry["error"]
    assert found.figures["area"]["ratio"] == pytest.approx(1.0, abs=3.0 * found.figures["area"]["error"])


def test_an_overconfident_ratio_covers_too_little_and_beats_the_truth(problem: LimitProblem) -> None:
    found = verdict(problem, lambda points, x: 1.5 * exact(points, x))
    assert found.figures["verdicts"]["coverage"] == found.figures["verdicts"]["area"] == "failed"
    assert found.figures["area"]["ratio"] == pytest.approx(1.0 / 1.5, abs=0.05)
    assert any("of 400 toys at" in reason for reason in found.reasons)


def test_a_biased_ratio_covers_too_little(problem: LimitProblem) -> None:
    """The ratio is shifted by 0.15 in the parameters: the region contains the true point, but in too few toys."""
    found = verdict(problem, lambda points, x: exact(points + np.array([0.15, 0.0]), x))
    expected = {"true_point": "passed", "integration": "passed", "coverage": "failed", "area": "passed"}
    assert found.figures["verdicts"] == expected


def test_a_population_as_small_as_the_data_covers_less_which_is_expected(problem: LimitProblem) -> None:
    """The scatter of the toys and the scatter of the population add up."""
    grid = Grid({name: np.linspace(-0.25, 0.25, 15) for name in ("c1", "c2")})
    found = verdict(replace(problem, luminosity=80_000.0, grid=grid), exact)
    at_truth = found.figures["coverage"][1]
    assert at_truth["nu"] == pytest.approx(0.2, abs=0.02) and at_truth["widening"] == pytest.approx(1.1, abs=0.01)
    assert found.figures["verdicts"]["coverage"] == "passed"
    assert abs(at_truth["coverage"] - at_truth["expected"]) < 3.5 * at_truth["error"]


def test_toys_have_poisson_numbers_of_events_in_the_proportions_of_the_weights(problem: LimitProblem) -> None:
    population = ToyPopulation.of(problem, truth_limits(problem))
    x = problem.population.x
    counts = population.draw(slice(0, len(x)), np.random.default_rng(8))
    for k, probe in enumerate(population.probes):
        sizes, n = counts[:, k].sum(axis=0), problem.expected[probe]
        assert sizes.mean() == pytest.approx(n, abs=4.0 * (n / population.toys) ** 0.5)
        assert sizes.var() == pytest.approx(n, rel=0.3)
        drawn = counts[:, k].mean(axis=1) @ x / n
        assert drawn == pytest.approx(population.probabilities[:, k] @ x, abs=4.0 / (n * population.toys) ** 0.5)


def test_a_large_grid_leaves_room_for_fewer_probes_and_toys(
    problem: LimitProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits, n = truth_limits(problem), len(problem.points)
    monkeypatch.setattr("mmc.jobs.statistics.closure.toys.BUDGET", 250 * n)
    assert (len(ToyPopulation.of(problem, limits).probes), ToyPopulation.of(problem, limits).toys) == (2, 125)
    monkeypatch.setattr("mmc.jobs.statistics.closure.toys.BUDGET", 50 * n)
    assert (len(ToyPopulation.of(problem, limits).probes), ToyPopulation.of(problem, limits).toys) == (1, 50)


@pytest.mark.parametrize("n_points", [1, 82, 20_000, 100_000, 1_000_000, 10**8])
def test_blocks_of_events_hold_a_bounded_number_of_log_ratios(n_points: int) -> None:
    found = list(blocks(5_000, n_points))
    assert np.concatenate([np.arange(5_000)[rows] for rows in found]).tolist() == list(range(5_000))
    largest = max(rows.stop - rows.start for rows in found)
    assert largest == 1 or largest * n_points <= LARGEST_BLOCK
    assert largest >= 256 or n_points > 100_000


def test_joint_ratios_are_those_of_the_model(problem: LimitProblem) -> None:
    events = problem.file.part("test", problem.theta_true)
    found = joint_ratio(events.weights, problem.coefficients[:3], problem.true_coefficients)
    assert np.log(found) == pytest.approx(exact(problem.points[:3], events.x), abs=0.03)  # cross sections are estimated


@pytest.mark.parametrize("method", ["histogram", "isotonic"])
def test_calibration_mends_a_distorted_ratio(problem: LimitProblem, method: str) -> None:
    def distorted(points: Array, x: Array) -> Array:
        return np.sinh(1.5 * exact(points, x)) + 0.1 * points[:, :1]

    calibrating = Evaluated(distorted, problem.points, problem.file.part(problem.simulation).x)
    fitted = Calibration.fit(method, calibrating, problem, problem.theta_true)
    x, p = problem.tested
    raw, true = distorted(problem.points, x), exact(problem.points, x)
    mended = fitted.apply(raw, EVERY)
    inside = truth_limits(problem).p_values > 0.01
    errors = [np.sqrt((np.square(logs - true)[:-1][inside] @ p).mean()) for logs in (raw, mended)]
    assert errors[1] < 0.25 * errors[0]
    sums = RatioSums(len(problem.points))
    sums.add(mended, p)
    ratio = sums.mean_ratio().widened(fitted.error)
    pulls = (ratio.mean - 1.0)[:-1] / np.maximum(ratio.error[:-1], 1e-9)
    assert np.abs(pulls[inside]).max() < 4.5
    some = np.array([3, 7])
    assert np.array_equal(fitted.apply(raw[some], some), mended[some])
    assert verdict(problem, distorted).verdict == "failed"
