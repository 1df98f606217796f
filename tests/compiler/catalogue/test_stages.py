"""The catalogue of stages: the schema, the checks, the planner and the steps have what it declares."""

import json
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmc.compiler.catalogue.stages import GATHER, GROUPS, PROGRAMS, SECTIONS, STAGES, programs_of, stages_of
from mmc.compiler.checks import check
from mmc.compiler.language.document import load
from mmc.compiler.language.schema import fill_defaults, load_schema, resolve
from mmc.compiler.plan.make import make_plan
from mmc.compiler.study.build import build_study

from tests.strategies import file_studies, named_files, studies

ASKED = [name for name in STAGES if name != GATHER.name]
"""The stages for which a study may ask for resources: the jobs of the other one link files, and need none."""
EXECUTION = resolve(load_schema()["properties"]["execution"])["properties"]
BASELINES: list[dict[str, Any]] = [
    {},
    {"baselines": {"rate": True}},
    {"baselines": {"truth": True}},
    {"fisher_information": {}},
]


@st.composite
def asking_for_more(draw: st.DrawFn) -> dict[str, Any]:
    """Valid studies, many of which ask for tracking, a search that trains in its own job, or one kind of baseline."""
    study: dict[str, Any] = draw(st.one_of(studies(), file_studies()))
    study |= dict.fromkeys(("title", "description", "x-note"), "text that JSON and YAML write alike")
    for entry in (*study["parameters"].values(), *study["observables"].values()):
        entry.pop("label")
    if draw(st.booleans()):
        study["tracking"] = {"mlflow": {}}
    if "evaluation" in study and draw(st.booleans()):
        for key in ("baselines", "fisher_information"):
            study["evaluation"].pop(key, None)
        study["evaluation"] |= draw(st.sampled_from(BASELINES))
    if "methods" in study and draw(st.booleans()):
        tuning = {"search": "optuna", "criterion": "validation_loss", "trials": 2}
        for entry in study["methods"].values():
            entry |= {"scan": {"training.n_epochs": [1, 2]}, "tuning": tuning}
    return study


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(asking_for_more())
def test_plan_and_checks_have_the_stages_that_are_declared(study: dict[str, Any]) -> None:
    plan = make_plan(build_study(fill_defaults(study)), named_files(study))
    planned = tuple(stage.name for stage in plan.stages)
    assert stages_of(plan.resolved_study) == planned

    study["execution"] = {**study.get("execution", {}), "resources": {name: {} for name in ASKED}}
    checked = check(load(json.dumps(study), "study.yaml"), lambda _: "file")
    refused = [
        found.message.removeprefix("the study has no stage ") for found in checked.diagnostics if found.code == "MMC605"
    ]
    assert sorted(refused) == sorted({*ASKED} - {*planned})


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=20)
@given(asking_for_more())
def test_no_other_section_decides_which_stages_there_are(study: dict[str, Any]) -> None:
    data = fill_defaults(study)
    assert stages_of({key: data[key] for key in SECTIONS if key in data}) == stages_of(data)


class Asked(dict[str, Any]):
    """A study that remembers which of its sections were asked for."""

    def __init__(self, data: dict[str, Any]) -> None:
        super().__init__(data)
        self.sections: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.sections.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.sections.add(str(key))
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.sections.add(key)
        return super().get(key, default)


@pytest.mark.parametrize("section", ["generation", "events"])
def test_a_study_with_everything_is_asked_for_these_sections(section: str) -> None:
    methods = {"sally": {"method": "sally"}}
    study = Asked({section: {}, "detector": {}, "methods": methods, "evaluation": {}, "tracking": {}})
    study |= {"combinations": {}, "variants": {}}
    assert {"combinations", "variants", "track"} <= {*stages_of(study)}
    assert study.sections <= {*SECTIONS}


def test_the_schema_knows_the_stages_and_the_programs() -> None:
    assert list(EXECUTION["resources"]["properties"]) == ASKED
    assert list(resolve(EXECUTION["reana"])["properties"]["stages"]["properties"]) == ASKED
    assert list(EXECUTION["images"]["properties"]) == list(GROUPS)
    assert set(EXECUTION["installations"]["properties"]) == set(PROGRAMS)


@pytest.mark.parametrize("stage", STAGES.values(), ids=list(STAGES))
def test_a_stage_has_a_step(stage: Any) -> None:
    assert find_spec(stage.step) is not None
    assert stage.group in GROUPS


def test_stages_of_a_group_stand_together() -> None:
    groups = [stage.group for stage in STAGES.values()]
    assert groups == sorted(groups, key=list(GROUPS).index)


def test_programs_are_those_that_jobs_call() -> None:
    delphes = {"simulation": "delphes"}
    madgraph = {"generator": "madgraph"}
    assert programs_of({"generation": madgraph, "detector": delphes}) == ("MadGraph", "Delphes")
    assert programs_of({"generation": madgraph}) == ("MadGraph",)
    brought = {"samples": {"signal": {"files": [{"lhe": "a.lhe", "delphes": "a.root"}]}}}
    assert programs_of({"events": brought, "detector": delphes}) == ()
    brought["samples"]["signal"]["files"].append({"lhe": "b.lhe", "hepmc": "b.hepmc"})
    assert programs_of({"events": brought, "detector": delphes}) == ("Delphes",)
    assert programs_of({"events": {"file": "events.h5"}, "detector": delphes}) == ()
