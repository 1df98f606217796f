"""The choice among trials: on records made up, and for real, with events that no test sees."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
    judged = {} if criterion == "validation_loss" else learning.evaluate_settings("alices")
    tuning = {"search": "grid", "criterion": criterion, "train_jobs": {job: [job] for job in jobs}}
    return {"method_name": "alices", "method": "alices", **judged, **tuning}


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
