"""Plans of events that exist already."""

from typing import Any

import pytest

from tests.compiler.plan.plans import changed, jobs, plan_of
from tests.support import study_data


@pytest.fixture
def study() -> dict[str, Any]:
    """The study of weak-boson fusion, on two files at the same benchmark, one at another and a background."""
    data = study_data("vbf-higgs/study.yaml")
    del data["generation"]
    data["detector"] = {"smearing": []}
    files = [("sm", "lhe/sm.lhe.gz"), ("w", "lhe/w.lhe.gz"), ("sm", "lhe/more sm.lhe.gz")]
    data["events"] = {
        "samples": {
            "signal": {"files": [{"benchmark": name, "lhe": path} for name, path in files], "k_factor": 1.2},
            "diphoton": {"background": True, "files": [{"benchmark": "sm", "lhe": "lhe/diphoton.lhe.gz"}]},
        }
    }
    return data


def named(study: dict[str, Any]) -> list[str]:
    files = [file for sample in study["events"]["samples"].values() for file in sample["files"]]
    return [path for file in files for key, path in file.items() if key != "benchmark"]


def test_one_job_for_each_file(study: dict[str, Any]) -> None:
    plan = plan_of(study, *named(study))
    assert [stage.name for stage in plan.group("physics")] == ["configure", "import_events", "analyse", "combine"]
    assert list(jobs(plan, "import_events")) == ["signal.sm.0", "signal.w.0", "signal.sm.1", "diphoton.sm.0"]
    own = jobs(plan, "import_events")["signal.sm.1"].settings
    assert (own["lhe"], own["hepmc"], own["delphes"]) == ("file_lhe_more_sm_lhe_gz", None, None)
    assert plan.stage("import_events").settings["parameters"]["CWL2"]["lha_id"] == 2
    del study["parameters"]["CWL2"]["lha_block"], study["parameters"]["CWL2"]["lha_id"]
    assert plan_of(study, *named(study)).stage("import_events").settings["parameters"] == {}
    assert [(item.name, item.stage) for item in plan.stage("analyse").inputs][1:] == [("events", "import_events")]
    combined = plan.stage("combine").settings["jobs"]
    assert [entry["n_events"] for entry in combined] == [None] * 4
    assert [entry["k_factor"] for entry in combined] == [1.2, 1.2, 1.2, 1.0]


def test_weights_with_other_names(study: dict[str, Any]) -> None:
    files = study["events"]["samples"]["signal"]["files"]
    paths = named(study)
    files[0]["weights"] = {"w": "172.5_40"}
    made = jobs(plan_of(study, *paths), "import_events")
    assert made["signal.sm.0"].settings["weights"] == {"w": "172.5_40"}
    assert "weights" not in made["signal.w.0"].settings


def test_reweighted_files(study: dict[str, Any]) -> None:
    """Model and card reach the jobs of their sample; MadMiner may complete the basis."""
    before = plan_of(study, *named(study))
    study["events"]["samples"]["signal"]["reweight"] = {
        "model": {"file": "EWdim6.zip"},
        "param_card": {"file": "card.dat", "DIM6 all": 0},
        "orders": {"QCD": 0},
    }
    study["trust"] = ["./EWdim6.zip"]
    plan = plan_of(study, *named(study), "EWdim6.zip", "card.dat")
    made = jobs(plan, "import_events")
    own = made["signal.w.0"].settings
    assert own["reweight"] == {
        "model": {"name": None, "file": "file_EWdim6_zip", "restriction": None},
        "param_card": {"dim6 all": 0.0},
        "param_card_file": "file_card_dat",
        "orders": {"QCD": 0},
        "without": [],
        "undecayed": [],
    }
    assert own["powers"] == {"max_powers": {"CWL2": 2, "CPWL2": 2}, "max_overall_power": 2, "basis": 6}
    assert (own["compared"], own["trust"]) == (["sm", "w"], ["file_EWdim6_zip"])
    assert {file.name for file in plan.stage("import_events").files} >= {"file_EWdim6_zip", "file_card_dat"}
    other = changed(plan, plan_of(study, *named(study), "EWdim6.zip", "card.dat", EWdim6="new content"))
    assert other["import_events"] == ["signal.sm.0", "signal.w.0", "signal.sm.1"]
    assert made["diphoton.sm.0"].fingerprint == jobs(before, "import_events")["diphoton.sm.0"].fingerprint


def test_an_entry_of_a_matrix(study: dict[str, Any]) -> None:
    study["parameters"]["CWL2"] |= {"lha_block": "DSQMIX", "lha_id": [1, 2]}
    settings = plan_of(study, *named(study)).stage("import_events").settings
    assert settings["parameters"]["CWL2"]["lha_id"] == [1, 2]


def test_another_file_imports_no_other_again(study: dict[str, Any]) -> None:
    before = plan_of(study, *named(study))
    study["events"]["samples"]["signal"]["files"].insert(0, {"benchmark": "w", "lhe": "lhe/new.lhe.gz"})
    again = changed(before, plan_of(study, *named(study)))
    assert again["import_events"] == ["signal.w.0", "signal.w.1"]  # a part has its number by its place
    same = plan_of(study, *named(study), diphoton="new content")
    assert changed(plan_of(study, *named(study)), same)["import_events"] == ["diphoton.sm.0"]


def add_files(study: dict[str, Any], key: str, *, but: int = 0) -> None:
    """Every LHE file but the last so many has a file of what was made of it."""
    files = [file for sample in study["events"]["samples"].values() for file in sample["files"]]
    for file in files[: len(files) - but]:
        file[key] = file["lhe"].replace("lhe", key)
    study["detector"] = {"simulation": "delphes", "card": "cards/delphes.tcl"}


def test_delphes_runs_on_showered_events(study: dict[str, Any]) -> None:
    add_files(study, "hepmc")
    plan = plan_of(study, *named(study), "cards/delphes.tcl")
    assert list(jobs(plan, "detect")) == list(jobs(plan, "import_events"))
    assert [(item.name, item.stage) for item in plan.stage("detect").inputs] == [("events", "import_events")]
    assert [item.stage for item in plan.stage("analyse").inputs] == ["configure", "import_events", "detect"]
    assert plan.stage("detect").settings["card"] == "file_cards_delphes_tcl"


def test_delphes_runs_where_its_output_is_missing(study: dict[str, Any]) -> None:
    add_files(study, "hepmc")
    add_files(study, "delphes", but=1)
    plan = plan_of(study, *named(study), "cards/delphes.tcl")
    assert len(jobs(plan, "detect")) == 4


def test_delphes_does_not_run_on_what_it_made(study: dict[str, Any]) -> None:
    add_files(study, "delphes")
    del study["detector"]["card"]
    plan = plan_of(study, *named(study))
    assert "detect" not in [stage.name for stage in plan.stages]
    inputs = [(item.name, item.stage) for item in plan.stage("analyse").inputs]
    assert inputs == [("setup", "configure"), ("events", "import_events"), ("detected", "import_events")]
    job = jobs(plan, "analyse")["signal.w.0"]
    assert job.needs == (("configure", "configure"), ("import_events", "signal.w.0"))
