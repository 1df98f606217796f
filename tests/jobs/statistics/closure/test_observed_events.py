"""Observed events are compared with simulated events at their best fit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.closure.verdict import Verdict, judge, judge_observed
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.summaries import Summaries
from scipy.stats import poisson

from tests.jobs.learning_jobs import Learning
from tests.jobs.toy_events import add_systematics, write_events


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> LimitProblem:
    folder = tmp_path_factory.mktemp("observed")
    events = write_events(folder / "events", 2, 20_000)
    return LimitProblem.of(EventFile(events / "events.h5", 0.2, 0.2), Learning(folder, events).limits)


def drawn(problem: LimitProblem, random: np.random.Generator, n: int = 300) -> Any:
    """Events as the simulation has them at the true point."""
    events = problem.file.part("all")
    probabilities = np.maximum(events.probabilities(problem.true_coefficients), 0.0)
    return events.x[random.choice(len(events.x), n, p=probabilities / probabilities.sum())]


def verdict(problem: LimitProblem, x: Any, expected: float | None = None, *, rate: bool = True) -> Verdict:
    """The verdict on these events; by default so many are expected at the true point, which is the best fit."""
    luminosity = problem.luminosity * (expected or len(x)) / problem.n_expected
    observed = replace(problem, observed=Summaries(x, np.full(len(x), 1.0 / len(x))), n_observed=float(len(x)))
    observed = replace(observed, luminosity=luminosity)
    limits = observed.limits(-np.square(observed.points).sum(axis=1), rate=False)
    return judge_observed(observed, limits, judge(Evidence(problem, problem.limits(0.0))), rate=rate)


def test_p_values_of_the_same_distribution_are_uniform(problem: LimitProblem) -> None:
    random = np.random.default_rng(5)
    found = [verdict(problem, drawn(problem, random)).figures["distributions"] for _ in range(100)]
    p_values = np.array([[entry["p_value"] for entry in entries] for entries in found])
    assert p_values.shape == (100, 2)
    assert p_values.mean(axis=0) == pytest.approx(0.5, abs=0.1)
    assert p_values.var(axis=0) == pytest.approx(1.0 / 12.0, rel=0.35)
    assert all(entry["degrees_of_freedom"] == 19 and entry["outside"] == 0.0 for entries in found for entry in entries)


def test_other_units_fail(problem: LimitProblem) -> None:
    x = drawn(problem, np.random.default_rng(6)) * [1.0, 1.3]
    found = verdict(problem, x)
    assert found.verdict == "failed"
    assert found.reasons[0].startswith(
        "the observed x2 is not distributed like simulated events at the best fit: χ² = "
    )


def test_events_outside_the_simulated_range_are_doubtful(problem: LimitProblem) -> None:
    x = drawn(problem, np.random.default_rng(7))
    x[:4, 0] = 1e3
    found = verdict(problem, x)
    assert found.verdict == "doubtful"
    assert found.reasons == ("1.3% of the observed events have a x1 outside the range of the simulated events",)


@pytest.mark.parametrize(("n", "expected"), [(300, 450.0), (300, 360.0), (300, 315.0), (3, 12.0), (1, 9.0), (5, 1.0)])
def test_a_number_of_events_that_the_best_fit_does_not_expect(problem: LimitProblem, n: int, expected: float) -> None:
    """As with the luminosity of another data set, which a rate alone would pass: it looks for the closest rate."""
    x = drawn(problem, np.random.default_rng(10), n)
    found = verdict(problem, x, expected)
    tail = poisson.cdf(n, expected) if n < expected else poisson.sf(n - 1, expected)
    counted = found.figures["number_of_events"]
    assert counted["p_value"] == pytest.approx(2.0 * tail, rel=0.35)  # the simulation has an error of 1 %
    assert (counted["observed"], counted["expected"]) == (n, pytest.approx(expected))
    chance = 1.0 - (1.0 - counted["p_value"]) ** 3
    verdicts = {0.0027: "failed", 0.0455: "doubtful", 2.0: "passed"}
    assert found.verdict == next(name for p_value, name in verdicts.items() if chance < p_value)
    if found.verdict == "failed":
        text = f"{n} events are observed, and {expected:g} expected at the best fit: check the luminosity"
        assert text in found.reasons[0]
    assert verdict(problem, x, expected, rate=False).verdict == "passed"


def test_few_events_have_few_bins(problem: LimitProblem) -> None:
    found = verdict(problem, drawn(problem, np.random.default_rng(8), 3))
    assert {entry["degrees_of_freedom"] for entry in found.figures["distributions"]} == {1}
    assert found.verdict == "passed"


def test_a_failed_method_stays_failed_on_observed_events(problem: LimitProblem) -> None:
    observed = drawn(problem, np.random.default_rng(9))
    shifted = problem.limits(-40.0 * np.square(problem.points - [1.0, 0.0]).sum(axis=1))
    expected = judge(Evidence(problem, shifted))
    assert expected.verdict == "failed"
    with_data = replace(problem, observed=Summaries(observed, np.full(300, 1.0 / 300)), n_observed=problem.n_expected)
    found = judge_observed(with_data, problem.limits(-np.square(problem.points).sum(axis=1)), expected)
    assert found.verdict == "failed" and found.figures["verdicts"] == {"observed_events": "passed"}


def test_nuisance_parameters_explain_a_difference(tmp_path: Path) -> None:
    """A tilt of the distribution by one standard deviation."""
    events = write_events(tmp_path / "plain", 2, 20_000)
    uncertain = add_systematics(events, tmp_path / "events")
    for path, verdicts in ((events, {"failed"}), (uncertain, {"passed", "doubtful"})):
        learning = Learning(tmp_path / path.name, path)
        problem = LimitProblem.of(EventFile(path / "events.h5", 0.2, 0.2), learning.limits)
        tilted = EventFile(uncertain / "events.h5", 0.2, 0.2)
        everything = tilted.part("all")
        up, _ = tilted.variations("all")["tilt_nuisance_param_0"]
        weights = np.maximum(everything.weights @ problem.true_coefficients * up, 0.0)
        x = everything.x[np.random.default_rng(1).choice(len(weights), 60_000, p=weights / weights.sum())]
        assert verdict(problem, x[:, : len(problem.file.observables)]).verdict in verdicts
