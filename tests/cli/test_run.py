"""``mmc run``: progress, results, failures, and going on after Ctrl-C, a kill and an edit."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from mmc.cli import local_run
from mmc.cli.main import main
from mmc.cli.progress import Progress
from mmc.locks import BUNDLE, RUN, held

from tests.cli.fake_mmc import PENDING, write_fake
from tests.support import RUN_WITH_PATH, STUDIES

N_JOBS = 35
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """A folder with a program `mmc` that does nothing quickly."""
    return write_fake(tmp_path / "fake")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return Path(shutil.copy(STUDIES / "drell-yan" / "tiny.yaml", tmp_path / "study.yaml"))


@pytest.fixture
def mmc_run(fake: Path, study: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Runs the study with the fake program, within this process."""
    monkeypatch.setattr(local_run, "path_with_mmc", lambda: f"{fake}:{os.environ['PATH']}")
    return lambda: main(["run", str(study), "-j", "4"])


def start(fake: Path, study: Path, **options: object) -> subprocess.Popen[bytes]:
    """Starts a run with the fake program as a process of its own."""
    command = [sys.executable, "-c", RUN_WITH_PATH, f"{fake}:{os.environ['PATH']}", "run", str(study), "-j", "2"]
    return subprocess.Popen(command, **options)  # type: ignore[call-overload, no-any-return]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def started(fake: Path) -> list[str]:
    return (fake / "started").read_text().splitlines() if (fake / "started").exists() else []


def children_of(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def words_of(process: int) -> list[bytes]:
    return Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")


def open_files(process: int) -> set[Path]:
    return {link.readlink() for link in Path(f"/proc/{process}/fd").iterdir()}


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_run_shows_what_it_found(mmc_run: Callable[[], int], study: Path, capsys: Capture) -> None:
    assert mmc_run() == 0
    out, err = capsys.readouterr()
    folder = study.parent / "runs" / "drell-yan-tiny"
    assert err == ""
    assert out.startswith(f"drell-yan-tiny: {N_JOBS} jobs, running in {folder}\ndone in 0:0")
    assert "\rmethod" not in out
    table = out[out.index("method ") :].split("\n\n")[0].splitlines()
    assert [re.split(r" {2,}", line) for line in table] == [
        ["method", "allowed at 68 %", "allowed at 95 %", "closure"],
        ["rate", "30.0 ± 0.2 %", "55.2 ± 0.3 %", "passed", "reaches the edge"],
        ["sally", "not resolved", "15.5 %", "failed"],
        [
            "rate: critical values 2.28 to 2.58 (± 0.05) at 68 % (asymptotic 2.28), "
            "5.99 to 6.29 (± 0.05) at 95 % (asymptotic 5.99), from 2,000 toys at 2 points"
        ],
    ]
    assert "warning: warning 2\n… and 5 more warnings, in the report\n" in out
    for line in out.splitlines()[-2:]:
        assert line.split()[1].startswith(str(folder / "out" / "report"))
    assert (folder / "study.yaml").read_text() == study.read_text()
    assert json.loads((folder / "bundle" / "manifest.json").read_text())["target"] == "script"


def test_the_last_line_tells_what_was_tracked_in_the_end(
    mmc_run: Callable[[], int], fake: Path, study: Path, capsys: Capture
) -> None:
    """Not what the first stage hoped for: the server may have died since."""
    study.write_text(study.read_text() + "\ntracking: {mlflow: {}}\n")
    begun = {"key": "k", "uri": "http://server", "experiment": "x", "run": "r", "warning": None}
    (fake / "tracking.json").write_text(json.dumps(begun))
    out = study.parent / "runs" / "drell-yan-tiny" / "out"

    def last_line(**tracked: object) -> str:
        if tracked:
            record = json.loads((out / "report" / "report" / "job.json").read_text())
            (out / "report" / "report" / "job.json").write_text(json.dumps({**record, "tracked": tracked}))
        assert mmc_run() == 0
        return capsys.readouterr().out.splitlines()[-1]

    assert last_line() == "warning: nothing was tracked: it was done before this run"
    whole = {"key": "k", "logged": True, "jobs": 14}
    assert last_line(**whole) == "tracked: http://server, experiment x: 14 of 14 jobs logged"
    some = last_line(**whole, missing={"train[sally]": "refused", "sample[sally]": "late", "train[b]": "refused"})
    assert some == (
        "warning: tracked: http://server, experiment x: 11 of 14 jobs logged; train[sally] and 1 others could not: "
        "refused; sample[sally] could not: late"
    )
    assert last_line(key="k", logged=False, reason="gone", jobs=1, missing={"report[report]": "gone"}) == (
        "warning: nothing was tracked: gone"
    )
    assert "nothing was tracked: it was done before" in last_line(**{**whole, "key": "another run of the study"})


def test_nothing_is_done_twice(mmc_run: Callable[[], int], fake: Path, study: Path, capsys: Capture) -> None:
    assert mmc_run() == 0
    assert len(started(fake)) == N_JOBS
    assert mmc_run() == 0
    assert len(started(fake)) == N_JOBS
    assert f"{N_JOBS} of {N_JOBS} jobs were done before" in capsys.readouterr().out
    study.write_text(study.read_text().replace("plots: {level: 0.95}", "plots: {level: 0.68}"))
    assert mmc_run() == 0
    assert started(fake)[N_JOBS:] == ["report report"]


def test_a_failed_job_is_named_with_its_log(
    mmc_run: Callable[[], int], fake: Path, study: Path, capsys: Capture
) -> None:
    (fake / "fail").write_text("analyse signal.sm.1")
    assert mmc_run() == 3
    log = study.parent / "runs" / "drell-yan-tiny" / "out" / "analyse" / "signal.sm.1.log"
    assert capsys.readouterr().err == f"mmc: analyse[signal.sm.1]: no luck today (log: {log})\n"
    assert not any(line.startswith("combine") for line in started(fake))
    (fake / "fail").unlink()
    assert mmc_run() == 0
    assert started(fake).count("analyse signal.sm.1") == 2
    assert started(fake).count("simulate signal.sm.1") == 1


def test_a_job_that_dies_without_a_word_is_named_too(
    mmc_run: Callable[[], int], fake: Path, study: Path, capsys: Capture
) -> None:
    (fake / "mmc").write_text(f"#!/bin/sh\n{PENDING}kill -9 $$\n")
    assert mmc_run() == 3
    log = study.parent / "runs" / "drell-yan-tiny" / "out" / "configure" / "configure.out"
    reason = "was killed by SIGKILL, as the kernel does when memory runs out"
    assert capsys.readouterr().err == f"mmc: configure[configure] {reason} (log: {log})\n"


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("kill -SEGV $$", "was killed by SIGSEGV"),
        ("exit 4", "cannot write: the disk is full"),
        ("exit 5", "failed with exit code 5"),
        ("exit 0", "ended without its output"),
    ],
)
def test_every_ending_has_its_reason(
    ending: str, reason: str, mmc_run: Callable[[], int], fake: Path, capsys: Capture
) -> None:
    (fake / "mmc").write_text(f"#!/bin/sh\n{PENDING}{ending}\n")
    assert mmc_run() == 3
    assert capsys.readouterr().err.startswith(f"mmc: configure[configure] {reason} (log: ")


def test_a_full_disk_is_told_although_no_message_found_room(
    mmc_run: Callable[[], int], fake: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(fake)
    (fake / "mmc").write_text(f"#!/bin/sh\n{PENDING}exit 1\n")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
    assert mmc_run() == 3
    assert capsys.readouterr().err.startswith("mmc: configure[configure] cannot write: the disk is full (log: ")


@pytest.mark.usefixtures("programs_mind_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_and_taken_up_again(number: signal.Signals, fake: Path, study: Path) -> None:
    (fake / "sleep").write_text("0.3")
    with start(fake, study, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for(lambda: len(started(fake)) >= 4)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert re.fullmatch(rb"mmc: stopped; \d+ of 35 jobs are done; the same command continues from there\n", err)
    assert not (study.parent / "runs" / "drell-yan-tiny" / "out" / "run.lock").exists()
    done = sum(not path.parent.name.endswith(".part") for path in (study.parent / "runs").rglob("job.json"))
    before = len(started(fake))
    (fake / "sleep").write_text("0")
    with start(fake, study, stdout=subprocess.PIPE) as process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f"{done} of {N_JOBS} jobs were done before".encode() in out
    assert len(started(fake)) - before == N_JOBS - done


def test_nohup_outlives_its_terminal(fake: Path, study: Path) -> None:
    (fake / "sleep").write_text("0.05")
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731 - as nohup does
    with start(fake, study, stdout=subprocess.DEVNULL, preexec_fn=ignore) as process:
        wait_for(lambda: len(started(fake)) >= 2)
        process.send_signal(signal.SIGHUP)
    assert process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent was killed")
def test_killed_and_taken_up_again(fake: Path, study: Path) -> None:
    (fake / "sleep").write_text("0.3")
    with start(fake, study, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: len(started(fake)) >= 4)
        (script,) = (child for child in children_of(process.pid) if any(b"run.sh" in word for word in words_of(child)))
        lock, events = (study.parent / "runs" / "drell-yan-tiny" / "out" / name for name in (RUN, "events.log"))
        assert {lock, events} <= open_files(script)
        for child in children_of(script):
            with suppress(FileNotFoundError):  # it has ended
                if b"step" in words_of(child):
                    assert {lock, events} & open_files(child) == {lock}
        process.kill()
    (fake / "sleep").write_text("0")
    with start(fake, study, stdout=subprocess.PIPE) as process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"jobs were done before" in out
    assert not is_running(script)


def test_a_folder_in_use_is_refused_before_anything_is_written(
    mmc_run: Callable[[], int], study: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_run, "LOCK_WAIT_S", 0.0)
    folder = study.parent / "runs" / "drell-yan-tiny"
    for place, name in (("out", RUN), ("bundle", BUNDLE)):
        (folder / place).mkdir(parents=True, exist_ok=True)
        with held(folder / place / name, "the test"):
            assert mmc_run() == 3
        said = (
            f"mmc: {folder / place} is in use by the test of user .* on host .*, process {os.getpid()}, since .* UTC\n"
        )
        assert re.fullmatch(said, capsys.readouterr().err)
        assert not [path for path in folder.rglob("*") if path.is_file()]
    assert mmc_run() == 0
    assert not list(folder.rglob("*.lock"))


def test_two_runs_at_the_same_instant(fake: Path, study: Path) -> None:
    """One of them runs whole, with its own configuration; the other runs after it, or is refused."""
    (fake / "sleep").write_text("0.1")
    other = study.with_name("other.yaml")
    other.write_text(study.read_text().replace("36 fb", "300 fb"))
    with (
        start(fake, study, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as first,
        start(fake, other, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as second,
    ):
        said = {study: first.communicate(timeout=60), other: second.communicate(timeout=60)}
    codes = {study: first.returncode, other: second.returncode}
    assert sorted(codes.values()) in ([0, 0], [0, 3])
    folder = study.parent / "runs" / "drell-yan-tiny"
    ran = other if (folder / "study.yaml").read_text() == other.read_text() else study
    assert codes[ran] == 0
    assert ("300000" in (folder / "bundle" / "config" / "evaluate.json").read_text()) == (ran is other)
    for file, code in codes.items():
        if code:
            assert b" is in use by mmc run of user " in said[file][1]
            assert len(started(fake)) == N_JOBS


def test_a_bundle_is_not_changed_while_it_runs(fake: Path, study: Path, capsys: Capture) -> None:
    (fake / "sleep").write_text("0.3")
    bundle = study.parent / "runs" / "drell-yan-tiny" / "bundle"
    with start(fake, study, stdout=subprocess.DEVNULL) as process:
        wait_for(lambda: len(started(fake)) >= 2)
        before = (bundle / "manifest.json").read_bytes()
        other = study.with_name("other.yaml")
        other.write_text(study.read_text().replace("36 fb", "300 fb"))
        assert main(["compile", str(other), "-t", "script", "-o", str(bundle)]) == 3
        assert f"mmc: {bundle} is in use by mmc run of user " in capsys.readouterr().err
        assert (bundle / "manifest.json").read_bytes() == before
        (fake / "sleep").write_text("0")
    assert process.returncode == 0
    assert main(["compile", str(other), "-t", "script", "-o", str(bundle)]) == 0


def test_a_parent_that_ignores_its_children_hides_no_failure(fake: Path, study: Path) -> None:
    (fake / "fail").write_text("analyse signal.sm.1")
    ignore = lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # noqa: E731
    with start(fake, study, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=ignore) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert b"done" not in out
    assert err.startswith(b"mmc: analyse[signal.sm.1]: no luck today")


def test_the_folders_of_another_study_are_not_entered(
    mmc_run: Callable[[], int], fake: Path, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CDPATH is where the shell looks for relative folders."""
    archive = study.parent / "archive"
    shutil.copytree(study.parent, archive / "mine", ignore=lambda *_: ["archive"])
    mine = study.parent / "mine"
    mine.mkdir()
    shutil.copy(study, mine / "study.yaml")
    monkeypatch.chdir(archive / "mine")
    assert main(["compile", "study.yaml", "-t", "script", "-o", "runs/drell-yan-tiny/bundle"]) == 0
    monkeypatch.chdir(mine)
    monkeypatch.setenv("CDPATH", str(archive / "mine"))
    assert main(["run", "study.yaml"]) == 0
    assert len(started(fake)) == N_JOBS
    assert not (archive / "mine" / "runs" / "drell-yan-tiny" / "bundle" / "out").exists()


def test_a_study_without_evaluation(mmc_run: Callable[[], int], study: Path, capsys: Capture) -> None:
    text = study.read_text()
    study.write_text(text[: text.index("evaluation:")])
    assert mmc_run() == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("runs/drell-yan-tiny/out/train")


def test_a_search_without_optuna_does_not_start(
    mmc_run: Callable[[], int], study: Path, fake: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = study.read_text(encoding="utf-8")
    scan = "    scan: {training.initial_lr: [0.001, 0.002]}\n"
    tuning = "    tuning: {search: optuna, trials: 2, criterion: validation_loss}\n"
    study.write_text(text.replace("  sally:\n", f"  sally:\n{scan}{tuning}"), encoding="utf-8")
    monkeypatch.setattr(local_run, "find_spec", lambda name: None)
    assert mmc_run() == 3
    assert capsys.readouterr().err == "mmc: optuna is not installed: pip install 'mmc[optuna]'\n"
    assert started(fake) == []


def test_progress_on_a_terminal_is_one_line(fake: Path, study: Path) -> None:
    (fake / "sleep").write_text("0.05")
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "40"}
    with start(fake, study, stdout=follower, stderr=follower, env=environment) as process:
        os.close(follower)
        shown = b""
        while select.select([leader], [], [], 20)[0]:
            try:
                shown += os.read(leader, 4096)
            except OSError:  # the other end is closed
                break
    os.close(leader)
    assert process.returncode == 0
    states = re.findall(r"\r([^\r\n]*)\x1b\[K", shown.decode())
    assert len(states) > 3
    assert states[-1] == ""
    assert all(len(state) < 40 for state in states)
    assert any(re.match(r"\d+ of 35 jobs  0:0\d  simulate \d/7", state) for state in states)
    assert shown.decode().count("jobs, running in") == 1


def test_a_long_state_is_cut() -> None:
    progress = Progress({f"stage{n}": 10 for n in range(9)})
    for n in range(9):
        progress.take(f"start stage{n} job 0.000")
    assert progress.line(0, 30) == "0 of 90 jobs  0:00  stage0 0/…"


def test_lines_that_are_no_events_are_left_out() -> None:
    progress = Progress({"train": 2})
    for line in (
        "",
        "start",
        "start tra",
        "done train sally",
        "fail train sally 1.0",
        "start nowhere job 0.000",
        "\x00",
    ):
        progress.take(line)
    assert (progress.running, progress.done, progress.failed) == ({}, {}, [])
    progress.take("done train sally 1.000")  # its start was cut
    progress.take("fail train alices 1.000 137")
    assert (progress.running, progress.done, progress.failed) == (
        {"train": 0}, {"train": 1}, [("train", "alices", 137)],
    )  # fmt: skip
