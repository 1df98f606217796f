"""The command line: exit codes, one line per failure, and no traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from mmc.cli import study_file
from mmc.cli.main import COMMANDS, main
from mmc.version import __version__

from tests.support import STUDIES

TINY = STUDIES / "drell-yan" / "tiny.yaml"
MMC = [sys.executable, "-m", "mmc"]

Capture = pytest.CaptureFixture[str]


class TestFailures:
    """Whatever goes wrong outside a study is one line and an exit code."""

    @pytest.mark.parametrize("command", [["validate"], ["plan"], ["compile", "-t", "cwl"], ["run"]])
    @pytest.mark.parametrize(
        ("name", "reason"),
        [("absent.yaml", "No such file or directory"), (".", "Is a directory"), ("a\0b", "null"), ("", "directory")],
    )
    def test_no_such_file(
        self,
        command: list[str],
        name: str,
        reason: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: Capture,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert main([*command, name]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert reason in err

    def test_a_place_that_cannot_be_written(self, tiny: Path, capsys: Capture) -> None:
        for command in (["compile", "-t", "cwl", "--out"], ["plan", "--output"], ["run", "--out"]):
            assert main([*command, "/proc/nowhere/at/all", str(tiny)]) == 3
            assert capsys.readouterr().err.count("\n") == 1

    def test_a_bug_is_one_line_and_a_traceback_for_developers(
        self, tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
    ) -> None:
        def broken(_: str, _changes: object) -> None:
            raise RuntimeError("some\nthing")

        monkeypatch.setattr(study_file, "read", broken)
        assert main(["validate", str(tiny)]) == 3
        err = capsys.readouterr().err
        assert err.startswith("mmc: this is a bug in mmc: RuntimeError: some thing")
        assert err.count("\n") == 1

    def test_interrupted(self, tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
        def interrupted(_: str, _changes: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(study_file, "read", interrupted)
        assert main(["validate", str(tiny)]) == 130
        assert capsys.readouterr().err == "mmc: interrupted\n"

    @pytest.mark.usefixtures("programs_mind_signals")
    def test_ctrl_c_while_waiting_for_input(self) -> None:
        with subprocess.Popen([*MMC, "validate", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            time.sleep(5)  # until Python has started, also on a busy machine
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
            assert process.stderr is not None
            assert process.stderr.read() == b"mmc: interrupted\n"

    def test_who_reads_the_output_has_gone(self, tiny: Path) -> None:
        read_end, write_end = os.pipe()
        os.close(read_end)
        done = subprocess.run([*MMC, "plan", str(tiny)], stdout=write_end, stderr=subprocess.PIPE, check=False)
        os.close(write_end)
        assert done.returncode == 141
        assert done.stderr == b""

    def test_a_terminal_without_the_characters(self, tiny: Path) -> None:
        environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
        title = tiny.read_text().replace("title: The", "title: Die µ → ∞")
        tiny.write_text(title, encoding="utf-8")
        done = subprocess.run([*MMC, "plan", str(tiny)], capture_output=True, env=environment, check=False)
        assert (done.returncode, done.stderr) == (0, b"")

    @pytest.mark.parametrize("words", [["frobnicate"], ["validate"], ["plan", "a", "b"], ["run", "a", "-j", "0"]])
    def test_a_wrong_command_line(self, words: list[str], capsys: Capture) -> None:
        assert main(words) == 2
        assert "usage: mmc" in capsys.readouterr().err


class TestHelp:
    def test_nothing_to_do(self, capsys: Capture) -> None:
        assert main([]) == 2
        assert "a first study:" in capsys.readouterr().err

    def test_version(self, capsys: Capture) -> None:
        assert main(["--version"]) == 0
        assert capsys.readouterr().out == f"mmc {__version__}\n"

    @pytest.mark.parametrize("command", [command.name for command in COMMANDS])
    def test_every_command_explains_itself(self, command: str, capsys: Capture) -> None:
        assert main(["--help"]) == 0
        assert f"\n  {command} " in capsys.readouterr().out.replace("    ", "  ")
        assert main([command, "--help"]) == 0
        assert f"usage: mmc {command}" in capsys.readouterr().out


def test_step_hands_over_to_the_runner(capsys: Capture) -> None:
    assert main(["step", "frobnicate"]) == 2
    assert capsys.readouterr().err.startswith("mmc step: the first word must be a stage")


def test_the_tiny_study_keeps_its_name() -> None:
    assert yaml.safe_load(TINY.read_text())["name"] == "drell-yan-tiny"


def test_a_parent_that_ignores_its_children_hides_no_exit_code() -> None:
    """Of reana-client, for example."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert main(["explain", "MMC204"]) == 0
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGCHLD, before)
