"""A pool of one machine: HTCondor's daemons, in a folder of their own, as an unprivileged user."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.slurm import free_ports, started, wait_for

PROGRAMS = ("condor_master", "condor_config_val", "condor_submit_dag", "condor_status", "condor_wait")
NOBODY = 65534
CONFIGURATION = """\
CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = 127.0.0.1:{port}
NETWORK_INTERFACE = 127.0.0.1
USE_SHARED_PORT = False
DAEMON_LIST = MASTER, COLLECTOR, NEGOTIATOR, SCHEDD, STARTD
RELEASE_DIR = {RELEASE_DIR}
LIBEXEC = {LIBEXEC}
LOCAL_DIR = {folder}
RUN = {folder}
LOG = {folder}/log
LOCK = {folder}/log
SPOOL = {folder}/spool
EXECUTE = {folder}/execute
UID_DOMAIN = mmc
FILESYSTEM_DOMAIN = mmc
SEC_DEFAULT_AUTHENTICATION_METHODS = FS
ALLOW_READ = *
ALLOW_WRITE = *
ALLOW_DAEMON = *
ALLOW_ADMINISTRATOR = *
ALLOW_NEGOTIATOR = *
NUM_CPUS = 4
MEMORY = 8000
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
START = True
SUSPEND = False
PREEMPT = False
KILL = False
NEGOTIATOR_INTERVAL = 2
NEGOTIATOR_CYCLE_DELAY = 1
NEGOTIATOR_MIN_INTERVAL = 1
SCHEDD_INTERVAL = 2
SCHEDD_MIN_INTERVAL = 1
UPDATE_INTERVAL = 5
DAGMAN_USER_LOG_SCAN_INTERVAL = 1
DAGMAN_USE_STRICT = 0
"""


@contextmanager
def pool() -> Iterator[tuple[list[str], dict[str, str]]]:
    """The words before each command and the variables that it needs; skips where HTCondor's daemons are not installed.

    HTCondor runs no job of root: root becomes nobody in a user namespace, where root's files are nobody's.
    """
    search = f"{os.environ['PATH']}:/usr/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=search) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed (Debian 13: htcondor)")
    prefix = ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"] if os.geteuid() == 0 else []
    if prefix and subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("root may not become another user in a user namespace, and HTCondor runs no job of root")
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="mmc-condor-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(temporary))
        for name in ("log", "spool", "execute"):
            (folder / name).mkdir()
        configuration = folder / "condor_config"
        installed = {name: installed(name, search) for name in ("RELEASE_DIR", "LIBEXEC")}
        configuration.write_text(CONFIGURATION.format(folder=folder, port=free_ports(1)[0], **installed))
        variables = {"CONDOR_CONFIG": str(configuration)}
        environment = {**os.environ, **variables, "PATH": search}
        stack.enter_context(started([*prefix, "condor_master", "-f"], folder, environment))
        ask = [*prefix, "condor_status", "-any", "-af", "MyType"]

        def is_ready() -> bool:
            done = subprocess.run(ask, env=environment, capture_output=True, text=True, check=False)
            return {"Machine", "Scheduler", "Negotiator"} <= set(done.stdout.split())

        wait_for(is_ready, folder)
        yield prefix, variables


def installed(name: str, search: str) -> str:
    """A value of the configuration that is installed; skips where there is none."""
    environment = {**os.environ, "PATH": search}
    words = ["condor_config_val", name]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if "Not defined" in done.stdout + done.stderr or "configuration" in done.stderr:
        pytest.skip(f"condor_config_val {name}: {done.stderr.strip()}")
    done.check_returncode()
    return done.stdout.strip()


def run_dag(folder: Path, prefix: list[str], environment: Mapping[str, str], limit_s: float = 300.0) -> int:
    """Submit a bundle as its README says, and wait for its end; the exit code of DAGMan."""
    (folder / "out" / "htcondor").mkdir(parents=True, exist_ok=True)
    said = subprocess.run(
        [*prefix, "condor_submit_dag", "-force", "study.dag"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    words = [*prefix, "condor_wait", "-wait", str(int(limit_s)), "study.dag.dagman.log"]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + (folder / "study.dag.dagman.out").read_text()[-3000:]
    last = (folder / "study.dag.dagman.out").read_text().rpartition("EXITING WITH STATUS ")[2]
    return int(last.split()[0])
