"""``mmc step --jobs``: several jobs of a stage, one after the other."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mmc.cli.step import run_step
from mmc.errors import StepError
from mmc.jobs.job import StepJob
from mmc.jobs.steps.tasks import each_job

PROGRAM = """#!/bin/sh
echo "$@" >>"$RAN"
[ "$MMC_ENGINE" = "$PPID" ] || exit 9
case $6 in bad) exit 5 ;; killed) kill -9 $$ ;; esac
for out; do :; done
mkdir -p "$out"
echo 1 >"$out/a.txt"
sha=4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865
known="\\"fingerprint\\": \\"f-$6\\", \\"seed\\": 1, \\"seconds\\": 0.5, \\"mmc\\": \\"0\\""
files="{\\"a.txt\\": {\\"bytes\\": 2, \\"sha256\\": \\"$sha\\", \\"modified_ns\\": 0}}"
echo "{\\"stage\\": \\"simulate\\", \\"job\\": \\"$6\\", $known, \\"outputs\\": $files}" >"$out/job.json"
"""


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which the program that stands for ``mmc`` writes its words."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "mmc"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setattr("sys.argv", [str(program)])  # the running program is found before those of the PATH
    monkeypatch.setenv("RAN", str(tmp_path / "ran"))
    return tmp_path / "ran"


def config(folder: Path, *jobs: str) -> str:
    rows = {job: [0, 1, f"f-{job}"] for job in jobs}
    content = {"stage": "simulate", "shared": {}, "threads": 1, "settings": [{}], "jobs": rows}
    (folder / "config.json").write_text(json.dumps(content))
    return str(folder / "config.json")


def test_a_job_that_fails_stops_no_other_and_only_it_runs_again(ran: Path, tmp_path: Path) -> None:
    head = ["simulate", "--config", config(tmp_path, "a", "bad", "killed", "b")]
    words = [*head, "--jobs", "a", "bad", "killed", "b", "--setup", "s", "--out", str(tmp_path / "out")]
    assert run_step(words) == 5, "that of the first job that fails"
    assert ran.read_text().splitlines() == [
        f"step {' '.join(head)} --job {job} --setup s --out {tmp_path}/out/{job}" for job in ("a", "bad", "killed", "b")
    ]
    ran.unlink()
    assert run_step(words) == 5
    assert [line.split()[5] for line in ran.read_text().splitlines()] == ["bad", "killed"]
    assert run_step([*head, "--jobs", "killed", "a", "--setup", "s", "--out", str(tmp_path / "out")]) == 137
    (tmp_path / "out" / "a" / "a.txt").write_text("damaged")
    ran.unlink()
    assert run_step([*head, "--jobs", "a", "b", "--setup", "s", "--out", str(tmp_path / "out")]) == 0
    assert [line.split()[5] for line in ran.read_text().splitlines()] == ["a"]


def test_without_a_job_nothing_would_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_step(["simulate", "--jobs", "--out", "d"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("mmc step: --jobs needs the name of a job\nusage: mmc step STAGE") and "--jobs NAME" in said


def test_without_a_folder_the_job_says_so() -> None:
    assert list(each_job(["simulate", "--jobs", "a", "b"])) == [["simulate", "--job", name] for name in "ab"]


def test_a_job_reads_its_own_output_of_a_task(ran: Path, tmp_path: Path) -> None:
    head = ["simulate", "--config", config(tmp_path, "a", "b"), "--jobs", "a", "b"]
    assert run_step([*head, "--out", str(tmp_path / "tasks" / "0")]) == 0
    inputs = {"events": (tmp_path / "tasks" / "0",)}
    job = StepJob("analyse", "b", {}, 1, inputs, tmp_path / "out")
    assert job.one("events") == tmp_path / "tasks" / "0" / "b"
    every = replace(job, inputs={"events": (tmp_path / "tasks",)})
    assert every.pick_all("events", ["b", "a"]) == [tmp_path / "tasks" / "0" / name for name in "ba"]
    assert list(job.by_job("events")) == ["a", "b"]
    with pytest.raises(StepError, match="has no output of the job c"):
        StepJob("analyse", "c", {}, 1, inputs, tmp_path / "out").one("events")
