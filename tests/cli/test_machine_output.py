"""Formats for programs are the same bytes in all surroundings, and name files as GitHub knows them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from mmc.cli.main import main

SURROUNDINGS = [{"LC_ALL": "C", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C.UTF-8"}]
STUDY = "mmc: '1.0'\ntitle: [µ → ∞]\n"


ALL_FORMATS = """
import sys
from mmc.cli.main import main
for form in ("json", "github", "sarif"):
    assert main(["validate", "--format", form, *sys.argv[1:]]) == 1
    print(end="\\0", flush=True)
sys.exit(1)
"""


def validate(folder: Path, *words: str | bytes, **environment: str) -> bytes:
    """What ``mmc validate`` writes to standard output."""
    return output(["-m", "mmc", "validate", *words], folder, environment)


def output(words: Sequence[str | bytes], folder: Path, environment: Mapping[str, str]) -> bytes:
    """What Python writes to standard output, which finds a study wrong."""
    clean = {name: value for name, value in os.environ.items() if name not in ("GITHUB_WORKSPACE", "PYTHONIOENCODING")}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env={**clean, **environment}, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr == b""
    return done.stdout


def test_they_are_utf8_whatever_the_locale(tmp_path: Path) -> None:
    (tmp_path / "größe.yaml").write_text(STUDY, encoding="utf-8")
    written = {output(["-c", ALL_FORMATS, "größe.yaml"], tmp_path, variables) for variables in SURROUNDINGS}
    (found,) = written
    as_json, as_annotations, as_sarif, end = found.decode("utf-8").split("\0")
    assert "größe" in as_json and "größe" in as_annotations and "gr%C3%B6%C3%9Fe" in as_sarif and not end


def test_sarif_of_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.yaml")).write_text(STUDY, encoding="utf-8")
    log = json.loads(validate(tmp_path, "--format", "sarif", b"caf\xe9.yaml"))
    assert log["runs"][0]["artifacts"][0]["location"]["uri"] == "caf%E9.yaml"
    assert "caf\ufffd.yaml:" in validate(tmp_path, b"caf\xe9.yaml", PYTHONUTF8="1").decode()


def test_paths_are_relative_to_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """GitHub drops annotations relative to ``working-directory``."""

    def written(form: str, folder: Path, name: str) -> str:
        monkeypatch.chdir(folder)
        assert main(["validate", "--format", form, name]) == 1
        return capsys.readouterr().out

    def files(folder: Path, name: str) -> list[str]:
        """The files that annotations and SARIF name."""
        log: dict[str, Any] = json.loads(written("sarif", folder, name))
        uris = [entry["location"]["uri"] for entry in log["runs"][0]["artifacts"]]
        return [written("github", folder, name).partition("file=")[2].partition(",")[0], *uris]

    inner = tmp_path / "analysis" / "deep"
    inner.mkdir(parents=True)
    (inner / "study.yaml").write_text(STUDY, encoding="utf-8")
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    assert files(inner, "study.yaml") == ["study.yaml"] * 2
    with monkeypatch.context() as on_github:
        on_github.setenv("GITHUB_WORKSPACE", str(tmp_path))
        assert files(inner, "study.yaml") == ["analysis/deep/study.yaml"] * 2
    (tmp_path / ".git").mkdir()
    assert files(inner, "study.yaml") == ["analysis/deep/study.yaml"] * 2
    assert files(inner.parent, "./deep/../deep/study.yaml") == ["analysis/deep/study.yaml"] * 2
    assert files(inner, str(inner / "study.yaml")) == ["analysis/deep/study.yaml"] * 2
    assert json.loads(written("json", inner, "study.yaml"))["files"] == ["study.yaml"], "as it is given"


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
