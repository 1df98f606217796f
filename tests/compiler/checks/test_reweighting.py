"""Existing events that are reweighted with a UFO model: the model has what the study names, and the study trusts it."""

from textwrap import dedent
from typing import Any

import pytest
from mmc.compiler.checks import check
from mmc.compiler.language.diagnostics import Diagnostic
from mmc.compiler.language.document import load

from tests.jobs.matrix_elements.ufo_models import FILES

STUDY = """
mmc: "1.0"
name: example
parameters:
  even: {lha_block: new, lha_id: 1, range: [0, 4]}
benchmarks:
  sm: {even: 1}
  twice: {even: 2}
events:
  samples:
    signal:
      reweight: {model: {file: small.zip}, param_card: {file: card, NEW all: 0, mass 25: 125}, orders: {NP: 1},
                 without: [V], undecayed: [h]}
      files: [{lhe: a.lhe, benchmark: sm}]
    background: {background: true, files: [{lhe: b.lhe, benchmark: sm}]}
trust: [./small.zip]
observables:
  pt_j1: {definition: "j[0].pt", required: true}
evaluation: {luminosity: 300 fb^-1, baselines: {rate: true}}
"""
MODEL = {f"{name}.py": dedent(text) for name, text in FILES.items()}
TRUSTED = "MMC337"


def diagnose(*changes: tuple[str, str], model: dict[str, str] | None = MODEL, start: str = "") -> list[Diagnostic]:
    text = STUDY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)

    def read_model(named: Any) -> dict[str, str] | None:
        return model if named == {"file": "small.zip"} else None

    def look_up(path: str) -> str:
        return "missing" if path.startswith("no") else "file"

    return check(load(text, "study.yaml"), look_up, lambda _: "", lambda _: start, read_model).diagnostics


def test_the_study_is_right() -> None:
    """It trusts the model; MadMiner adds a benchmark to the basis, at which the events get weights too."""
    (found,) = diagnose()
    assert (found.code, found.message) == (
        TRUSTED,
        "the study trusts './small.zip': small.zip is Python code, which jobs run",
    )


def test_a_model_without_trust() -> None:
    (found,) = diagnose(("trust: [./small.zip]\n", ""))
    assert (found.code, found.message) == ("MMC336", "small.zip is Python code, which jobs run")
    assert [item.code for item in diagnose(("{file: small.zip}", "small"), ("trust: [./small.zip]\n", ""))] == []


def test_events_without_weights() -> None:
    """Only those that are not reweighted need them."""
    start = "<event>\n1 1 1.0 1 1 1\n</event>"
    assert [item.code for item in diagnose(start=start)] == [TRUSTED]
    text = STUDY[STUDY.index("      reweight") : STUDY.index("      files")]
    found = {item.code for item in diagnose((text, ""), ("trust: [./small.zip]\n", ""), start=start)}
    assert found == {"MMC334", "MMC341"}


@pytest.mark.parametrize(
    ("change", "message", "help_text"),
    [
        (("lha_id: 1", "lha_id: 4"), "the model does not have a parameter new 4", "its block new has 1, 2, 3"),
        (
            ("lha_block: new", "lha_block: dim6"),
            "the model does not have a parameter dim6 1",
            "its blocks are mass, new",
        ),
        (("mass 25", "mass 6"), "the model does not have a parameter mass 6", "its block mass has 23, 25"),
        (("NEW all", "dim6 all"), "the model does not have a parameter dim6 all", "its blocks are mass"),
        (("orders: {NP", "orders: {QED"), "the model does not have an order 'QED'", "its orders are `NP`, `SM`"),
        (("without: [V]", "without: [z]"), "the model does not have a particle 'z'", "its particles are "),
        (
            ("undecayed: [h]", "undecayed: [v]"),
            "'v' has a spin, so its decay depends on how",
            "remove it",
        ),
    ],
)
def test_what_the_model_lacks(change: tuple[str, str], message: str, help_text: str) -> None:
    first, _ = found = diagnose(change)
    assert {item.code for item in found} == {"MMC350", TRUSTED}
    assert first.message.startswith(message)
    assert str(first.help).startswith(help_text)


def test_models_that_cannot_be_read() -> None:
    found = diagnose(model=None)
    assert [item.code for item in found] == ["MMC350", TRUSTED]
    assert found[0].message == "'small.zip' is not a UFO model, or an archive of one"
    old = {**MODEL, "particles.py": "print 'for Python 2'"}
    assert [item.code for item in diagnose(("lha_id: 1", "lha_id: 4"), model=old)] == [TRUSTED]
    missing = diagnose(("{file: small.zip}", "{file: no.zip}"), ("./small.zip", "no.zip"))
    assert [item.code for item in missing] == ["MMC601", TRUSTED]


def test_a_background_keeps_its_weights() -> None:
    found = diagnose(("background: {background: true, ", "background: {background: true, reweight: {model: ufo_sm}, "))
    assert [item.code for item in found] == ["MMC351", TRUSTED]
