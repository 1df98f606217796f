"""Reading YAML: values, positions, and every way in which a file can be broken."""

import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from mmc.compiler.language.diagnostics import Span, in_order
from mmc.compiler.language.document import Document, load
from mmc.compiler.language.yaml_nodes import split_lines


def one(source: str | bytes) -> tuple[str, int, int, str]:
    """Code, line, column and message of the only diagnostic."""
    (item,) = load(source, "study.yaml").diagnostics
    return item.code, item.span.line, item.span.column, item.message


def data(source: str | bytes) -> dict[str, Any]:
    document = load(source, "study.yaml")
    assert document.diagnostics == ()
    assert document.data is not None
    return document.data


@pytest.fixture(params=["C", "pure"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run with libyaml and without."""
    if request.param == "pure":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e3", 1000.0),
        ("1E-2", 0.01),
        (".5", 0.5),
        ("5.", 5.0),
        ("-3", -3),
        ("+3", 3),
        ("007", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("500_000", "500_000"),
        ("10_000.5", "10_000.5"),
        ("1_0.0_0", "1_0.0_0"),
        ("_1", "_1"),
        ("1__0", "1__0"),
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("2026-11-22", "2026-11-22"),
        ("12:30:45", "12:30:45"),
        ("1.2.3", "1.2.3"),
        ("\n  -", [None]),
        ("+", "+"),
        (".", "."),
        ("300 fb^-1", "300 fb^-1"),
        ("'1'", "1"),
        ('"1e3"', "1e3"),
        ("!!str 1", "1"),
        ("!!float 1", 1.0),
        ("! 1", "1"),
        ('"\\u00e9\\t"', "é\t"),
    ],
)
@pytest.mark.usefixtures("parser")
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = data(f"key: {text}\n")["key"]
    assert found == value
    assert type(found) is type(value)


def test_the_number_that_grouped_digits_mean_is_kept_beside_the_text() -> None:
    document = load(
        "a: 1_000\nb: [-1_0.5, '1_000', !!str 1_000, _1, x_1, 1_e3, 1e_]\nc: {1_0: 2_0e1_0}\n", "study.yaml"
    )
    assert document.data == {
        "a": "1_000",
        "b": ["-1_0.5", "1_000", "1_000", "_1", "x_1", "1_e3", "1e_"],
        "c": {"1_0": "2_0e1_0"},
    }
    assert document.grouped == {("a",): 1000, ("b", 0): -10.5, ("b", 5): 1000.0, ("c", "1_0"): 20e10}
    changed = document.with_values({("a",): 1000, ("b", 0): -10.5})
    assert changed.data == {**document.data, "a": 1000, "b": [-10.5, *document.data["b"][1:]]}
    assert document.data["b"][0] == "-1_0.5"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ("MMC003", 1, 1, "the study is empty")),
        ("# nothing\n---\n", ("MMC003", 1, 1, "the study is empty")),
        ("- 1\n- 2\n", ("MMC013", 1, 1, "the study is a list, not a mapping")),
        ("\n hello\n", ("MMC013", 2, 2, "the study is the single value 'hello', not a mapping")),
        ("a: 1\n---\nb: 2\n", ("MMC005", 2, 1, "a second document starts here; a study is one document")),
        ("a: b: c\n", ("MMC004", 1, 5, "a `:` is not allowed here")),
        ("a:\n\t- 1\n", ("MMC004", 2, 1, "a tab is used for indentation")),
        ("a: `x`\n", ("MMC004", 1, 4, "text cannot start with ```")),
        ('a: "x\nb: 1\n', ("MMC004", 1, 4, "the quote that opens here is not closed")),
        ("a: [1, 2\nb: 1\n", ("MMC004", 1, 4, "the list that opens here is not closed")),
        ("a: {x: 1\n", ("MMC004", 1, 4, "the mapping that opens here is not closed")),
        ("a: 1\n b: 2\n", ("MMC004", 2, 3, "a `:` is not allowed here")),
        ("a:\n  - 1\n b: 2\n", ("MMC004", 3, 2, "the indentation does not match the lines above")),
        ("a: 1\nb\n", ("MMC004", 2, 1, "a key is not followed by `:`")),
        ("a: [1\n\n", ("MMC004", 1, 4, "the list that opens here is not closed")),
        ("a: - b\n", ("MMC004", 1, 4, "a `-` cannot start a list here")),
        ("a: [\n\n", ("MMC004", 1, 5, "a value is missing here")),
        ("a: ]\n", ("MMC004", 1, 4, "a value is missing here")),
        ("a: [1]]\n", ("MMC004", 1, 7, "`]` closes no open bracket")),
        ('a: "x" y\n', ("MMC004", 1, 8, "nothing is allowed here: the value has ended")),
        ("a: 1\n\tb: 1\n", ("MMC004", 2, 1, "a tab is used for indentation")),
        ("a: 1\na: 2\n", ("MMC008", 2, 1, "the key `a` is given twice")),
        ("a: {b: 1, c: 2, b: 3}\n", ("MMC008", 1, 17, "the key `b` is given twice")),
        ("1: 2\n", ("MMC009", 1, 1, "a key must be text; this one is '1'")),
        ("a:\n  true: 2\n", ("MMC009", 2, 3, "a key must be text; this one is 'true'")),
        ("? [1]\n: 2\n", ("MMC009", 1, 3, "a key must be text; this one is a list")),
        ("?\n: 2\n", ("MMC009", 1, 2, "a key must be text; this one is empty")),
        ("a: !!python/object:os x\n", ("MMC010", 1, 4, "the tag '!!python/object:os' has no meaning in a study")),
        ("a: !!timestamp 2020-01-01\n", ("MMC010", 1, 4, "the tag '!!timestamp' has no meaning in a study")),
        ("a: !!set {x}\n", ("MMC010", 1, 4, "the tag '!!set' has no meaning in a study")),
        ("a: !!int x\n", ("MMC010", 1, 4, "the value does not agree with its tag !!int")),
        ("a: .nan\n", ("MMC011", 1, 4, "'.nan' is not a finite number")),
        ("a: [1, -.INF]\n", ("MMC011", 1, 8, "'-.INF' is not a finite number")),
        ("a: 1e999\n", ("MMC011", 1, 4, "'1e999' is not a finite number")),
        ("a: 9223372036854775808\n", ("MMC011", 1, 4, "the whole number '9223372036854775808' is too large")),
        ("a: 9_9223372036854775808\n", ("MMC011", 1, 4, "the whole number '9_9223372036854775808' is too large")),
        ("a: 1_000e999\n", ("MMC011", 1, 4, "'1_000e999' is not a finite number")),
        ('a: "x\\0y"\n', ("MMC012", 1, 4, "the text contains the control character U+0000")),
        ('"\\e": 1\n', ("MMC012", 1, 1, "the key contains a control character")),
        ("a: *b\n", ("MMC007", 1, 4, "the alias *b has no anchor")),
        ("a: &b [*b]\n", ("MMC007", 1, 8, "the value of the alias *b contains the alias itself")),
        ("<<: 1\n", ("MMC009", 1, 5, "the value of `<<` must be a mapping or a list of mappings")),
        ("a: x\0y\n", ("MMC001", 1, 5, "the file is not text: character U+0000")),
        (b"a: 1\nb: \xff\n", ("MMC001", 2, 4, "the file is not UTF-8 text: byte 0xff")),
        ("a: 1\n".encode("utf-16"), ("MMC001", 1, 1, "the file is not UTF-8 text: byte 0xff")),
        ("a: \ud800", ("MMC001", 1, 4, "the file is not text: character U+D800")),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("parser")
def test_each_kind_of_broken_file_is_one_diagnostic(source: str | bytes, expected: tuple[str, int, int, str]) -> None:
    assert one(source) == expected


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (b"a: 1\n" * 2_000_000, "MMC002"),
        ("a: " + "[" * 10_000, "MMC006"),
        ("a: " + "{b: " * 10_000, "MMC006"),
        ("\n".join(" " * i + "a:" for i in range(1000)), "MMC006"),
        ("- " * 10_000, "MMC006"),
        ("a: [" + "1," * 500_000 + "]", "MMC007"),
        ("a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 90)), "MMC007"),
        ("a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 300)), "MMC006"),
        ("a: " + "9" * 1_000_000, "MMC011"),
        ("a: 0x" + "F" * 1_000_000, "MMC011"),
        ("a: " + "9_" * 900_000, "MMC011"),
        ("a" * 1_900_000, "MMC013"),
        ("a: '" + "x\n" * 900_000, "MMC004"),
        (bytes(range(256)) * 1000, "MMC001"),
        ("? " * 50_000, "MMC006"),
        ("a: " + "!" * 100_000, "MMC010"),
        ("a: &" + "b" * 1_000_000, None),
        ("{" * 50 + "a", "MMC004"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 10 else "",
)  # fmt: skip
def test_hostile_files_end_quickly(source: str | bytes, code: str | None) -> None:
    started = time.perf_counter()
    document = load(source, "study.yaml")
    assert time.perf_counter() - started < 20
    assert [item.code for item in document.diagnostics] == ([] if code is None else [code])


def test_problems_of_values_are_reported_together_and_reading_goes_on() -> None:
    document = load("a: .nan\nb: !x 1\nc: 3\nc: 4\nd: [1, .inf]\n", "study.yaml")
    found = [(item.span.line, item.code) for item in in_order(document.diagnostics)]
    assert found == [(1, "MMC011"), (2, "MMC010"), (4, "MMC008"), (5, "MMC011")]
    assert document.data == {"a": None, "b": None, "c": 3, "d": [1, None]}
    assert document.broken == {("a",), ("b",), ("d", 1)}


@pytest.mark.parametrize("text", ["$\\mu$", "\\xzz"])
@pytest.mark.usefixtures("parser")
def test_latex_in_double_quotes_is_pointed_at(text: str) -> None:
    (item,) = load(f'a: "{text}"\n', "study.yaml").diagnostics
    assert item.message == "this escape is unknown in double quotes"
    assert item.help.startswith("put the text in single quotes")


def test_the_second_of_two_equal_keys_says_where_the_first_is() -> None:
    (item,) = load("a: 1\nb:\n  x: 1\n  y: 2\n  'x': 3\n", "study.yaml").diagnostics
    assert (item.code, item.span, item.help) == (
        "MMC008",
        Span(5, 3, 5, 6),
        "it is already at line 3; keep one of them",
    )


POSITIONS = """\
mmc: "1.0"
benchmarks:
  sm: {c: 0, d: [1,  22]}

  w:
    - x: 1
    - long text
      on two lines
  é: 'ü' # note
cut: "a > 'b' # 1"
"""


@pytest.mark.usefixtures("parser")
def test_every_key_and_value_knows_where_it_stands() -> None:
    document = load(POSITIONS, "study.yaml")
    assert document.data is not None
    assert document.key_span(("mmc",)) == Span(1, 1, 1, 4)
    assert document.value_span(("mmc",)) == Span(1, 6, 1, 11)
    assert document.value_span(("benchmarks",)) == Span(3, 3, 9, 9)
    assert document.value_span(("benchmarks", "sm")) == Span(3, 7, 3, 26)
    assert document.key_span(("benchmarks", "sm", "d")) == Span(3, 14, 3, 15)
    assert document.value_span(("benchmarks", "sm", "d", 1)) == Span(3, 22, 3, 24)
    assert document.key_span(("benchmarks", "w", 0, "x")) == Span(6, 7, 6, 8)
    assert document.value_span(("benchmarks", "w", 1)) == Span(7, 7, 8, 19)
    assert document.value_span(("benchmarks", "é")) == Span(9, 6, 9, 9)
    assert document.value_span(("benchmarks", "missing", "deeper")) == document.value_span(("benchmarks",))


def test_parts_of_a_text_have_positions_where_the_text_is_written_as_it_is() -> None:
    document = load(POSITIONS + "p: j[0].pt\nq: 'it''s'\nr: [\"a\", b]\n", "study.yaml")
    assert document.part_span(("cut",), 4, 7) == Span(10, 11, 10, 14)
    assert document.part_span(("p",), 5, 7) == Span(11, 9, 11, 11)
    assert document.part_span(("p",), 3, 3) == Span(11, 7, 11, 8)
    assert document.part_span(("q",), 0, 2) == document.value_span(("q",))
    assert document.part_span(("benchmarks", "w", 1), 0, 2) == document.value_span(("benchmarks", "w", 1))
    assert document.part_span(("r", 0), 0, 1) == Span(13, 6, 13, 7)


def test_aliases_and_merge_keys_give_copies() -> None:
    text = "base: &b {x: 1, y: 2}\na: *b\nc: {<<: *b, y: 3}\nd: {<<: [{z: 0}, *b]}\n"
    assert data(text) == {
        "base": {"x": 1, "y": 2},
        "a": {"x": 1, "y": 2},
        "c": {"x": 1, "y": 3},
        "d": {"x": 1, "y": 2, "z": 0},
    }
    document = load(text, "study.yaml")
    assert document.value_span(("a",)) == Span(2, 4, 2, 6)
    assert document.value_span(("a", "x")) == Span(1, 14, 1, 15)


def test_a_byte_order_mark_and_windows_line_ends_are_no_problem() -> None:
    document = load("\ufeffa: 1\r\nb: 2\r\n".encode(), "study.yaml")
    assert document.data == {"a": 1, "b": 2}
    assert document.key_span(("b",)) == Span(2, 1, 2, 2)
    assert document.lines == ["a: 1", "b: 2", ""]


def well_formed(document: Document) -> None:
    lines = split_lines(document.text)
    for item in document.diagnostics:
        assert item.span.line >= 1
        assert item.span.column >= 1
        assert (item.span.end_line, item.span.end_column) >= (item.span.line, item.span.column)
        assert item.span.line <= len(lines) or item.code == "MMC001"


@settings(max_examples=300, deadline=None)
@given(st.text() | st.binary() | st.text(alphabet="a:-[]{}&*!|>'\"%@`#,? \n\t1.~<=0xe_\\", max_size=40))
def test_no_text_raises(source: str | bytes) -> None:
    document = load(source, "study.yaml")
    assert document.data is not None or document.diagnostics
    well_formed(document)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdé -", min_size=1), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text("xyz", min_size=1), values, min_size=1, max_size=5))
def test_json_is_read_as_it_is_written(value: dict[str, Any]) -> None:
    assert data(json.dumps(value, ensure_ascii=False)) == value


@pytest.mark.parametrize("char", ["\x85", "\u2028", "\u2029"])
def test_only_line_feeds_and_carriage_returns_end_a_line(char: str) -> None:
    """YAML 1.2 and editors agree; PyYAML follows YAML 1.1."""
    text = f"a: one{char}two\nb: 'x{char}{char}y'\nc: \"z{char}\"\n# {char}\n{char}d: |\n  e{char}f\nz: *no\n"
    found = load(text.replace("z: *no\n", ""), "study.yaml")
    assert found.data == {"a": f"one{char}two", "b": f"x{char}{char}y", "c": f"z{char}", f"{char}d": f"e{char}f\n"}
    assert found.value_span(("c",)).line == 3
    assert found.lines[0] == f"a: one{char}two"
    (problem,) = load(text, "study.yaml").diagnostics
    assert (problem.code, problem.span.line, problem.span.column) == ("MMC007", 7, 4)
    (problem,) = load(f"a: {char}\n{char}: [\n".encode() + b"\xff", "study.yaml").diagnostics
    assert (problem.code, problem.span.line) == ("MMC001", 3)


def test_characters_of_private_use_stay_what_they_are() -> None:
    text = "a: '\U000f0000\u2028\U000f0001'\n"
    assert load(text, "study.yaml").data == {"a": "\U000f0000\u2028\U000f0001"}
