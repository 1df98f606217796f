"""``mmc init``: the study that it writes is valid, names its schema for editors, and nothing is overwritten."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from mmc.cli.main import main
from mmc.cli.new_study import new_study, study_name

from tests.support import ROOT


def test_the_study_validates_and_plans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "contact-interactions"
    assert main(["init", str(folder)]) == 0
    assert main(["validate", str(folder / "study.yaml")]) == 0
    assert main(["plan", str(folder / "study.yaml")]) == 0
    captured = capsys.readouterr()
    assert "contact-interactions: Muon pairs" in captured.out
    assert captured.err == ""


def test_editors_find_the_schema_beside_the_study(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "a")]) == 0
    first, second, *_ = (tmp_path / "a" / "study.yaml").read_text().splitlines()
    assert first.startswith("# yaml-language-server: $schema=")
    assert second.startswith("# $schema: ")
    named = {first.partition("=")[2], second.partition(": ")[2]}
    (name,) = named
    schema = json.loads((tmp_path / "a" / name).read_text())
    assert schema == json.loads((ROOT / "schema" / "1.0" / "study.json").read_text())
    jsonschema.Draft7Validator(schema).validate(yaml.safe_load((tmp_path / "a" / "study.yaml").read_text()))


def test_what_is_commented_out_is_valid_too(tmp_path: Path) -> None:
    study = new_study("a")["study.yaml"]
    (tmp_path / "study.yaml").write_text(study.replace("\n  # ", "\n  "))
    assert main(["validate", str(tmp_path / "study.yaml")]) == 0
    assert set(yaml.safe_load((tmp_path / "study.yaml").read_text())["methods"]) == {"sally", "alices"}


@pytest.mark.parametrize("name", ["study.yaml", "study.schema.json"])
def test_nothing_is_overwritten(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"mmc: {tmp_path / name} exists already; nothing was written\n"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_file_in_the_way_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    for folder in ("file", "file/deeper"):
        assert main(["init", str(tmp_path / folder)]) == 2
        assert capsys.readouterr().err == f"mmc: {tmp_path / folder} cannot be a folder: a file is in the way\n"


@pytest.mark.parametrize("folder", ["", ".", "null", "True", "1st", "a b ", "x" * 61, "é", "a.b", 'q"uote', "a\nb"])
def test_a_folder_whose_name_is_no_name_for_a_study(folder: str) -> None:
    assert study_name(folder) == "my-study"


@pytest.mark.parametrize("folder", ["vbf-higgs", "A", "run_2", "two words", "x" * 60])
def test_the_study_is_called_as_its_folder(folder: str) -> None:
    assert yaml.safe_load(new_study(folder)["study.yaml"])["name"] == folder
