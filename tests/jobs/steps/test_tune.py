"""The choice among trials: on records made up, and for real, with events that no test sees."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.job import StepJob
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.limits import Grid, LimitProblem, Limits
from mmc.jobs.steps.tune import Trial, rank
from mmc.jobs.tuning.criteria import Judgement, judge_of, validation_loss, volume

from tests.jobs.learning_jobs import Learning
from tests.jobs.physics import names

RATES = {"alices.scan-0": 0.003, "alices.scan-1": 1e-5}


@pytest.fixture(scope="module")
def learning(tmp_path_factory: pytest.TempPathFactory, toy_events: Path) -> Learning:
    return Learning(tmp_path_factory.mktemp("learning"), toy_events)


@pytest.fixture(scope="module")
def trials(learning: Learning) -> list[Path]:
    """A training that learns, and one that hardly starts."""
    samples = learning.sample("alices")
    models = []
    for job, rate in RATES.items():
        settings = learning.train_settings("alices", n_epochs=6, initial_lr=rate, final_lr=rate)
        settings |= {"scan": {"initial_lr": rate}, "trial": True}
        models.append(learning.run("train", job, settings, samples=samples))
    return models


def tune_settings(learning: Learning, criterion: str, jobs: list[str]) -> dict[str, Any]:
    tuning = {"search": "grid", "criterion": criterion, "train_jobs": {job: [job] for job in jobs}}
    return {**learning.evaluate_settings("alices"), **tuning}


def trial(name: str, judgement: Judgement | None) -> Trial:
    return Trial(name, {}, [Path(name)], 1.0, 1, judgement, "" if judgement else "the loss is not finite")


def test_the_smallest_is_the_best_and_the_first_of_two_as_good() -> None:
    made = [trial("a", Judgement(2.0, 2.0)), trial("b", Judgement(1.0, 1.0)), trial("c", Judgement(1.0, 1.0))]
    assert [item.name for item in rank(made)] == ["b", "c", "a"]


def test_a_trial_that_diverged_comes_last_and_says_why() -> None:
    made = [trial("a", None), trial("b", Judgement(1.0, 1.0))]
    ranked = rank(made)
    assert [item.name for item in ranked] == ["b", "a"]
    assert ranked[1].summary() | {"values": None} == {
        "name": "a",
        "values": None,
        "criterion": None,
        "error": None,
        "verdict": None,
        "epochs": 1,
        "seconds": 1.0,
        "failed": "the loss is not finite",
    }
    with pytest.raises(StepError, match="none of 1 trials is any good; the first one: the loss is not finite"):
        rank(made[:1])


def test_the_loss_is_that_of_the_network_that_is_kept(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(json.dumps({"kept_epoch": 2, "loss_validation": [3.0, 1.5, 2.0]}))
    assert validation_loss([tmp_path]).value == 1.5


@pytest.mark.parametrize("criterion", ["validation_loss", "closure", "expected_limit"])
def test_the_better_training_is_chosen(learning: Learning, trials: list[Path], criterion: str) -> None:
    settings = tune_settings(learning, criterion, list(RATES))
    out = learning.run("tune", f"by-{criterion}", settings, events=learning.events, model=trials)
    record = json.loads((out / "tuning.json").read_text())
    assert (record["method_name"], record["criterion"], record["sampler"]) == ("alices", criterion, "grid")
    values = [item["criterion"] for item in record["trials"]]
    assert all(np.isfinite(values))
    if criterion != "closure":  # a network that has learned nothing has a ratio of 1, and that closes
        assert record["best"] == "alices.scan-0"
    best = trials[list(RATES).index(record["best"])]
    assert {path.name: path.read_bytes() for path in best.iterdir() if path.name != "job.json"} == {
        path.name: path.read_bytes() for path in out.iterdir() if path.name not in ("job.json", "tuning.json")
    }
    assert record["trials"][0]["values"] == {"initial_lr": RATES[record["best"]]}
    assert all((item["verdict"] is None) == (criterion == "validation_loss") for item in record["trials"])


def test_test_events_have_no_say(learning: Learning, trials: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    part = EventFile.part
    monkeypatch.setattr(EventFile, "part", lambda self, name, near=None: asked.append(name) or part(self, name, near))
    for criterion in ("closure", "expected_limit"):
        for method in ({}, {"calibration": "normalisation"}):
            settings = {**tune_settings(learning, criterion, []), **method}
            job = StepJob("tune", "alices", settings, 1, {"events": (learning.events,)}, trials[0])
            judge_of(job)([trials[0]])
    assert set(asked) == {"validation", "train"}
    sally = learning.train("sally", learning.sample("sally", samples=500))
    settings = {**learning.evaluate_settings("sally"), "criterion": "closure"}
    judge_of(StepJob("tune", "sally", settings, 1, {"events": (learning.events,)}, sally))([sally])
    assert set(asked) == {"validation", "train"}


def test_the_winner_is_evaluated(learning: Learning, trials: list[Path]) -> None:
    out = learning.run("tune", "alices", tune_settings(learning, "validation_loss", list(RATES)), model=trials)
    record = json.loads((learning.evaluate("alices", out) / "evaluate.json").read_text())
    assert record["train_job"] == "alices"
    alone = json.loads((learning.evaluate("alices", trials[0]) / "evaluate.json").read_text())
    assert {**record, "train_job": ""} == {**alone, "train_job": ""}


def test_an_untuned_model_is_handed_on(learning: Learning, trials: list[Path]) -> None:
    settings = {"method_name": "alices", "method": "alices", "train_jobs": {"alices.scan-1": ["alices.scan-1"]}}
    out = learning.run("tune", "alices.scan-1", settings, model=trials)
    assert names(out) == names(trials[1])
    assert (out / "train.json").read_bytes() == (trials[1] / "train.json").read_bytes()


def test_an_ensemble_is_handed_on_and_evaluated(learning: Learning, trials: list[Path]) -> None:
    settings = {"method_name": "alices", "method": "alices", "train_jobs": {"alices": list(RATES)}}
    out = learning.run("tune", "ensemble", settings, model=trials)
    assert names(out) == ["job.json", "member-0", "member-1", "train.json"]
    record = json.loads((learning.evaluate("alices", out) / "evaluate.json").read_text())
    assert record["ensemble"]["members"] == 2


def test_a_diverging_trial_is_out_and_the_others_go_on(learning: Learning, trials: list[Path]) -> None:
    settings = learning.train_settings("alices", initial_lr=1e9, final_lr=1e9, optimizer="sgd")
    settings |= {"scan": {"initial_lr": 1e9}}
    samples = learning.out("sample", "alices")
    code, line = learning.attempt("train", "alices.scan-2", settings, samples=samples)
    assert (code, "lower training.initial_lr" in line) == (3, True)
    diverged = learning.run("train", "alices.scan-2", settings | {"trial": True}, samples=samples)
    assert names(diverged) == ["job.json", "train.json"]
    tuned = tune_settings(learning, "validation_loss", [*RATES, "alices.scan-2"])
    out = learning.run("tune", "with-one-out", tuned, model=[*trials, diverged])
    record = json.loads((out / "tuning.json").read_text())
    assert record["best"] == "alices.scan-0"
    assert record["trials"][-1]["name"] == "alices.scan-2"
    assert "not finite" in record["trials"][-1]["failed"]


def gaussian(width: float, points: int, shift: float = 0.0) -> Limits:
    """A Gaussian likelihood in two parameters."""
    axis = np.linspace(-1.0, 1.0, points)
    grid = Grid({"a": axis, "b": axis})
    squares = np.square((grid.points - shift) / width).sum(axis=1)
    return Limits(grid, np.append(-0.5 * squares, 0.0))


@pytest.mark.parametrize("points", [9, 25])
def test_the_volume_of_a_gaussian_region(points: int) -> None:
    """π w² q / 4, with q the quantile of χ² with two degrees of freedom; straight lines make it a bit smaller."""
    q = -2.0 * math.log(0.05)
    assert volume(gaussian(0.2, points), 0.95) == pytest.approx(math.pi * 0.2**2 * q / 4.0, rel=0.15)


def test_the_volume_tells_regions_apart_that_have_the_same_points() -> None:
    one, other = gaussian(0.21, 9), gaussian(0.22, 9)
    assert one.allowed(0.95).sum() == other.allowed(0.95).sum()
    assert volume(one, 0.95) < volume(other, 0.95)


def test_a_setting_keeps_data_and_templates_apart(toy_events: Path, learning: Learning) -> None:
    file = EventFile(toy_events / "events.h5", 0.2, 0.2)
    test, tuned = (LimitProblem.of(file, learning.evaluation, partition=part) for part in ("test", "validation"))
    assert (test.partition, test.template_partition, tuned.partition, tuned.template_partition) == (
        "test",
        "validation",
        "validation",
        "train",
    )
    assert tuned.n_expected == pytest.approx(test.n_expected, rel=0.1)
    assert tuned.n_expected != test.n_expected  # the same theory, other events
