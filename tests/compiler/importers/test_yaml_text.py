"""YAML for people, which says what it was made of."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mmc.compiler.importers.yaml_text import comment, flow, mapping
from mmc.compiler.language.document import load
from mmc.compiler.language.yaml_nodes import NOT_TEXT


@pytest.mark.parametrize(
    "text", ["1e3", "+1E3", "0o17", "08", "0x1F", "1_000", "15e4", "on", "null", "", "1.2.3", "a: b", "it's", "è"]
)
def test_text_stays_text(text: str) -> None:
    document = load(flow({text: [text, {"x": text}]}), "study.yaml")
    assert document.data == {text: [text, {"x": text}]}
    assert document.grouped == {}


@pytest.mark.parametrize("number", [150000, -3, 1e16, 1e-5, 1.5, 1e300, 10000000.0])
def test_numbers_stay_numbers(number: float) -> None:
    document = load(flow({"x": number}), "study.yaml")
    assert document.data == {"x": number}


hostile = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: NOT_TEXT.search(text) is None)


@given(hostile, hostile)
@example("a\nb", "a\n\n b")
@example("a\x85b", "\u2028")
@example("k" * 2000, "v" * 5000)
@example("<<", "=")
@example("\ufeff", "a\ufeff")
@example("- a", "? b")
@example("a\r\nb", "\ta")
def test_what_is_written_is_read_again(key: str, value: str) -> None:
    lines = [*comment(f"{key} {value}"), "x:", *mapping({key: [value, {key: value}], "z": value}, 2, {key: [value]})]
    document = load("\n".join(lines) + "\n", "study.yaml")
    wanted = {key: [value, {key: value}], "z": value} if key != "z" else {"z": value}
    assert document.diagnostics == ()
    assert document.data == {"x": wanted}
