"""Plans of groups of samples."""

from typing import Any

import pytest
from mmc.compiler.plan.model import Flow

from tests.compiler.plan.plans import changed, jobs, plan_of
from tests.support import study_data


@pytest.fixture
def study() -> dict[str, Any]:
    """The tiny study with a background, alone and together."""
    data = study_data("drell-yan/tiny.yaml")
    data["generation"]["samples"]["tt"] = {"process": "ttbar", "background": True, "events": 300}
    data["groups"] = {"signal only": ["signal"], "both": "all"}
    data["methods"]["alice"]["group"] = "both"
    return data


def test_each_group_is_combined_on_its_own(study: dict[str, Any]) -> None:
    plan = plan_of(study)
    combine = jobs(plan, "combine")
    assert [entry["sample"] for entry in combine["signal_only"].settings["jobs"]] == ["signal"] * 7
    assert {entry["sample"] for entry in combine["both"].settings["jobs"]} == {"signal", "tt"}
    assert ("analyse", "tt.sm.0") not in combine["signal_only"].needs
    assert combine["both"].events == combine["signal_only"].events + 300


def test_no_group_is_gathered_again_with_another(study: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmc.compiler.plan.combining.GATHERED_AT_ONCE", 3)
    before = plan_of(study)
    gathered = [[name for _, name in job.needs] for job in before.stage("gather").jobs]
    assert [len(names) for names in gathered] == [3, 3, 1, 1] and gathered[-1] == ["tt.sm.0"]
    study["generation"]["samples"]["tt"]["events"] = 301
    again = changed(before, plan_of(study))
    assert again["gather"] == ["tt.sm.0"] and again["combine"] == ["both"]
    assert again["train"] == ["alice"]


def test_a_method_reads_its_own_group_and_the_first_by_default(study: dict[str, Any]) -> None:
    plan = plan_of(study)
    groups = {"sally": "signal_only", "alice": "both", "alices": "signal_only"}
    for stage in ("sample", "evaluate"):
        assert plan.stage(stage).inputs[0].flow is Flow.ALL
        assert {name: job.settings["group"] for name, job in jobs(plan, stage).items()} == groups
        for name, job in jobs(plan, stage).items():
            assert {need for need in job.needs if need[0] == "combine"} == {("combine", groups[name])}


def test_baselines_are_computed_for_the_groups_that_methods_are_evaluated_on(study: dict[str, Any]) -> None:
    kinds, groups = ("rate", "histogram", "fisher"), ("signal_only", "both")
    assert set(jobs(plan_of(study), "baselines")) == {f"{kind}.{group}" for kind in kinds for group in groups}
    del study["methods"]["alice"]["group"]
    assert set(jobs(plan_of(study), "baselines")) == {f"{kind}.signal_only" for kind in kinds}
    del study["methods"]
    assert set(jobs(plan_of(study), "baselines")) == {f"{kind}.signal_only" for kind in kinds}


def test_the_report_reads_all_groups(study: dict[str, Any]) -> None:
    plan = plan_of(study)
    report = plan.stage("report")
    assert report.settings["groups"] == ["signal_only", "both"]
    assert {need for need in report.jobs[0].needs if need[0] == "combine"} == {
        ("combine", "signal_only"),
        ("combine", "both"),
    }


def test_a_background_concerns_the_groups_that_it_is_in(study: dict[str, Any]) -> None:
    before = plan_of(study)
    study["generation"]["samples"]["tt"]["events"] = 400
    again = changed(before, plan_of(study))
    assert again["combine"] == ["both"] and again["train"] == ["alice"]
