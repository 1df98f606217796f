"""The generated pages are what the schema, the codes and the examples say."""

import re

import pytest
from mmc.compiler.checks.codes import CODES
from mmc.compiler.language.schema import load_schema

from docs.generate import language_page, pages
from tests.support import ROOT


@pytest.mark.parametrize("path", sorted(pages(ROOT)), ids=lambda path: path.name)
def test_the_pages_are_up_to_date(path: object, request: pytest.FixtureRequest) -> None:
    made = pages(ROOT)
    for page, text in made.items():
        if page == path:
            if request.config.getoption("--update-golden"):
                page.write_text(text, encoding="utf-8")
            assert page.read_text(encoding="utf-8") == text, "run `python docs/generate.py`"


def test_every_code_has_a_section() -> None:
    page = pages(ROOT)[ROOT / "docs" / "diagnostics.md"]
    for code in CODES:
        assert f"### {code}\n" in page


def test_every_property_is_described_and_documented() -> None:
    page = language_page()

    def visit(schema: object, where: str) -> None:
        if not isinstance(schema, dict):
            return
        for name, child in schema.get("properties", {}).items():
            assert "description" in child or "$ref" in child or "allOf" in child, f"{where}.{name}"
            assert re.search(rf"[`.]{name}`|## {name}\n", page), f"{where}.{name}"
            visit(child, f"{where}.{name}")
        for key in ("items", "additionalProperties"):
            visit(schema.get(key), f"{where}.{key}")

    schema = load_schema()
    visit(schema, "study")
    for name, definition in schema["definitions"].items():
        visit(definition, name)
