"""Adaptive searches with Optuna: repeatable, with the same result after an interruption."""

import json
from pathlib import Path
from typing import Any

import pytest
from mmc.compiler.settings.training import TrainSettings
from mmc.jobs.job import KEPT
from mmc.jobs.learning.estimators import members_in

from tests.jobs.learning_jobs import Learning
from tests.jobs.physics import names

pytest.importorskip("optuna")

from mmc.jobs.tuning import optuna_search

SPACE = {
    "initial_lr": {"low": 1e-4, "high": 1e-1, "log": True, "integer": False},
    "batch_size": {"low": 50, "high": 100, "log": False, "integer": True},
    "n_hidden": {"values": [[5], [10, 10]]},
}


@pytest.fixture(scope="module")
def learning(tmp_path_factory: pytest.TempPathFactory, toy_events: Path) -> Learning:
    return Learning(tmp_path_factory.mktemp("search"), toy_events)


@pytest.fixture(scope="module")
def samples(learning: Learning) -> Path:
    return learning.sample("sally", samples=300, validation_samples=100)


def settings(learning: Learning, **changes: Any) -> dict[str, Any]:
    tuning = {"search": "optuna", "criterion": "validation_loss", "train_jobs": {}, "space": SPACE, "ensemble": 1}
    own = {"n_trials": 4, "sampler": "tpe", "time_limit_s": None, "store": "sqlite", "trial": True}
    return {**learning.train_settings("sally", n_epochs=2), **tuning, **own, **changes}


def trials_of(out: Path) -> list[dict[str, Any]]:
    """The trials of a tuning in the order of their names, without times."""
    found = json.loads((out / "tuning.json").read_text())["trials"]
    return sorted(({**trial, "seconds": 0.0} for trial in found), key=lambda trial: trial["name"].rpartition(".")[2])


@pytest.fixture(scope="module")
def whole(learning: Learning, samples: Path) -> Path:
    """A search without interruption."""
    return learning.run("tune", "sally", settings(learning), samples=samples)


def test_the_best_trial_is_chosen(whole: Path) -> None:
    record = json.loads((whole / "tuning.json").read_text())
    assert (record["sampler"], len(record["trials"])) == ("optuna.tpe", 4)
    values = [trial["criterion"] for trial in record["trials"]]
    assert values == sorted(values)
    assert record["best"] == record["trials"][0]["name"]
    for trial in record["trials"]:
        assert 1e-4 <= trial["values"]["initial_lr"] <= 1e-1
        assert trial["values"]["batch_size"] in range(50, 101)
        assert trial["values"]["n_hidden"] in ([5], [10, 10])
    training = json.loads((whole / "train.json").read_text())
    assert training["scan"] == record["trials"][0]["values"]
    assert training["training"]["n_hidden"] == training["scan"]["n_hidden"]
    assert min(training["loss_validation"]) == values[0]
    assert {"model_state_dict.pt", "optuna.db"} <= set(names(whole))
    assert not whole.with_name(f".{whole.name}.part{KEPT}").exists()


@pytest.mark.parametrize("store", ["sqlite", "none", "server"])
def test_a_search_goes_on_where_it_was_stopped(
    store: str, learning: Learning, samples: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a database, no trial is trained twice; without a database, all are. The result is the same."""
    monkeypatch.setenv(optuna_search.SERVER, f"sqlite:///{tmp_path / 'server.db'}")
    trained = []
    train = optuna_search.train

    def dies_in_the_third(settings: TrainSettings, samples: Path, out: Path) -> None:
        trained.append(out.name)
        if trained == ["trial-0", "trial-1", "trial-2"]:
            raise RuntimeError("the power is off")
        train(settings, samples, out)

    monkeypatch.setattr(optuna_search, "train", dies_in_the_third)
    with pytest.raises(AssertionError, match="the power is off"):
        learning.run("tune", f"sally-{store}", settings(learning, store=store), samples=samples)
    out = learning.run("tune", f"sally-{store}", settings(learning, store=store), samples=samples)
    again = ["trial-2", "trial-3"] if store != "none" else [f"trial-{k}" for k in range(4)]
    assert trained[3:] == again
    renamed = [{**trial, "name": trial["name"].replace(f"sally-{store}", "sally")} for trial in trials_of(out)]
    assert renamed == trials_of(whole)
    assert (out / "model_state_dict.pt").read_bytes() == (whole / "model_state_dict.pt").read_bytes()


def test_a_model_that_another_machine_trained_is_trained_again(
    learning: Learning, samples: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(optuna_search.SERVER, f"sqlite:///{tmp_path / 'server.db'}")
    for _ in range(2):  # the second run finds all trials in the database, and no model
        out = learning.run("tune", "sally-elsewhere", settings(learning, store="server"), samples=samples)
    assert (out / "model_state_dict.pt").read_bytes() == (whole / "model_state_dict.pt").read_bytes()


def test_a_server_that_nobody_names(learning: Learning, samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(optuna_search.SERVER, raising=False)
    with pytest.raises(
        AssertionError, match=f"needs the URL of a database in the environment variable {optuna_search.SERVER}"
    ):
        learning.run("tune", "nowhere", settings(learning, store="server"), samples=samples)
    monkeypatch.setenv(optuna_search.SERVER, "postgresql+none://user:secret@nowhere/optuna")
    with pytest.raises(AssertionError, match="cannot be used") as caught:
        learning.run("tune", "nowhere", settings(learning, store="server"), samples=samples)
    assert "secret" not in str(caught.value)


def test_diverging_trials_do_not_end_a_search(learning: Learning, samples: Path) -> None:
    space = {"initial_lr": {"values": [1e9, 0.003]}}
    own = {"space": space, "sampler": "random", "n_trials": 6, "store": "none"}
    sgd = learning.train_settings("sally", n_epochs=2, optimizer="sgd")
    out = learning.run("tune", "wild", settings(learning, **own, **sgd), samples=samples)
    record = json.loads((out / "tuning.json").read_text())
    assert len(record["trials"]) == 6
    assert {trial["values"]["initial_lr"]: trial["criterion"] is None for trial in record["trials"]} == {
        1e9: True,
        0.003: False,
    }


def test_no_trial_starts_when_the_time_is_over(learning: Learning, samples: Path) -> None:
    out = learning.run("tune", "late", settings(learning, time_limit_s=1e-9, store="none"), samples=samples)
    assert [trial["name"] for trial in trials_of(out)] == ["late.trial-0"]


def test_gaussian_processes(learning: Learning, samples: Path) -> None:
    out = learning.run("tune", "gp", settings(learning, sampler="gp", n_trials=2, store="none"), samples=samples)
    assert json.loads((out / "tuning.json").read_text())["sampler"] == "optuna.gp"


def test_an_ensemble_is_one_trial(learning: Learning, samples: Path) -> None:
    own = {"ensemble": 2, "n_trials": 2, "store": "none"}
    out = learning.run("tune", "both", settings(learning, **own), samples=samples)
    losses = []
    for folder in members_in(out):
        record = json.loads((folder / "train.json").read_text())
        assert record["member"] == len(losses)
        losses.append(record["loss_validation"][record["kept_epoch"] - 1])
    assert losses[0] != losses[1]
    best = json.loads((out / "tuning.json").read_text())["trials"][0]
    assert best["criterion"] == pytest.approx(sum(losses) / 2)
