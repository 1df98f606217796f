"""Scans and simulated experiments of the likelihoods of a toy, beside the grid."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from mmc.compiler.settings.baselines import BaselineSettings
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.baselines import LIKELIHOODS, density
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.scanning.surface import expected_surface, surfaces
from mmc.jobs.statistics.summaries import Summaries

from tests.jobs.learning_jobs import Learning
from tests.jobs.steps.test_report import SCHEMA, Page

BASELINES: dict[str, dict[str, Any]] = {
    "rate": {},
    "histogram": {"observables": ["x1", "x2"], "bins": [6, 6]},
    "truth": {},
}
RANGES = {"c1": [-1.0, 1.0], "c2": [-1.0, 1.0]}


def record(folder: Path, name: str = "baseline.json") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / name).read_text())
    return content


@pytest.mark.parametrize("baseline", BASELINES)
def test_scans_give_the_intervals_of_a_fine_grid(tmp_path: Path, toy_events: Path, baseline: str) -> None:
    learning = Learning(tmp_path, toy_events, ranges=RANGES, scans=[{"over": ["c1"], "points": 9}])
    learning.evaluation["theta_true"] = {"c1": 0.1, "c2": 0.0}
    learning.evaluation["grid"] = {
        "c1": {"range": [-1.0, 1.0], "points": 41},
        "c2": {"range": [-1.0, 1.0], "points": 41},
    }
    found = record(learning.baseline(baseline, **BASELINES[baseline]))
    (scan,) = found["scans"]["scans"]
    for level in ("0.68", "0.95"):
        assert scan["intervals"][level] == [pytest.approx(ends, abs=0.012) for ends in found["intervals"]["c1"][level]]
        if baseline != "rate":
            assert found["scans"]["fit"]["minos"]["c1"][level] == pytest.approx(scan["intervals"][level][0], abs=0.003)
    assert found["scans"]["fit"]["best_fit"] == pytest.approx({"c1": 0.1, "c2": 0.0}, abs=0.005) or baseline == "rate"
    assert found["closure"]["verdicts"]["minimum"] == "passed"


@pytest.mark.parametrize("baseline", BASELINES)
def test_without_a_grid_the_ends_of_intervals_have_the_errors_of_a_fine_grid(
    tmp_path: Path, toy_events: Path, baseline: str
) -> None:
    """From the numbers of events and the integration of the cross sections, of a profile and of MINOS."""
    events, found = shutil.copytree(toy_events, tmp_path / "events"), []
    content = json.loads((events / "events.json").read_text())
    content["samples"][1]["integration_error"] = 0.05
    (events / "events.json").write_text(json.dumps(content))
    for grid in ({name: {"range": [-0.8, 0.8], "points": 41} for name in RANGES}, {}):
        learning = Learning(tmp_path / f"{len(grid)}", events, ranges=RANGES, scans=[{"over": ["c1"], "points": 9}])
        learning.evaluation |= {"theta_true": {"c1": 0.1, "c2": 0.0}, "grid": grid}
        found.append(record(learning.baseline(baseline, **BASELINES[baseline]))["interval_errors"])
    on_grid, alone = found
    assert set(alone) == {"c1", "c2"} - ({"c2"} if baseline == "rate" else set())  # a rate has no MINOS intervals
    for name, levels in alone.items():
        assert set(levels) == {"0.68", "0.95"}
        for level, errors in levels.items():
            np.testing.assert_allclose(errors, on_grid[name][level], rtol=0.02)


@pytest.mark.parametrize("method", ["sally", "carl"])
def test_without_a_grid_estimators_are_scanned_and_tested(tmp_path: Path, toy_events: Path, method: str) -> None:
    scans = [{"over": ["c1"], "points": 5}, {"over": ["c1", "c2"], "points": 3}]
    learning = Learning(tmp_path, toy_events, ranges=RANGES)
    model = learning.train(method, learning.sample(method))
    calibration = {"calibration": "normalisation"} if method == "carl" else {}
    on_grid = record(learning.evaluate(method, model, job="grid", **calibration), "evaluate.json")
    learning.evaluation |= {"grid": {}, "scans": scans}
    folder = learning.evaluate(method, model, **calibration)
    found = record(folder, "evaluate.json")
    (low, high), (grid_low, grid_high) = found["intervals"]["c1"]["0.68"][0], on_grid["intervals"]["c1"]["0.68"][0]
    assert (low, high) == pytest.approx((grid_low, grid_high), abs=0.06)  # a grid of 9 points
    assert found["allowed_area"] == {} and found["intervals"]["c2"]["0.95"]
    assert {"minimum", "mean_ratio", "joint", "area"} <= set(found["closure"]["verdicts"])
    assert "coverage" not in found["closure"]["verdicts"]
    report = learning.report(formats=["svg"], limits=[folder], events=[toy_events])
    content = record(report, "results.json")
    jsonschema.validate(content, SCHEMA)
    assert {"scan_1_c1", "scan_2_c1_c2"} <= set(content["figures"])
    text = Page((report / "index.html").read_text(encoding="utf-8")).text
    assert f"Correlation at the best fit of {method}" in text and "allowed at" not in text


def test_simulated_experiments_have_the_spread_and_the_coverage_of_the_fit(tmp_path: Path, toy_events: Path) -> None:
    toys = {"at": {"c1": 0.1, "c2": 0.0}, "repeat": 200, "events": "poisson"}
    scans = [{"over": ["c1"], "points": 3}]
    learning = Learning(tmp_path, toy_events, ranges=RANGES, scans=scans, experiments=toys)
    learning.evaluation["theta_true"] = toys["at"]
    found = record(learning.baseline("histogram", **BASELINES["histogram"]))
    data, errors = found["pseudo_data"], found["scans"]["fit"]["errors"]
    assert data["mean_events"] == pytest.approx(found["n_expected"], abs=4.0 * (found["n_expected"] / 200) ** 0.5)
    for name, error in errors.items():
        assert data["best_fit"]["standard_deviation"][name] == pytest.approx(error, rel=0.15)
        assert data["best_fit"]["mean"][name] == pytest.approx(toys["at"][name], abs=4.0 * error / 200**0.5)
    for entry in data["coverage"]:
        for coverage in (entry["region"], *entry["intervals"].values()):
            assert coverage == pytest.approx(
                entry["level"], abs=3.5 * (entry["level"] * (1.0 - entry["level"]) / 200) ** 0.5
            )
    assert found["closure"]["verdicts"]["pseudo_data"] == "passed"


def test_experiments_with_a_fixed_number_of_events_do_not_fluctuate_in_the_rate(
    tmp_path: Path, toy_events: Path
) -> None:
    toys = {"at": {"c1": 0.1, "c2": 0.0}, "repeat": 20, "events": "fixed"}
    learning = Learning(tmp_path, toy_events, ranges=RANGES, experiments=toys)
    folder = learning.baseline("rate")
    found = record(folder)
    assert found["pseudo_data"]["mean_events"] == round(found["pseudo_data"]["mean_events"])
    assert found["pseudo_data"]["coverage"][0]["region"] == 1.0  # the rate does not fluctuate
    report = learning.report(formats=["svg"], baseline=[folder], events=[toy_events])
    content = record(report, "results.json")
    jsonschema.validate(content, SCHEMA)
    assert content["baselines"][0]["pseudo_data"] == found["pseudo_data"]


def test_scans_without_bins_have_the_error_of_the_simulation_of_the_grid(tmp_path: Path, toy_events: Path) -> None:
    """Also the integration of one of the samples, which changes the distribution; in each direction by another part."""
    events, found = shutil.copytree(toy_events, tmp_path / "events"), []
    for integration in (0.0, 0.1):
        content = json.loads((events / "events.json").read_text())
        content["samples"][1]["integration_error"] = integration
        (events / "events.json").write_text(json.dumps(content))
        learning = Learning(tmp_path / f"{integration}", events, ranges=RANGES, luminosity_pb=400_000.0)
        learning.evaluation["grid"] = {name: {"range": [-0.05, 0.05], "points": 3} for name in RANGES}
        limits = learning.limits
        problem = LimitProblem.of(EventFile.of(events / "events.h5", limits), limits)
        settings = BaselineSettings(limits=limits, baseline="truth")
        grid = LIKELIHOODS["truth"](problem, settings, np.random.default_rng(1))[0].limits
        own = expected_surface(*density(problem, settings))
        around = np.arange(10) % 5 != 4  # at the true point, the fourth and the last, both are averages over others
        np.testing.assert_allclose(own.widening(problem.points)[around], 1.0 + grid.per_simulated[around], rtol=0.02)
        found.append(float(grid.per_simulated[-1]))
    assert found[1] > 1.2 * found[0] > 0.4


def test_scans_of_the_truth_leave_observed_events_out(tmp_path: Path, toy_events: Path) -> None:
    """Their latent variables are not known; the rate is scanned with them."""
    limits = Learning(tmp_path, toy_events, ranges=RANGES).limits
    problem = LimitProblem.of(EventFile.of(toy_events / "events.h5", limits), limits)
    observed = replace(problem, observed=Summaries(np.zeros((5, 3)), np.full(5, 0.2)), n_observed=5.0)
    each = {name: density(observed, BaselineSettings(limits=limits, baseline=name)) for name in ("rate", "truth")}
    found = {name: set(surfaces(*own, expected_surface(*own))) for name, own in each.items()}
    assert found == {"rate": {"", "observed"}, "truth": {""}}
