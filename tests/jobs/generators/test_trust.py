"""The jobs check again what reaches other programs: a bundle may have been changed after it was compiled."""

from pathlib import Path
from typing import Any

import pytest
from mmc.errors import StepError
from mmc.jobs.generators import pythia8
from mmc.jobs.generators.shower import setting_lines

from tests.jobs.madgraph import (
    detect_settings,
    event_settings,
    install_fake,
    install_fake_delphes,
    process_settings,
    setup,
)
from tests.jobs.physics import Folder


def test_the_shower() -> None:
    plugin = {"Init:plugins": "{lib.so::E}"}
    with pytest.raises(StepError, match="the shower: `Init:plugins` is not in the list"):
        setting_lines(None, plugin, nlo=False)
    with pytest.raises(StepError, match="the shower: `include` is not in the list"):
        setting_lines("include = x\n", {}, nlo=False)
    assert "Init:plugins = {lib.so::E}" in setting_lines(None, plugin, nlo=False, trust=["Init:plugins"])
    assert "Alpgen:file = x" in setting_lines("Alpgen:file = x\n", {}, nlo=False, trusts_card=True)
    with pytest.raises(StepError):
        setting_lines(None, plugin, nlo=False, trusts_card=True)


@pytest.mark.parametrize("line", ["Init:plugins = {lib.so::E}", "Beams:LHEF = x", "Beams:eCM = 1\nInit:plugins = {x}"])
def test_the_embedded_generator(line: str) -> None:
    with pytest.raises(StepError, match="the process: "):
        pythia8.start([line], 1)


@pytest.fixture
def mg5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return install_fake(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("changes", "card", "reason"),
    [
        ({"run_card": {"custom_fcts": "a.f"}}, None, "the study of signal: the value of `custom_fcts` would make"),
        ({"run_card_file": "card"}, "1 = ptj\na.f = custom_fcts\n", "line 2 of the card of signal: the value of"),
        ({"param_card_file": "card"}, "block dim6\n 2 0\n 5 0\n 1 scan:[1]\n", "line 4 of the card of signal: a line"),
        (
            {"run_card_file": "card", "trust": ["other"]},
            "a.f = custom_fcts\n",
            "line 1 of the card of signal: the value",
        ),
    ],
)
def test_madgraph(tmp_path: Path, mg5: Path, changes: dict[str, Any], card: str | None, reason: str) -> None:
    folder = Folder(tmp_path)
    inputs = {"setup": setup(folder), "process": folder.run("generate", "signal", process_settings(mg5))}
    if card is not None:
        (tmp_path / "card").write_text(card, encoding="utf-8")
        inputs["card"] = tmp_path / "card"
    assert folder.refusal("simulate", "x", event_settings(mg5, **changes), **inputs).startswith(reason)
    trusted = event_settings(mg5, **{**changes, "trust": ["custom_fcts", "card"]})
    if card is not None and "run_card_file" in changes:
        folder.run("simulate", "x", trusted, **inputs)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"process": ["p p > j j --loop_filter=exit()"]}, "a process line of signal contains '--loop_filter'"),
        ({"definitions": {"x": "u; shell id"}}, "a process line of signal contains ';'"),
        ({"model": "sm; shell id"}, "'sm; shell id' of signal is not the name of a model"),
    ],
)
def test_processes(tmp_path: Path, mg5: Path, changes: dict[str, Any], reason: str) -> None:
    assert Folder(tmp_path).refusal("generate", "signal", process_settings(mg5, **changes)).startswith(reason)


@pytest.mark.parametrize("card", ["exec ls\n", "set RandomSeed {\nexec ls\n}\n"])
def test_delphes(tmp_path: Path, card: str) -> None:
    """The card is checked as it is given to Delphes: without the lines of the seed, the second is another card."""
    delphes = install_fake_delphes(tmp_path)
    events = tmp_path / "events"
    events.mkdir()
    (events / "events.hepmc.gz").write_bytes(b"HepMC::Asciiv3-START_EVENT_LISTING\nE 0 1 2\n")
    (events / "simulate.json").write_text('{"n_events": 1}')
    (events / "job.json").write_text('{"stage": "simulate", "job": "signal.sm.0"}')
    (tmp_path / "card.tcl").write_text(card)
    settings = detect_settings(delphes, card="card", shipped_card=None)
    inputs = {"events": events, "card": tmp_path / "card.tcl"}
    assert Folder(tmp_path).refusal("detect", "signal.sm.0", settings, **inputs).startswith("the card card.tcl: ")
    said = Folder(tmp_path).attempt("detect", "signal.sm.0", {**settings, "trust": ["card"]}, **inputs)
    assert "the card" not in said[1]
