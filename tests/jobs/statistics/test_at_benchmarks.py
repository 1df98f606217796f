"""Without morphing, a wrong ratio is noticed at the benchmarks, with and without joint ratios."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mmc.compiler.settings.encoding import from_json
from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.ratio import ratio_result

from tests.jobs.learning_jobs import Learning
from tests.jobs.toy_events import SIGMA, cross_section, squared_amplitude, write_events

Ratio = Callable[..., Any]


def exact(points: Any, x: Any, _nu: Any = None) -> Any:
    """ln r(x | θ) to θ = 0 of the toy, whose observables see everything."""
    return np.stack([np.log(squared_amplitude(x, point) * SIGMA / cross_section(point)) for point in points])


@pytest.fixture(scope="module", params=["joint", "sampled", "partly"])
def events(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Events at c1 = 0, 1 and -1 without morphing; `sampled` ones have a weight at their own benchmark alone,
    a third of `partly` reweighted ones too."""
    folder = write_events(tmp_path_factory.mktemp("events") / "events", 1, 40_000, smearing=0.0)
    with h5py.File(folder / "events.h5", "r+") as file:
        del file["morphing"]
        if request.param == "sampled":
            origin, weights = file["samples/sampling_benchmarks"][()], file["samples/weights"]
            weights[...] = np.where(origin[:, np.newaxis] == np.arange(3), weights[()], 0.0)
        if request.param == "partly":
            origin, weights = file["samples/sampling_benchmarks"][()], file["samples/weights"]
            alone = (np.arange(len(origin)) % 3 == 0)[:, np.newaxis]
            weights[...] = np.where(alone & (origin[:, np.newaxis] != np.arange(3)), 0.0, weights[()])
    return folder


def found(tmp_path: Path, events: Path, ratio: Ratio, points: int = 21, **limits: Any) -> Any:
    """The result with a ratio that is divided by its mean."""
    grid = {"c1": {"range": [-1.0, 1.0], "points": points}}
    learning = Learning(tmp_path, events, 1, **{"include_xsec": False, "luminosity_pb": 1e4, "grid": grid} | limits)
    settings = from_json(EvaluateSettings, learning.evaluate_settings("alice", calibration="normalisation"))
    problem = LimitProblem.of(EventFile.of(events / "events.h5", settings.own_limits), settings.own_limits)
    return ratio_result(problem, settings, ratio, np.random.default_rng(1))


@pytest.mark.parametrize("points", [3, 20])  # a grid of the benchmarks, and one that has none of them but the ends
def test_the_exact_ratio_passes(tmp_path: Path, events: Path, points: int) -> None:
    verdict = found(tmp_path, events, exact, points).verdict
    assert verdict.verdict == "passed", verdict.reasons
    made = set(verdict.figures["verdicts"])
    with h5py.File(events / "events.h5") as file:
        has_joint = (file["samples/weights"][()] != 0.0).all()
    assert {"reweighting", "calibration_curve", "classifier"} <= made
    assert ("joint" in made) == has_joint
    assert {entry["theta"]["c1"] for entry in verdict.figures["reweighted"]} == {-1.0, 1.0}


@pytest.mark.parametrize("factor", [-1.0, 0.1, 2.0])
def test_a_wrong_ratio_with_the_right_mean_fails(tmp_path: Path, events: Path, factor: float) -> None:
    """With the other sign, nearly nothing learned, and too steep: all have the mean 1 and contain the true point."""
    verdict = found(tmp_path, events, lambda points, x, nu=None: factor * exact(points, x)).verdict
    assert verdict.figures["verdicts"]["true_point"] == verdict.figures["verdicts"]["mean_ratio"] == "passed"
    assert verdict.verdict == "failed"
    assert any(" at c1 = " in reason or " to c1 = " in reason or "slope" in reason for reason in verdict.reasons)


def test_a_benchmark_far_outside_is_judged_for_as_many_events_as_reach_it(tmp_path: Path, events: Path) -> None:
    """A ratio that is wrong by 3 % is as harmless with a hundred times the events, whose region is much smaller."""
    near, far = (
        found(tmp_path, events, lambda points, x, nu=None: 1.03 * exact(points, x), luminosity_pb=luminosity)
        for luminosity in (1e4, 1e6)
    )
    assert far.limits.allowed_area(0.95) < 0.2 * near.limits.allowed_area(0.95)
    for result in (near, far):
        assert result.verdict.figures["verdicts"]["reweighting"] == "passed"


def test_the_true_point_is_compared_if_it_is_not_the_denominator(tmp_path: Path, events: Path) -> None:
    verdict = found(
        tmp_path, events, lambda points, x, nu=None: 0.0 * exact(points, x) + 0.1 * x.T, theta_true={"c1": 1.0}
    ).verdict
    assert 1.0 in {entry["theta"]["c1"] for entry in verdict.figures["reweighted"]}
    assert verdict.verdict == "failed"
