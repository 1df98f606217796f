"""The command line: exit codes, one line per failure, no traceback, and a quick start."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from mmc.cli import commands
from mmc.cli.main import main
from mmc.compiler.checks.codes import CODES
from mmc.version import __version__

from tests.support import STUDIES

TINY = STUDIES / "drell-yan" / "tiny.yaml"
WRONG = 'mmc: "1.0"\nname: wrong\nname: twice\n'
MMC = [sys.executable, "-m", "mmc"]

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A copy of the tiny study in a folder of its own."""
    return Path(shutil.copy(TINY, tmp_path / "study.yaml"))


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """A study with a key that is given twice."""
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    return path


def variant(tiny: Path, name: str, file: str = "other.yaml") -> Path:
    path = tiny.parent / file
    path.write_text(tiny.read_text().replace("name: drell-yan-tiny", f"name: {name}"))
    return path


def stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


class TestValidate:
    def test_a_study_that_is_fine(self, tiny: Path, capsys: Capture) -> None:
        assert main(["validate", str(tiny)]) == 0
        assert capsys.readouterr() == (f"{tiny}: fine\n", "")

    def test_many_studies_show_all_problems(self, tiny: Path, wrong: Path, capsys: Capture) -> None:
        assert main(["validate", str(wrong), str(tiny), str(wrong)]) == 1
        out, err = capsys.readouterr()
        assert err == ""
        assert out.count(f"{wrong}:3:1: error[MMC008]") == 1
        assert "fine" not in out

    def test_standard_input(self, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
        stdin(monkeypatch, WRONG.encode())
        assert main(["validate", "-"]) == 1
        assert "<stdin>:3:1: error[MMC008]" in capsys.readouterr().out

    def test_warnings_alone_do_not_fail(self, tiny: Path, capsys: Capture) -> None:
        tiny.write_text(tiny.read_text() + "\nexecution: {images: {physics: 'registry/image:latest'}}\n")
        assert main(["validate", str(tiny)]) == 0
        out = capsys.readouterr().out
        assert "warning[MMC604]" in out
        assert "fine" not in out

    def test_formats_for_programs_say_so_when_all_is_fine(self, tiny: Path, capsys: Capture) -> None:
        assert main(["validate", str(tiny), "--format", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["errors"] == 0
        assert main(["validate", str(tiny), "--format", "sarif"]) == 0
        assert json.loads(capsys.readouterr().out)["runs"][0]["results"] == []
        assert main(["validate", str(tiny), "--format", "github"]) == 0
        assert capsys.readouterr().out == ""

    def test_github_annotates(self, wrong: Path, capsys: Capture) -> None:
        assert main(["validate", str(wrong), "--format", "github"]) == 1
        assert f"::error file={wrong},line=3," in capsys.readouterr().out


class TestCompile:
    @pytest.mark.parametrize("target", ["yadage", "cwl", "script"])
    def test_writes_beside_the_study_and_checks(self, target: str, tiny: Path, capsys: Capture) -> None:
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

    def test_a_wrong_study_stops_all(self, tiny: Path, wrong: Path, capsys: Capture) -> None:
        assert main(["compile", str(tiny), str(wrong), "--target", "script"]) == 1
        assert not (tiny.parent / "build").exists()
        out, err = capsys.readouterr()
        assert out == ""
        assert "MMC008" in err

    def test_several_studies_get_a_folder_each(self, tiny: Path, tmp_path: Path) -> None:
        other = variant(tiny, "other one")
        out = tmp_path / "bundles"
        assert main(["compile", str(tiny), str(other), "-t", "cwl", "--out", str(out)]) == 0
        assert sorted(path.name for path in out.iterdir()) == ["drell-yan-tiny", "other_one"]
        assert (out / "other_one" / "manifest.json").exists()

    def test_two_studies_of_one_name_are_refused(self, tiny: Path, capsys: Capture) -> None:
        same = variant(tiny, "drell-yan-tiny")
        assert main(["compile", str(tiny), str(same), "-t", "cwl"]) == 2
        assert "would both be compiled to" in capsys.readouterr().err
        assert not (tiny.parent / "build").exists()

    def test_standard_input_is_compiled_in_the_current_folder(
        self, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        stdin(monkeypatch, tiny.read_bytes())
        assert main(["compile", "-", "-t", "script"]) == 0
        assert (tmp_path / "build" / "drell-yan-tiny" / "script" / "run.sh").exists()

    def test_an_unknown_target(self, tiny: Path, capsys: Capture) -> None:
        assert main(["compile", str(tiny), "-t", "makefile"]) == 2
        assert "choose from 'yadage', 'cwl', 'script'" in capsys.readouterr().err


class TestFiles:
    """Files that a study names."""

    @pytest.fixture
    def with_events(self, tiny: Path) -> Path:
        """A study of an event file beside it."""
        data = yaml.safe_load(tiny.read_text())
        del data["generation"], data["detector"], data["cuts"], data["morphing"]
        data["observables"] = {name: {} for name in data["observables"]}
        data["parameters"] = {name: {"range": entry["range"]} for name, entry in data["parameters"].items()}
        data["events"] = {"file": "data/events.h5"}
        (tiny.parent / "data").mkdir()
        (tiny.parent / "data" / "events.h5").write_bytes(b"\x89HDF")
        tiny.write_text(yaml.safe_dump(data))
        return tiny

    def test_they_are_part_of_the_bundle(self, with_events: Path, tmp_path: Path) -> None:
        command = ["compile", str(with_events), "-t", "script", "--out", str(tmp_path / "bundle")]
        assert main(command) == 0
        assert (tmp_path / "bundle" / "inputs" / "events.h5").read_bytes() == b"\x89HDF"
        assert main([*command, "--check"]) == 0
        (with_events.parent / "data" / "events.h5").write_bytes(b"\x89HDF, another")
        assert main([*command, "--check"]) == 1

    @pytest.mark.parametrize(
        ("path", "code"),
        [
            ("data/none.h5", "MMC601"),
            ("../events.h5", "MMC602"),
            ("/etc/passwd", "MMC602"),
            ("link.h5", "MMC602"),
            ("data", "MMC603"),
            (".", "MMC603"),
            ("x" * 5000, "MMC601"),
        ],
    )
    def test_they_are_files_in_the_folder_of_the_study(
        self, path: str, code: str, with_events: Path, capsys: Capture
    ) -> None:
        (with_events.parent / "link.h5").symlink_to("/etc/passwd")
        with_events.write_text(with_events.read_text().replace("data/events.h5", path))
        assert main(["validate", str(with_events)]) == 1
        assert f"error[{code}]" in capsys.readouterr().out


class TestPlan:
    def test_text_and_wrong_study(self, tiny: Path, wrong: Path, capsys: Capture) -> None:
        assert main(["plan", str(tiny)]) == 0
        assert "35 jobs in 10 stages" in capsys.readouterr().out
        assert main(["plan", str(wrong)]) == 1

    def test_the_basis_takes_madminer(self, tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
        monkeypatch.setitem(sys.modules, "mmc.jobs.madminer.morphing_basis", None)
        assert main(["plan", str(tiny)]) == 0
        assert "\nmorphing basis: showing it takes MadMiner: pip install 'mmc[steps]'\n" in capsys.readouterr().out
        assert main(["plan", str(tiny), "--format", "json"]) == 0
        assert set(json.loads(capsys.readouterr().out)["morphing_basis"]) == {"unknown"}

    def test_a_basis_that_takes_long(self, tiny: Path, capsys: Capture) -> None:
        text = tiny.read_text()
        tiny.write_text(
            text.replace("max_overall_power: 2}", "max_overall_power: 2, n_trials: 51, n_test_thetas: 10_000}")
        )
        assert main(["plan", str(tiny)]) == 0
        assert "\nmorphing basis: finding it takes long" in capsys.readouterr().out

    @pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
    def test_pictures(self, tiny: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        assert main(["plan", str(tiny), "--format", "png", "--output", str(tmp_path / "plan.png")]) == 0
        assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")
        assert main(["plan", str(tiny), "--format", "svg"]) == 0
        assert b"<svg" in capfdbinary.readouterr().out

    def test_without_graphviz(self, tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
        monkeypatch.setenv("PATH", "")
        assert main(["plan", str(tiny), "--format", "svg"]) == 3
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert "install graphviz" in err


class TestExplain:
    def test_every_code(self, capsys: Capture) -> None:
        assert main(["explain"]) == 0
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(CODES)
        for code, entry in CODES.items():
            assert main(["explain", code.lower()]) == 0
            assert entry.title in capsys.readouterr().out

    def test_an_unknown_code(self, capsys: Capture) -> None:
        assert main(["explain", "MMC999"]) == 2
        assert capsys.readouterr().err == "mmc: there is no code MMC999; `mmc explain` lists all\n"


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
        def broken(_: str) -> None:
            raise RuntimeError("some\nthing")

        monkeypatch.setattr(commands, "read", broken)
        assert main(["validate", str(tiny)]) == 3
        err = capsys.readouterr().err
        assert err.startswith("mmc: this is a bug in mmc: RuntimeError: some thing")
        assert err.count("\n") == 1

    def test_interrupted(self, tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
        def interrupted(_: str) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(commands, "read", interrupted)
        assert main(["validate", str(tiny)]) == 130
        assert capsys.readouterr().err == "mmc: interrupted\n"

    @pytest.mark.usefixtures("programs_mind_signals")
    def test_ctrl_c_while_waiting_for_input(self) -> None:
        with subprocess.Popen([*MMC, "validate", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            time.sleep(1)
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

    @pytest.mark.parametrize("command", ["init", "validate", "plan", "compile", "run", "explain", "step"])
    def test_every_command_explains_itself(self, command: str, capsys: Capture) -> None:
        assert main(["--help"]) == 0
        assert f"\n  {command} " in capsys.readouterr().out.replace("    ", "  ")
        assert main([command, "--help"]) == 0
        assert f"usage: mmc {command}" in capsys.readouterr().out


def test_step_hands_over_to_the_runner(capsys: Capture) -> None:
    assert main(["step", "frobnicate"]) == 2
    assert capsys.readouterr().err.startswith("mmc step: the first word must be a stage")


@pytest.mark.parametrize(
    ("words", "forbidden"),
    [
        (
            ["validate", str(TINY)],
            {"jinja2", "mmc.compiler.targets", "mmc.compiler.plan.make", "mmc.cli.rendering", "subprocess", "numpy"},
        ),
        (["plan", str(TINY)], {"jinja2", "mmc.compiler.targets", "torch", "matplotlib", "uproot3"}),
        (["plan", str(TINY), "--format", "mermaid"], {"jinja2", "mmc.compiler.targets", "numpy"}),
        (["compile", str(TINY), "-t", "cwl", "--check"], {"numpy", "torch", "madminer", "cwltool", "yadage"}),
    ],
)
def test_a_command_imports_only_what_it_needs(words: list[str], forbidden: set[str]) -> None:
    script = "import sys; from mmc.cli.main import main; main(sys.argv[1:]); sys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
    assert forbidden & set(done.stderr.split()) == set()


def test_the_tiny_study_keeps_its_name() -> None:
    assert yaml.safe_load(TINY.read_text())["name"] == "drell-yan-tiny"
