"""``mmc compile``: where bundles go, and whether they are up to date."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from mmc.cli.main import main
from mmc.compiler.targets import TARGETS

Capture = pytest.CaptureFixture[str]
Stdin = Callable[[bytes], None]
IMAGES = "\nexecution: {images: {physics: 'host/physics:1', learning: 'host/learning:1'}}\n"
"""Without them, REANA runs nothing."""


def variant(tiny: Path, name: str, file: str = "other.yaml") -> Path:
    path = tiny.parent / file
    path.write_text(tiny.read_text().replace("name: drell-yan-tiny", f"name: {name}"))
    return path


@pytest.mark.parametrize("target", TARGETS)
def test_writes_beside_the_study_and_checks(target: str, tiny: Path, capsys: Capture) -> None:
    tiny.write_text(tiny.read_text() + IMAGES)
    folder = tiny.parent / "build" / "drell-yan-tiny" / target
    assert main(["compile", str(tiny), "--target", target, "--check"]) == 1
    assert f"{folder}: manifest.json is missing" in capsys.readouterr().out
    assert not folder.exists()
    assert main(["compile", str(tiny), "--target", target]) == 0
    assert capsys.readouterr() == (f"{folder}\n", "")
    assert json.loads((folder / "manifest.json").read_text())["target"] == target
    assert main(["compile", str(tiny), "--target", target, "--check"]) == 0
    (folder / "README.md").write_text("changed")
    assert main(["compile", str(tiny), "--target", target, "--check"]) == 1
    assert capsys.readouterr() == (f"{folder}: README.md differs\n", "")


def test_a_wrong_study_stops_all(tiny: Path, wrong: Path, capsys: Capture) -> None:
    assert main(["compile", str(tiny), str(wrong), "--target", "script"]) == 1
    assert not (tiny.parent / "build").exists()
    out, err = capsys.readouterr()
    assert out == ""
    assert "MMC008" in err


def test_several_studies_get_a_folder_each(tiny: Path, tmp_path: Path) -> None:
    other = variant(tiny, "other one")
    out = tmp_path / "bundles"
    assert main(["compile", str(tiny), str(other), "-t", "cwl", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["drell-yan-tiny", "other_one"]
    assert (out / "other_one" / "manifest.json").exists()


def test_two_studies_of_one_name_are_refused(tiny: Path, capsys: Capture) -> None:
    same = variant(tiny, "drell-yan-tiny")
    assert main(["compile", str(tiny), str(same), "-t", "cwl"]) == 2
    assert "would both be compiled to" in capsys.readouterr().err
    assert not (tiny.parent / "build").exists()


def test_standard_input_is_compiled_in_the_current_folder(
    tiny: Path, tmp_path: Path, stdin: Stdin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stdin(tiny.read_bytes())
    assert main(["compile", "-", "-t", "script"]) == 0
    assert (tmp_path / "build" / "drell-yan-tiny" / "script" / "run.sh").exists()


def test_an_unknown_target(tiny: Path, capsys: Capture) -> None:
    assert main(["compile", str(tiny), "-t", "makefile"]) == 2
    assert "choose from 'yadage', 'cwl', 'script'" in capsys.readouterr().err


def test_the_manifest_records_changes_of_the_command_line(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    changes = ["--set", "seed=7", "--set", "evaluation.luminosity=3 ab^-1"]
    assert main(["compile", str(tiny), "-t", "script", "-o", str(out), *changes]) == 0
    assert json.loads((out / "manifest.json").read_text())["set"] == changes[1::2]
    study = json.loads((out / "study.resolved.json").read_text())
    assert (study["seed"], study["evaluation"]["luminosity"]) == (7, "3 ab^-1")
    assert main(["compile", str(tiny), "-t", "script", "-o", str(out)]) == 0
    assert "set" not in json.loads((out / "manifest.json").read_text())
