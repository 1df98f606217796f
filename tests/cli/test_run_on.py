"""``mmc run --on``: a run's folder goes on on a real Slurm of one node, on HyperQueue, and back."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mmc.cli import local_run
from mmc.cli.main import main

from tests.cli.fake_mmc import write_fake
from tests.slurm import cluster, wait_until_empty
from tests.support import RUN_WITH_PATH

pytestmark = pytest.mark.engine
N_JOBS = 35
BATCH = "\nexecution: {batch: {system: slurm, jobs_per_task: 6}}\n"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def variables() -> Iterator[dict[str, str]]:
    with cluster() as found:
        yield found


@pytest.fixture
def on_cluster(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("SLURM_CONF", variables["SLURM_CONF"])
    return variables


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    return write_fake(tmp_path / "fake")


@pytest.fixture
def run_on(fake: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """Runs the study with the fake program, within this process."""
    monkeypatch.setattr(local_run, "path_with_mmc", lambda: f"{fake}:{os.environ['PATH']}")
    tiny.write_text(tiny.read_text() + BATCH)
    return lambda place: main(["run", str(tiny), "--on", place])


def start(fake: Path, study: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", RUN_WITH_PATH, f"{fake}:{os.environ['PATH']}", "run", str(study), "--on", "slurm"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_for(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def started(fake: Path) -> list[str]:
    """The jobs in the order in which they have started."""
    return (fake / "started").read_text().splitlines() if (fake / "started").exists() else []


@pytest.mark.parametrize("place", ["slurm", "hyperqueue"])
def test_a_folder_goes_on_elsewhere_and_back(
    place: str, run_on: Callable[[str], int], fake: Path, tiny: Path, request: pytest.FixtureRequest, capsys: Capture
) -> None:
    """It begins here, fails elsewhere, goes on there and ends here: no finished job runs twice."""
    if place == "slurm":
        request.getfixturevalue("on_cluster")
    else:
        pytest.importorskip("hyperqueue")
    (fake / "fail").write_text("combine combine\n")
    assert run_on("local") == 3
    first = len(started(fake)) - 1
    capsys.readouterr()
    (fake / "fail").write_text("train sally\n")
    assert run_on(place) == 3
    told = capsys.readouterr()
    assert told.err == "mmc: train[sally]: no luck today (log: " + told.err.partition("(log: ")[2]
    assert f" running in {tiny.parent}/runs/drell-yan-tiny on " in told.out
    (fake / "fail").unlink()
    assert run_on(place) == 0
    told = capsys.readouterr()
    before = re.search(r"(\d+) of 35 jobs were done before", told.out)
    assert before is not None and first < int(before[1]) < N_JOBS
    assert "rate" in told.out and "report: " in told.out  # the results, as of a run on this machine
    again = {"combine combine": 2, "train sally": 2}
    assert {job: started(fake).count(job) for job in started(fake)} == {job: again.get(job, 1) for job in started(fake)}
    n = len(started(fake))
    assert run_on("local") == 0
    assert "35 of 35 jobs were done before" in capsys.readouterr().out
    assert len(started(fake)) == n and len(set(started(fake))) == N_JOBS


def test_a_server_of_hyperqueue_that_runs_already(
    run_on: Callable[[str], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """As one whose workers are on Slurm."""
    pytest.importorskip("hyperqueue")
    monkeypatch.setenv("HQ_SERVER_DIR", str(tmp_path / "nothing"))
    assert run_on("hyperqueue") == 3
    told = capsys.readouterr().err
    assert told.startswith(f"mmc: no HyperQueue server answers in {tmp_path / 'nothing'}, which HQ_SERVER_DIR names")
    assert told.endswith("is not a directory\n")
    program = (
        "from hyperqueue import *; c = LocalCluster(); c.start_worker(); print(c.cluster.server_dir); open(0).read()"
    )
    with subprocess.Popen(
        [sys.executable, "-u", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None and server.stdin is not None
        lines = iter(server.stdout.readline, b"")
        monkeypatch.setenv("HQ_SERVER_DIR", next(line for line in lines if line.startswith(b"/")).decode().strip())
        assert run_on("hyperqueue") == 0
        server.stdin.close()


@pytest.mark.usefixtures("programs_mind_signals")
def test_ctrl_c_cancels_and_a_kill_leaves(
    on_cluster: dict[str, str], run_on: Callable[[str], int], fake: Path, tiny: Path, capsys: Capture
) -> None:
    (fake / "sleep").write_text("30")
    process = start(fake, tiny)
    wait_for(lambda: bool(started(fake)))
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 130 and "stopped; 0 of 35 jobs are done; the same command continues" in said
    wait_until_empty(on_cluster, 1)  # the folder is free only when the jobs have ended

    cancelled = len(started(fake))
    process = start(fake, tiny)
    wait_for(lambda: len(started(fake)) > cancelled)
    process.kill()
    process.communicate(timeout=60)
    wait_for(lambda: run_on("local") == 3 and "is in use by" not in (told := capsys.readouterr().err) and bool(told))
    assert run_on("local") == 3
    told = capsys.readouterr().err
    assert re.fullmatch(r"mmc: \d+ tasks of .+ are in Slurm's queue: .+ cancel them: scancel [\d ]+\n", told)
    (fake / "sleep").unlink()
    subprocess.run(["scancel", *told.partition("scancel ")[2].split()], check=True)
    assert run_on("slurm") in (0, 3)  # the tasks that were cancelled, if they are still there
    assert run_on("slurm") == 0


def test_what_cannot_be_submitted_is_said_in_a_line(
    on_cluster: dict[str, str],
    run_on: Callable[[str], int],
    fake: Path,
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    text = tiny.read_text()
    tiny.write_text(text.replace("jobs_per_task: 6", "partition: nowhere"))
    assert run_on("slurm") == 3
    told = capsys.readouterr().err
    assert re.fullmatch(
        r"mmc: Slurm refuses .+nvalid partition.+`execution.batch.partition`.+nothing was submitted\n", told
    )
    tiny.write_text(text.replace("slurm, jobs_per_task: 6", "htcondor"))
    assert run_on("slurm") == 3
    assert "is for htcondor" in capsys.readouterr().err
    tiny.write_text(text)
    assert main(["run", str(tiny), "--on", "slurm", "-j", "2"]) == 2
    assert "`execution.batch.running_tasks`" in capsys.readouterr().err
    monkeypatch.setenv("PATH", str(fake))
    monkeypatch.setattr(local_run, "path_with_mmc", lambda: str(fake))
    assert run_on("slurm") == 3
    assert capsys.readouterr().err == (
        "mmc: there is no Slurm here: sbatch is not on the PATH; submit where `sbatch` works\n"
    )
    assert started(fake) == []
