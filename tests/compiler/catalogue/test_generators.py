"""The catalogue of generators: the schema, the study and the steps have what it declares."""

from dataclasses import fields, is_dataclass
from importlib.util import find_spec
from typing import Any, get_args, get_type_hints

import pytest
from mmc.compiler.catalogue.generators import (
    EVENT_FILE,
    EVENT_SAMPLES,
    GENERATORS,
    MADGRAPH,
    ORIGINS,
    PYTHIA8,
    EventOrigin,
    generator_of,
    origin_of,
)
from mmc.compiler.catalogue.stages import STAGES
from mmc.compiler.language.schema import load_schema, resolve, tag_of
from mmc.compiler.settings import generation

SCHEMA = load_schema()
GENERATION = resolve(SCHEMA["properties"]["generation"])
EVENTS = resolve(SCHEMA["properties"]["events"])

every_origin = pytest.mark.parametrize("origin", ORIGINS, ids=[origin.name for origin in ORIGINS])


def test_the_schema_knows_the_generators() -> None:
    generator = GENERATION["properties"]["generator"]
    assert generator["enum"] == list(GENERATORS)
    assert generator["description"] == " ".join(origin.summary for origin in GENERATORS.values())
    assert [tag_of(branch) for branch in GENERATION["branches"]] == [("generator", name) for name in GENERATORS]


def test_the_schema_knows_the_events_that_exist() -> None:
    existing = {origin.name: origin.summary for origin in ORIGINS if not origin.generates}
    described = {name: entry["description"] for name, entry in EVENTS["properties"].items()}
    del described["from_run"]  # of another run, whatever their origin is there
    assert described == existing


def test_the_schema_knows_the_processes_of_a_generator() -> None:
    for branch in GENERATION["branches"]:
        _, name = tag_of(branch)
        samples = resolve(resolve(branch["then"])["properties"]["samples"])
        process = resolve(samples["additionalProperties"])["properties"].get("process", {})
        assert resolve(process).get("enum", []) == list(GENERATORS[name].processes)


@every_origin
def test_its_stages_are_declared(origin: EventOrigin) -> None:
    assert set(origin.stages) <= set(STAGES)
    assert {STAGES[name].group for name in origin.stages} == {"physics"}
    assert set(origin.steps) <= set(origin.stages)


@every_origin
def test_its_steps_exist(origin: EventOrigin) -> None:
    for module in origin.steps.values():
        assert find_spec(module) is not None


@pytest.mark.parametrize(
    ("study", "origin"),
    [
        ({"generation": {"generator": "pythia8"}}, PYTHIA8),
        ({"generation": {"generator": "madgraph"}}, MADGRAPH),
        ({"generation": {"generator": "sherpa"}}, None),
        ({"generation": {"generator": ["pythia8"]}}, None),
        ({"generation": 3}, None),
        ({"events": {"file": "events.h5"}}, EVENT_FILE),
        ({"events": {"samples": {}}}, EVENT_SAMPLES),
        ({"events": {}}, None),
        ({"events": {"file": "events.h5"}, "generation": {"generator": "pythia8"}}, None),
        ({}, None),
    ],
)
def test_origin_of_a_study(study: dict[str, Any], origin: EventOrigin | None) -> None:
    assert origin_of(study) is origin


def test_settings_name_generators_of_the_catalogue() -> None:
    named = {
        name
        for kind in vars(generation).values()
        if is_dataclass(kind)
        for field in fields(kind)
        if field.name == "generator"
        for name in get_args(get_type_hints(kind)["generator"])
    }
    assert named == {*GENERATORS} - {PYTHIA8.name}


def test_settings_without_a_name_are_those_of_pythia() -> None:
    assert generator_of({"n_events": 5}) == PYTHIA8.name
    assert generator_of({"generator": "madgraph"}) == MADGRAPH.name
