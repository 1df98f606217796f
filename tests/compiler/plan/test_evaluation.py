"""Plans of the evaluation: histograms by name, observed events, the likelihood of the score."""

import sys
from typing import Any

import pytest
from mmc.compiler.settings.evaluation import EvaluateSettings

from tests.compiler.plan.plans import changed, jobs, plan_of
from tests.support import study_data


@pytest.fixture
def study() -> dict[str, Any]:
    return study_data("drell-yan/study.yaml")


def test_every_histogram_is_a_job(study: dict[str, Any]) -> None:
    before = plan_of(study)
    study["evaluation"]["baselines"]["histograms"] = {"m-ll 2": {"observables": ["m_ll", "pt_ll"], "bins": {"m_ll": 3}}}
    plan = plan_of(study)
    assert changed(before, plan)["baselines"] == ["histogram.m_ll_2"]
    own = jobs(plan, "baselines")["histogram.m_ll_2"].settings
    assert own == {"baseline": "histogram", "observables": ["m_ll", "pt_ll"], "bins": [3, 8]}


def test_observed_events_are_read_by_limits_alone(study: dict[str, Any]) -> None:
    before = plan_of(study)
    study["evaluation"]["observed"] = {"file": "data/seen.csv", "n_observed": 12}
    plan = plan_of(study, "data/seen.csv")
    for stage in ("evaluate", "baselines"):
        assert [(f.name, str(f.path)) for f in plan.stage(stage).files] == [("observed", "inputs/data/seen.csv")]
        assert plan.stage(stage).settings["n_observed"] == 12
        assert plan.stage(stage).settings["observed_cuts"] == study["cuts"]
    assert not plan.stage("train").files
    others = plan_of(study, "data/seen.csv", seen="other events")
    again = changed(plan, others)
    assert "fisher" in jobs(plan, "baselines") and "fisher" not in again["baselines"]
    assert set(again) == {"evaluate", "baselines", "report"}
    assert set(changed(before, plan)) == {"evaluate", "baselines", "report"}


def test_a_cut_that_events_pass_where_it_is_undefined_is_none_on_the_default(study: dict[str, Any]) -> None:
    cut = "mu[0].pt > 50 and len(j) < 9"
    study["observables"]["pt"] = {"definition": "mu[0].pt", "default": 0}
    study["evaluation"]["observed"] = {"file": "seen.csv"}
    for more, expected in (({}, ["pt > 50", "len(j) < 9"]), ({"passed_if_undefined": True}, [cut])):
        study["cuts"] = [{"definition": cut, **more}]
        assert plan_of(study, "seen.csv").stage("evaluate").settings["observed_cuts"] == expected


def test_a_further_luminosity_is_evaluated_and_nothing_else_runs_again(study: dict[str, Any]) -> None:
    study["evaluation"]["luminosity"] = "139 fb^-1"
    study["evaluation"]["observed"] = {"file": "seen.csv"}
    before = plan_of(study, "seen.csv")
    study["evaluation"]["luminosity"] = ["139 fb^-1", "36.1 fb^-1", "3 ab^-1"]
    plan = plan_of(study, "seen.csv")
    more = {
        stage: [f"{name}.{at}" for name in jobs(before, stage) if name != "fisher" for at in ("36_1fb", "3ab")]
        for stage in ("evaluate", "baselines")
    }
    assert changed(before, plan) == {**more, "report": ["report"]}
    stage, job = plan.stage("evaluate"), jobs(plan, "evaluate")["sally.3ab"]
    own = stage.read(job, EvaluateSettings)
    assert own.own_limits.luminosity_pb == 3e6 and own.luminosity_entry == {"luminosity": "3ab"}
    assert own.observed == "" and own.train_job == "sally"
    assert stage.read(jobs(plan, "evaluate")["sally"], EvaluateSettings).own_limits.luminosity_pb == 139e3
    regions = study_data("drell-yan/regions.yaml")
    regions["evaluation"]["luminosity"] = ["300 fb^-1", "3 ab^-1"]
    first = next(iter(regions["regions"]))
    regions["regions"][first]["luminosity"] = "1 fb^-1"
    found = [name for name in jobs(plan_of(regions), "baselines") if name.endswith(".3ab")]
    assert found and not [name for name in found if first in name]


def test_limits_alone_know_that_nuisance_parameters_are_profiled(study: dict[str, Any]) -> None:
    before = plan_of(study)
    study["evaluation"]["systematics"] = "profile"
    again = changed(before, plan_of(study))
    assert set(again) == {"evaluate", "baselines", "report"}


def test_limits_alone_know_that_critical_values_are_from_toys(study: dict[str, Any]) -> None:
    before = plan_of(study)
    study["evaluation"]["confidence"] = "asymptotic"
    assert set(changed(before, plan_of(study))) == {"report"}  # which names the digest of the study
    study["evaluation"]["confidence"] = "toys"
    plan = plan_of(study)
    assert plan.stage("evaluate").settings["confidence"] == "toys"
    assert set(changed(before, plan)) == {"evaluate", "baselines", "report"}


def test_a_profiled_score_is_trained_and_evaluated_on_the_same_samples(study: dict[str, Any]) -> None:
    before = plan_of(study)
    study["methods"]["sally"]["nuisance_mode"] = "profile"
    plan = plan_of(study)
    assert changed(before, plan) == {"train": ["sally"], "evaluate": ["sally"], "report": ["report"]}
    for stage in ("train", "evaluate"):
        assert [name for name, job in jobs(plan, stage).items() if "nuisance_mode" in job.settings] == ["sally"]


def test_a_ratio_learns_nuisance_parameters_from_samples_of_its_own() -> None:
    study = study_data("drell-yan/tiny.yaml")
    before = plan_of(study)
    study["methods"]["alices"]["nuisance_mode"] = "profile"
    plan = plan_of(study)
    again = changed(before, plan)
    assert {stage: {name.split(".")[0] for name in names} for stage, names in again.items()} == {
        "sample": {"alices"},
        "train": {"alices"},
        "evaluate": {"alices"},
        "report": {"report"},
    }


@pytest.mark.parametrize(
    ("bins", "found"),
    [
        (7, {"score_bins": 7}),
        ([-2, 0, "inf"], {"score_bins": 8, "binning": [-2, 0, sys.float_info.max]}),
        (
            {"n": 4, "range": [-1, 1], "scale": "linear"},
            {"score_bins": 8, "binning": {"n": 4, "range": [-1, 1], "scale": "linear"}},
        ),
    ],
)
def test_bins_of_the_score_of_a_method(study: dict[str, Any], bins: Any, found: dict[str, Any]) -> None:
    del study["evaluation"]["score_bins"]
    before = plan_of(study)
    study["methods"]["sally"]["score_bins"] = bins
    plan = plan_of(study)
    own = jobs(plan, "evaluate")["sally"].settings
    assert {key: own.get(key) for key in found} == found
    assert changed(before, plan) == {"evaluate": ["sally"], "report": ["report"]}
    read = plan.stage("evaluate").read(jobs(plan, "evaluate")["sally"], EvaluateSettings).score
    assert read is not None and len(read.bins) == 1


def test_a_baseline_of_one_group(study: dict[str, Any]) -> None:
    study["groups"] = {"one": ["signal"], "two": "all"}
    study["evaluation"]["baselines"] = {"rate": {"group": "two"}, "truth": True}
    study["evaluation"]["baselines"]["histogram"] = {"observables": ["m_ll"], "group": "one"}
    study["evaluation"]["fisher_information"] = {"group": "two"}
    found = jobs(plan_of(study), "baselines")
    assert set(found) == {"truth.one", "histogram.one", "rate.two", "fisher.two"}
    assert found["rate.two"].needs == (("combine", "two"),) and found["rate.two"].settings["group"] == "two"


def test_other_observables_need_no_other_events(study: dict[str, Any]) -> None:
    before = plan_of(study)
    study["events"] = {"from_run": {"folder": "runs/base", "stage": "simulate"}}
    study["observables"] = {"m": {"definition": "(mu[0] + mu[1]).m", "required": True}}
    study["methods"], study["cuts"] = {}, ["m > 500"]
    study["evaluation"] = {"baselines": {"histogram": {"observables": ["m"]}}}
    plan = plan_of(study)
    assert (plan.from_run, plan.taken) == ("runs/base", ("configure", "generate", "simulate"))
    assert not set(changed(before, plan)) & set(plan.taken)
    study["seed"] = 99
    assert "simulate" in changed(before, plan_of(study))


def test_what_is_removed_once_it_was_read(study: dict[str, Any]) -> None:
    before = plan_of(study)
    study["execution"] = {"keep": ["simulate"]}
    plan = plan_of(study)
    assert before.removed == () and plan.removed == ("configure", "generate", "analyse", "sample")
    assert changed(before, plan) == {"report": ["report"]}
    study["tracking"] = {"mlflow": {}}
    assert "sample" not in plan_of(study).removed


@pytest.mark.parametrize(("bins", "expected"), [(None, [15, 5]), (6, [6, 6])])
def test_adaptive_sally(study: dict[str, Any], bins: int | None, expected: list[int]) -> None:
    del study["evaluation"]["score_bins"]
    before = plan_of(study)
    study["evaluation"] |= {"score_likelihood": "adaptive-sally"} | ({} if bins is None else {"score_bins": bins})
    plan = plan_of(study)
    own = jobs(plan, "evaluate")["sally"].settings
    assert (own["score_likelihood"], own["score_bins"]) == ("adaptive-sally", expected)
    assert changed(before, plan)["evaluate"] == ["sally"]
