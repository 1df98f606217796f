"""Score methods that learn the score of nuisance parameters too."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.compiler.settings.encoding import from_json
from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.jobs.learning.estimators import load_estimator
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.score import profiling

from tests.jobs.learning_jobs import Learning
from tests.jobs.toy_events import tilt

PROFILE: dict[str, Any] = {"nuisance_mode": "profile"}
FEATURES = ["x1", "x2"]


class Profiled(Learning):
    """Learning jobs of score methods with a profiled score."""

    def train_settings(self, method: str, *args: Any, **changes: Any) -> dict[str, Any]:
        return {**super().train_settings(method, *args, **changes), **PROFILE}

    def evaluate_settings(self, method: str, **changes: Any) -> dict[str, Any]:
        return {**super().evaluate_settings(method, **changes), **PROFILE}


@pytest.fixture(scope="module")
def trained(uncertain: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Profiled, Path]:
    """SALLY on the toy with uncertainties."""
    learning = Profiled(tmp_path_factory.mktemp("profiled"), uncertain, systematics="profile")
    samples = learning.sample("sally", samples=30_000, validation_samples=5_000)
    return learning, learning.train("sally", samples, features=FEATURES, n_hidden=[32], n_epochs=15)


def test_the_score_of_nuisance_parameters_is_learned(trained: tuple[Profiled, Path]) -> None:
    """The score of the rate is 0, because scores are those of normalised densities; the score of `tilt` is known."""
    learning, model = trained
    file = EventFile(learning.events / "events.h5", 0.2, 0.2)
    events = file.part("test", np.zeros(2))
    scores = load_estimator(model).score(events.x)
    assert scores.shape == (len(events.x), 4)
    joint = file.joint_scores(events, np.zeros(2), file.slopes("test", np.zeros(2)))
    assert joint.shape == scores.shape
    p = events.probabilities(file.coefficients(np.zeros((1, 2)))[0])
    assert p @ joint == pytest.approx(0.0, abs=1e-9)
    assert joint[:, 2] == pytest.approx(0.0, abs=1e-9)
    true = 1.1 * tilt(events.x)  # half the difference between its effects at 1 and at -1
    assert joint[:, 3] == pytest.approx(true - p @ true, abs=1e-6)
    assert np.abs(scores[:, 2]).mean() < 0.02
    assert np.abs(scores[:, 3] - joint[:, 3]).mean() < 0.02 < 0.2 * np.abs(joint[:, 3]).mean() + 0.01
    assert json.loads((model / "train.json").read_text())["nuisance_mode"] == "profile"


def test_the_profiled_score_is_that_of_madminer(trained: tuple[Profiled, Path]) -> None:
    """MadMiner gets the same information, including the constraint of the nuisance parameters."""
    learning, model = trained
    file = EventFile(learning.events / "events.h5", 0.2, 0.2)
    settings = from_json(EvaluateSettings, learning.evaluate_settings("sally"))
    problem, estimator = LimitProblem.of(file, settings.limits), load_estimator(model)
    events = file.part("validation")
    weights = events.weights @ problem.true_coefficients
    slopes = np.hstack([events.weights @ file.gradients(np.zeros(2)).T, weights[:, None] * file.slopes("validation")])
    scores = estimator.score(events.x)
    centred = scores - weights @ scores / weights.sum()
    rate = np.outer(slopes.sum(axis=0), slopes.sum(axis=0)) / weights.sum()
    information = 20_000.0 * ((centred * weights[:, None]).T @ centred + rate) + np.diag([0.0, 0.0, 1.0, 1.0])
    stock = estimator.members[0].madminer
    stock.set_nuisance(information, [0, 1])
    expected = stock.evaluate_score(events.x[:200], nuisance_mode="profile")
    projection = profiling(problem, settings, estimator)
    assert scores[:200] @ projection.T == pytest.approx(expected, abs=1e-4)
    assert np.abs(projection[:, 3]).max() > 0.1


def test_limits_and_information_of_the_profiled_score(trained: tuple[Profiled, Path]) -> None:
    """The closure tests pass. The nuisance parameters take away some of the information, but not all."""
    learning, model = trained
    folder = learning.evaluate("sally", model, score_bins=4)
    record = json.loads((folder / "evaluate.json").read_text())
    assert record["verdict"] == "passed", record["reasons"]
    assert len(record["closure"]["mean_score"]["mean"]) == len(record["closure"]["joint"]["each"]) == 2
    assert record["with_systematics"]["allowed_fraction"]["0.95"] < 0.3
    full = record["fisher_information"]["full"]
    known, profiled = np.array(full["matrix"]), np.array(full["profiled"])
    assert known.shape == profiled.shape == (2, 2)
    assert np.linalg.eigvalsh(known - profiled).min() > -1e-6
    assert 0.2 < profiled[0, 0] / known[0, 0] < 0.95
    assert profiled[1, 1] == pytest.approx(known[1, 1], rel=0.05)  # `tilt` is along the first observable
    arrays = np.load(folder / "fisher.npz")
    assert arrays["full"].tolist() == full["matrix"] and arrays["full_profiled"].tolist() == full["profiled"]


def test_a_plain_score_knows_nothing_of_them(trained: tuple[Profiled, Path], tmp_path: Path) -> None:
    """Both are trained on the same samples."""
    learning, _ = trained
    plain = Learning(tmp_path, learning.events, systematics="profile")
    samples = learning.path / "sample" / "sally"
    own = plain.train("sally", samples, features=FEATURES, n_hidden=[32], n_epochs=15)
    assert load_estimator(own).score(np.zeros((1, 3))).shape == (1, 2)
    found = json.loads((plain.evaluate("sally", own, score_bins=4) / "evaluate.json").read_text())
    assert "profiled" not in found["fisher_information"]["full"]
    assert found["verdict"] == "passed", found["reasons"]


def test_an_ensemble_of_sallino(uncertain: Path, tmp_path: Path) -> None:
    learning = Profiled(tmp_path, uncertain, luminosity_pb=5_000.0)
    samples = learning.sample("sallino", samples=10_000)
    models = [
        learning.train("sallino", samples, seed=seed, job=f"member-{seed}", features=FEATURES, n_epochs=8)
        for seed in (1, 2)
    ]
    record = json.loads((learning.evaluate("sallino", models, score_bins=6) / "evaluate.json").read_text())
    assert record["verdict"] != "failed", record["reasons"]
    assert record["ensemble"]["members"] == 2 and "profiled" in record["fisher_information"]["full"]


def test_samples_without_nuisance_parameters(toy_events: Path, tmp_path: Path) -> None:
    learning = Profiled(tmp_path, toy_events)
    samples = learning.sample("sally")
    line = learning.refusal("train", "sally", learning.train_settings("sally"), samples=samples)
    assert line == "the samples have no nuisance parameters to profile: remove `nuisance_mode` of the method"
