"""``run.sh``, really run with bash and a fake step program."""

import getpass
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmc.compiler.catalogue.resources import Resources
from mmc.compiler.plan.model import Plan
from mmc.compiler.targets import TARGETS, Options, dataflow

from tests.compiler.targets.conftest import Place, StepProgram
from tests.compiler.targets.plans import expected_commands, make_plan, plans, recorded

NASTY_FOLDER = 'it\'s a $(touch hacked) "folder" {x} µ #1 %20'


def run(
    folder: Path, program: StepProgram, *words: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(folder / "run.sh"), *words],
        env={**program.environment, **environment},
        cwd=cwd or folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def events(out: Path) -> list[tuple[str, str]]:
    lines = (out / "events.log").read_text().splitlines()
    for line in lines:
        what, _, _, seconds, *code = line.split(" ")
        assert float(seconds) >= 0
        assert [word.isdecimal() for word in code] == [True] * (what in {"fail", "retry"})
    return [(line.split(" ")[0], "/".join(line.split(" ")[1:3])) for line in lines]


@pytest.fixture
def folder(place: Place, tmp_path: Path) -> Path:
    return place(make_plan(), "script", tmp_path / "bundle")


def test_every_job_runs_with_its_words(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    plan = make_plan(splits=12, file="inputs/it's $(touch hacked) {x}.h5")
    folder = place(plan, "script", tmp_path / NASTY_FOLDER)
    done = run(folder, step_program, "-j", "3", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert step_program.ran(folder / "out") == recorded(expected_commands(plan))
    assert f"{folder}/out/report/report" in done.stdout
    assert not list(tmp_path.rglob("hacked"))
    log = events(folder / "out")
    for stage in plan.stages:
        for job in stage.jobs:
            for need in job.needs:
                assert log.index(("done", "/".join(need))) < log.index(("start", f"{stage.name}/{job.name}"))
    assert (folder / "out/simulate/signal.sm.11.out").read_text() == "runs simulate signal.sm.11\n"
    assert not (folder / "out/run.lock").exists()


def test_out_may_be_anywhere(folder: Path, step_program: StepProgram, tmp_path: Path) -> None:
    for words in (["-o", "re sults/a"], ["--out=re sults/b"], ["-ore sults/c"], ["--out", str(tmp_path / "d")]):
        assert run(folder, step_program, *words, cwd=tmp_path).returncode == 0
    plan = make_plan()
    for name in ("re sults/a", "re sults/b", "re sults/c", "d"):
        assert step_program.ran(tmp_path / name).keys() == expected_commands(plan).keys()
    assert not (folder / "out").exists()


def test_a_tilde_is_the_home_folder(folder: Path, step_program: StepProgram, tmp_path: Path) -> None:
    for word, name in ("--out=~/a", "a"), ("-o~", "."):
        assert run(folder, step_program, word, cwd=tmp_path, HOME=str(tmp_path / "home")).returncode == 0
        assert (tmp_path / "home" / name / "report").is_dir()
    assert not (tmp_path / "~").exists()


def test_the_results_may_be_on_another_disk(folder: Path, step_program: StepProgram, tmp_path: Path) -> None:
    (folder / "out").symlink_to(tmp_path / "scratch")
    done = run(folder, step_program)
    assert done.returncode == 1
    assert done.stderr == f"run.sh: out is a link to {tmp_path / 'scratch'}, which does not exist\n"
    (tmp_path / "scratch").mkdir()
    assert run(folder, step_program).returncode == 0
    assert (tmp_path / "scratch" / "report" / "report").is_dir()


@pytest.mark.parametrize("link", ["report", "run.lock", "events.log", "report/report.out"])
@pytest.mark.parametrize("dangling", [False, True])
def test_no_link_in_the_results_is_followed(
    folder: Path, step_program: StepProgram, tmp_path: Path, link: str, dangling: bool
) -> None:
    mine, place = tmp_path / "mine", folder / "out" / link
    mine.mkdir()
    (mine / "file").write_text("mine")
    place.parent.mkdir(parents=True)
    place.symlink_to(mine / "new" if dangling else mine / "file" if place.suffix else mine)
    done = run(folder, step_program)
    if link == "report/report.out":
        assert done.returncode == 0 and place.read_text() == "runs report report\n"
    else:
        assert done.returncode == 1
        assert done.stderr == f"run.sh: out/{link} is a link, and no link in out is followed: remove it\n"
    assert [path.name for path in mine.iterdir()] == ["file"] and (mine / "file").read_text() == "mine"


def test_a_fifo_in_the_results_is_not_waited_for(folder: Path, step_program: StepProgram) -> None:
    (folder / "out" / "report").mkdir(parents=True)
    os.mkfifo(folder / "out" / "events.log")
    os.mkfifo(folder / "out" / "report" / "report.out")
    assert run(folder, step_program).stderr == "run.sh: out/events.log is not a file: remove it\n"
    (folder / "out" / "events.log").unlink()
    assert run(folder, step_program).returncode == 0
    assert (folder / "out" / "report" / "report.out").read_text() == "runs report report\n"


def test_jobs_start_as_soon_as_their_own_inputs_are_there(
    place: Place, step_program: StepProgram, tmp_path: Path
) -> None:
    """No simulation needs the background's cross section, so a slow one holds up nothing."""
    folder = place(make_plan(splits=6), "script", tmp_path / "bundle")
    step_program.first("""
tries=0
while [ $job = background.sm ] && [ ! -e "${out%/*}/../combine/combine" ] && [ $((tries += 1)) -lt 600 ]; do
  sleep 0.1  # a minute at most
done""")
    assert run(folder, step_program, "-j", "2").returncode == 0
    log = events(folder / "out")
    assert log.index(("done", "combine/combine")) < log.index(("done", "generate/background.sm"))


def test_cores_are_not_exceeded(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    """Trainings use two cores each: one at a time on three, two at a time on four, and one even on a single core."""
    folder = place(make_plan(splits=1, methods=["a", "b", "c"]), "script", tmp_path / "bundle")
    for cores, most in (("1", 1), ("3", 1), ("4", 2)):
        assert _trainings_at_once(folder, step_program, cores) == most


def test_threads_of_the_caller_are_not_the_number_of_jobs(
    place: Place, step_program: StepProgram, tmp_path: Path
) -> None:
    (tmp_path / "bin" / "nproc").write_text('#!/bin/sh\necho "${OMP_NUM_THREADS:-4}"\n')  # as that of coreutils
    (tmp_path / "bin" / "nproc").chmod(0o755)
    plan = make_plan(splits=1, methods=["a", "b", "c"], cpus=1, memory_mib=1)
    folder = place(plan, "script", tmp_path / "bundle")
    assert run(folder, step_program, OMP_NUM_THREADS="1", FAKE_SECONDS="0.05").returncode == 0
    assert _at_once(folder) == 3


@pytest.mark.parametrize(("memory_mib", "most"), [(1, 3), (10**9, 1)])
def test_memory_is_not_exceeded(
    place: Place, step_program: StepProgram, tmp_path: Path, memory_mib: int, most: int
) -> None:
    """What needs more memory than the machine has runs alone."""
    plan = make_plan(splits=1, methods=["a", "b", "c"], cpus=1, memory_mib=memory_mib)
    assert _trainings_at_once(place(plan, "script", tmp_path / "bundle"), step_program, "4") == most


def _trainings_at_once(folder: Path, program: StepProgram, cores: str) -> int:
    shutil.rmtree(folder / "out", ignore_errors=True)
    assert run(folder, program, "-j", cores, FAKE_SECONDS="0.05").returncode == 0
    return _at_once(folder)


def _at_once(folder: Path) -> int:
    running = peak = 0
    for what, job in events(folder / "out"):
        if job.startswith("train/"):
            running += 1 if what == "start" else -1
            peak = max(peak, running)
    return peak


def test_a_gather_whose_folders_have_long_paths_is_refused_before_any_job_runs(
    place: Place, step_program: StepProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the outputs go is known when the script runs."""
    monkeypatch.setattr(dataflow, "LONGEST_COMMAND", 600)
    folder = place(make_plan(), "script", tmp_path / "bundle")
    done = run(folder, step_program, "-o", str(tmp_path / ("x" * 200)))
    assert done.returncode == 1
    assert "more than Linux takes in one command: choose a shorter path with -o" in done.stderr
    assert not list(tmp_path.glob("x*/*/*"))
    assert run(folder, step_program).returncode == 0


def test_what_is_done_is_not_run_again(folder: Path, step_program: StepProgram) -> None:
    assert run(folder, step_program).returncode == 0
    shutil.rmtree(folder / "out/train/sally")
    record = folder / "out/evaluate/sally/job.json"
    record.write_text(record.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    done = run(folder, step_program)
    assert done.returncode == 0
    assert "15 of 15 jobs done, 13 of them before" in done.stdout
    started = [job for what, job in events(folder / "out") if what == "start"]
    assert sorted(started) == ["evaluate/sally", "train/sally"]


def test_a_damaged_output_is_made_again_when_it_is_needed(folder: Path, step_program: StepProgram) -> None:
    assert run(folder, step_program).returncode == 0
    (folder / "out/train/sally/ran.txt").write_text("damaged")
    (folder / "out/configure/configure/ran.txt").unlink()
    done = run(folder, step_program)
    assert "15 of 15 jobs done, 15 of them before" in done.stdout, "nobody has to read them"
    record = folder / "out/evaluate/sally/job.json"
    record.write_text(record.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    done = run(folder, step_program)
    assert done.returncode == 0
    assert "15 of 15 jobs done, 13 of them before" in done.stdout
    assert re.search(r"^run.sh: train\[sally\] is made again: ran.txt has 7 of \d+ bytes$", done.stderr, re.MULTILINE)
    lines = (folder / "out/events.log").read_text().splitlines()
    assert [line.split()[1:3] for line in lines if line.startswith("start ")] == [
        ["train", "sally"],
        ["evaluate", "sally"],
    ]
    assert [line.split()[1:3] for line in lines if line.startswith("again ")] == [["train", "sally"]]


def test_outputs_that_have_been_read_are_removed(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    plan = replace(make_plan(), removed=("configure", "simulate"))
    folder = place(plan, "script", tmp_path / NASTY_FOLDER)
    out = folder / "out"
    failed = run(folder, step_program, "-j", "2", FAKE_FAIL="analyse/signal.sm.1")
    assert failed.returncode == 1
    left = {path.name for path in (out / "simulate").glob("*/ran.txt")}
    assert left and (out / "configure/configure/ran.txt").exists(), "a job has yet to read them"
    done = run(folder, step_program)
    assert (done.returncode, done.stderr) == (0, "")
    for stage in plan.stages:
        for job in stage.jobs:
            there = sorted(path.name for path in (out / stage.name / job.name).iterdir())
            assert there == (["job.json"] if stage.name in plan.removed else ["job.json", "ran.txt"])
    done = run(folder, step_program)
    assert "15 of 15 jobs done, 15 of them before" in done.stdout
    record = out / "analyse/signal.sm.1/job.json"
    record.write_text(record.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    done = run(folder, step_program)
    assert done.returncode == 0
    lines = (out / "events.log").read_text().splitlines()
    started = sorted(line.split()[1:3] for line in lines if line.startswith("start "))
    assert started == [["analyse", "signal.sm.1"], ["configure", "configure"], ["simulate", "signal.sm.1"]]
    assert not list(out.glob("simulate/*/ran.txt"))


def test_a_job_without_its_output_has_failed(folder: Path, step_program: StepProgram) -> None:
    step_program.first("[ $stage != train ] || exit 0")
    done = run(folder, step_program)
    assert done.returncode == 1
    assert "train sally failed with exit code 0, but without the output of this job" in done.stderr


def test_a_list_that_is_a_link_is_not_followed(folder: Path, step_program: StepProgram, tmp_path: Path) -> None:
    (folder / "out").mkdir()
    (tmp_path / "precious").write_text("precious")
    (folder / "out/.pending.tsv").symlink_to(tmp_path / "precious")
    assert run(folder, step_program).returncode == 0
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_changed_study_runs_what_it_changes(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    folder = place(make_plan(title="one"), "script", tmp_path / "bundle")
    assert run(folder, step_program).returncode == 0
    assert run(place(make_plan(title="one"), "script", folder), step_program).returncode == 0
    assert {what for what, _ in events(folder / "out")} == {"skip"}
    shutil.rmtree(folder / "out/simulate")
    assert run(folder, step_program).returncode == 0
    assert [what for what, _ in events(folder / "out")].count("start") == 3


def test_a_failure_is_clear(folder: Path, step_program: StepProgram) -> None:
    done = run(folder, step_program, "-j", "2", FAKE_FAIL="simulate/signal.sm.1", FAKE_SECONDS="0.1")
    assert done.returncode == 1
    log = folder / "out/simulate/signal.sm.1.out"
    assert f"simulate signal.sm.1 failed with exit code 3; what it printed is in {log}" in done.stderr
    assert "it went wrong" in done.stderr
    assert "1 failed; run again to continue" in done.stderr
    before = events(folder / "out")
    assert ("fail", "simulate/signal.sm.1") in before
    assert not (folder / "out/combine/combine").exists()
    assert {job for what, job in before if what == "start"} == {job for what, job in before if what in ("done", "fail")}
    assert run(folder, step_program).returncode == 0
    again = [job for what, job in events(folder / "out") if what == "start"]
    assert not set(again) & {job for what, job in before if what == "done"}


def test_a_killed_job_is_a_failure(folder: Path, step_program: StepProgram) -> None:
    done = run(folder, step_program, FAKE_KILL="configure/configure")
    assert done.returncode == 1
    reason = (
        "failed with exit code 137: killed by SIGKILL, as the kernel does when memory runs out; what it printed is in"
    )
    assert f"configure configure {reason} " in done.stderr
    assert (folder / "out/events.log").read_text().splitlines()[-1].split()[-1] == "137"


def test_a_job_without_the_output_of_this_study_is_a_failure(
    place: Place, step_program: StepProgram, tmp_path: Path
) -> None:
    """Whatever its exit code was. So a study that is compiled while its bundle runs does not mix with it."""
    folder = place(make_plan(title="one"), "script", tmp_path / "bundle")
    config = folder / "config" / "evaluate.json"
    config.write_text(config.read_text().replace(', "', ', "0'))
    done = run(folder, step_program)
    assert done.returncode == 1
    assert "evaluate sally failed with exit code 0, but without the output of this job" in done.stderr
    assert not (folder / "out/report").is_dir() or not list((folder / "out/report").iterdir())


def test_a_job_that_fails_is_tried_again(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    """As often as the study says; the siblings of one that never succeeds have run."""
    plan = make_plan()
    stages = (replace(stage, resources=Resources(retries=int(stage.name == "simulate"))) for stage in plan.stages)
    folder = place(replace(plan, stages=tuple(stages)), "script", tmp_path / "bundle")
    once, always = "simulate/signal.sm.0", "simulate/signal.sm.1"
    done = run(folder, step_program, "-j", "2", FAKE_ONCE=once, FAKE_FAIL=always)
    assert done.returncode == 1
    assert "run.sh: simulate signal.sm.0 failed with exit code 5 and is tried again" in done.stderr
    tried = [what for what, job in events(folder / "out") if job == always]
    assert tried == ["start", "retry", "start", "fail"]
    assert [what for what, job in events(folder / "out") if job == once] == ["start", "retry", "start", "done"]
    assert (folder / f"out/{once}.out").read_text() == (
        "runs simulate signal.sm.0\nno luck\n"
        "run.sh: simulate signal.sm.0 failed with exit code 5 and is tried again\nruns simulate signal.sm.0\n"
    )


def test_a_missing_program_is_a_failure(folder: Path, step_program: StepProgram) -> None:
    path = "/usr/bin:/bin"
    if shutil.which("mmc", path=path):
        pytest.skip("mmc is installed for all users here")
    done = run(folder, step_program, PATH=path)
    assert done.returncode == 1
    assert "exit code 127" in done.stderr
    assert "mmc: command not found" in done.stderr


@pytest.mark.usefixtures("programs_mind_signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_stops_and_a_rerun_goes_on(
    number: signal.Signals, status: int, folder: Path, step_program: StepProgram
) -> None:
    process = start(folder, step_program)
    wait_for(folder / "out/simulate/signal.sm.0.out")
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == status
    assert "stopped; run again to continue" in errors
    assert not (folder / "out/run.lock").exists()
    done_before = step_program.ran(folder / "out").keys()
    assert 0 < len(done_before) < len(expected_commands(make_plan()))
    assert running_jobs(folder) == 0
    assert run(folder, step_program).returncode == 0
    assert step_program.ran(folder / "out").keys() == expected_commands(make_plan()).keys()
    assert sum(what == "skip" for what, _ in events(folder / "out")) == len(done_before)


@pytest.mark.usefixtures("programs_mind_signals")
def test_a_second_signal_kills_what_does_not_stop(folder: Path, step_program: StepProgram) -> None:
    process = start(folder, step_program, FAKE_STUBBORN="yes", FAKE_SECONDS="60")
    printed = folder / "out/configure/configure.out"
    wait_for(printed)
    while "stays" not in printed.read_text():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "stopping 1 jobs; once more kills them" in errors
    assert running_jobs(folder) == 0
    assert step_program.ran(folder / "out") == {}


def test_a_kill_leaves_nothing_that_looks_finished(folder: Path, step_program: StepProgram) -> None:
    process = start(folder, step_program)
    wait_for(folder / "out/simulate/signal.sm.0.out")
    process.kill()
    process.communicate(timeout=10)
    deadline = time.monotonic() + 10
    while running_jobs(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    for record in (folder / "out").rglob("job.json"):
        assert json.loads(record.read_text())["job"] == record.parent.name
    assert (folder / "out/run.lock").exists()
    assert run(folder, step_program).returncode == 0
    assert step_program.ran(folder / "out").keys() == expected_commands(make_plan()).keys()


def test_two_runs_do_not_share_a_folder(folder: Path, step_program: StepProgram) -> None:
    process = start(folder, step_program, FAKE_SECONDS="4")
    wait_for(folder / "out/configure/configure.out")
    second = run(folder, step_program)
    assert second.returncode == 1
    assert f"out is in use by run.sh of user {getpass.getuser()} on host " in second.stderr
    assert f", process {process.pid}, since " in second.stderr
    elsewhere = run(folder, step_program, "-o", "elsewhere", FAKE_SECONDS="0")
    assert elsewhere.returncode == 0
    process.terminate()
    process.communicate(timeout=10)


def test_a_run_waits_for_the_jobs_of_a_killed_one(folder: Path, step_program: StepProgram) -> None:
    process = start(folder, step_program, FAKE_SECONDS="1")
    said = folder / "out/configure/configure.out"
    wait_for(said)
    while not said.stat().st_size:  # a job that has not begun may not begin without its run
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=10)
    done = run(folder, step_program)
    assert done.returncode == 0, done.stderr
    assert ("skip", "configure/configure") in events(folder / "out")
    assert sorted(path.name for path in (folder / "out").iterdir() if path.is_file()) == ["events.log"]
    assert not (folder / ".mmc.lock").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_run_of_another_user_is_alive(folder: Path, step_program: StepProgram) -> None:
    for above in folder.parents[:-2]:
        above.chmod(above.stat().st_mode | 0o711)
    process = start(folder, step_program, FAKE_SECONDS="4")
    wait_for(folder / "out/configure/configure.out")
    subprocess.run(["chmod", "-R", "a+rwX", folder], check=True)
    environment = {**step_program.environment, "PATH": "/usr/bin:/bin"}
    command = ["bash", str(folder / "run.sh")]
    second = subprocess.run(
        command, env=environment, cwd="/", user=65534, group=65534, extra_groups=[], capture_output=True, check=False
    )
    assert second.returncode == 1
    assert b"out is in use by run.sh of user root on host " in second.stderr
    process.terminate()
    process.communicate(timeout=10)


@pytest.mark.parametrize("content", ["precious\n", "one\ntwo\nthree"])
def test_a_file_in_the_place_of_the_lock_is_left_alone(folder: Path, step_program: StepProgram, content: str) -> None:
    (folder / "out").mkdir()
    (folder / "precious").write_text(content)
    for name, reason in (("out/run.lock", "is a link"), (".mmc.lock", "is not a lock of mmc: move it away")):
        (folder / name).symlink_to(folder / "precious")
        done = run(folder, step_program)
        assert done.returncode == 1
        assert f"{name} {reason}" in done.stderr
        (folder / name).unlink()
    assert (folder / "precious").read_text() == content
    (folder / "precious").rename(folder / "out/run.lock")
    assert run(folder, step_program).returncode == 1
    assert (folder / "out/run.lock").read_text() == content


def test_the_number_of_a_running_process_is_the_lock_of_an_older_run(folder: Path, step_program: StepProgram) -> None:
    (folder / "out").mkdir()
    (folder / "out/run.lock").write_text(f"{os.getpid()}\n")
    done = run(folder, step_program)
    assert done.returncode == 1
    assert f"process {os.getpid()} of an older mmc is running the jobs in {folder}/out" in done.stderr
    (folder / "out/run.lock").write_text("4194305\n")  # beyond the largest process number: nobody
    assert run(folder, step_program).returncode == 0


@pytest.mark.parametrize("helper", ["python3", None])
def test_without_the_program_flock(folder: Path, step_program: StepProgram, tmp_path: Path, helper: str | None) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "id", "mkdir", "mv", "nproc", "readlink", "rm", "sha256sum", "sleep", "tail"):
        (programs / name).symlink_to(shutil.which(name) or "missing")
    if helper:
        (programs / helper).symlink_to(Path(sys.executable).resolve())  # what the PATH has may be a slow script
    path = f"{tmp_path / 'bin'}:{programs}"
    if helper is None:
        done = run(folder, step_program, PATH=path)
        assert done.returncode == 1
        assert "cannot lock " in done.stderr and "this needs the program flock or python3" in done.stderr
        return
    process = start(folder, step_program, FAKE_SECONDS="4", PATH=path)
    wait_for(folder / "out/configure/configure.out")
    second = run(folder, step_program, PATH=path)
    assert second.returncode == 1
    assert "out is in use by run.sh of user " in second.stderr
    process.terminate()
    process.communicate(timeout=10)


@pytest.mark.parametrize("options", ["-e", "-u", "-f", "-a", "-C", "-k", "--posix", "-o pipefail", "-O nocasematch"])
def test_options_of_the_shell_change_nothing(folder: Path, step_program: StepProgram, options: str) -> None:
    command = ["bash", *options.split(), "run.sh"]
    done = subprocess.run(
        command, cwd=folder, env=step_program.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    failed = subprocess.run(
        command,
        cwd=folder,
        env={**step_program.environment, "FAKE_FAIL": "train/sally"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert failed.returncode == 0  # all were done
    shutil.rmtree(folder / "out/train/sally")
    failed = run(folder, step_program, FAKE_FAIL="train/sally", SHELLOPTS="braceexpand:errexit:hashall:nounset")
    assert failed.returncode == 1
    assert "train sally failed with exit code 3" in failed.stderr


HIDING = {f"BASH_FUNC_{name}%%": "() { return 1; }" for name in ("set", "unset", "compgen", "shopt")}
"""Functions with the names of builtins. In POSIX mode bash itself refuses them."""


@pytest.mark.parametrize("further", [{"POSIXLY_CORRECT": "1"}, HIDING], ids=["POSIX", "functions"])
def test_what_the_caller_exports_changes_nothing(
    folder: Path, step_program: StepProgram, further: dict[str, str], tmp_path: Path
) -> None:
    decoy = tmp_path / "decoy" / folder.name
    decoy.mkdir(parents=True)
    surroundings = {
        "CDPATH": str(decoy.parent),
        "EXECIGNORE": "*",
        "FUNCNEST": "2",
        "GLOBIGNORE": "*",
        "IFS": "o",
        "OMP_NUM_THREADS": "0",
        "TMOUT": "1",
        "BASH_FUNC_cd%%": "() { echo elsewhere; }",
        "BASH_FUNC_kill%%": "() { return 1; }",
        "BASH_FUNC_local%%": "() { return 1; }",
        "BASH_FUNC_printf%%": "() { return 1; }",
        **further,
    }
    done = subprocess.run(
        ["bash", f"{folder.name}/run.sh", "-j", "2"],
        env={**step_program.environment, **surroundings},
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert step_program.ran(folder / "out").keys() == expected_commands(make_plan()).keys()
    assert not list(decoy.iterdir())


def test_search_paths_are_those_of_the_caller(folder: Path, step_program: StepProgram, tmp_path: Path) -> None:
    """Jobs run in the folder of the bundle, which may hold programs and modules of a stranger."""
    step_program.first('printf "%s " "$PYTHONPATH"')
    strange = folder / "bin" / "mmc"
    strange.parent.mkdir()
    strange.write_text("#!/bin/sh\nexit 7\n")
    strange.chmod(0o755)
    path = step_program.environment["PATH"].replace(str(step_program.file.parent), "bin", 1)
    done = run(folder, step_program, cwd=tmp_path, PATH=path, PYTHONPATH=":src:/somewhere")
    assert (done.returncode, done.stderr) == (0, "")
    expected = f"{tmp_path}/:{tmp_path}/src:/somewhere runs configure configure\n"
    assert (folder / "out/configure/configure.out").read_text() == expected


def test_failures_are_seen_by_a_shell_whose_parent_ignores_its_children(
    folder: Path, step_program: StepProgram
) -> None:
    process = start(
        folder, step_program, lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN), FAKE_FAIL="simulate/signal.sm.1"
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "simulate signal.sm.1 failed with exit code 3" in errors


def start(
    folder: Path, program: StepProgram, before: Callable[[], object] | None = None, **environment: str
) -> subprocess.Popen[str]:
    """run.sh, with jobs of a quarter of a second."""
    return subprocess.Popen(
        ["bash", str(folder / "run.sh"), "-j", "2"],
        env={**program.environment, "FAKE_SECONDS": "0.25", **environment},
        preexec_fn=before,  # noqa: PLW1509 - there are no threads
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def running_jobs(folder: Path) -> int:
    """Step programs of this bundle that are alive (Linux)."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (
                process.joinpath("cwd").resolve() == folder.resolve()
                and b"step" in process.joinpath("cmdline").read_bytes()
            ):
                count += 1
        except OSError:
            continue
    return count


def test_dry_run_lists_every_command(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    plan = make_plan(file="inputs/it's $(touch hacked)\ttab {x} µ.h5")
    folder = place(plan, "script", tmp_path / "bundle")
    done = run(folder, step_program, "--dry-run")
    assert done.returncode == 0
    assert dry_run_words(done.stdout) == list(expected_commands(plan).values())
    assert not (folder / "out").exists()


def dry_run_words(printed: str) -> list[list[str]]:
    """The words of each line, as bash reads them."""
    script = 'while IFS= read -r line; do eval "set -- $line"; printf "%s\\0" "$@"; printf "\\n\\0"; done'
    done = subprocess.run(["bash", "-c", script], input=printed, capture_output=True, text=True, check=True)
    lines = done.stdout.split("\n\0")[:-1]
    return [line.split("\0")[:-1] for line in lines]


@pytest.mark.parametrize(
    "words", [["-j"], ["-j", "0"], ["-j", "x"], ["--jobs=-1"], ["-o"], ["-x"], ["--outt"], ["extra"], ["-j", "1;ls"]]
)
def test_a_wrong_command_line(words: list[str], folder: Path, step_program: StepProgram) -> None:
    done = run(folder, step_program, *words)
    assert done.returncode == 2
    assert done.stderr.startswith("run.sh: ")
    assert len(done.stderr.splitlines()) == 1
    assert not (folder / "out").exists()


def test_help(folder: Path, step_program: StepProgram) -> None:
    assert run(folder, step_program, "-h").stdout.startswith("usage: bash run.sh")


def test_another_shell_is_told_so(folder: Path, step_program: StepProgram) -> None:
    done = subprocess.run(["sh", "run.sh"], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        pytest.skip("sh is bash here")
    assert done.returncode == 2
    assert "needs bash 4.3 or newer" in done.stderr


def test_a_folder_that_cannot_be_written(folder: Path, step_program: StepProgram, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(folder, step_program, "-o", str(tmp_path / "file"))
    assert done.returncode == 1
    assert "cannot write into" in done.stderr


def test_a_foreign_table_is_refused(folder: Path, step_program: StepProgram) -> None:
    (folder / "jobs.tsv").write_text("")
    assert "does not belong to this file" in run(folder, step_program).stderr


def test_progress_is_for_terminals(folder: Path, step_program: StepProgram) -> None:
    quiet = run(folder, step_program, "-j", "2")
    assert "[1/" not in quiet.stdout
    shutil.rmtree(folder / "out")
    master, terminal = os.openpty()
    process = subprocess.Popen(
        ["bash", "run.sh", "-j", "2"],
        cwd=folder,
        env=step_program.environment,
        stdout=terminal,
        stdin=subprocess.DEVNULL,
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(master)
    assert process.wait(timeout=10) == 0
    n_jobs = len(expected_commands(make_plan()))
    assert f"[{n_jobs}/{n_jobs}] report report".encode() in shown


def test_bash_and_shellcheck_accept_every_script(tmp_path: Path) -> None:
    """Shellcheck takes half a second for a script. So it reads the first and the longest of a kind whole, and what is
    new in the others once, after the first."""
    scripts: dict[tuple[str, ...], list[str]] = {}

    @given(plan=plans, removed=st.sampled_from([(), ("configure", "simulate")]))
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def collect(plan: Plan, removed: tuple[str, ...]) -> None:
        script = TARGETS["script"](replace(plan, removed=removed), Options()).texts["run.sh"]
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
        scripts.setdefault(removed, []).append(script)

    collect()
    for removed, (first, *others) in scripts.items() if shutil.which("shellcheck") else ():
        longest = max(others, key=len, default=first)
        known = set(first.split("\n\n"))
        parts = dict.fromkeys(part for script in others for part in script.split("\n\n") if part not in known)
        kind = "removes" if removed else "keeps"
        files = [tmp_path / f"{kind}-{name}.sh" for name in ("first", "longest", "parts")]
        for file, text in zip(files, (first, longest, "\n\n".join([first, *parts])), strict=True):
            file.write_text(text, encoding="utf-8")
        subprocess.run(["shellcheck", *files[:2]], check=True)
        # A function that is defined again is not called, or before that.
        subprocess.run(["shellcheck", "--exclude=SC2218,SC2317", files[2]], check=True)


@pytest.mark.engine
def test_overhead_per_job_and_linear_time(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    """Far less than a tenth of a second per job, and not growing with the number of jobs."""
    step_program.file.write_text(
        '#!/bin/sh\nfor out; do :; done\nmkdir "$out"\nprintf \'"%s"\' "$MMC_FINGERPRINT" >"$out/job.json"\n'
    )
    seconds = {}
    for splits in (100, 1000):
        folder = place(make_plan(splits=splits, methods=()), "script", tmp_path / str(splits))
        began = time.monotonic()
        assert run(folder, step_program, "-j", "2").returncode == 0
        seconds[splits] = (time.monotonic() - began) / (2 * splits)
    assert max(seconds.values()) < 0.05
    assert seconds[1000] < 3 * seconds[100]
    sys.stdout.write(f"seconds per job: {seconds}\n")


def test_a_stage_alone(folder: Path, step_program: StepProgram) -> None:
    done = run(folder, step_program, "--stage", "simulate")
    assert done.returncode == 1
    assert done.stderr == "run.sh: simulate reads outputs of stages that have not been run\n"
    assert not step_program.ran(folder)
    for stage in ("configure", "generate", "simulate"):
        assert run(folder, step_program, "-s", stage).returncode == 0
    assert {job[0] for job in step_program.ran(folder / "out")} == {"configure", "generate", "simulate"}
    failed = run(folder, step_program, "--stage=analyse", FAKE_FAIL="analyse/signal.sm.1")
    assert failed.returncode == 1
    assert "analyse signal.sm.1 failed" in failed.stderr
    assert run(folder, step_program).returncode == 0  # all others
    again = run(folder, step_program, "-sreport")
    assert (again.returncode, again.stderr) == (0, "")


def test_a_stage_that_is_none(folder: Path, step_program: StepProgram) -> None:
    for words in (["-s", "frobnicate"], ["--stage"], ["-s", "x[$(touch hacked)]"]):
        done = run(folder, step_program, *words)
        assert done.returncode == 2
        assert " needs a stage, one of: " in done.stderr
    assert not list(folder.rglob("hacked"))
    words = dry_run_words(run(folder, step_program, "-n", "-s", "train").stdout)
    assert [word[2] for word in words] == ["train", "train"]
