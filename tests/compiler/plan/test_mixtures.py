"""Plans of mixtures: what their jobs read."""

from typing import Any

from mmc.compiler.plan.model import Flow, Plan

from tests.compiler.plan.plans import jobs, plan_of
from tests.support import study_data

RATIO = {"theta0": {"random": {"n": 10}}, "theta1": {"benchmark": "sm"}, "samples": 1000, "training": {"n_epochs": 2}}
OVER = {
    **RATIO,
    "method": "carl",
    "group": "signal",
    "over": "background",
    "theta0": {"benchmark": "sm"},
    "ensemble": 2,
}


def plan(luminosity: Any = "36 fb^-1", **tuning: Any) -> Plan:
    """The tiny study with a background, and a ratio of both."""
    data = study_data("drell-yan/tiny.yaml")
    data["generation"]["samples"]["tt"] = {"process": "ttbar", "background": True, "events": 300}
    data["groups"] = {"signal": ["signal"], "background": ["tt"], "both": "all"}
    data["methods"] = {"alices": {**RATIO, "group": "signal", **tuning}, "classes": OVER}
    data["mixtures"] = {"whole": {"of": {"signal": ["alices", "classes"], "background": "reference"}}}
    data["evaluation"]["luminosity"] = luminosity
    return plan_of(data)


def test_a_ratio_over_another_group_reads_both_and_has_no_limits() -> None:
    found = plan()
    assert jobs(found, "sample")["classes"].needs == (("combine", "signal"), ("combine", "background"))
    assert set(jobs(found, "evaluate")) == {"alices", "whole"}


def test_a_mixture_reads_its_groups_and_the_models_of_their_ratios() -> None:
    found = plan()
    job, model = jobs(found, "evaluate")["whole"], found.stage("evaluate").inputs[1]
    assert model.flow is Flow.ALL and model.stage == "train"
    assert job.settings["group"] == "both"
    assert job.needs == (
        *(("combine", name) for name in ("both", "signal", "background")),
        *(("train", name) for name in ("alices", "classes.member-0", "classes.member-1")),
    )
    assert {name for name in jobs(found, "baselines") if name.startswith("rate")} == {"rate.signal", "rate.both"}


def test_models_come_from_the_tuning_if_there_is_one() -> None:
    tuning = {"scan": {"training.alpha": [1, 2]}, "tuning": {"search": "grid", "criterion": "validation_loss"}}
    found = plan(**tuning)
    assert set(jobs(found, "tune")) == {"alices", "classes"}
    assert jobs(found, "evaluate")["whole"].needs[-2:] == (("tune", "alices"), ("tune", "classes"))


def test_a_mixture_has_limits_at_each_luminosity() -> None:
    found = plan(luminosity=["36 fb^-1", "3 ab^-1"])
    assert {"whole", "whole.3ab"} <= set(jobs(found, "evaluate"))


def test_all_groups_have_the_same_partitions_for_a_mixture_alone() -> None:
    seeds = {job.settings.get("same_partitions") for job in jobs(plan(), "combine").values()}
    data = study_data("drell-yan/tiny.yaml")
    assert seeds == {data["seed"]}
    data["groups"] = {"signal": ["signal"], "all_samples": "all"}
    assert all("same_partitions" not in job.settings for job in jobs(plan_of(data), "combine").values())
