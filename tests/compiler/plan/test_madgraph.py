"""Plans with MadGraph: what each job is told, and what an edit runs again."""

from typing import Any

import pytest
import yaml
from mmc.compiler.plan.model import Flow
from mmc.compiler.targets import TARGETS, Options

from tests.compiler.plan.plans import changed, jobs, plan_of
from tests.support import study_data

BASIS = ["sm", "w", *(f"morphing_basis_vector_{k}" for k in range(2, 6))]


@pytest.fixture
def vbf() -> dict[str, Any]:
    return study_data("vbf-higgs/study.yaml")


@pytest.fixture
def signal(vbf: dict[str, Any]) -> dict[str, Any]:
    sample: dict[str, Any] = vbf["generation"]["samples"]["signal"]
    return sample


def add_background(vbf: dict[str, Any], **more: Any) -> None:
    vbf["generation"]["samples"]["diphoton"] = {
        "process": "u d > u d a a / h QCD=99 QED=99 NP=0",
        "background": True,
        "events": 2500,
        **more,
    }


def test_the_stages_and_widths_of_the_hand_written_workflow(vbf: dict[str, Any]) -> None:
    """It scattered over six benchmarks for events and detector, and over three methods for training and evaluation."""
    texts = TARGETS["yadage"](plan_of(vbf), Options()).texts
    stages = {
        stage["name"]: stage
        for group in ("physics.yml", "learning.yml")
        for stage in yaml.safe_load(texts[group])["stages"]
    }
    scattered = {name: stage for name, stage in stages.items() if "scatter" in stage["scheduler"]}
    widths = {name: len(stage["scheduler"]["parameters"]["job"]) for name, stage in scattered.items()}
    assert widths["simulate"] == widths["detect"] == widths["analyse"] == 6
    assert widths["train"] == widths["evaluate"] == 3
    assert {"configure", "generate", "combine", "sample", "report"} <= set(stages)


def test_events_are_generated_at_every_benchmark_of_the_basis(vbf: dict[str, Any]) -> None:
    plan = plan_of(vbf)
    assert list(jobs(plan, "simulate")) == [f"signal.{name}.0" for name in BASIS]
    assert [job.events for job in plan.stage("simulate").jobs] == [1000] * 6


def test_a_default_holds_for_what_completes_the_basis(vbf: dict[str, Any], signal: dict[str, Any]) -> None:
    signal |= {"events": {"sm": 2500, "default": 500}}
    plan = plan_of(vbf)
    assert sum(job.events for job in plan.stage("simulate").jobs) == 2500 + 5 * 500
    signal |= {"events": {"sm": 2500}}
    assert list(jobs(plan_of(vbf), "simulate")) == ["signal.sm.0", "signal.sm.1", "signal.sm.2"]


def test_a_benchmark_outside_the_basis_is_none_of_its_elements(vbf: dict[str, Any]) -> None:
    vbf["benchmarks"]["probe"] = {"CWL2": 1, "CPWL2": 1, "in_basis": False}
    plan = plan_of(vbf)
    assert list(jobs(plan, "simulate")) == [f"signal.{name}.0" for name in [*BASIS, "probe"]]
    assert plan.stage("configure").settings["outside_basis"] == ["probe"]


@pytest.mark.parametrize("morphing", ["none", {"complete": False}])
def test_nothing_is_added_to_the_users_benchmarks(vbf: dict[str, Any], morphing: Any) -> None:
    vbf["morphing"] = morphing
    assert list(jobs(plan_of(vbf), "simulate")) == ["signal.sm.0", "signal.w.0"]


def test_a_background_is_generated_once(vbf: dict[str, Any]) -> None:
    add_background(vbf, events_per_job=1000)
    plan = plan_of(vbf)
    own = [job for job in plan.stage("simulate").jobs if job.settings["sample"] == "diphoton"]
    assert [(job.name, job.events) for job in own] == [
        ("diphoton.sm.0", 1000),
        ("diphoton.sm.1", 1000),
        ("diphoton.sm.2", 500),
    ]
    assert all(job.settings["background"] for job in own)
    assert list(jobs(plan, "generate")) == ["signal", "diphoton"]


def test_settings_of_a_slice_stand_over_those_of_the_sample_and_of_all(
    vbf: dict[str, Any], signal: dict[str, Any]
) -> None:
    vbf["generation"]["run_card"] = {"file": "cards/run_card.dat", "ptj": 10, "etaj": 4, "drjj": 0.1}
    signal["run_card"] = {"ptj": 15, "etaj": 5}
    signal["slices"] = {"soft": {"ptjmax": 100}, "hard tail": {"file": "cards/hard.dat", "ptj": 100}}
    plan = plan_of(vbf, "cards/run_card.dat", "cards/hard.dat")
    soft, hard = (jobs(plan, "simulate")[f"signal.{name}.sm.0"].settings for name in ("soft", "hard_tail"))
    assert soft["run_card"] == {"ptj": 15, "etaj": 5, "drjj": 0.1, "ptjmax": 100}
    assert hard["run_card"] == {"ptj": 100, "etaj": 5, "drjj": 0.1}
    assert (soft["run_card_file"], hard["run_card_file"]) == ("file_cards_run_card_dat", "file_cards_hard_dat")
    assert (soft["slice"], hard["slice"], soft["n_events"]) == ("soft", "hard_tail", 1000)
    assert [jobs(plan, stage)["signal.soft.sm.0"].settings["slice"] for stage in ("detect", "analyse")] == ["soft"] * 2
    combined = {(entry["slice"], entry["benchmark"]) for entry in plan.stage("combine").settings["jobs"]}
    assert combined == {(name, benchmark) for name in ("soft", "hard_tail") for benchmark in BASIS}


def test_parts_have_consecutive_seeds_and_slices_their_own(vbf: dict[str, Any], signal: dict[str, Any]) -> None:
    signal |= {"slices": {"a": {"ptj": 20}, "b": {"ptj": 30}}, "events": {"sm": 3000}}
    seeds = {job.name: job.seed for job in plan_of(vbf).stage("simulate").jobs}
    for name in ("a", "b"):
        first = seeds[f"signal.{name}.sm.0"]
        assert [seeds[f"signal.{name}.sm.{k}"] for k in range(3)] == [first, first + 1, first + 2]
    assert len(set(seeds.values())) == 6


def test_entries_of_the_param_card(vbf: dict[str, Any], signal: dict[str, Any]) -> None:
    vbf["generation"]["param_card"] = {"file": "param.dat", "DIM6 all": 0, "mass 25": 125}
    signal["param_card"] = {"mass 25": 126}
    settings = jobs(plan_of(vbf, "param.dat"), "simulate")["signal.sm.0"].settings
    assert settings["param_card"] == {"dim6 all": 0.0, "mass 25": 126.0}
    assert settings["param_card_file"] == "file_param_dat"
    assert "param_card_where_there" not in settings


def test_another_model_takes_the_shared_entries_that_its_card_has(vbf: dict[str, Any]) -> None:
    add_background(vbf, model="sm", param_card={"mass 6": 172.5})
    settings = jobs(plan_of(vbf), "simulate")["diphoton.sm.0"].settings
    assert settings["param_card"] == {"dim6 all": 0.0, "decay 25": 0.00407, "mass 6": 172.5}
    assert settings["param_card_where_there"] == ["dim6 all", "decay 25"]


def test_a_card_of_one_sample_concerns_no_other(vbf: dict[str, Any], signal: dict[str, Any]) -> None:
    names = ("a/run_card.dat", "b/run_card.dat", "cards/shower.dat")
    vbf["generation"]["shower"]["card"] = names[2]
    signal["run_card"] = {"file": names[0]}
    add_background(vbf, run_card={"file": names[1]})
    before = plan_of(vbf, *names)
    assert [str(file.path) for file in before.files] == [f"inputs/{name}" for name in (names[2], *names[:2])]
    del vbf["generation"]["samples"]["diphoton"]["run_card"]
    after = changed(before, plan_of(vbf, *names))
    assert after["simulate"] == after["detect"] == after["analyse"] == ["diphoton.sm.0"]
    assert {*after} & {"configure", "generate"} == set()
    of_the_shower = changed(before, plan_of(vbf, *names, shower="Tune:pp = 14"))
    assert len(of_the_shower["simulate"]) == 7


def test_new_content_of_a_card(vbf: dict[str, Any], signal: dict[str, Any]) -> None:
    signal["run_card"] = {"file": "mine.dat"}
    add_background(vbf)
    again = changed(plan_of(vbf, "mine.dat"), plan_of(vbf, "mine.dat", mine="other"))
    assert again["simulate"] == [f"signal.{name}.0" for name in BASIS]


def test_what_the_reader_finds_does_not_run_the_detector_again(vbf: dict[str, Any]) -> None:
    before = plan_of(vbf)
    vbf["observables"]["met"] = {"definition": "met.pt", "required": True}
    vbf["detector"]["acceptance"] = {"pt_min": {"j": "30 GeV"}}
    assert not changed(before, plan_of(vbf)).keys() & {"configure", "generate", "simulate", "detect"}
    vbf["detector"] = {"simulation": "delphes", "shipped_card": "delphes_card_ATLAS.tcl"}
    assert {"generate", "simulate"}.isdisjoint(changed(before, plan_of(vbf)))


def test_the_reader_is_told_of_the_detector(vbf: dict[str, Any]) -> None:
    vbf["detector"] |= {"acceptance": {"pt_min": {"j": "0.03 TeV"}, "eta_max": {"j": 4}}, "generator_truth": True}
    vbf["execution"] = {"installations": {"madgraph": "/opt/mg5", "delphes": "/opt/delphes"}}
    plan = plan_of(vbf)
    analyse = plan.stage("analyse")
    assert analyse.settings["reader"] == "delphes"
    assert analyse.settings["acceptance"] == {"pt_min": {"j": 30.0}, "eta_max": {"j": 4.0}}
    assert analyse.settings["generator_truth"] is True
    assert [(item.name, item.stage, item.flow) for item in analyse.inputs][1:] == [
        ("events", "simulate", Flow.EACH),
        ("detected", "detect", Flow.EACH),
    ]
    assert all({("simulate", job.name), ("detect", job.name)} < set(job.needs) for job in analyse.jobs)
    detect = plan.stage("detect").settings
    assert detect == {"installation": "/opt/delphes", "card": None, "shipped_card": "delphes_card_CMS.tcl"}
    assert plan.stage("generate").settings["installation"] == "/opt/mg5"


def test_smearing_needs_no_shower_and_no_detector(vbf: dict[str, Any]) -> None:
    del vbf["detector"]
    vbf["generation"]["shower"] = "none"
    plan = plan_of(vbf)
    assert "detect" not in [stage.name for stage in plan.stages]
    assert plan.stage("simulate").settings["shower"] is None
    assert {"smearing", "met_noise"} <= set(plan.stage("analyse").settings)


def test_a_sample_knows_its_own_uncertainties_alone(vbf: dict[str, Any], signal: dict[str, Any]) -> None:
    vbf["systematics"] = {"mu": {"effect": "scale", "scale": "mu"}, "lumi": {"effect": "norm", "variation": 1.02}}
    signal["systematics"] = ["mu", "lumi"]
    add_background(vbf, systematics=["lumi"])
    plan = plan_of(vbf)
    simulate = {name: job.settings["systematics"] for name, job in jobs(plan, "simulate").items()}
    assert simulate["diphoton.sm.0"] == {"lumi": {"effect": "norm", "variation": 1.02}}
    assert list(simulate["signal.w.0"]) == ["mu", "lumi"]
    assert jobs(plan, "analyse")["diphoton.sm.0"].settings["systematics"] == ["lumi"]
    assert set(plan.stage("configure").settings["systematics"]) == {"mu", "lumi"}


def test_the_large_study() -> None:
    plan = plan_of(study_data("wh-smeft/study.yaml"))
    simulate = plan.stage("simulate").jobs
    assert len(simulate) == 16 * 40 and {job.events for job in simulate} == {25_000}
    assert {job.settings["benchmark"] for job in simulate} == {"sm"}
    assert {job.settings["sample"] for job in simulate if job.settings["systematics"]} == {
        f"w{charge}h_{lepton}" for charge in "pm" for lepton in ("e", "mu")
    }
    assert len(plan.stage("analyse").settings["observables"]) == 51
    assert len({job.seed for job in simulate}) == len(simulate)
    assert {job.name: len(job.needs) - 1 for job in plan.stage("combine").jobs} == {
        "signal_only": 160,
        "with_backgrounds": 640,
    }
