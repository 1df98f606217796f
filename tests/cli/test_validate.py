"""``mmc validate``: all problems of all studies, in every format."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from mmc.cli.main import main

Capture = pytest.CaptureFixture[str]
Stdin = Callable[[bytes], None]


def test_a_study_that_is_fine(tiny: Path, capsys: Capture) -> None:
    assert main(["validate", str(tiny)]) == 0
    assert capsys.readouterr() == (f"{tiny}: fine\n", "")


def test_many_studies_show_all_problems(tiny: Path, wrong: Path, capsys: Capture) -> None:
    assert main(["validate", str(wrong), str(tiny), str(wrong)]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count(f"{wrong}:3:1: error[MMC008]") == 1
    assert "fine" not in out


def test_standard_input(stdin: Stdin, wrong: Path, capsys: Capture) -> None:
    stdin(wrong.read_bytes())
    assert main(["validate", "-"]) == 1
    assert "<stdin>:3:1: error[MMC008]" in capsys.readouterr().out


def test_warnings_alone_do_not_fail(tiny: Path, capsys: Capture) -> None:
    tiny.write_text(tiny.read_text() + "\nexecution: {images: {physics: 'registry/image:latest'}}\n")
    assert main(["validate", str(tiny)]) == 0
    out = capsys.readouterr().out
    assert "warning[MMC604]" in out
    assert "fine" not in out


def test_formats_for_programs_say_so_when_all_is_fine(tiny: Path, capsys: Capture) -> None:
    assert main(["validate", str(tiny), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["errors"] == 0
    assert main(["validate", str(tiny), "--format", "sarif"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["results"] == []
    assert main(["validate", str(tiny), "--format", "github"]) == 0
    assert capsys.readouterr().out == ""


def test_github_annotates(wrong: Path, capsys: Capture) -> None:
    assert main(["validate", str(wrong), "--format", "github"]) == 1
    assert f"::error file={wrong},line=3," in capsys.readouterr().out
