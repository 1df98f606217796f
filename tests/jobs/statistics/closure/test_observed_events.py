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


def verdict(problem: LimitProblem, x: Any) -> Verdict:
    observed = replace(problem, observed=Summaries(x, np.full(len(x), 1.0 / len(x))), n_observed=float(len(x)))
    limits = observed.limits(-np.square(observed.points).sum(axis=1))  # the best fit is the true point
    return judge_observed(observed, limits, judge(Evidence(problem, problem.limits(0.0))))


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


def test_few_events_have_few_bins(problem: LimitProblem) -> None:
    found = verdict(problem, drawn(problem, np.random.default_rng(8), 3))
    assert {entry["degrees_of_freedom"] for entry in found.figures["distributions"]} == {1}
    assert found.verdict == "passed"


def test_a_failed_method_stays_failed_on_observed_events(problem: LimitProblem) -> None:
    observed = drawn(problem, np.random.default_rng(9))
    shifted = problem.limits(-40.0 * np.square(problem.points - [1.0, 0.0]).sum(axis=1))
    expected = judge(Evidence(problem, shifted))
    assert expected.verdict == "failed"
    with_data = replace(problem, observed=Summaries(observed, np.full(300, 1.0 / 300)), n_observed=300.0)
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
