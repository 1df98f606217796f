import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from mmc.jobs.learning.estimators import load_estimator
from mmc.jobs.learning.trained import REACH, common
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.closure.tests.trained_region import TEST
from mmc.jobs.statistics.problem import LimitProblem

from tests.jobs.learning_jobs import Learning


@pytest.mark.parametrize(
    ("mean", "width", "outside", "verdict"),
    [
        (0.0, 1.0 / 3**0.5, 0, "passed"),  # a flat prior in the range, -1 to 1
        (0.0, 0.45, 2, "doubtful"),  # -1 and 1 are farther than 0.9
        (0.0, 0.3, 4, "failed"),  # -0.75 and 0.75 are farther than 0.6
        (0.5, 0.3, 4, "failed"),  # -1 to -0.25 are below -0.1
    ],
)
def test_the_region_is_where_training_samples_are(
    tmp_path: Path, toy_events: Path, mean: float, width: float, outside: int, verdict: str
) -> None:
    problem = LimitProblem.of(EventFile(toy_events / "events.h5", 0.2, 0.2), Learning(tmp_path, toy_events).limits)
    allowed = np.abs(problem.points[:, 0]) < 0.1  # nine points: c1 = 0 and c2 = -1, -0.75, … 1
    limits = problem.limits(np.where(allowed, 0.0, -100.0 / problem.n_expected), rate=False)
    trained = np.array([0.0, mean]), np.array([0.6, width])
    figures = TEST.measure(Evidence(replace(problem, trained=trained), limits))
    found, reason = TEST.grade(figures, Evidence(problem, limits))
    assert figures["trained_region"]["outside"] == pytest.approx(outside / 9.0)
    assert found == verdict and ("hardly any training samples: c2 = " in reason) == (verdict != "passed")
    assert not TEST.is_made(TEST.measure(Evidence(problem, limits)))


def test_without_morphing_the_points_between_benchmarks_count(tmp_path: Path, toy_events: Path) -> None:
    """Samples at c1 = 0 and ±0.1: of -1, -0.75, … 1, only 0 is among them. The benchmarks 0, 1 and -1 are left out."""
    folder = tmp_path / "events"
    shutil.copytree(toy_events, folder)
    with h5py.File(folder / "events.h5", "r+") as file:
        del file["morphing"]
    problem = LimitProblem.of(EventFile(folder / "events.h5", 0.2, 0.2), Learning(tmp_path, folder).limits)
    limits = problem.limits(np.where(problem.points[:, 1] == 0.0, 0.0, -100.0 / 200.0), rate=False)
    own = replace(problem, trained=(np.zeros(2), np.array([0.1, 0.1])))
    figures = TEST.measure(Evidence(own, limits))
    assert figures["trained_region"]["outside"] == pytest.approx(1.0)
    assert figures["trained_region"]["distance"] == pytest.approx(7.5)


def test_a_network_knows_the_parameters_of_its_samples(tmp_path: Path, toy_events: Path) -> None:
    learning = Learning(tmp_path, toy_events)
    prior = {"random": {"n": 1000, "priors": {"c1": {"gaussian": [0.2, 0.1]}, "c2": {"flat": [-1.0, 0.0]}}}}
    for method, points in (("carl", {"theta0": prior}), ("sally", {})):
        model = learning.train(method, learning.sample(method, **points), n_epochs=1)
        trained = load_estimator(model).trained
        if method == "sally":
            assert trained is None
        else:
            assert trained is not None
            assert trained[0] == pytest.approx([0.2, -0.5], abs=0.03)
            assert trained[1] == pytest.approx([0.1, 12**-0.5], rel=0.1)


def test_a_network_with_unscaled_parameters_does_not_know_them(tmp_path: Path, toy_events: Path) -> None:
    """MadMiner then saves no scaling, and mmc the unit of each parameter, which is no standard deviation."""
    learning = Learning(tmp_path, toy_events)
    samples = learning.sample("carl")
    assert load_estimator(learning.train("carl", samples, n_epochs=1)).trained is not None
    assert (
        load_estimator(learning.train("carl", samples, n_epochs=1, scale_parameters=False, job="raw")).trained is None
    )
    for kind in ("morphing_aware_ratio", "double_parameterized_ratio"):
        own = learning.sample("alice", estimator=kind)
        model = learning.train("alice", own, job=kind, estimator=kind, n_epochs=1)
        assert load_estimator(model, np.zeros(2)).trained is None


def test_samples_of_several_networks_reach_as_far_as_all_do() -> None:
    """To two standard deviations: [-2, 2] and [0, 4], and [0, 8]."""
    regions = [
        (np.array([0.0]), np.array([1.0])),
        (np.array([2.0]), np.array([1.0])),
        (np.array([4.0]), np.array([2.0])),
    ]
    assert common(regions[:1]) == regions[0]
    mean, width = common(regions)
    assert (mean - REACH * width, mean + REACH * width) == (pytest.approx([0.0]), pytest.approx([2.0]))
