"""A cluster of one node: munged, slurmctld and slurmd of this machine, in a folder of their own."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
START_S = 30.0
CONFIGURATION = """\
ClusterName=mmc
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=1000,bf_interval=1,batch_sched_delay=0,sched_interval=1
SlurmdParameters=config_overrides
MpiDefault=none
MailProg=/bin/true
KillWait=2
MaxArraySize={largest_array}
MaxJobCount={most_tasks}
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=8000 Feature=fast{gpus}
PartitionName=short Nodes=one Default=YES MaxTime=60 State=UP
"""
"""``largest_array`` is one more than the largest index of a task; 10,000 is Slurm's own ``most_tasks``."""


@contextmanager
def cluster(largest_array: int = 8, most_tasks: int = 10_000, gpu: str = "") -> Iterator[dict[str, str]]:
    """The variables that the programs of Slurm need; skips where there is no Slurm, or no right to start it.

    :param largest_array: by default so few tasks that small studies need several arrays
    :param most_tasks: in the queue at a time, of all users
    :param gpu: the device that Slurm is to take for a GPU
    """
    search = f"{os.environ['PATH']}:/usr/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=search) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed (Debian: slurm-wlm munge)")
    if os.geteuid() != 0:
        pytest.skip("only root starts munged, slurmctld and slurmd as in this test")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mmc-slurm-", ignore_cleanup_errors=True)))
        for name in ("state", "spool"):
            (folder / name).mkdir()
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o600)
        ports = free_ports(2)
        configuration = folder / "slurm.conf"
        configuration.write_text(
            CONFIGURATION.format(
                host=socket.gethostname().partition(".")[0],
                folder=folder,
                controller_port=ports[0],
                node_port=ports[1],
                largest_array=largest_array,
                most_tasks=most_tasks,
                gpus=" Gres=gpu:1\nGresTypes=gpu" if gpu else "",
            )
        )
        (folder / "gres.conf").write_text(f"Name=gpu File={gpu}\n" if gpu else "")
        variables = {"SLURM_CONF": str(configuration)}
        files = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed", "key-file": "key"}
        munged = [
            "munged",
            "--foreground",
            "--force",
            *(f"--{option}={folder}/munge.{end}" for option, end in files.items()),
        ]
        for words in (
            munged,
            ["slurmctld", "-D", "-f", str(configuration)],
            ["slurmd", "-D", "-N", "one", "-f", str(configuration)],
        ):
            stack.enter_context(started(words, folder, {**os.environ, **variables, "PATH": search}))
            if words is munged:
                wait_for((folder / "munge.socket").exists, folder)
        wait_for(lambda: "idle" in _ask(["sinfo", "--noheader", "--format=%T"], variables), folder)
        yield variables


def wait_until_empty(variables: dict[str, str], limit_s: float = 120.0) -> None:
    """Wait until no task is in the queue."""
    deadline = time.monotonic() + limit_s
    while queue := _ask(["squeue", "--noheader"], variables):
        assert time.monotonic() < deadline, queue
        time.sleep(0.1)


def _ask(words: list[str], variables: dict[str, str]) -> str:
    done = subprocess.run(words, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    return done.stdout.strip()


@contextmanager
def started(words: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Run a daemon during the block; what it says goes to a file in the folder."""
    with (folder / f"{words[0]}.said").open("w") as said:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(condition: Callable[[], bool], folder: Path) -> None:
    """Wait until daemons with this folder are ready."""
    deadline = time.monotonic() + START_S
    while not condition():
        if time.monotonic() > deadline:
            said = "\n".join(path.read_text(errors="replace")[-500:] for path in folder.glob("*.said"))
            pytest.fail(f"the cluster has not started in {START_S:g} s: {said}")
        time.sleep(0.05)


def free_ports(n: int) -> list[int]:
    """Ports of this machine on which nobody listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(n)]
        return [item.getsockname()[1] for item in sockets]
