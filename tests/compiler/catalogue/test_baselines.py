"""Every baseline is known wherever baselines are: schema, rules, plan, results."""

from typing import Any

import pytest
import yaml
from mmc.compiler.catalogue.baselines import BASELINES, names_of_limits
from mmc.compiler.checks import check
from mmc.compiler.language.document import load
from mmc.compiler.language.schema import load_schema, resolve

from tests.compiler.plan.plans import jobs, plan_of
from tests.support import study_data

ASKED: dict[str, Any] = {"rate": True, "histogram": {"observables": ["m_ll"]}, "truth": True, "fisher": {}}
"""What a study says of each."""
METHOD = {"method": "sally", "theta": {"benchmark": "sm"}, "samples": 1000}


def study(name: str, **methods: Any) -> dict[str, Any]:
    """A study that asks for one baseline alone, besides methods."""
    data = study_data("drell-yan/tiny.yaml")
    for key in ("methods", "plots"):
        data.pop(key, None)
    evaluation: dict[str, Any] = {"luminosity": data["evaluation"]["luminosity"]}
    *outer, key = BASELINES[name].section
    place = evaluation
    for word in outer:
        place = place.setdefault(word, {})
    place[key] = ASKED[name]
    return {**data, "evaluation": evaluation} | ({"methods": methods} if methods else {})


def codes(data: dict[str, Any]) -> list[str]:
    document = load(yaml.safe_dump(data, sort_keys=False), "study.yaml")
    return [item.code for item in check(document, lambda path: "file").diagnostics]


def test_the_schemas_list_the_baselines() -> None:
    evaluation = resolve(load_schema()["properties"]["evaluation"])
    assert {*evaluation["properties"]["baselines"]["properties"]} == {
        path[1]
        for kind in BASELINES.values()
        for path in (kind.section, kind.named_section)
        if path[:1] == ("baselines",)
    }
    assert all(kind.section[0] in evaluation["properties"] for kind in BASELINES.values())
    results = load_schema("results")["definitions"]
    assert {*results["baseline"]["properties"]["baseline"]["enum"]} == {*names_of_limits()}
    information = results["fisher_information"]["oneOf"][1]["properties"]["information"]
    assert all(f"`{name}`" in information["description"] for name in names_of_limits())
    colours = load_schema()["properties"]["plots"]["properties"]["colors"]["description"]
    assert ", ".join(f"`{name}`" for name in names_of_limits()) in colours


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_alone_is_something_to_evaluate(name: str) -> None:
    assert "MMC510" not in codes(study(name))
    assert list(jobs(plan_of(study(name)), "baselines")) == [name]


@pytest.mark.parametrize("name", BASELINES)
def test_no_method_has_the_name_of_a_baseline(name: str) -> None:
    assert "MMC208" in codes(study(name, **{name: METHOD}))
    assert "MMC208" in codes(study(name, **{name.upper(): METHOD}))
    assert "MMC208" not in codes(study(name, mine=METHOD))


@pytest.mark.parametrize("name", BASELINES)
def test_limits_without_the_rate_are_asked_of_what_has_some(name: str) -> None:
    data = study(name)
    data["evaluation"]["include_xsec"] = "both"
    assert ("MMC531" in codes(data)) == (not BASELINES[name].without_rate)


@pytest.mark.parametrize("name", BASELINES)
def test_what_has_limits_has_a_colour(name: str) -> None:
    data = study(name)
    data["plots"] = {"colors": {name: "#000000"}}
    assert ("MMC204" in codes(data)) == (not BASELINES[name].has_limits)
    assert bool(BASELINES[name].colors) == BASELINES[name].has_limits


def test_baselines_of_a_study_are_found_in_any_of_its_sections() -> None:
    asked = BASELINES["histogram"].asked
    assert asked({"baselines": {"histogram": 1, "histograms": {"b": 2}}}) == {None: 1, "b": 2}
    assert asked({"baselines": {"rate": True}}) == asked(None) == asked({"baselines": []}) == {}
    assert BASELINES["rate"].asked({"baselines": {"rate": False}}) == {}
    assert BASELINES["fisher"].asked({"fisher_information": {}}) == {None: {}}
