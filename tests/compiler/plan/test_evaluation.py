"""Plans of the evaluation: histograms by name, observed events, the likelihood of the score."""

from typing import Any

import pytest

from tests.compiler.plan.plans import changed, jobs, load, plan_of


@pytest.fixture
def study() -> dict[str, Any]:
    return load("drell-yan/study.yaml")


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
    assert not plan.stage("train").files
    others = plan_of(study, "data/seen.csv", seen="other events")
    again = changed(plan, others)
    assert "fisher" in jobs(plan, "baselines") and "fisher" not in again["baselines"]
    assert set(again) == {"evaluate", "baselines", "report"}
    assert set(changed(before, plan)) == {"evaluate", "baselines", "report"}


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


def test_a_ratio_learns_nuisance_parameters_from_samples_of_its_own(study: dict[str, Any]) -> None:
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


@pytest.mark.parametrize(("bins", "expected"), [(None, [15, 5]), (6, [6, 6])])
def test_adaptive_sally(study: dict[str, Any], bins: int | None, expected: list[int]) -> None:
    del study["evaluation"]["score_bins"]
    before = plan_of(study)
    study["evaluation"] |= {"score_likelihood": "adaptive-sally"} | ({} if bins is None else {"score_bins": bins})
    plan = plan_of(study)
    own = jobs(plan, "evaluate")["sally"].settings
    assert (own["score_likelihood"], own["score_bins"]) == ("adaptive-sally", expected)
    assert changed(before, plan)["evaluate"] == ["sally"]
