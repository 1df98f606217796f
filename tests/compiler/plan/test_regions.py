"""Plans of studies with regions."""

from typing import Any

import pytest

from tests.compiler.plan.plans import changed, jobs, plan_of
from tests.support import study_data


@pytest.fixture
def study() -> dict[str, Any]:
    """The tiny study in two regions of the mass, one of which has fewer observables."""
    data = study_data("drell-yan/tiny.yaml")
    data["regions"] = {
        "low": {"cuts": ["m_ll < 700"], "observables": ["m_ll", "y_ll"], "luminosity": "10 fb^-1"},
        "high": {"cuts": ["m_ll >= 700"], "observed": {"file": "high.csv", "n_observed": 7}},
    }
    data["methods"]["alice"]["regions"] = ["high"]
    data["methods"]["alices"]["features"] = ["cos_theta"]
    data["methods"]["sally"]["features"] = {"all_but": ["y_ll"]}
    return data


def test_each_region_is_selected_in_one_reading(study: dict[str, Any]) -> None:
    plan = plan_of(study, "high.csv")
    (shared,) = [stage.settings for stage in plan.stages if stage.name == "analyse"]
    assert shared["regions"]["low"]["observables"] == ["m_ll", "y_ll"]
    assert shared["regions"]["high"]["required"] == ["cos_theta"], "required only in the region that has it"
    required = {name: entry["required"] for name, entry in shared["observables"].items()}
    assert required == {"m_ll": True, "cos_theta": False, "y_ll": True}
    assert {name: job.settings["region"] for name, job in jobs(plan, "combine").items()} == {
        "low": "low",
        "high": "high",
    }


def test_methods_and_baselines_are_in_the_regions_that_have_their_observables(study: dict[str, Any]) -> None:
    study["evaluation"]["baselines"]["histogram"] = {"observables": ["cos_theta"]}
    plan = plan_of(study, "high.csv")
    evaluated = jobs(plan, "evaluate")
    assert list(evaluated) == ["sally.low", "sally.high", "alice.high", "alices.high"]
    assert jobs(plan, "train")["sally.low"].settings["features"] == ["m_ll"]
    assert jobs(plan, "train")["sally.high"].settings["features"] == ["m_ll", "cos_theta"]
    assert {need for need in evaluated["sally.low"].needs if need[0] == "combine"} == {("combine", "low")}
    assert evaluated["sally.low"].settings["region"] == {"luminosity_pb": 10_000.0}
    assert evaluated["sally.high"].settings["region"]["n_observed"] == 7
    assert "m_ll >= 700" in evaluated["sally.high"].settings["region"]["cuts"]
    study["regions"]["high"]["cuts"] = [f"{study['observables']['m_ll']['definition']} >= 700 and len(j) < 2"]
    cuts = jobs(plan_of(study, "high.csv"), "evaluate")["sally.high"].settings["region"]["cuts"]
    assert cuts[-2:] == ["m_ll >= 700", "len(j) < 2"]
    expected = {f"{kind}.{region}" for kind in ("rate", "fisher") for region in ("low", "high")} | {"histogram.high"}
    assert set(jobs(plan, "baselines")) == expected


def test_an_edit_of_a_region_repeats_what_depends_on_it(study: dict[str, Any]) -> None:
    before = plan_of(study, "high.csv")
    assert set(changed(before, plan_of(study, "high.csv", high="others"))["evaluate"]) == {
        "sally.high",
        "alice.high",
        "alices.high",
    }
    study["regions"]["low"]["luminosity"] = "20 fb^-1"
    again = changed(before, plan_of(study, "high.csv"))
    assert again["evaluate"] == ["sally.low"] and "combine" not in again and "train" not in again


def test_results_of_other_studies_are_files(study: dict[str, Any]) -> None:
    files = {"results": "run_1/results.json", "limits": "run_1/limits_sally.npz"}
    study["combinations"] = {"energies": {"of": {"low": "rate"}, "others": {"run_1": files}}}
    plan = plan_of(study, "high.csv", *files.values())
    (job,) = jobs(plan, "combinations").values()
    (other,) = job.settings["others"]
    names = ["file_run_1_results_json", "file_run_1_limits_sally_npz"]
    assert other == {"name": "run_1", "results": names[0], "limits": names[1], "file": "limits_sally.npz"}
    assert [item.name for item in plan.stage("combinations").files] == names
    assert ("baselines", "rate.low") in job.needs


def test_samples_that_float_are_told_apart_in_the_events(study: dict[str, Any]) -> None:
    (sample,) = study["generation"]["samples"]
    before = plan_of(study, "high.csv")
    study["combinations"] = {"both": {"of": ["low", "high"], "floating": [sample]}}
    plan = plan_of(study, "high.csv")
    combined = jobs(plan, "combinations")
    assert list(combined) == ["both.rate", "both.histogram", "both.sally"], "no Fisher information"
    assert combined["both.rate"].settings["floating"] == [sample]
    assert jobs(plan, "combine")["low"].settings["floating"] == [sample]
    assert "floating" not in jobs(before, "combine")["low"].settings


def test_a_combination_of_regions_has_a_job_for_what_all_of_them_have(study: dict[str, Any]) -> None:
    study["combinations"] = {
        "both": {"of": ["low", "high"]},
        "mixed": {"of": {"low": "rate", "high": "alice"}, "independent": True},
    }
    plan = plan_of(study, "high.csv")
    combined = jobs(plan, "combinations")
    assert list(combined) == ["both.rate", "both.histogram", "both.fisher", "both.sally", "mixed"]
    assert combined["mixed"].settings["of"] == [
        {"stage": "baselines", "job": "rate.low", "group": "low"},
        {"stage": "evaluate", "job": "alice.high", "group": "high"},
    ]
    assert ("combine", "low") in combined["mixed"].needs and ("evaluate", "alice.high") in combined["mixed"].needs
    read = {
        name
        for stage in ("evaluate", "baselines")
        for name, job in jobs(plan, stage).items()
        if job.settings.get("combined")
    }
    assert read == {"rate.low", "rate.high", "histogram.low", "histogram.high", "sally.low", "sally.high", "alice.high"}
    assert {need for need in plan.stage("report").jobs[0].needs if need[0] == "combinations"} == {
        ("combinations", name) for name in combined
    }


def test_a_region_has_the_samples_of_tables() -> None:
    """Unless it names its samples, all of them."""
    data = study_data("wh-ntuple/study.yaml")
    del data["methods"]
    data["regions"] = {"all": {}, "some": {"samples": [next(iter(data["events"]["tables"]))]}}
    plan = plan_of(data, "signal.root", "background.root")
    read = {name: {entry["sample"] for entry in job.settings["jobs"]} for name, job in jobs(plan, "combine").items()}
    assert read["all"] == set(data["events"]["tables"]) and read["some"] == set(data["regions"]["some"]["samples"])
