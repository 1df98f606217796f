from typing import Any

import pytest
from mmc.compiler.plan.model import Flow
from mmc.compiler.targets import TARGETS, Options
from mmc.compiler.targets.dataflow import products

from tests.compiler.plan.plans import changed, jobs, plan_of
from tests.support import study_data

TINY = "drell-yan/tiny.yaml"


def tiny(**tracking: str) -> dict[str, Any]:
    return study_data(TINY) | {"tracking": {"mlflow": tracking}}


def test_tracking_runs_no_finished_job_again() -> None:
    """But for the report, which ends the run that is tracked."""
    assert changed(plan_of(study_data(TINY)), plan_of(tiny())) == {"track": ["track"], "report": ["report"]}
    assert changed(plan_of(tiny()), plan_of(tiny(experiment="x"))) == {"track": ["track"], "report": ["report"]}


def test_a_changed_study_is_another_run() -> None:
    edited = tiny() | {"title": "Another title"}
    assert changed(plan_of(tiny()), plan_of(edited)) == {"track": ["track"], "report": ["report"]}


def test_jobs_wait_until_there_is_a_store() -> None:
    plan = plan_of(tiny())
    for stage in ("sample", "train", "evaluate", "baselines", "report"):
        assert all(("track", "track") in job.needs for job in plan.stage(stage).jobs)
        assert [item.flow for item in plan.stage(stage).inputs if item.stage == "track"] == [Flow.ONE]
    assert jobs(plan, "track")["track"].needs == ()


def test_the_store_is_among_the_results() -> None:
    before, after = (["combine", "train", "evaluate", "baselines", "report"], "track")
    assert [stage.name for stage in products(plan_of(study_data(TINY)))] == before
    assert sorted(stage.name for stage in products(plan_of(tiny()))) == sorted([*before, after])


def test_without_an_evaluation_the_run_ends_at_once() -> None:
    alone = tiny()
    del alone["evaluation"]
    plan = plan_of(alone)
    assert plan.stage("track").settings["alone"] is True
    assert "track" in [stage.name for stage in products(plan)]
    assert plan_of(tiny()).stage("track").settings["alone"] is False


def test_without_learning_there_is_nothing_to_track() -> None:
    physics = tiny()
    del physics["evaluation"], physics["methods"]
    assert "track" not in [stage.name for stage in plan_of(physics).stages]


def test_the_experiment_has_the_name_of_the_study() -> None:
    assert plan_of(tiny()).stage("track").settings["experiment"] == "drell-yan-tiny"
    settings = plan_of(tiny(experiment="shared", uri="https://host")).stage("track").settings
    assert (settings["experiment"], settings["uri"]) == ("shared", "https://host")


@pytest.mark.parametrize("target", TARGETS)
def test_no_password_of_the_environment_is_in_a_bundle(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://anna:correct-horse@host")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "correct-horse")
    images = {"physics": "host/physics:1", "learning": "host/learning:1"}  # without them, REANA runs nothing
    texts = TARGETS[target](plan_of(tiny() | {"execution": {"images": images}}), Options()).texts
    assert not any("correct-horse" in text or "anna" in text for text in texts.values())
