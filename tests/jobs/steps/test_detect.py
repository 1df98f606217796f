"""The step detect; a script stands in for Delphes here, the real one is in test_real_chain."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from mmc.jobs.steps.detect import seeded

from tests.jobs.madgraph import detect_settings, install_fake_delphes
from tests.jobs.physics import Folder, names


@pytest.fixture
def delphes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("FAKE_DELPHES", raising=False)
    return install_fake_delphes(tmp_path)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """What simulate leaves."""
    return _events(tmp_path / "signal.sm.0", "Asciiv3")


def _events(folder: Path, start: str, n_events: int = 12) -> Path:
    folder.mkdir()
    text = f"HepMC::{start}-START_EVENT_LISTING\n" + "E 0 1 2\nP 1\n" * n_events + "HepMC::END_EVENT_LISTING\n"
    (folder / "events.hepmc.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "simulate.json").write_text('{"n_events": 12}')
    (folder / "job.json").write_text('{"job": "signal.sm.0"}')
    return folder


def test_events_go_through_delphes(tmp_path: Path, delphes: Path, events: Path) -> None:
    out = Folder(tmp_path).run("detect", "signal.sm.0", detect_settings(delphes), seed=77, events=events)
    assert names(out) == ["detect.json", "events.root", "job.json"]
    assert json.loads((out / "detect.json").read_text()) == {
        "sample": "signal",
        "slice": None,
        "benchmark": "sm",
        "n_events": 12,
        "delphes": "3.5.1",
    }
    assert _seeds(out) == {77}
    log = (tmp_path / "detect" / "signal.sm.0.log").read_text()
    assert "program DelphesHepMC3" in log and "100.00%" not in log


def test_card_of_the_study_and_hepmc_2(tmp_path: Path, delphes: Path) -> None:
    card = tmp_path / "card.tcl"
    card.write_text("set RandomSeed 1\nset ExecutionPath {}\nsource trackResolutionCMS.tcl\n")
    settings = detect_settings(delphes, card="card", shipped_card=None, slice="low")
    events = _events(tmp_path / "old", "IO_GenEvent")
    out = Folder(tmp_path).run("detect", "signal.sm.0", settings, seed=78, events=events, card=card)
    assert _seeds(out) == {78}
    assert "program DelphesHepMC2" in (tmp_path / "detect" / "signal.sm.0.log").read_text()
    assert json.loads((out / "detect.json").read_text())["slice"] == "low"


def _seeds(out: Path) -> set[int]:
    import uproot

    with uproot.open(out / "events.root") as file:
        return set(file["Delphes"]["Event"].array().tolist())


def test_the_seed_is_the_only_one() -> None:
    card = "set RandomSeed 3\n# set RandomSeed 4\n  set ::RandomSeed 5 ; # mine\nset MaxEvents 10\n"
    assert seeded(card, 7) == "set RandomSeed 7\n# set RandomSeed 4\nset MaxEvents 10\n"


@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        ("error", "Delphes fails: ERROR: unknown module Teleporter"),
        ("silent", "Delphes fails; see the log"),
        ("short", "Delphes writes 11 of the 12 events of signal.sm.0; see the log"),
    ],
)
def test_failures(
    tmp_path: Path, delphes: Path, events: Path, monkeypatch: pytest.MonkeyPatch, fails: str, reason: str
) -> None:
    monkeypatch.setenv("FAKE_DELPHES", fails)
    assert Folder(tmp_path).refusal("detect", "signal.sm.0", detect_settings(delphes), events=events) == reason


def test_events_that_are_not_showered(tmp_path: Path, delphes: Path, events: Path) -> None:
    (events / "events.hepmc.gz").unlink()
    reason = Folder(tmp_path).refusal("detect", "signal.sm.0", detect_settings(delphes), events=events)
    assert reason == "signal.sm.0 has no events.hepmc.gz: Delphes needs showered events"


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        (None, r"Delphes has no card 'nosuch\.tcl'; its cards are delphes_card_CMS\.tcl$"),
        (b"\xff\xfe", r"the card card\.tcl is not UTF-8 text$"),
    ],
)
def test_cards_that_are_none(tmp_path: Path, delphes: Path, events: Path, card: bytes | None, reason: str) -> None:
    files: dict[str, Any] = {}
    if card is not None:
        (tmp_path / "card.tcl").write_bytes(card)
        files = {"card": tmp_path / "card.tcl"}
    settings = detect_settings(delphes, card="card" if files else None, shipped_card="nosuch.tcl")
    assert re.match(reason, Folder(tmp_path).refusal("detect", "signal.sm.0", settings, events=events, **files))


def test_delphes_is_not_installed(tmp_path: Path, events: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMC_DELPHES_DIR", raising=False)
    reason = Folder(tmp_path).refusal("detect", "signal.sm.0", detect_settings(), events=events)
    assert reason.startswith("Delphes is not installed here: ")
