"""Plans of tuned methods: trials as jobs, one job that chooses, and nothing that moves where nobody tunes."""

import copy
from typing import Any

import pytest
from mmc.compiler.plan.model import Flow

from tests.compiler.plan.test_pythia8 import changed_stages, drell_yan, plan_of

__all__ = ["drell_yan"]
LEARNING_RATE = {"training.initial_lr": {"range": [1e-4, 1e-2], "scale": "log"}}
RANDOM = {"search": "random", "trials": 4, "criterion": "expected_limit"}
OPTUNA = {"search": "optuna", "trials": 7, "criterion": "validation_loss"}


def test_a_tuned_method_is_evaluated_once(drell_yan: dict[str, Any]) -> None:
    drell_yan["methods"]["alices"] |= {"scan": {"training.alpha": [1, 5]}, "tuning": {"criterion": "closure"}}
    plan = plan_of(drell_yan)
    assert [job.name for job in plan.stage("train").jobs] == ["sally", "alice", "alices.scan-0", "alices.scan-1"]
    assert [job.name for job in plan.stage("tune").jobs] == ["sally", "alice", "alices"]
    assert [job.name for job in plan.stage("evaluate").jobs] == ["sally", "alice", "alices"]
    chosen, model = plan.stage("tune").jobs[2], plan.stage("evaluate").inputs[1]
    assert chosen.needs == (("train", "alices.scan-0"), ("train", "alices.scan-1"), ("combine", "combine"))
    assert chosen.label == "alices: the best of 2 by closure"
    assert (model.name, model.stage, model.flow) == ("model", "tune", Flow.EACH)
    assert ("tune", "alices") in plan.stage("report").jobs[0].needs
    assert "train" not in {item.stage for item in plan.stage("report").inputs}


def test_without_tuning_models_go_straight_to_the_evaluation(drell_yan: dict[str, Any]) -> None:
    drell_yan["methods"]["alices"]["scan"] = {"training.alpha": [1, 5]}
    plan = plan_of(drell_yan)
    assert "tune" not in {stage.name for stage in plan.stages}
    assert [job.name for job in plan.stage("evaluate").jobs][2:] == ["alices.scan-0", "alices.scan-1"]


def test_tuning_a_scan_trains_nothing_again(drell_yan: dict[str, Any]) -> None:
    """But for the note that a training may diverge, trials are what the scan had."""
    drell_yan["methods"]["alices"]["scan"] = {"training.alpha": [1, 5]}
    before = {job.name: job for job in plan_of(drell_yan).stage("train").jobs}
    drell_yan["methods"]["alices"]["tuning"] = {"criterion": "closure"}
    after = {job.name: job for job in plan_of(drell_yan).stage("train").jobs}
    assert list(after) == list(before)
    for name, job in after.items():
        assert job.seed == before[name].seed
        assert {key: value for key, value in job.settings.items() if key != "trial"} == before[name].settings


def test_random_trials_are_drawn_in_the_plan(drell_yan: dict[str, Any]) -> None:
    drell_yan["methods"]["alices"] |= {"scan": LEARNING_RATE, "tuning": RANDOM}
    jobs = [job for job in plan_of(drell_yan).stage("train").jobs if job.name.startswith("alices")]
    rates = [job.settings["training"]["initial_lr"] for job in jobs]
    assert len(set(rates)) == 4
    assert all(1e-4 <= rate <= 1e-2 for rate in rates)
    assert [job.label for job in jobs] == [f"alices, initial_lr = {rate}" for rate in rates]
    assert plan_of(drell_yan).stage("train") == plan_of(copy.deepcopy(drell_yan)).stage("train")


def test_another_method_changes_no_trial(drell_yan: dict[str, Any]) -> None:
    drell_yan["methods"]["alices"] |= {"scan": LEARNING_RATE, "tuning": RANDOM}
    smaller = copy.deepcopy(drell_yan)
    del smaller["methods"]["sally"]
    assert changed_stages(plan_of(drell_yan), plan_of(smaller)) == {"report"}


def test_more_trials_keep_those_that_there_are(drell_yan: dict[str, Any]) -> None:
    drell_yan["methods"]["alices"] |= {"scan": LEARNING_RATE, "tuning": RANDOM}
    more = copy.deepcopy(drell_yan)
    more["methods"]["alices"]["tuning"]["trials"] = 6
    done = {job.fingerprint for job in plan_of(drell_yan).stage("train").jobs}
    assert done < {job.fingerprint for job in plan_of(more).stage("train").jobs}


def test_an_adaptive_search_is_one_job(drell_yan: dict[str, Any]) -> None:
    for method in drell_yan["methods"].values():
        method |= {"scan": LEARNING_RATE, "tuning": OPTUNA}
    plan = plan_of(drell_yan)
    assert "train" not in {stage.name for stage in plan.stages}
    assert [item.stage for item in plan.stage("tune").inputs] == ["sample"]
    job = plan.stage("tune").jobs[0]
    assert (job.name, job.settings["n_trials"], job.settings["sampler"]) == ("sally", 7, "tpe")
    choice = {"low": 1e-4, "high": 1e-2, "log": True, "integer": False}
    assert job.settings["space"] == {"initial_lr": choice}


@pytest.mark.parametrize("tuning", [RANDOM, OPTUNA])
def test_the_luminosity_matters_to_limits_alone(drell_yan: dict[str, Any], tuning: dict[str, Any]) -> None:
    drell_yan["methods"]["alices"] |= {"scan": LEARNING_RATE, "tuning": tuning}
    before = plan_of(drell_yan)
    drell_yan["evaluation"]["luminosity"] = "100 fb^-1"
    changed = changed_stages(before, plan_of(drell_yan))
    assert "train" not in changed
    assert ("tune" in changed) == (tuning is RANDOM)


def test_an_ensemble_is_tuned_as_one(drell_yan: dict[str, Any]) -> None:
    alices = {"ensemble": 2, "scan": {"training.alpha": [1, 5]}, "tuning": {"criterion": "closure"}}
    drell_yan["methods"]["alices"] |= alices
    plan = plan_of(drell_yan)
    (job,) = (job for job in plan.stage("tune").jobs if job.name == "alices")
    trials = {f"alices.scan-{k}": [f"alices.scan-{k}.member-{m}" for m in range(2)] for k in range(2)}
    assert job.settings["train_jobs"] == trials
    trained = [name for stage, name in job.needs if stage == "train"]
    assert trained == [job for jobs in trials.values() for job in jobs]
    assert "members" not in plan.stage("evaluate").jobs[-1].settings
    assert plan.stage("evaluate").inputs[1].flow is Flow.EACH
