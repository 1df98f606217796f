"""Texts that made a check fail or run for ever: each is answered, and by no more work than its size asks for."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmc.compiler.checks.shape import _Validator
from mmc.compiler.language.schema import load_schema

from tests.compiler.checks.test_rules import codes

PARAMETERS = "  c_LL: {coefficient: LL, range: [-1, 1]}\n  c_LR: {coefficient: LR, range: [-1, 1]}\n"
BENCHMARKS = "  sm: {c_LL: 0, c_LR: 0}\n  w: {c_LL: 0.5, c_LR: 0}\n"
GENERATOR = "  generator: pythia8\n"
SIGNAL = "signal: {process: dimuon, events: 10_000}"


@pytest.mark.parametrize(("parameters", "max_power", "independent"), [(29, 1, 1.0), (29, 1, 0.0), (16, 2, 1.0)])
def test_the_basis_of_many_parameters(parameters: int, max_power: int, independent: float) -> None:
    """Without end where all products of powers are formed: 2^29, or 3^16."""
    names = [f"p{k}" for k in range(parameters)]
    places = [
        f"lha_block: smeft, lha_id: {k}, range: [-1, 1], max_power: {max_power}" for k in range(1, parameters + 1)
    ]
    points = [", ".join(f"{name}: {value}" for name in names) for value in (0, 1.0, independent / 2)]
    found = codes(
        (PARAMETERS, "".join(f"  {name}: {{{place}}}\n" for name, place in zip(names, places, strict=True))),
        (BENCHMARKS, "".join(f"  b{k}: {{{point}}}\n" for k, point in enumerate(points))),
        (GENERATOR, "  generator: madgraph\n  model: x\n"),
        (SIGNAL, "signal: {process: [p p > t t~], events: 10_000}"),
        ("benchmark: sm", "benchmark: b0"),
    )
    assert "MMC213" not in found


def test_a_benchmark_called_priors() -> None:
    assert codes(("  w: {", "  priors: {")) == []


@pytest.mark.parametrize("address", ["https://[::1", "http://[", "https://]/x"])
def test_an_address_that_is_not_one(address: str) -> None:
    assert codes(("evaluation:", f"tracking: {{mlflow: {{uri: '{address}'}}}}\nevaluation:")) == []


@pytest.mark.parametrize("address", ["https://me@[::1", "https://me:secret@host", "https://me@host?x", "https://]/x@y"])
def test_a_login_in_such_an_address(address: str) -> None:
    assert codes(("evaluation:", f"tracking: {{mlflow: {{uri: '{address}'}}}}\nevaluation:")) == ["MMC608"]


@pytest.mark.parametrize("number", [2**1024 - 1, 10**308 * 17, 2**63])
def test_a_whole_number_that_is_no_float(number: int) -> None:
    assert codes(("events: 10_000", f"events: {number}")) == ["MMC011"]


@pytest.mark.parametrize("colour", ["red", "#12345", "#12345g", "#12345678", "none", "C0", "#00ff00\\n", "", "0.5"])
def test_a_colour_that_figures_might_not_know(colour: str) -> None:
    assert codes(("evaluation:", f'plots: {{colors: {{rate: "{colour}"}}}}\nevaluation:')) == ["MMC105"]


def test_a_name_ends_where_its_text_ends() -> None:
    assert codes(("name: example", 'name: "example\\n"')) == ["MMC105"]
    assert codes(("  w: {", '  "w\\n": {')) == ["MMC105"]


def _patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        yield from schema.get("patternProperties", ())
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _patterns(value)


PATTERNS = sorted(set(_patterns(load_schema())))


def test_the_patterns_are_found() -> None:
    assert len(PATTERNS) >= 20


@pytest.mark.parametrize("pattern", [pattern for pattern in PATTERNS if "$" in pattern])
@settings(max_examples=20)
@given(data=st.data())
def test_every_pattern_ends_where_its_text_ends(pattern: str, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(pattern)).removesuffix("\n")
    validator = _Validator({"pattern": pattern})
    assert validator.is_valid(text)
    assert not validator.is_valid(text + "\n")


@pytest.mark.parametrize("text", ["1" * 100_000, "1_000" * 20_000, "1" * 100_000 + " fb", "." * 100_000])
def test_a_quantity_is_read_once(text: str) -> None:
    """Without end where each place in a row of digits is tried for its two meanings."""
    assert codes(("luminosity: 300 fb^-1", f"luminosity: '{text}'")) == ["MMC110"]
