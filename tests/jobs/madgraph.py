"""Runs the steps that use MadGraph and Delphes: the settings as the planner makes them, and programs that stand in."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mmc.compiler.inputs.installations import COMPILERS

from tests.jobs.physics import Folder

PARAMETERS = {
    "CWL2": {"lha_block": "dim6", "lha_id": 2, "transform": "16.52*theta"},
    "CPWL2": {"lha_block": "dim6", "lha_id": 5, "transform": "16.52*theta"},
}
BENCHMARKS = {"sm": {"CWL2": 0.0, "CPWL2": 0.0}, "w": {"CWL2": 10.0, "CPWL2": 0.0}}
VBF = "u d > u d h / a z QCD=0 QED=99 NP=2, h > a a QCD=0 QED=99 NP=0"
ZERO = {"dim6 all": 0}
"""MadGraph's own card has other operators at 1."""


def setup(folder: Folder, benchmarks: Mapping[str, Mapping[str, float]] = BENCHMARKS) -> Path:
    """The set-up of the reference study: two benchmarks, and four more that complete the basis."""
    settings = {
        "parameters": {name: {**entry, "range": [-10.0, 10.0], "max_power": 2} for name, entry in PARAMETERS.items()},
        "benchmarks": benchmarks,
        "morphing": {"max_overall_power": 2, "n_trials": 20, "n_test_thetas": 20, "complete": True},
    }
    return folder.run("configure", "configure", settings, seed=42)


def process_settings(installation: Path | None = None, **changes: Any) -> dict[str, Any]:
    """The settings of ``generate``."""
    own = {"sample": "signal", "process": [VBF], "definitions": {}, "model": "EWdim6-full", "order": "LO"}
    return {
        "generator": "madgraph",
        "installation": None if installation is None else str(installation),
        **own,
        **changes,
    }


def event_settings(installation: Path | None = None, **changes: Any) -> dict[str, Any]:
    """The settings of ``simulate``: events of the signal at the standard model, on parton level."""
    return {
        "generator": "madgraph",
        "installation": None if installation is None else str(installation),
        "parameters": PARAMETERS,
        "beams": {"energy_gev": 6500.0, "particles": ["p", "p"], "pdf": "nn23lo1"},
        "shower": None,
        "sample": "signal",
        "benchmark": "sm",
        "background": False,
        "slice": None,
        "systematics": {},
        "process_job": "signal",
        "order": "LO",
        "n_events": 100,
        "run_card": {"ptj": 20.0},
        "run_card_file": None,
        "param_card": ZERO,
        "param_card_file": None,
        **changes,
    }


def detect_settings(installation: Path | None = None, **changes: Any) -> dict[str, Any]:
    """The settings of ``detect``."""
    own = {"sample": "signal", "benchmark": "sm", "background": False}
    card = {"card": None, "shipped_card": "delphes_card_CMS.tcl"}
    return {"installation": None if installation is None else str(installation), **card, **own, **changes}


def install_fake(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of ``fake_madgraph``, with compilers that do nothing."""
    tools = folder / "compilers"
    for name in COMPILERS:
        executable(tools / name, "#!/bin/sh\n")
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.delenv("FAKE_MADGRAPH", raising=False)
    place = folder / "mg5"
    executable(place / "bin" / "mg5_aMC", (Path(__file__).parent / "fake_madgraph.py").read_text())
    (place / "VERSION").write_text("version = 3.5.7\n")
    for model in ("sm", "EWdim6"):
        (place / "models" / model).mkdir(parents=True)
    return place


def install_fake_delphes(folder: Path) -> Path:
    """An installation of ``fake_delphes``."""
    place = folder / "delphes"
    program = (Path(__file__).parent / "fake_delphes.py").read_text()
    for name in ("DelphesHepMC2", "DelphesHepMC3"):
        executable(place / name, f"#!{sys.executable}\n{program}")
    (place / "cards").mkdir()
    (place / "cards" / "delphes_card_CMS.tcl").write_text("set ExecutionPath {}\nsource trackResolutionCMS.tcl\n")
    (place / "cards" / "trackResolutionCMS.tcl").write_text("# nothing\n")
    (place / "VERSION").write_text("3.5.1\n")
    return place


def executable(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)


def without(settings: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in names}
