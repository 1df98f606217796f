"""Limits from observed events equal those of MadMiner, and those of the Asimov data for the same events."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.madminer import workarounds
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.closure.declaration import VERDICTS
from mmc.jobs.statistics.observed import read_observed
from mmc.jobs.statistics.problem import LimitProblem

from tests.jobs.learning_jobs import Learning
from tests.jobs.statistics.test_histograms import EDGES, whole_luminosity

GRID = {"grid_ranges": [(-1.0, 1.0)] * 2, "grid_resolutions": [9, 9]}


@pytest.fixture(scope="module")
def events(toy_events: Path) -> np.ndarray:
    """Some events of the toy."""
    return EventFile(toy_events / "events.h5", 0.2, 0.2).part("test").x[:180]


@pytest.fixture(scope="module")
def alices(toy_events: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small estimator."""
    learning = Learning(tmp_path_factory.mktemp("alices"), toy_events)
    return learning.train("alices", learning.sample("alices"))


def write(path: Path, events: np.ndarray, columns: str = "x1,x2,id") -> dict[str, Path]:
    np.savetxt(path, events, delimiter=",", header=columns, comments="", fmt="%.17g")
    return {"observed": path}


@pytest.fixture
def _histograms_of_madminer(monkeypatch: pytest.MonkeyPatch) -> None:
    """MadMiner's own histograms use arguments that numpy 1.24 removed."""
    histogramdd = np.histogramdd
    monkeypatch.setattr(np, "histogramdd", lambda *args, normed, **kwargs: histogramdd(*args, density=normed, **kwargs))


def stock_limits(toy_events: Path, events: np.ndarray, mode: str, **options: Any) -> np.ndarray:
    """MadMiner's ln λ."""
    workarounds.apply()
    from madminer.limits import AsymptoticLimits

    limits = AsymptoticLimits(str(toy_events / "events.h5"))
    found = limits.observed_limits(mode, events, luminosity=20_000.0, n_histo_toys=None, **GRID, **options)
    total = found[3] + found[4]
    return total - total.max()


def our_limits(folder: Path, prefix: str = "observed_") -> np.ndarray:
    ratio = np.load(folder / "limits.npz")[f"{prefix}log_likelihood_ratio"]
    return (ratio - ratio.max()).ravel()  # MadMiner does not count the true point


@pytest.mark.usefixtures("_histograms_of_madminer")
@pytest.mark.parametrize("n_observed", [None, 200])
def test_limits_are_those_of_madminer(
    tmp_path: Path, toy_events: Path, events: np.ndarray, alices: Path, n_observed: int | None
) -> None:
    learning = Learning(tmp_path, toy_events, n_observed=n_observed, event_weights="madminer")
    learning.observed = write(tmp_path / "data.csv", events)
    rate = learning.baseline("rate")
    histogram = learning.histogram(["x1", "x2"], [EDGES] * 2)
    ratio = learning.evaluate("alices", alices)
    number: dict[str, Any] = {"n_observed": n_observed}
    stock = stock_limits(toy_events, events, "rate", **number)
    assert our_limits(rate) == pytest.approx(stock, abs=1e-8)
    bins = {"hist_vars": ["x1", "x2"], "hist_bins": [np.array(EDGES)] * 2}
    stock = stock_limits(toy_events, events, "histo", **bins, **number)
    assert our_limits(histogram) == pytest.approx(stock, abs=1e-5)
    stock = stock_limits(toy_events, events, "ml", model_file=str(alices / "model"), **number)
    assert our_limits(ratio) == pytest.approx(stock, abs=2e-4)
    record = json.loads((ratio / "evaluate.json").read_text())
    assert record["n_observed"] == (n_observed or 180)
    assert set(record["observed"]["intervals"]) == {"c1", "c2"}
    assert record["observed"]["verdict"] in VERDICTS
    assert set(record["observed"]["closure"]["verdicts"]) == {"observed_events", "trained_region"}


def test_observed_limits_of_the_asimov_data_are_the_expected_ones(tmp_path: Path, toy_events: Path) -> None:
    """All likelihoods, with and without the rate; each Asimov event occurs as often as its weight says."""
    near_sm = {name: {"range": [-0.75, 0.75], "points": 7} for name in ("c1", "c2")}
    learning = Learning(tmp_path, toy_events, include_xsec="both", event_weights="madminer", grid=near_sm)
    learning.evaluation["luminosity_pb"] = whole_luminosity(learning)
    problem = LimitProblem.of(EventFile.of(toy_events / "events.h5", learning.limits), learning.limits)
    x, probabilities = problem.asimov
    drawn = np.searchsorted(np.cumsum(probabilities), (np.arange(20_000) + 0.5) / 20_000)
    learning.observed = write(tmp_path / "data.csv", x[drawn])
    learning.evaluation["n_observed"] = round(problem.n_expected)
    sally, alice = (learning.train(method, learning.sample(method)) for method in ("sally", "alice"))
    folders = [
        learning.histogram(["x1", "x2"], [6, 6]),
        learning.evaluate("sally", sally),
        learning.evaluate("sally", sally, job="adaptive", score_likelihood="adaptive-sally", score_bins=[15, 5]),
        learning.evaluate("alice", alice, calibration="normalisation"),
    ]
    for folder in folders:
        for observed, expected in (("observed_", ""), ("observed_without_rate_", "without_rate_")):
            ours = our_limits(folder, expected)
            near = ours > -6.0
            assert our_limits(folder, observed)[near] == pytest.approx(ours[near], abs=0.05)
        record = json.loads(next(folder.glob("*e.json")).read_text())
        assert record["without_rate"]["verdict"] in VERDICTS
        areas = [r["allowed_area"]["0.95"] for r in (record, record["without_rate"])]
        if not record["without_rate"]["touches_edge"]:  # a bad network, whose two regions are far apart
            assert areas[0] <= 1.01 * areas[1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x1,id\n1,2\n", "its first row does not name the observable x2, between commas; it begins with 'x1,id'"),
        ("x1,x2,id,x2\n1,2,3,4\n", "two columns are called x2"),
        ("x1,x2,id\n1,2,3\n1,nan,3\n", "line 3 has 'nan' for x2, which is not a finite number"),
        ("x1,x2,id\n1,2\n", "line 2 has nothing for id, which is not a finite number"),
        ("x1,x2,id\n", "it holds no event"),
    ],
)
def test_refusals(tmp_path: Path, toy_events: Path, text: str, reason: str) -> None:
    learning = Learning(tmp_path, toy_events)
    (tmp_path / "data.csv").write_text(text)
    settings = {**learning.evaluation, "baseline": "rate"}
    line = learning.refusal("baselines", "rate", settings, events=toy_events, observed=tmp_path / "data.csv")
    assert line == f"the observed events of data.csv cannot be used: {reason}"


def test_observed_events_are_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "observed.csv")
    with pytest.raises(StepError, match=r"^the observed events of observed\.csv cannot be read: not a regular file$"):
        read_observed(tmp_path / "observed.csv", ["x"])
