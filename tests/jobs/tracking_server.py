"""Real tracking servers of MLflow, and what is in a store."""

import os
import resource
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from select import select
from typing import Any

from tests.forked import forking

USER, PASSWORD = "admin", "correct-horse-battery"
START_S = 120.0
MLFLOW = "import runpy; runpy.run_module('tests.given_mlflow', run_name='__main__', alter_sys=True)"
ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def mlflow_programs() -> AbstractContextManager[Path]:
    """The folder of a `python-c` for servers, which take twice five seconds to import what they need, and for jobs."""
    imported = ("mlflow.cli", "mlflow.server.fastapi_app", "uvicorn.main", "mmc.jobs.steps.runner")
    return forking("python-c", "tests.given_program", imported, {**os.environ, **ENVIRONMENT})


@contextmanager
def server(programs: Path, folder: Path, *, guarded: bool = False) -> Iterator[str]:
    """The address of a server that keeps everything in the folder; a guarded one asks for USER and PASSWORD."""
    with server_process(programs, folder, guarded=guarded) as (address, _):
        yield address


@contextmanager
def server_process(programs: Path, folder: Path, *, guarded: bool = False) -> Iterator[tuple[str, int]]:
    """The same with the group of its processes, by number."""
    folder.mkdir(exist_ok=True)
    address = f"http://127.0.0.1:{free_port()}"
    environment = {**os.environ, **ENVIRONMENT}
    if guarded:
        settings = folder / "auth.ini"
        lines = ["[mlflow]", "default_permission = READ", f"database_uri = sqlite:///{folder}/users.db"]
        lines += [f"admin_username = {USER}", f"admin_password = {PASSWORD}", "auth_cache_ttl_seconds = 600"]
        settings.write_text("\n".join(lines) + "\n")
        environment |= {"MLFLOW_AUTH_CONFIG_PATH": str(settings), "MLFLOW_FLASK_SERVER_SECRET_KEY": "for tests"}
        environment |= {"MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD}
    words = ["--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files")]
    command = [programs / "python-c", MLFLOW, "server", *words, *(["--app-name", "basic-auth"] if guarded else [])]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log)
    assert process.stdout is not None
    with process.stdout as told:
        said = told.readline() if select([told], [], [], START_S)[0] else b""
    try:
        assert said, f"the server did not start: {(folder / 'server.log').read_text(errors='replace')[-3000:]}"
        _wait_for(address, process, folder / "server.log")
        yield address, int(said)
    finally:
        if said and process.poll() is None:
            os.killpg(int(said), 15)
        process.terminate()
        process.wait(30)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5)
        except urllib.error.HTTPError:
            return  # it asks for a password
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"the server did not start: {log.read_text(errors='replace')[-3000:]}")


def fill_disk(group: int, most_bytes: int) -> None:
    """Let the processes of a group write no file beyond this size, as on a full disk."""
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getpgid(int(place.name)) == group:
                resource.prlimit(int(place.name), resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))


class Runs:
    """What is in a store, by the names of runs."""

    def __init__(self, uri: str, experiment: str) -> None:
        from mlflow import MlflowClient

        self.client = MlflowClient(uri)
        found = self.client.get_experiment_by_name(experiment)
        assert found is not None, f"there is no experiment {experiment}"
        self.experiment = found
        self.all = list(self.client.search_runs([found.experiment_id]))
        self.by_name = {run.info.run_name: run for run in self.all}

    def __getitem__(self, name: str) -> Any:
        return self.by_name[name]

    def statuses(self) -> dict[str, str]:
        return {run.info.run_name: run.info.status for run in self.all}

    def history(self, name: str, metric: str) -> list[tuple[int, float]]:
        points = self.client.get_metric_history(self.by_name[name].info.run_id, metric)
        return sorted((point.step, point.value) for point in points)

    def files(self, name: str) -> set[str]:
        return {item.path for item in self.client.list_artifacts(self.by_name[name].info.run_id)}
