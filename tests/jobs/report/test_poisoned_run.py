"""Outputs of a finished run are damaged, then the study changes: nothing damaged is used."""

import contextlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from mmc.cli.main import main
from mmc.jobs.record import RECORD

from tests.support import made_once


def _flip(file: Path) -> None:
    """Change one bit; size and time stay."""
    before, content = file.stat(), bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


POISONS: Mapping[str, Callable[[Path], object]] = {
    "a bit": _flip,
    "cut": lambda file: os.truncate(file, file.stat().st_size // 2),
    "empty": lambda file: file.write_bytes(b""),
    "missing": Path.unlink,
    "longer": lambda file: file.write_bytes(file.read_bytes() + b"\0"),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
}


@pytest.fixture(scope="module")
def edited(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run after an edit of the luminosity: limits and report are to be made again."""

    def make(folder: Path) -> None:
        shutil.copytree(run.parent, folder, dirs_exist_ok=True)
        text = (folder / "study.yaml").read_text(encoding="utf-8").replace("20 fb^-1", "5 fb^-1")
        (folder / "study.yaml").write_text(text, encoding="utf-8")
        words = ["compile", str(folder / "study.yaml"), "-t", "script", "-o", str(folder / "run" / "bundle")]
        assert main(words) == 0

    return made_once("edited", make, tmp_path_factory) / "run"


@pytest.fixture
def copy(edited: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(edited, tmp_path / "run"))


def _pending(run: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The jobs that have to run, as `stage/job`, and why if they are finished."""
    rows = [line.split("\t")[:2] for line in (run / "bundle" / "jobs.tsv").read_text().splitlines()]
    capsys.readouterr()
    assert main(["pending", str(run / "bundle" / "jobs.tsv"), str(run / "out")]) == 0
    listed = [line.split(" ", 2) for line in capsys.readouterr().out.splitlines()]
    return {"/".join(rows[int(row)]): "".join(reason) for row, _, *reason in listed}


def _files(run: Path, *stages: str) -> list[Path]:
    found = [file for stage in stages for file in sorted((run / "out" / stage).rglob("*"))]
    return [file for file in found if file.is_file() and file.name != RECORD and file.parent.parent.name != "out"]


def test_a_damaged_file_that_is_to_be_read_is_made_again(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every file of every output that limits and report read, damaged in every way."""
    wanted = _pending(copy, capsys)
    assert set(wanted.values()) == {""}
    assert {job.split("/")[0] for job in wanted} == {"evaluate", "baselines", "report"}
    files = _files(copy, "ingest", "train")
    assert len(files) >= 14
    for file in files:
        job = "/".join(file.relative_to(copy / "out").parts[:2])
        kept = shutil.copy2(file, copy / "kept")
        for poison in POISONS.values():
            poison(file)
            found = _pending(copy, capsys)
            assert found.pop(job).startswith(str(file.relative_to(copy / "out" / job)))
            assert found == wanted
            shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
            shutil.copy2(kept, file)
    assert _pending(copy, capsys) == wanted


def test_an_output_of_another_method_is_not_taken(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(copy / "out" / "train" / "sally")
    shutil.copytree(copy / "out" / "train" / "alice", copy / "out" / "train" / "sally")
    assert "train/sally" in _pending(copy, capsys)


def test_a_job_refuses_a_damaged_input(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Between the look at all outputs and the job, or in an engine that does not look."""
    command = ["bash", "run.sh", "--dry-run", "--out", str(copy / "out"), "--stage", "evaluate"]
    printed = subprocess.run(command, cwd=copy / "bundle", capture_output=True, text=True, check=True).stdout
    words = next(shlex.split(line)[1:] for line in printed.splitlines() if "--job sally " in line)
    (copy / "out" / "train" / "sally" / "model_x_means.npy").unlink()
    with contextlib.chdir(copy / "bundle"):
        assert main(words) == 3
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"the output of train[sally] in {copy / 'out/train/sally'} is damaged: model_x_means.npy is missing" in error
    assert "run the study again, which makes it anew" in error


@pytest.mark.engine
def test_results_are_those_of_an_undisturbed_run(copy: Path, other_run: Path, quick_jobs: dict[str, str]) -> None:
    out = copy / "out"
    _flip(out / "ingest" / "ingest" / "events.h5")
    (out / "train" / "alice" / "model_x_means.npy").unlink()
    os.truncate(out / "train" / "sally" / "train.json", 20)
    (out / "sample" / "sally" / RECORD).write_text("")
    (out / "report" / "report" / "results.json").write_text("")
    shutil.copy(out / "evaluate" / "sally" / "limits.npz", out / "evaluate" / "alice" / "limits.npz")
    command = ["bash", str(copy / "bundle" / "run.sh"), "-j", "2", "--out", str(out)]
    done = subprocess.run(command, env=quick_jobs, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    again = [line for line in done.stderr.splitlines() if "is made again" in line]
    assert again == [
        "run.sh: ingest[ingest] is made again: events.h5 has changed since it was made",
        "run.sh: sample[sally] is made again: job.json is damaged",
        *(line for line in again if line.startswith("run.sh: train[")),
    ]
    assert len(again) == 4
    for stage in ("ingest", "sample", "train", "evaluate", "baselines", "report"):
        files = {file.relative_to(out): file for file in _files(copy, stage)}
        expected = {file.relative_to(other_run / "out"): file for file in _files(other_run, stage)}
        assert files.keys() == expected.keys()
        for name, file in files.items():
            if file.suffix == ".npz":  # rounding depends on the process
                with np.load(file) as ours, np.load(expected[name]) as theirs:
                    for key in theirs:
                        np.testing.assert_allclose(
                            ours[key], theirs[key], rtol=1e-5, atol=1e-5, err_msg=f"{name} {key}"
                        )
            elif file.suffix in (".h5", ".npy", ".pt"):
                assert file.read_bytes() == expected[name].read_bytes(), name
    log = (out / "events.log").read_text().splitlines()
    started = [line.split()[1:3] for line in log if line.startswith("start ")]
    assert len(started) == len(set(map(tuple, started))), "no job runs twice"


@pytest.mark.parametrize(
    "file",
    ["evaluate/alice/limits.npz", "train/sally/train.json", "ingest/ingest/events.h5", "report/report/results.json"],
)
@pytest.mark.parametrize("poison", POISONS)
def test_a_report_refuses_damaged_outputs(
    poison: str, file: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    POISONS[poison](copy / "out" / file)
    assert main(["report", str(copy)]) == 3
    stage, job, name = file.split("/")
    error = capsys.readouterr().err
    assert error.startswith(f"mmc: the output of {stage}[{job}] in {copy}/out/{stage}/{job} is damaged: {name} ")
    assert error.endswith("; run the study again, which makes it anew\n") and error.count("\n") == 1
