"""Digits in groups: a number where the language asks for one, text elsewhere, and a way out where they are wrong."""

import json
import time
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from mmc.compiler.checks import check
from mmc.compiler.checks.grouped import read_grouped
from mmc.compiler.language.document import load
from mmc.compiler.language.schema import schema_text

from tests.compiler.checks.test_rules import BASE
from tests.compiler.checks.test_rules import diagnose as diagnose_base

RAW = json.loads(schema_text())


def read(text: str) -> Any:
    document, problems = read_grouped(load(text, "study.yaml"))
    assert problems == []
    return document.data


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("seed: 1_000", {"seed": 1000}),
        ("seed: '1_000'", {"seed": "1_000"}),
        ("title: 1_000", {"title": "1_000"}),
        ("x-note: 1_000", {"x-note": "1_000"}),
        ("unknown: 1_000", {"unknown": "1_000"}),
        ("benchmarks: {1_000: {a: -1_000.5, b: +1_000e3}}", {"benchmarks": {"1_000": {"a": -1000.5, "b": 1e6}}}),
        ("a: &n 1_000\nseed: *n", {"a": "1_000", "seed": 1000}),
        (
            "methods: {m: {scan: {training.batch_size: [1_000, 2], training.n_hidden: [[1_000]]}}}",
            {"methods": {"m": {"scan": {"training.batch_size": [1000, 2], "training.n_hidden": [[1000]]}}}},
        ),
        (
            "generation: {generator: madgraph, run_card: {a: 1_000, b: '1_000', c: 1_a}, beams: {pdf: 260_000}}",
            {
                "generation": {
                    "generator": "madgraph",
                    "run_card": {"a": 1000, "b": "1_000", "c": "1_a"},
                    "beams": {"pdf": 260000},
                }
            },
        ),
        ("generation: {events_per_job: 1_000}", {"generation": {"events_per_job": "1_000"}}),  # of which generator?
    ],
)
def test_a_number_is_read_where_one_is_asked_for(written: str, expected: Any) -> None:
    found = read(written)
    assert found == expected
    assert repr(found) == repr(expected)


@pytest.mark.parametrize(
    ("number", "help_text"),
    [
        ("15_00", "write `1500` or `1_500`"),
        ("1__0", "write `10`"),
        ("1_0", "write `10`"),
        ("1000_000", "write `1000000` or `1_000_000`"),
        ("100_", "write `100`"),
        ("-15_00", "write `-1500` or `-1_500`"),
    ],
)
def test_digits_that_are_not_in_threes_have_a_way_out(number: str, help_text: str) -> None:
    _, (problem,) = read_grouped(load(f"title: {number}\nseed: {number}\n", "study.yaml"))
    assert problem.code == "MMC103"
    assert problem.message == f"`seed` is '{number}', whose digits are not in groups of three"
    assert (problem.help, problem.span.line, problem.span.column) == (help_text, 2, 7)


def test_where_text_can_stand_too_the_way_out_is_quotes_as_well() -> None:
    text = "generation: {generator: madgraph, run_card: {run_tag: 2020_01}}"
    _, (problem,) = read_grouped(load(text, "study.yaml"))
    assert problem.help == "write `202001` or `202_001`, or put it in quotes if it is text"


def test_it_is_one_problem_among_the_others() -> None:
    found = diagnose_base(("samples: 1000", "samples: 10_00"), ("benchmark: sm", "benchmark: SM"))
    assert [(item.code, item.help) for item in found if item.code != "MMC201"] == [
        ("MMC103", "write `1000` or `1_000`")
    ]
    assert len(found) == 2


def test_many_grouped_numbers_end_quickly() -> None:
    started = time.process_time()
    text = BASE.replace("range: [-1, 1]", "range: [" + "1_0, " * 25_000 + "2_000]", 1)
    assert [item.code for item in check(load(text, "study.yaml"), lambda _: "missing").diagnostics][-1] == "MMC014"
    assert time.process_time() - started < 12


def subschemas(value: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All objects of the schema with their paths."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if isinstance(value, dict):
        yield where, value
    for key, item in items:
        yield from subschemas(item, f"{where}/{key}")


def test_the_schema_tells_editors_of_every_number_that_can_be_large() -> None:
    large = {
        where: schema
        for where, schema in subschemas(RAW)
        if {"integer", "number"}
        & set(schema.get("type", ()) if isinstance(schema.get("type"), list) else [schema.get("type")])
        and schema.get("maximum", schema.get("exclusiveMaximum", 1e9)) >= 1000
    }
    not_told = [
        where for where, schema in large.items() if {"$ref": "#/definitions/grouped"} not in schema.get("allOf", ())
    ]
    assert all("string" in large[where]["type"] for where in not_told)  # any text can stand there
    assert len(large) - len(not_told) > 40


@pytest.mark.parametrize(
    ("value", "right"),
    [
        *((value, True) for value in (1000, 1e3, "1_000", "+1_000_000", "-10_000.5", "100_000e3")),
        *(
            (value, False)
            for value in ("1000", "10_00", "1_0000", "_100", "1_000_", "1__000", "1,000", "many", "", True)
        ),
    ],
)
def test_the_schema_knows_groups_of_three(value: Any, right: bool) -> None:
    numbers = {**RAW["definitions"]["param_card"], "definitions": RAW["definitions"]}
    assert jsonschema.Draft7Validator(numbers).is_valid({"mass 25": value}) is right
