"""Plans of any study and of the embedded generator: complete, in order, and changed only where the study changed."""

import copy
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmc.compiler.language.schema import fill_defaults
from mmc.compiler.plan.make import job_seed, make_plan
from mmc.compiler.plan.model import Flow, Plan
from mmc.compiler.study.build import build_study

from tests.strategies import file_studies, named_files, studies
from tests.support import STUDIES


def plan_of(data: dict[str, Any], **digests: str) -> Plan:
    return make_plan(build_study(fill_defaults(data)), digests)


@pytest.fixture
def drell_yan() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((STUDIES / "drell-yan" / "tiny.yaml").read_text())
    return data


def changed_stages(before: Plan, after: Plan) -> set[str]:
    """The stages with a job that would run again, or for the first time, after the edit."""
    done = {(stage.name, job.name, job.fingerprint) for stage in before.stages for job in stage.jobs}
    jobs = {(stage.name, job.name, job.fingerprint) for stage in after.stages for job in stage.jobs}
    return {stage for stage, _, _ in jobs - done}


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.one_of(studies(), file_studies()))
def test_every_job_has_what_it_needs(data: dict[str, Any]) -> None:
    plan = plan_of(data, **named_files(data))
    known: set[tuple[str, str]] = set()
    for stage in plan.stages:
        names = [job.name for job in stage.jobs]
        assert len(set(names)) == len(names) >= 1
        for item in stage.inputs:
            upstream = plan.stage(item.stage)
            if item.flow is Flow.ONE:
                assert len(upstream.jobs) == 1
            if item.flow is Flow.EACH:
                assert [job.name for job in upstream.jobs] == names
        for job in stage.jobs:
            assert set(job.needs) <= known
            assert {need for need, _ in job.needs} <= {item.stage for item in stage.inputs}
            assert 1 <= job.seed <= 900_000_000
        known |= {(stage.name, name) for name in names}


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(studies(), st.randoms(use_true_random=False))
def test_a_plan_does_not_depend_on_the_order_of_keys(data: dict[str, Any], random: Any) -> None:
    shuffled_keys = list(data)
    random.shuffle(shuffled_keys)
    assert plan_of({key: data[key] for key in shuffled_keys}) == plan_of(data)


def test_the_stages_and_widths_of_the_tiny_study(drell_yan: dict[str, Any]) -> None:
    plan = plan_of(drell_yan)
    assert {stage.name: len(stage.jobs) for stage in plan.stages} == {
        "configure": 1,
        "generate": 6,
        "simulate": 7,
        "analyse": 7,
        "combine": 1,
        "sample": 3,
        "train": 3,
        "evaluate": 3,
        "baselines": 3,
        "report": 1,
    }
    assert sum(job.events for job in plan.stage("simulate").jobs) == 900 + 5 * 400


def test_many_outputs_are_gathered_before_they_are_combined(
    drell_yan: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    flat = plan_of(drell_yan)
    monkeypatch.setattr("mmc.compiler.plan.combining.GATHERED_AT_ONCE", 3)
    tree = plan_of(drell_yan)
    gather, combine = tree.stage("gather"), tree.stage("combine").jobs[0]
    pieces = [("analyse", job.name) for job in tree.stage("analyse").jobs]
    assert [job.needs for job in gather.jobs] == [tuple(pieces[:3]), tuple(pieces[3:6]), tuple(pieces[6:])]
    assert [job.settings["jobs"][0]["job"] for job in gather.jobs] == [pieces[k][1] for k in (0, 3, 6)]
    assert [item.ends for item in gather.inputs] == [(3, 6, 7)]
    assert combine.needs == (("configure", "configure"), *(("gather", job.name) for job in gather.jobs))
    assert tree.stage("combine").settings == flat.stage("combine").settings
    assert changed_stages(flat, tree) & {"configure", "generate", "simulate", "analyse"} == set()
    monkeypatch.setattr("mmc.compiler.plan.combining.GATHERED_AT_ONCE", len(pieces))
    assert plan_of(drell_yan) == flat


def test_a_colour_redraws_and_nothing_else(drell_yan: dict[str, Any]) -> None:
    before = plan_of(drell_yan)
    drell_yan["plots"]["colors"] = {"sally": "#123456"}
    assert changed_stages(before, plan_of(drell_yan)) == {"report"}


def test_one_methods_network_retrains_only_that_method(drell_yan: dict[str, Any]) -> None:
    before = plan_of(drell_yan)
    drell_yan["methods"]["alice"]["training"]["n_epochs"] = 21
    after = plan_of(drell_yan)
    assert changed_stages(before, after) == {"train", "evaluate", "report"}
    unchanged = [job.name for job in after.stage("train").jobs if job in before.stage("train").jobs]
    assert unchanged == ["sally", "alices"]


def test_a_new_observable_generates_nothing_again(drell_yan: dict[str, Any]) -> None:
    before = plan_of(drell_yan)
    drell_yan["observables"]["met"] = {"definition": "met.pt", "required": True}
    assert not changed_stages(before, plan_of(drell_yan)) & {"configure", "generate", "simulate"}


@pytest.mark.parametrize("morphing", [{"max_overall_power": 2}, {"max_overall_power": 2, "complete": False}, "none"])
def test_a_wider_range_generates_nothing_again(morphing: Any, drell_yan: dict[str, Any]) -> None:
    """The benchmarks do not depend on the ranges of parameters when MadMiner adds none."""
    drell_yan["morphing"] = morphing
    before = plan_of(drell_yan)
    for parameter in drell_yan["parameters"].values():
        parameter["range"] = [2.0 * limit for limit in parameter["range"]]
    assert changed_stages(before, plan_of(drell_yan)) == {
        stage.name for stage in before.stages if stage.name not in {"generate", "simulate"}
    }


def test_a_wider_range_moves_the_benchmarks_that_madminer_adds(drell_yan: dict[str, Any]) -> None:
    del drell_yan["benchmarks"]["both"]
    before = plan_of(drell_yan)
    drell_yan["parameters"]["c_LL"]["range"] = [-0.1, 0.1]
    assert changed_stages(before, plan_of(drell_yan)) >= {"configure", "generate", "simulate", "analyse"}


def test_a_moved_benchmark_generates_again(drell_yan: dict[str, Any]) -> None:
    before = plan_of(drell_yan)
    drell_yan["benchmarks"]["both"]["c_LL"] = 0.04
    assert changed_stages(before, plan_of(drell_yan)) >= {"configure", "generate", "simulate", "analyse"}


def test_a_new_sampled_benchmark_keeps_the_seeds_of_the_others(drell_yan: dict[str, Any]) -> None:
    before = plan_of(drell_yan)
    smaller = copy.deepcopy(drell_yan)
    del smaller["benchmarks"]["both"]
    seeds = {job.name: job.seed for job in before.stage("simulate").jobs}
    common = [job for job in plan_of(smaller).stage("simulate").jobs if job.name in seeds]
    assert len(common) == len(seeds) - 1  # where it was, MadMiner completes the basis with another
    assert all(seeds[job.name] == job.seed for job in common)


def test_seeds_differ_between_jobs_and_stages() -> None:
    seeds = {job_seed(s, stage, (str(k),)) for s in (0, 1) for stage in ("simulate", "train") for k in range(500)}
    assert len(seeds) == 2000


def test_a_scan_trains_and_evaluates_every_combination(drell_yan: dict[str, Any]) -> None:
    drell_yan["methods"]["alices"]["scan"] = {"training.alpha": [1, 5], "training.n_epochs": [10, 20, 30]}
    plan = plan_of(drell_yan)
    assert len(plan.stage("sample").jobs) == 3
    trainings = [job for job in plan.stage("train").jobs if job.settings["method_name"] == "alices"]
    assert [job.name for job in trainings] == [f"alices.scan-{k}" for k in range(6)]
    assert trainings[-1].settings["training"]["alpha"] == 5
    assert trainings[-1].settings["training"]["n_epochs"] == 30
    assert {job.settings["sample_job"] for job in trainings} == {"alices"}


def test_an_ensemble_trains_its_members_and_evaluates_them_once(drell_yan: dict[str, Any]) -> None:
    drell_yan["methods"]["alices"].update(ensemble=2, scan={"training.alpha": [1, 5]})
    plan = plan_of(drell_yan)
    members = [f"alices.scan-{k}.member-{m}" for k in range(2) for m in range(2)]
    trainings = [job for job in plan.stage("train").jobs if job.settings["method_name"] == "alices"]
    assert [job.name for job in trainings] == members
    assert [job.settings["member"] for job in trainings] == [0, 1, 0, 1]
    assert len({job.seed for job in trainings}) == 4
    evaluated = [job for job in plan.stage("evaluate").jobs if job.settings["method_name"] == "alices"]
    assert [job.settings["members"] for job in evaluated] == [members[:2], members[2:]]
    assert [job.name for job in evaluated] == ["alices.scan-0", "alices.scan-1"]
    assert all({("train", name) for name in job.settings["members"]} < {*job.needs} for job in evaluated)


def test_members_of_an_ensemble_can_have_samples_of_their_own(drell_yan: dict[str, Any]) -> None:
    drell_yan["methods"]["alices"].update(ensemble={"n": 2, "samples": "each"}, scan={"training.alpha": [1, 5]})
    plan = plan_of(drell_yan)
    sampled = [job for job in plan.stage("sample").jobs if job.settings["method_name"] == "alices"]
    assert [job.name for job in sampled] == ["alices.member-0", "alices.member-1"]
    assert all(job.settings["bootstrap"] for job in sampled) and len({job.seed for job in sampled}) == 2
    trainings = [job for job in plan.stage("train").jobs if job.settings["method_name"] == "alices"]
    assert [job.settings["sample_job"] for job in trainings] == ["alices.member-0", "alices.member-1"] * 2
    assert all(("sample", job.settings["sample_job"]) in job.needs for job in trainings)
    drell_yan["methods"]["alices"]["ensemble"] = {"n": 2}
    same, number = plan_of(drell_yan), drell_yan["methods"]["alices"] | {"ensemble": 2}
    drell_yan["methods"]["alices"] = number
    assert [job.fingerprint for job in same.stage("train").jobs] == [
        job.fingerprint for job in plan_of(drell_yan).stage("train").jobs
    ]


def test_estimators_that_vary_with_both_points_are_compared_with_the_true_point(drell_yan: dict[str, Any]) -> None:
    prior, sm = {"random": {"n": 10}}, {"benchmark": "sm"}
    drell_yan["methods"] = {
        "nde": {"theta": prior, "samples": 100},
        "double": {
            "method": "carl",
            "estimator": "double_parameterized_ratio",
            "theta0": prior,
            "theta1": prior,
            "samples": 100,
        },
        "single": {"method": "carl", "theta0": prior, "theta1": sm, "samples": 100},
    }
    plan = plan_of(drell_yan)
    truth = {"point": dict(plan.stage("evaluate").settings["theta_true"])}
    assert [job.settings["theta1"] for job in plan.stage("evaluate").jobs] == [truth, truth, sm]
    nde, double, single = (job.settings for job in plan.stage("train").jobs)
    assert nde["training"]["n_mades"] == 5 and not {"alpha", "dropout_prob"} & set(nde["training"])
    assert double["estimator"] == "double_parameterized_ratio" and "estimator" not in single


def test_job_splitting_loses_no_event(drell_yan: dict[str, Any]) -> None:
    signal = drell_yan["generation"]["samples"]["signal"]
    signal.update(events={"sm": 1001}, events_per_job=250)
    jobs = plan_of(drell_yan).stage("simulate").jobs
    assert [job.settings["n_events"] for job in jobs] == [250, 250, 250, 250, 1]


def test_a_cut_passes_what_it_cannot_judge_only_where_the_study_says_so(drell_yan: dict[str, Any]) -> None:
    drell_yan["cuts"] = ["j[0].pt > 30", {"definition": "j[1].pt > 30", "passed_if_undefined": True}]
    cuts = plan_of(drell_yan).stage("analyse").settings["cuts"]
    assert [cut["required"] for cut in cuts] == [False, True]


def test_no_two_parts_of_a_sample_have_the_same_seed(drell_yan: dict[str, Any]) -> None:
    drell_yan["generation"]["samples"]["signal"].update(events={"sm": 20_000}, events_per_job=1)
    assert len({job.seed for job in plan_of(drell_yan).stage("simulate").jobs}) == 20_000


def test_an_event_file_replaces_the_physics(drell_yan: dict[str, Any]) -> None:
    del drell_yan["generation"]
    drell_yan["events"] = {"file": "data/some events.h5"}
    plan = plan_of(drell_yan, **{"data/some events.h5": "0" * 64})
    assert [stage.name for stage in plan.group("physics")] == ["ingest"]
    assert [str(file.path) for file in plan.files] == ["inputs/some events.h5"]
    other = plan_of(drell_yan, **{"data/some events.h5": "1" * 64})
    assert changed_stages(plan, other) == {stage.name for stage in plan.stages}


def test_a_study_without_learning_has_physics_alone(drell_yan: dict[str, Any]) -> None:
    for key in ("methods", "evaluation"):
        del drell_yan[key]
    plan = plan_of(drell_yan)
    assert plan.group("learning") == ()
    assert plan.stages[-1].name == "combine"
