"""Limits of other studies, on the grid of this one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.statistics.limits import Grid, save_arrays
from mmc.jobs.statistics.other_study import likelihood_of, part_of, record_of

from tests.jobs.learning_jobs import Learning

GRID = Grid({"c1": np.linspace(-0.5, 0.5, 5), "c2": np.linspace(-0.4, 0.4, 4)}, (0.1, 0.0))
RECORD: dict[str, Any] = {
    "name": "sally",
    "grid": "limits_sally.npz",
    "verdict": "passed",
    "reasons": [],
    "n_expected": 70.0,
    "luminosity_pb": 1.0,
    "theta_true": {"c1": 0.1, "c2": 0.0},
    "degrees_of_freedom": 2,
}
RESULTS = {"baselines": [], "methods": [RECORD]}


def _log(c1: Any, c2: Any) -> Any:
    return -3.0 * (c1 - 0.1) ** 2 - (c1 - 0.1) * c2 - 2.0 * c2**2


def _arrays() -> dict[str, Any]:
    """The limits of a study with another grid, whose parameters are in another order."""
    c2, c1 = np.linspace(-1.0, 1.0, 9), np.linspace(-1.0, 1.0, 11)
    return {"axis_c2": c2, "axis_c1": c1, "log_likelihood_ratio": _log(c1[np.newaxis], c2[:, np.newaxis])}


def test_the_likelihood_of_another_study() -> None:
    found = likelihood_of(record_of(RESULTS, "limits_sally.npz", "run_1"), _arrays(), GRID, "run_1")
    points = np.concatenate([GRID.points, [[0.1, 0.0]]])
    np.testing.assert_allclose(found.limits[""].log_likelihood, _log(*points.T), atol=1e-3)
    assert found.n == {"": 70.0} and found.limits[""].n_measured is None and not found.has_bins
    rate = likelihood_of({**RECORD, "degrees_of_freedom": 1}, _arrays(), GRID, "run_1")
    assert rate.limits[""].n_measured == 1


def test_what_is_not_of_the_same_parameters_is_refused() -> None:
    with pytest.raises(StepError, match=r"run_1: its results have no limits 'x.npz'; they have limits_sally.npz"):
        record_of(RESULTS, "x.npz", "run_1")
    with pytest.raises(StepError, match="these are not the results of a study: 'verdict' is missing"):
        record_of({"baselines": [{"grid": "x"}], "methods": []}, "x", "run_1")
    with pytest.raises(StepError, match="run_1: its true point is"):
        part_of(RECORD, "run_1", {"c1": 0.0, "c2": 0.0})
    with pytest.raises(StepError, match="run_1: its grid is over"):
        likelihood_of(RECORD, _arrays(), Grid({"c1": np.zeros(2)}, (0.0,)), "run_1")
    wide = Grid({"c1": np.linspace(-2.0, 1.0, 4), "c2": np.linspace(0.0, 1.0, 3)}, (0.0, 0.0))
    with pytest.raises(StepError, match="its grid of c1 is from -1 to 1, and that of this study from -2 to 1"):
        likelihood_of(RECORD, _arrays(), wide, "run_1")


def test_a_rate_with_the_limits_of_another_study(toy_events: Path, tmp_path: Path) -> None:
    learning = Learning(tmp_path / "run", toy_events)
    rate = learning.baseline("rate", "rate.all", group="combine", combined=True)
    record = {**RECORD, "theta_true": {"c1": 0.0, "c2": 0.0}}
    (tmp_path / "results.json").write_text(json.dumps({"baselines": [], "methods": [record]}))
    axis = np.linspace(-1.0, 1.0, 9)
    other = -5.0 * axis[:, np.newaxis] ** 2 - 8.0 * axis[np.newaxis] ** 2
    save_arrays(tmp_path / "other.npz", {"axis_c1": axis, "axis_c2": axis, "log_likelihood_ratio": other})
    settings = {
        **learning.evaluation,
        "combination": "energies",
        "of": [{"stage": "baselines", "job": "rate.all", "group": "combine"}],
        "others": [{"name": "run_1", "results": "results", "limits": "limits", "file": "limits_sally.npz"}],
    }
    files = {"results": tmp_path / "results.json", "limits": tmp_path / "other.npz"}
    out = learning.run("combinations", "energies", settings, events=[toy_events], baseline=[rate], **files)
    found = json.loads((out / "combination.json").read_text())
    assert [part["name"] for part in found["of"]] == ["rate.all", "run_1"] and found["of"][1]["other"] is True
    assert found["degrees_of_freedom"] == 2 and found["best_fit"] == pytest.approx({"c1": 0.0, "c2": 0.0}, abs=0.01)
    own, both = (np.load(path / "limits.npz")["log_likelihood_ratio"] for path in (rate, out))
    factor = 1.0 + json.loads((rate / "baseline.json").read_text())["events_per_simulated_event"]
    inside = (own > -3.0) & (own < -1e-6)
    q = own[inside] * factor, other[inside]
    mean = (q[0] * factor + q[1]) / (q[0] + q[1])  # the factor of the rate hardly depends on the point
    np.testing.assert_allclose(both[inside], (q[0] + q[1]) / mean, rtol=0.03)

    assert found["warnings"] == []
    steep = {"axis_c1": axis, "axis_c2": axis, "log_likelihood_ratio": 1e4 * other}
    save_arrays(tmp_path / "other.npz", steep)
    out = learning.run("combinations", "steep", settings, events=[toy_events], baseline=[rate], **files)
    (text,) = json.loads((out / "combination.json").read_text())["warnings"]
    assert "the grid does not resolve the confidence region at 68% and 95%" in text
