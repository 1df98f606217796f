"""The input of every limit."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.baselines import fill
from mmc.jobs.statistics.histograms import Binning
from mmc.jobs.statistics.limits import effective_size
from mmc.jobs.statistics.problem import LimitProblem

from tests.jobs.learning_jobs import Learning


def test_a_problem_keeps_data_and_templates_apart(tmp_path: Path, toy_events: Path) -> None:
    limits = Learning(tmp_path, toy_events).limits
    file = EventFile(toy_events / "events.h5", 0.2, 0.2)
    test, tuned = (LimitProblem.of(file, limits, partition=part) for part in ("test", "validation"))
    assert (test.partition, test.simulation, tuned.partition, tuned.simulation) == (
        "test",
        "validation",
        "validation",
        "train",
    )
    assert tuned.n_expected == pytest.approx(test.n_expected, rel=0.1)
    assert tuned.n_expected != test.n_expected  # the same theory, other events
    assert not np.array_equal(test.asimov[0], test.tested[0])


def test_madminer_s_procedure_has_test_events_as_data(tmp_path: Path, toy_events: Path) -> None:
    limits = Learning(tmp_path, toy_events, event_weights="madminer").limits
    problem = LimitProblem.of(EventFile.of(toy_events / "events.h5", limits), limits)
    weights = problem.file.part("test").weights
    assert problem.n_expected == pytest.approx(problem.luminosity * weights.sum(axis=0) @ problem.true_coefficients)
    assert np.array_equal(problem.asimov[0], problem.tested[0])


def test_the_error_of_the_simulation_is_that_of_the_weights(tmp_path: Path, toy_events: Path) -> None:
    """Where the rate has a part of the information, it has the error of all events, of which all that were generated
    pass."""
    limits = Learning(tmp_path, toy_events).limits
    problem = LimitProblem.of(EventFile.of(toy_events / "events.h5", limits), limits)
    limits = problem.limits(np.zeros(82))
    of_shape = problem.per_simulated(7.0, limits, rate=False)
    for point in (0, 40, 81):
        weights = problem.file.part("validation").weights @ problem.coefficients[point]
        assert of_shape[point] == pytest.approx(7.0 / effective_size(weights))
    events, labels = problem.file.part("all"), np.concatenate([b.labels() for b in problem.file.blocks("all")])
    v = events.weights @ problem.true_coefficients
    of_rate = sum(v[labels == k].var() * np.count_nonzero(labels == k) for k in range(6)) / v.sum() ** 2
    assert problem.per_simulated(7.0, limits, rate=True)[-1] == pytest.approx(7.0 * of_rate)
    limits = problem.limits((problem.log_rate - problem.log_rate[-1]) / problem.n_expected)
    half = problem.per_simulated(7.0, limits, rate=True)
    assert half[-1] == pytest.approx(0.5 * (7.0 * of_rate + of_shape[-1]))


def test_the_errors_in_bins_know_the_events_of_a_sample_that_floats(tmp_path: Path, toy_events: Path) -> None:
    """Two of the six samples have its name."""
    shutil.copytree(toy_events, tmp_path / "events")
    record = json.loads((tmp_path / "events/events.json").read_text())
    for entry in record["samples"][1:3]:
        entry["sample"] = "floats"
    (tmp_path / "events/events.json").write_text(json.dumps(record | {"floating": ["floats"]}))
    limits = Learning(tmp_path, tmp_path / "events").limits
    problem = LimitProblem.of(EventFile.of(tmp_path / "events/events.h5", limits), limits)
    binning = Binning((np.zeros(1),))
    template = problem.with_template(fill(problem, "all", binning, [0]), np.ones(2, dtype=bool)).template
    assert template is not None and template.floating.tolist() == [[False, True, True, False, False, False]]
    events, labels = problem.file.part("all"), np.concatenate([b.labels() for b in problem.file.blocks("all")])
    for k, side in enumerate((events.x[:, 0] < 0.0, events.x[:, 0] >= 0.0)):
        w = events.weights[side & np.isin(labels, [1, 2])]
        np.testing.assert_allclose(template.of_floating[0, k], w.T @ w, rtol=1e-6)


def test_toys_need_balanced_events(tmp_path: Path, toy_events: Path) -> None:
    limits = Learning(tmp_path, toy_events, confidence="toys", event_weights="madminer").limits
    with pytest.raises(StepError, match="toys need morphing and balanced event weights"):
        LimitProblem.of(EventFile.of(toy_events / "events.h5", limits), limits)


def test_tuning_compares_trials_without_toys(tmp_path: Path, toy_events: Path) -> None:
    limits = Learning(tmp_path, toy_events, confidence="toys").limits
    file = EventFile.of(toy_events / "events.h5", limits)
    assert LimitProblem.of(file, limits).toys and not LimitProblem.of(file, limits, partition="validation").toys
