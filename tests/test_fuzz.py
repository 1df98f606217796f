"""A short run of each fuzzer (``python -m benchmarks.fuzz`` runs many): damaged inputs are refused in one line."""

import logging
from importlib import import_module
from pathlib import Path
from random import Random

import pytest

from benchmarks.fuzz.__main__ import outcome_of
from tests.conftest import HAS_STEPS


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


@pytest.mark.skipif(not HAS_STEPS, reason="needs the extra `steps`")
@pytest.mark.parametrize(("section", "n_inputs"), [("lhe", 400), ("hdf5", 100)])
def test_files(section: str, n_inputs: int, tmp_path: Path) -> None:
    trial = import_module(f"benchmarks.fuzz.{section}").make_trial(tmp_path)
    outcomes = {number: outcome_of(trial, Random(f"ci {number}")) for number in range(n_inputs)}
    assert {number: found for number, found in outcomes.items() if found not in ("accepted", "refused")} == {}
    assert list(outcomes.values()).count("refused") > n_inputs / 2


@pytest.mark.parametrize(("section", "n_inputs"), [("studies", 300), ("expressions", 1000), ("imports", 150)])
def test_texts(section: str, n_inputs: int, tmp_path: Path) -> None:
    trial = import_module(f"benchmarks.fuzz.{section}").make_trial(tmp_path)
    outcomes = {number: outcome_of(trial, Random(f"ci {number}")) for number in range(n_inputs)}
    assert {number: found for number, found in outcomes.items() if found not in ("accepted", "refused")} == {}
    assert set(outcomes.values()) == {"accepted", "refused"}


def test_no_rule_fails_on_any_study_that_is_known() -> None:
    """The studies and bad examples here, and the studies and cases beside the checkout where they are."""
    from benchmarks.fuzz.studies import corpus, outcome

    outcomes = {text: outcome(text) for text in corpus()}
    assert len(outcomes) > 100
    assert set(outcomes.values()) == {"accepted", "refused"}


def test_inputs_are_the_same_in_every_run() -> None:
    from benchmarks.fuzz.damage import damaged_bytes, damaged_json, damaged_text

    value = {"a": [1, {"b": "x"}], "c": None}
    for damage, whole in ((damaged_bytes, b"abc" * 100), (damaged_text, "a b\nc"), (damaged_json, value)):
        first, second = (
            [repr(damage(whole, Random(f"1 {number}"))) for number in range(200)]  # type: ignore[operator]
            for _ in range(2)
        )
        assert first == second and len(set(first)) > 20
    assert value == {"a": [1, {"b": "x"}], "c": None}
