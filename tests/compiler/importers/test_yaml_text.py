"""YAML for people, which says what it was made of."""

import pytest
from mmc.compiler.importers.yaml_text import flow
from mmc.compiler.language.document import load


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
