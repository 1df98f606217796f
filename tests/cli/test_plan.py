"""``mmc plan``: text, JSON and pictures, with the morphing basis where MadMiner is there."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from mmc.cli.main import main

Capture = pytest.CaptureFixture[str]


def test_text_and_wrong_study(tiny: Path, wrong: Path, capsys: Capture) -> None:
    assert main(["plan", str(tiny)]) == 0
    assert "35 jobs in 10 stages" in capsys.readouterr().out
    assert main(["plan", str(wrong)]) == 1


def test_the_basis_takes_madminer(tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setitem(sys.modules, "mmc.jobs.madminer.morphing_basis", None)
    assert main(["plan", str(tiny)]) == 0
    assert "\nmorphing basis: showing it needs MadMiner: pip install 'mmc[steps]'\n" in capsys.readouterr().out
    assert main(["plan", str(tiny), "--format", "json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["morphing_basis"]) == {"unknown"}


def test_a_basis_that_takes_long(tiny: Path, capsys: Capture) -> None:
    text = tiny.read_text()
    tiny.write_text(text.replace("max_overall_power: 2}", "max_overall_power: 2, n_trials: 51, n_test_thetas: 10_000}"))
    assert main(["plan", str(tiny)]) == 0
    assert "\nmorphing basis: optimising it with so many trials and points takes long" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
def test_pictures(tiny: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["plan", str(tiny), "--format", "png", "--output", str(tmp_path / "plan.png")]) == 0
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")
    assert main(["plan", str(tiny), "--format", "svg"]) == 0
    assert b"<svg" in capfdbinary.readouterr().out


def test_without_graphviz(tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["plan", str(tiny), "--format", "svg"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "install graphviz" in err
