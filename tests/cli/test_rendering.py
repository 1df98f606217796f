"""Renderers: text for people, JSON, GitHub annotations and SARIF, against their published schemas."""

import json
import os
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmc.cli.rendering import RENDERERS, to_bytes, to_github, to_json, to_sarif, to_text
from mmc.compiler.checks.codes import CODES
from mmc.compiler.language.diagnostics import Diagnostic, Span
from mmc.compiler.language.schema import load_schema

from tests.support import ROOT

SARIF = jsonschema.Draft4Validator(json.loads((ROOT / "tests/data/sarif-schema-2.1.0.json").read_text()))
REPORT = jsonschema.Draft7Validator(load_schema("diagnostics"))

SOURCE = 'benchmarks:\n  w: {CWL2: 10}\n\tx: "日本 text"  # note\n' + "y: " + "z" * 300 + "\n"
MISSING = Diagnostic(
    "MMC205",
    "benchmark 'w' gives no value for parameter 'CPWL2'",
    "studies/demo/study.yaml",
    Span(2, 6, 2, 16),
    "add `CPWL2: 0`",
)
SOURCES = {MISSING.path: SOURCE}


def test_text_shows_the_line_with_the_part_marked_and_a_way_out() -> None:
    assert to_text([MISSING], SOURCES) == (
        "studies/demo/study.yaml:2:6: error[MMC205]: benchmark 'w' gives no value for parameter 'CPWL2'\n"
        "       2 |   w: {CWL2: 10}\n"
        "         |      ^~~~~~~~~~\n"
        "       help: add `CPWL2: 0`\n"
    )


def marked(span: Span) -> tuple[str, str]:
    """The source line and the marks below it."""
    _, line, mark, *_ = to_text([MISSING._replace(span=span, help="")], SOURCES).split("\n")
    return line[11:], mark[11:]


def test_marks_stand_below_what_they_mark() -> None:
    assert marked(Span(3, 5, 3, 14)) == (' x: "日本 text"  # note', "    ^~~~~~~~~~~")
    assert marked(Span(2, 3, 3, 9)) == ("  w: {CWL2: 10}", "  ^~~~~~~~~~~~~")
    assert marked(Span(2, 3, 2, 3)) == ("  w: {CWL2: 10}", "  ^")
    line, mark = marked(Span(4, 4, 4, 304))
    assert line == "y: " + "z" * 97 + "…"
    assert mark == "   ^" + "~" * 96
    line, mark = marked(Span(4, 200, 4, 210))
    assert line.startswith("…zzz")
    assert line.endswith("z…")
    assert mark.strip() == "^~~~~~~~~~"


def test_a_position_beyond_the_text_shows_no_line() -> None:
    item = MISSING._replace(span=Span(99, 1, 99, 1), help="")
    assert to_text([item], SOURCES).count("\n") == 1
    assert to_text([item], {}).count("\n") == 1


def test_colour_is_only_there_when_asked_for() -> None:
    plain = to_text([MISSING], SOURCES)
    painted = to_text([MISSING], SOURCES, colour=True)
    assert "\x1b" not in plain
    assert "\x1b[1;31merror[MMC205]\x1b[0m" in painted


def test_github_annotations_escape_what_the_runner_reads() -> None:
    item = Diagnostic("MMC101", "50% of\nit: a, b", "a,b:c.yaml", Span(1, 2, 1, 3), "help")
    assert to_github([item], {}) == (
        "::error file=a%2Cb%3Ac.yaml,line=1,endLine=1,col=2,endColumn=3,title=MMC101%3A A key is unknown"
        "::50%25 of%0Ait: a, b%0Ahelp\n"
    )


def test_an_annotation_of_several_lines_has_no_columns() -> None:
    assert ",col=" not in to_github([MISSING._replace(span=Span(1, 2, 3, 4), severity="warning")], {})


def test_json_counts() -> None:
    warning = MISSING._replace(severity="warning")
    report = json.loads(to_json([MISSING, warning], SOURCES))
    assert (report["errors"], report["warnings"], report["files"]) == (1, 1, ["studies/demo/study.yaml"])


def test_sarif_names_files_by_uri() -> None:
    item = MISSING._replace(path="my studies/50%:ü.yaml")
    log = json.loads(to_sarif([item], {item.path: ""}))
    (run,) = log["runs"]
    location = run["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "my%20studies/50%25%3A%C3%BC.yaml"
    assert run["tool"]["driver"]["rules"][0]["id"] == "MMC205"
    absolute = json.loads(to_sarif([MISSING._replace(path=str(Path("/a b")))], {}))["runs"][0]["results"][0]
    assert absolute["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "file:///a%20b"


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
spans = st.tuples(st.integers(1, 6), st.integers(1, 400), st.integers(0, 3), st.integers(0, 9)).map(
    lambda t: Span(t[0], t[1], t[0] + t[2], t[1] + t[3])
)
diagnostics = st.builds(
    Diagnostic,
    st.sampled_from(sorted(CODES)),
    text,
    text.filter(bool),
    spans,
    text,
    st.sampled_from(["error", "warning"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(diagnostics, max_size=4), text)
def test_any_diagnostic_can_be_rendered(items: list[Diagnostic], source: str) -> None:
    sources = {item.path: source for item in items}
    for renderer in RENDERERS.values():
        assert isinstance(renderer(items, sources), str)
    assert to_github(items, sources).count("\n") == len(items)
    REPORT.validate(json.loads(to_json(items, sources)))


@settings(max_examples=15, deadline=None)
@given(st.lists(diagnostics, max_size=3))
def test_sarif_is_valid_by_its_published_schema(items: list[Diagnostic]) -> None:
    SARIF.validate(json.loads(to_sarif(items, {item.path: "" for item in items})))


@pytest.mark.parametrize(
    ("before", "columns"),
    [
        ("e\u0301", 1),  # a letter and a combining accent
        ("\u2764\ufe0f", 1),  # a heart, and the request to draw it in colour: Mn, but not combining
        ("\u0928\u092e\u0938\u094d\u0924\u0947", 4),  # Devanagari: a virama and a vowel sign
        ("\u1112\u1161\u11ab", 2),  # Hangul in parts
        ("\u65e5\u672c", 4),
        ("a\u20dd", 1),  # Me
        ("a\u00ad", 2),  # a soft hyphen is shown as a blank
    ],
)
def test_marks_stand_below_text_with_signs_without_width(before: str, columns: int) -> None:
    item = MISSING._replace(span=Span(1, len(before) + 1, 1, len(before) + 2), help="")
    _, line, mark, *_ = to_text([item], {item.path: f"{before}x"}).split("\n")
    assert mark[11:] == " " * columns + "^"
    assert line[11:].endswith("x")


def test_a_name_that_is_not_utf8_keeps_its_bytes_in_programs_formats() -> None:
    path = os.fsdecode(b"caf\xe9 1.yaml")
    item = MISSING._replace(path=path)
    result = json.loads(to_sarif([item], {path: ""}))["runs"][0]
    assert result["artifacts"] == [{"location": {"uri": "caf%E9%201.yaml"}}]
    assert b"file=caf\xe9 1.yaml," in to_bytes(to_github([item], {path: ""}))
    assert os.fsencode(json.loads(to_bytes(to_json([item], {path: ""})))["files"][0]) == b"caf\xe9 1.yaml"
    assert to_text([item], {path: ""}).startswith("caf\ufffd 1.yaml:2:6: ")


@given(text, text, text)
def test_no_format_has_a_control_character(path: str, message: str, source: str) -> None:
    item = MISSING._replace(path=path, message=message, help=message)
    for name, render in RENDERERS.items():
        written = render([item], {path: source})
        assert all(line.isprintable() for line in written.split("\n")), name
    assert to_github([item], {path: source}).count("\n") == 1
