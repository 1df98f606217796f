"""Jobs that are forked off the server of ``mmc run``, with a step that does what its settings say."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from mmc.cli import job_server
from mmc.compiler.catalogue.stages import IMPORT_EVENTS, STAGES
from mmc.jobs.steps.asking import FILES, SERVER, ask
from mmc.jobs.steps.runner import THREAD_LIMITS

from tests.compiler.plan.plans import plan_of
from tests.jobs import fake_step
from tests.jobs.physics import Folder, configure_settings, names
from tests.support import ROOT, study_data

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such sockets")

PROGRAM = """
import sys
from tests.compiler.plan.plans import plan_of
from tests.jobs import fake_step
sys.modules["mmc.jobs.steps.configure"] = fake_step
from mmc.jobs.steps.server import main
sys.exit(main(sys.argv[1:]))
"""


HERE = """
import sys
from types import SimpleNamespace
sys.modules["mmc.jobs.steps.configure"] = SimpleNamespace(run=lambda job: (job.out / "here").touch())
from mmc.cli.step import run_step
sys.exit(run_step(sys.argv[1:]))
"""
"""`mmc step` with another step than the server's."""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@contextmanager
def serving(place: Path, first: str = "") -> Iterator[dict[str, str]]:
    """A server of the stage configure, which says nothing; yields the environment in which `mmc step` finds it.

    :param first: what its program does before all else
    """
    with pytest.MonkeyPatch.context() as patch, (place / "log").open("wb") as log:
        patch.setattr(job_server, "PROGRAM", (sys.executable, "-c", first + PROGRAM))
        with job_server.serving(["configure"], ROOT, log) as found:
            yield {**os.environ, **found}
    assert (place / "log").read_text() == ""


@pytest.fixture(scope="module")
def of_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the server is to remove at its end."""
    return tmp_path_factory.mktemp("of server")


@pytest.fixture(scope="module")
def server(of_server: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which `mmc step` finds a server of the stage configure, which is the same for many tests."""
    first = f"import atexit, shutil\natexit.register(shutil.rmtree, {str(of_server)!r})"
    with serving(tmp_path_factory.mktemp("server"), first) as found:
        yield found
    assert not of_server.exists()


def start(server: Mapping[str, str], words: list[str], program: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, *(["-c", program] if program else ["-m", "mmc", "step"]), *words]
    return subprocess.Popen(command, env=server, close_fds=False, stderr=subprocess.PIPE, text=True)


def job_of(process: subprocess.Popen[str], folder: Folder) -> int:
    """The process of the job, which sleeps now."""
    assert process.stderr is not None
    while "asleep" not in process.stderr.readline():
        assert process.poll() is None
    return int((folder.path / "configure" / ".job.lock").read_text().splitlines()[1].split()[0])


def comm_of(process: int) -> str:
    return Path(f"/proc/{process}/comm").read_text().strip()


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def has_ended(job: int) -> bool:
    deadline = time.monotonic() + 20.0
    while Path(f"/proc/{job}").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_job_makes_what_it_makes_alone(
    folder: Folder, server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with start(server, folder.arguments("configure", "job", {"a": 1}, {}, 7)) as process:
        assert process.stderr is not None
        assert "configure[job] done" in process.stderr.read()
    assert process.returncode == 0
    made = folder.out("configure", "job")
    assert names(made.parent) == ["job", "job.log"]
    monkeypatch.setitem(sys.modules, "mmc.jobs.steps.configure", fake_step)
    alone = folder.run("configure", "alone", {"a": 1}, seed=7)
    assert (made / "result.json").read_text() == (alone / "result.json").read_text()


def test_jobs_run_at_the_same_time_and_each_tells_its_end(folder: Folder, server: dict[str, str]) -> None:
    asked = {"slow": {"sleep": 0.5}, "bad": {"fail": "step", "with": ["no luck"]}, "quick": {}}
    running = {name: start(server, folder.arguments("configure", name, asked[name], {}, 1)) for name in asked}
    said = {name: process.communicate(timeout=60)[1] for name, process in running.items()}
    assert {name: process.returncode for name, process in running.items()} == {"slow": 0, "bad": 3, "quick": 0}
    assert said["bad"].splitlines()[-1].startswith("mmc step configure[bad]: no luck (log: ")


@pytest.mark.usefixtures("programs_mind_signals")
def test_a_signal_is_passed_on(folder: Folder, server: dict[str, str]) -> None:
    with start(server, folder.arguments("configure", "job", {"sleep": 60}, {}, 1)) as process:
        assert job_of(process, folder) != process.pid
        process.terminate()
        assert process.stderr is not None
        assert "stopped by SIGTERM" in process.stderr.read()
    assert process.returncode == 3
    assert names(folder.path / "configure") == ["job.log"]


def test_a_job_ends_with_the_process_that_asked(folder: Folder, server: dict[str, str]) -> None:
    with start(server, folder.arguments("configure", "job", {"sleep": 60}, {}, 1)) as process:
        job = job_of(process, folder)
        process.kill()
    assert has_ended(job)
    with start(server, folder.arguments("configure", "job", {}, {}, 1)) as process:
        process.communicate(timeout=60)
    assert process.returncode == 0, "others are served as before"


def test_a_killed_job_is_told_as_a_shell_does(folder: Folder, server: dict[str, str]) -> None:
    with start(server, folder.arguments("configure", "job", {"sleep": 60}, {}, 1)) as process:
        os.kill(job_of(process, folder), signal.SIGKILL)
        process.communicate(timeout=60)
    assert process.returncode == 137


def test_a_killed_server_costs_no_job(folder: Folder, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        with start(server, folder.arguments("configure", "job", {"sleep": 60}, {}, 1), HERE) as process:
            job = job_of(process, folder)
            assert comm_of(job) == "mmc configure"
            os.kill(parent_of(job), signal.SIGKILL)
            assert process.stderr is not None
            said = process.stderr.read()
        assert "stopped by SIGTERM" in said and has_ended(job)
        assert process.returncode == 0 and names(folder.path / "configure") == ["job", "job.log"]
        assert names(folder.out("configure", "job")) == ["here", "job.json"], "the process that had asked made it"
        with start(server, folder.arguments("configure", "job", configure_settings(), {}, 1)) as process:
            process.communicate(timeout=60)
    assert process.returncode == 0, "without it, the job runs as the process that was started"


@pytest.mark.usefixtures("programs_mind_signals")
def test_a_signal_that_comes_before_the_job_ends_the_process_that_asked(folder: Folder) -> None:
    """The server may import for seconds; then it sees that nobody waits for the job."""
    asked, asks = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with asked, asks:
        asks.set_inheritable(True)
        server = {**os.environ, SERVER: f"{asks.fileno()} {os.fstat(asks.fileno()).st_ino}"}
        with start(server, folder.arguments("configure", "job", {}, {}, 1)) as process:
            stage, (*of_job, last), _, _ = socket.recv_fds(asked, 1024, FILES)
            process.terminate()
    assert (stage, len(of_job), process.returncode) == (b"configure", FILES - 1, -signal.SIGTERM)
    for file in of_job:
        os.close(file)
    with socket.socket(fileno=last) as client:
        assert client.recv(1) == b""


def test_a_request_without_its_files_is_no_job(folder: Folder, server: dict[str, str]) -> None:
    number, _, _ = server[SERVER].partition(" ")
    with socket.socket(fileno=os.dup(int(number))) as asks:
        asks.send(b"configure")
        socket.send_fds(asks, [b"configure"], [0, 1])
    with start(server, folder.arguments("configure", "job", {}, {}, 1)) as process:
        process.communicate(timeout=60)
    assert process.returncode == 0 and (folder.out("configure", "job") / "result.json").is_file()


def test_a_job_that_does_not_stop_is_killed(folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the next run would use its folder at the same time."""
    monkeypatch.setattr(job_server, "PROGRAM", (sys.executable, "-c", PROGRAM))
    monkeypatch.setattr(job_server, "WAIT_S", 0.1)
    with (tmp_path / "log").open("wb") as log, job_server.serving(["configure"], ROOT, log) as found:
        process = start({**os.environ, **found}, folder.arguments("configure", "job", {"sleep": 60}, {}, 1), HERE)
        job = job_of(process, folder)
        os.kill(job, signal.SIGSTOP)
        process.terminate()
    assert has_ended(job)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, "nobody starts a job anew that was to stop"


IMPORTING = """
import os, sys
sys.modules |= dict.fromkeys(("torch", "iminuit"))
import {quick}
if not os.fork():
    import {threaded}
    sys.stdout.flush()
    os._exit(0)
assert os.wait()[1] == 0
del sys.modules["torch"], sys.modules["iminuit"]
print("others may warn", file=sys.stderr)
import {forked}
print(len(os.listdir("/proc/self/task")), "madminer" in sys.modules)
"""


def test_steps_that_are_forked_start_no_thread_and_quick_ones_import_neither_torch_nor_minuit() -> None:
    """torch takes seconds of each job, Minuit a third of one."""
    quick = ("analyse", "baselines", "combine", "configure", "report", "sample", "simulate")
    program = IMPORTING.format(
        quick=", ".join(STAGES[name].step for name in quick),
        threaded=STAGES[IMPORT_EVENTS.name].step,
        forked=", ".join(STAGES[name].step for name in STAGES.keys() - set(job_server.THREADED)),
    )
    environment = os.environ | dict.fromkeys(THREAD_LIMITS, "1")
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert (found.stdout, found.stderr.partition("others may warn\n")[0]) == ("1 False\n", "")


def test_what_a_job_holds_is_removed_at_its_end(
    folder: Folder, of_server: Path, server: dict[str, str], tmp_path: Path
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with start(server, folder.arguments("configure", "job", {"hold": str(place)}, {}, 1)) as process:
        process.communicate(timeout=60)
    assert process.returncode == 0 and not list(place.iterdir())
    assert of_server.exists(), "a job removed what the server needs"


@pytest.mark.parametrize("other", ["", "7", "x y", "999 1", f"{10**20} 1", "0 {inode}"])
def test_without_a_server_the_job_runs_in_the_process_that_was_started(
    other: str, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable may have come from elsewhere: the file of that number is not the server's, or no socket at all."""
    monkeypatch.setenv(SERVER, other.format(inode=os.fstat(0).st_ino))
    assert ask(["configure"]) is None
    assert SERVER not in os.environ, "programs of the job do not see it"


def test_other_stages_are_not_served(folder: Folder, server: dict[str, str]) -> None:
    with start(server, folder.arguments("gather", "job", {}, {}, 1)) as process:
        assert process.stderr is not None
        assert "mmc step gather[job]: " in process.stderr.read()
    assert process.returncode == 3


def test_jobs_of_several_threads_and_of_images_are_not_forked() -> None:
    images = {"physics": "registry.example/physics:1"}
    data = study_data("drell-yan/tiny.yaml")
    assert {"simulate", "train", "evaluate"} <= set(job_server.served(plan_of(data)))
    data["execution"] = {"resources": {"train": {"cpus": 2}}, "images": images}
    stages = job_server.served(plan_of(data))
    assert "evaluate" in stages and not {"simulate", "train"} & set(stages)
