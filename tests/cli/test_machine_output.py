"""Formats for programs are the same bytes in all surroundings, and name files as GitHub knows them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SURROUNDINGS = [{"LC_ALL": "C", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C.UTF-8"}]
STUDY = "mmc: '1.0'\ntitle: [µ → ∞]\n"


def validate(folder: Path, *words: str | bytes, **environment: str) -> bytes:
    """What ``mmc validate`` writes to standard output."""
    clean = {name: value for name, value in os.environ.items() if name not in ("GITHUB_WORKSPACE", "PYTHONIOENCODING")}
    command = [sys.executable, "-m", "mmc", "validate", *words]
    done = subprocess.run(
        command, cwd=folder, env={**clean, **environment}, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr == b""
    return done.stdout


@pytest.mark.parametrize("form", ["json", "github", "sarif"])
def test_they_are_utf8_whatever_the_locale(form: str, tmp_path: Path) -> None:
    (tmp_path / "größe.yaml").write_text(STUDY, encoding="utf-8")
    written = {validate(tmp_path, "--format", form, "größe.yaml", **variables) for variables in SURROUNDINGS}
    (found,) = written
    assert "größe" in found.decode("utf-8") or "gr%C3%B6%C3%9Fe" in found.decode("utf-8")


def test_sarif_of_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.yaml")).write_text(STUDY, encoding="utf-8")
    log = json.loads(validate(tmp_path, "--format", "sarif", b"caf\xe9.yaml"))
    assert log["runs"][0]["artifacts"][0]["location"]["uri"] == "caf%E9.yaml"
    assert "caf\ufffd.yaml:" in validate(tmp_path, b"caf\xe9.yaml", PYTHONUTF8="1").decode()


def _files(folder: Path, name: str, **environment: str) -> list[str]:
    """The files that annotations and SARIF name."""
    annotation = validate(folder, "--format", "github", name, **environment).decode()
    log: dict[str, Any] = json.loads(validate(folder, "--format", "sarif", name, **environment))
    uris = [entry["location"]["uri"] for entry in log["runs"][0]["artifacts"]]
    return [annotation.partition("file=")[2].partition(",")[0], *uris]


def test_paths_are_relative_to_the_repository(tmp_path: Path) -> None:
    """GitHub drops annotations relative to ``working-directory``."""
    inner = tmp_path / "analysis" / "deep"
    inner.mkdir(parents=True)
    (inner / "study.yaml").write_text(STUDY, encoding="utf-8")
    assert _files(inner, "study.yaml") == ["study.yaml"] * 2
    assert _files(inner, "study.yaml", GITHUB_WORKSPACE=str(tmp_path)) == ["analysis/deep/study.yaml"] * 2
    (tmp_path / ".git").mkdir()
    assert _files(inner, "study.yaml") == ["analysis/deep/study.yaml"] * 2
    assert _files(inner.parent, "./deep/../deep/study.yaml") == ["analysis/deep/study.yaml"] * 2
    assert _files(inner, str(inner / "study.yaml")) == ["analysis/deep/study.yaml"] * 2
    assert json.loads(validate(inner, "--format", "json", "study.yaml"))["files"] == ["study.yaml"], "as it is given"


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_terminals_that_have_them(
    variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch, wrong: Path
) -> None:
    from io import StringIO

    from mmc.cli.plans import show
    from mmc.cli.study_file import read

    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    show([read(str(wrong))], terminal)
    assert ("\x1b" in terminal.getvalue()) == coloured
