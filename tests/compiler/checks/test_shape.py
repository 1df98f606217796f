"""The schema's problems in mmc's words: every keyword that the language uses has its own message."""

from collections.abc import Iterator
from typing import Any

import pytest
from mmc.compiler.checks.shape import _RULES, check_shape, shape_problems
from mmc.compiler.language.diagnostics import told
from mmc.compiler.language.document import load
from mmc.compiler.language.schema import load_schema

SILENT = {"$schema", "$id", "$ref", "title", "description", "default", "properties", "definitions", "items", "allOf"}
SILENT |= {"patternProperties", "propertyNames", "if", "then", "$comment", "patternErrorMessage"}
ANNOTATIONS = {
    "x-refers-to",
    "x-keys-refer-to",
    "x-dimension",
    "x-order",
    "x-expression",
    "x-file",
    "x-partial",
    "x-reana",
    "x-ufo-model",
}


def keywords(schema: Any) -> Iterator[str]:
    """All keywords of a schema and of those within."""
    for keyword, value in schema.items():
        yield keyword
        if keyword in ("properties", "definitions", "patternProperties"):
            for child in value.values():
                yield from keywords(child)
        elif isinstance(value, dict) and keyword != "default":
            yield from keywords(value)
        elif keyword == "allOf":
            for child in value:
                yield from keywords(child)


def test_every_keyword_of_the_language_has_words_and_every_annotation_a_rule() -> None:
    assert set(keywords(load_schema())) - SILENT - ANNOTATIONS <= set(_RULES)
    assert set(keywords(load_schema())) >= ANNOTATIONS


def said(data: Any, schema: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(problem.code.id, problem.message, told(problem.help)) for problem in shape_problems(data, schema)]


T = "write it as in `6 min`"


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ("3", {"type": "integer"}, ("MMC103", "`k` must be a whole number, not '3'", "write `3` without quotes")),
        ("3_000", {"type": "number"}, ("MMC103", "`k` must be a number, not '3_000'", "write `3000` without quotes")),
        (2.4, {"type": "integer"}, ("MMC103", "`k` must be a whole number, not 2.4", "write `2`, for example")),
        ("off", {"type": "boolean"}, ("MMC103", "`k` must be `true` or `false`, not 'off'", "write `false`")),
        (3, {"type": "string"}, ("MMC103", "`k` must be text, not 3", "put it in quotes")),
        (3, {"type": "array"}, ("MMC103", "`k` must be a list, not 3", "write it in brackets: `[3]`")),
        (
            None,
            {"type": "number"},
            ("MMC103", "`k` has no value; it must be a number", "give a value, or remove the key"),
        ),
        (True, {"type": "number"}, ("MMC103", "`k` must be a number, not true", "")),
        ({}, {"type": ["string", "integer"]}, ("MMC103", "`k` must be text or a whole number, not a mapping", "")),
        (6, {"type": "string", "x-dimension": "time"}, ("MMC110", "`k` is a number without a unit of time", T)),
        ("c", {"enum": ["a", "b"]}, ("MMC104", "`k` cannot be 'c'", "one of `a`, `b`")),
        ("dimuons", {"enum": ["dimuon", "ww"]}, ("MMC104", "`k` cannot be 'dimuons'", "did you mean `dimuon`?")),
        ("c", {"enum": ["a"]}, ("MMC104", "`k` cannot be 'c'", "write `a`")),
        (3, {"maximum": 2000}, None),
        (3000, {"maximum": 2000}, ("MMC106", "`k` must be at most 2,000, not 3000", "")),
        (0, {"exclusiveMinimum": 0}, ("MMC106", "`k` must be above 0, not 0", "")),
        ([], {"minItems": 1}, ("MMC107", "`k` is empty", "give at least one entry")),
        ([1], {"minItems": 2}, ("MMC107", "`k` has 1 entries; it must have at least 2", "")),
        ("abc", {"maxLength": 2}, ("MMC107", "`k` has 3 characters; it must have at most 2", "")),
        ([1, 2, 1.0], {"uniqueItems": True}, ("MMC108", "`k` contains 1.0 twice", "keep one of them")),
        (
            [[1], {"a": 1}, {"a": 1}],
            {"uniqueItems": True},
            ("MMC108", "`k` contains a mapping twice", "keep one of them"),
        ),
        ([1, True, "1"], {"uniqueItems": True}, None),
        ("x", {"pattern": "^y", "description": "A y."}, ("MMC105", "`k` cannot be 'x'", "A y")),
    ],
)  # fmt: skip
def test_words(value: Any, schema: dict[str, Any], expected: tuple[str, str, str] | None) -> None:
    assert said({"k": value}, {"properties": {"k": schema}}) == ([] if expected is None else [expected])


def test_each_problem_is_said_once() -> None:
    schema = {
        "required": ["a", "b"],
        "additionalProperties": False,
        "properties": {"a": {"description": "An A. B."}, "b": {}},
    }
    assert sorted(said({"c": 1, "d": 2}, schema)) == [
        ("MMC101", "unknown key 'c' in a study", "the keys there are `a`, `b`"),
        ("MMC101", "unknown key 'd' in a study", "the keys there are `a`, `b`"),
        ("MMC102", "the study lacks the key `a`", "add `a: …` (an A)"),
        ("MMC102", "the study lacks the key `b`", "add `b: …`"),
    ]


def test_a_missing_key_is_shown_where_it_would_stand() -> None:
    document = load("mmc: '1.0'\nparameters:\n  c_LL:\n    coefficient: LL\n", "s.yaml")
    lacking = [item for item in check_shape(document).diagnostics if "c_LL" in item.message]
    assert [(item.message, tuple(item.span[:4])) for item in lacking] == [
        ("`parameters.c_LL` lacks the key `range`", (3, 3, 3, 7))
    ]
