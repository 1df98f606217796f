"""``mmc import setup.h5``: set-up and event files of MadMiner become studies that validate."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from mmc.cli.main import main

pytest.importorskip("madminer", reason="needs mmc[steps]")


def imported(source: Path, folder: Path) -> Any:
    assert main(["import", str(source), "--out", str(folder / "study.yaml")]) == 0
    return yaml.safe_load((folder / "study.yaml").read_text())


def test_a_set_up(tmp_path: Path) -> None:
    """All that a set-up says is in the study: also the completed basis and the uncertainties."""
    from tests.jobs.madgraph import PARAMETERS
    from tests.jobs.physics import Folder

    scale = {"effect": "scale", "scale": "mu", "variations": [0.5, 1.0, 2.0]}
    settings = {
        "parameters": {name: {**entry, "range": [-10.0, 10.0], "max_power": 2} for name, entry in PARAMETERS.items()},
        "benchmarks": {"sm": {"CWL2": 0.0, "CPWL2": 0.0}, "w": {"CWL2": 10.0, "CPWL2": 0.0}},
        "morphing": {"max_overall_power": 2, "n_trials": 5, "n_test_thetas": 5, "complete": True},
        "systematics": {"lumi": {"effect": "norm", "variation": 1.1}, "mu": scale},
    }
    study = imported(Folder(tmp_path).run("configure", "configure", settings, seed=1) / "setup.h5", tmp_path / "out")
    assert {name: entry["transform"] for name, entry in study["parameters"].items()} == {
        name: entry["transform"] for name, entry in PARAMETERS.items()
    }
    assert list(study["benchmarks"])[:2] == ["sm", "w"] and len(study["benchmarks"]) == 6
    assert study["systematics"] == settings["systematics"]
    assert study["generation"]["samples"]["signal"]["systematics"] == ["lumi", "mu"]


def test_an_event_file(tmp_path: Path) -> None:
    """The events are copied beside the study, which names their observables."""
    from tests.jobs.toy_events import write_events

    study = imported(write_events(tmp_path / "toy", n_events=200) / "events.h5", tmp_path / "out")
    assert study["events"] == {"file": "events.h5"} and (tmp_path / "out" / "events.h5").is_file()
    assert list(study["observables"]) == ["x1", "x2"] and len(study["benchmarks"]) == 6


def test_what_is_not_a_file_of_madminer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.h5").write_text("text")
    assert main(["import", str(tmp_path / "a.h5"), "--out", str(tmp_path / "s.yaml")]) == 2
    assert capsys.readouterr().err == "mmc: a.h5 is not an HDF5 file\n"
