import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mmc.compiler.catalogue.baselines import names_of_limits
from mmc.jobs.statistics.baselines import LIKELIHOODS

from tests.jobs.learning_jobs import Learning
from tests.jobs.toy_events import SIGMA, A, write_events


def record(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "baseline.json").read_text())
    return content


def test_every_baseline_that_has_limits_has_a_likelihood() -> None:
    assert set(LIKELIHOODS) == set(names_of_limits())


@pytest.mark.parametrize("parameters", [1, 2, 3])
def test_a_histogram_says_more_than_the_rate(tmp_path: Path, parameters: int) -> None:
    learning = Learning(tmp_path, write_events(tmp_path / "events", parameters), parameters)
    rate, histogram = record(learning.baseline("rate")), record(learning.histogram(["x1"], [10]))
    assert rate["degrees_of_freedom"] == 1 and histogram["degrees_of_freedom"] == parameters
    assert rate["p_true"] == 1.0 and rate["closure"]["mean_ratio"] is None
    assert histogram["p_true"] > 0.2 and histogram["verdict"] == "passed"
    assert histogram["allowed_fraction"]["0.95"] < rate["allowed_fraction"]["0.95"]
    arrays = np.load(tmp_path / "baselines" / "histogram" / "limits.npz")
    assert arrays["p_values"].shape == (9,) * parameters
    assert len(arrays["edges_x1"]) == 9


def test_nothing_beats_the_truth_and_the_truth_is_itself(tmp_path: Path, toy_events: Path) -> None:
    learning = Learning(tmp_path, toy_events)
    histogram, truth = record(learning.histogram(["x1", "x2"], [6, 6])), record(learning.baseline("truth"))
    assert truth["verdict"] == "passed"
    assert truth["p_true"] == pytest.approx(1.0, abs=1e-5)  # the best fit lies between the points of the grid
    assert truth["closure"]["area"]["ratio"] == 1.0 and truth["closure"]["area"]["error"] == 0.0
    of_truth = truth["closure"]["area"]["truth_allowed_fraction"]
    assert of_truth == histogram["closure"]["area"]["truth_allowed_fraction"]
    assert truth["infinite_simulation"]["allowed_fraction"]["0.95"] == pytest.approx(of_truth["0.95"], rel=0.2)
    assert histogram["closure"]["area"]["ratio"] > 1.0 and histogram["closure"]["verdicts"]["area"] == "passed"


def test_a_histogram_has_the_shape_even_without_the_rate(tmp_path: Path, toy_events: Path) -> None:
    learning = Learning(tmp_path, toy_events, include_xsec=False)
    with_shape = record(learning.histogram(["x1", "x2"], [6, {"n": 6, "range": [-2.0, 2.0], "scale": "linear"}]))
    assert with_shape["allowed_fraction"]["0.95"] < 0.5
    assert with_shape["bins"] == [6, {"n": 6, "range": [-2.0, 2.0], "scale": "linear"}]
    assert record(learning.baseline("rate"))["allowed_fraction"]["0.95"] < 1.0  # the rate itself is always on


def test_fisher_information(tmp_path: Path) -> None:
    """At θ = 0 the score is 2 a z: a histogram in z1 sees nearly all of its first component, the rate nothing."""
    learning = Learning(tmp_path, write_events(tmp_path / "events", 2, 20_000, smearing=0.0))
    found = record(learning.baseline("fisher", observable="x1", bins=40))
    expected = 20_000.0 * SIGMA * 4 * A**2
    truth, rate, histogram = (np.array(found["information"][k]["matrix"]) for k in ("truth", "rate", "histogram"))
    errors = np.array(found["information"]["truth"]["standard_errors"])
    assert np.all(np.abs(truth - expected * np.eye(2)) < 4 * errors)
    assert rate == pytest.approx(0.0, abs=0.02 * expected)
    assert histogram[0, 0] == pytest.approx(expected, rel=0.15)
    assert histogram[1, 1] == pytest.approx(0.0, abs=0.05 * expected)
    arrays = np.load(tmp_path / "baselines" / "fisher" / "fisher.npz")
    assert arrays["truth"] == pytest.approx(truth)
    assert arrays["truth_covariance"].shape == (2, 2, 2, 2)


@pytest.mark.parametrize(
    "bins",
    [[-1.0, 0.0, 1.0], {"n": 4, "range": [-2.0, 2.0], "scale": "linear"}, {"n": 3, "range": [0.1, 10], "scale": "log"}],
)
def test_binnings_of_the_fisher_information(tmp_path: Path, toy_events: Path, bins: Any) -> None:
    learning = Learning(tmp_path, toy_events, theta_true={"c1": 0.5, "c2": 0.0})
    information = record(learning.baseline("fisher", observable="x1", bins=bins))["information"]
    assert information["rate"]["matrix"][0][0] < information["histogram"]["matrix"][0][0]
    assert information["histogram"]["matrix"][0][0] < information["truth"]["matrix"][0][0]


def test_fisher_information_without_a_histogram(tmp_path: Path, toy_events: Path) -> None:
    found = record(Learning(tmp_path, toy_events).baseline("fisher", observable=None, bins=10))
    assert set(found["information"]) == {"truth", "rate"}


def test_a_histogram_that_knows_nothing_is_refused(tmp_path: Path) -> None:
    events = write_events(tmp_path / "events", 2, 1000, ids=True)
    with h5py.File(events / "events.h5", "r+") as file:
        file["samples/observations"][::10, 2] = np.nan
    learning = Learning(tmp_path / "learning", events)

    def refusal(name: str, bins: Any) -> list[str]:
        histogram = {"baseline": "histogram", "observables": [name], "bins": [bins]}
        fisher = {"baseline": "fisher", "observable": name, "bins": bins}
        settings = ({**learning.evaluation, **own} for own in (histogram, fisher))
        return [learning.refusal("baselines", "refused", own, events=events) for own in settings]

    for line in refusal("id", 5):
        assert line.startswith("the observable id is not a finite number in 100 of 1,000 events")
    for line in refusal("x1", {"n": 5, "range": [50.0, 60.0], "scale": "linear"}):
        assert line.startswith("all events are in one of 5 bins: change the bins; the values are -")
    for line in refusal("x1", 300):
        assert "of the cross section is in bins with fewer than 10 effective events (300 bins, " in line


def test_refusals(tmp_path: Path, toy_events: Path) -> None:
    learning = Learning(tmp_path, toy_events)
    for own in (
        {"baseline": "histogram", "observables": ["pt"], "bins": [5]},
        {"baseline": "fisher", "observable": "pt", "bins": 5},
    ):
        settings = {**learning.evaluation, **own}
        line = learning.refusal("baselines", "pt", settings, events=toy_events)
        assert line == "the event file has no observable pt: its observables are x1, x2, id"
