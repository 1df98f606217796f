"""``mmc run --on hyperqueue``: hands all missing jobs to HyperQueue, with what they wait for.

``HQ_SERVER_DIR`` names a server that runs already, with its own workers; otherwise a server and a worker run in this
process. Its package has no way to cancel a job: who stops a run with its own server stops the server.
"""

import math
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from mmc.errors import MissingExtraError, MmcError, UsageError
from mmc.files import Folder
from mmc.jobs.batch.place import TABLE
from mmc.jobs.batch.watch import Events, Watch, pause_s
from mmc.jobs.record import RECORD
from mmc.jobs.resume.decision import decide
from mmc.jobs.resume.pending import Pending
from mmc.jobs.resume.run_table import RunTable
from mmc.locks import RUN, held
from mmc.printing import say
from mmc.processes import memory_of_machine, path_with_mmc
from mmc.reading import read_json

LAYOUT, SERVER = "hyperqueue.json", "HQ_SERVER_DIR"
GPUS = "gpus/nvidia"
"""HyperQueue's name of the GPUs that its workers find."""
LOOK_S = 0.2


def submit(folder: Path, *, mixed_versions: bool) -> int:
    """Run the missing jobs of a bundle and wait for them.

    :raises MmcError: when a job fails, the package is missing, or the server does not answer
    """
    os.environ["PATH"] = path_with_mmc()
    out = Folder(folder.resolve() / _layout(folder)["out"])
    with held(out.make() / RUN, "mmc submit"), out.restart("events.log") as events:
        done = run(folder, events, None, mixed_versions)
    if not done:
        raise MmcError(
            f"jobs have failed: the lines `fail` of {out.path / 'events.log'} name them; submit again to continue"
        )
    say(f"all jobs are done: {out.path}")
    return 0


def run(bundle: Path, events: BinaryIO, cores: int | None, mixed_versions: bool) -> bool:
    """Run the missing jobs of a bundle.

    :param cores: the cores of the worker of this process, if there is no other; None for all
    :raises MmcError: when the package is missing, or the server does not answer
    """
    folder = bundle.resolve()
    layout = _layout(folder)
    own_worker = None if SERVER in os.environ else cores or os.cpu_count() or 1
    requests = requested(layout, own_worker)
    out, noted = Path(folder / layout["out"]).resolve(), set[int]()
    client = None
    with ExitStack() as stack:
        while True:
            table, found = decide(folder / TABLE, out, mixed=mixed_versions)
            told = Events(table, events)
            told.note_before(found, noted)
            if not found.now:
                return True
            for row in found.again:
                Folder(out).remove(f"{table.jobs[row].stage}/{table.jobs[row].name}/{RECORD}")
            for row in found.now:
                Folder(out).remove(f"{table.jobs[row].stage}/{table.jobs[row].name}.out")
            watch = Watch(told, found.now)
            client = client or stack.enter_context(_client(own_worker))
            _run_all(client, _job(table, found, folder, layout, requests), watch)
            if watch.failed:
                return False
            if any(table.look(row).record is None for row in found.now):
                raise MmcError(f"HyperQueue has not started all jobs; see {out}/hyperqueue.out")


@contextmanager
def _client(cores: int | None) -> Iterator[Any]:
    """A client of the server in ``HQ_SERVER_DIR``, or of one that ends with the block."""
    try:
        from hyperqueue import Client, LocalCluster
        from hyperqueue.cluster import WorkerConfig
    except ImportError as error:
        raise MissingExtraError("hyperqueue", "hyperqueue") from error
    if server := os.environ.get(SERVER):
        try:
            client = Client(server)
        except Exception as error:
            raise MmcError(
                f"no HyperQueue server answers in {server}, which {SERVER} names: {_reason(error)}"
            ) from error
        yield client
        return
    with LocalCluster(worker_config=WorkerConfig(cores=cores)) as cluster:
        yield cluster.client()


def counted_cores(cpus: Mapping[str, int], memory_mib: Mapping[str, int], worker: int | None) -> dict[str, int]:
    """The cores that HyperQueue counts for a job of each stage.

    A worker of this process does not know its memory. So a job that needs more than its cores' part of it counts as one
    of more cores, and what does not fit at all as one of all cores: it runs alone.

    :param worker: the cores of the worker of this process; None if the workers are others
    """
    if worker is None:
        return dict(cpus)
    each = memory_of_machine() / 2**20 / worker
    return {stage: min(worker, max(cores, math.ceil(memory_mib.get(stage, 0) / each))) for stage, cores in cpus.items()}


def requested(layout: Mapping[str, Any], worker: int | None) -> dict[str, dict[str, int]]:
    """What HyperQueue is asked for by name, for a job of each stage.

    A worker of this process does not know its GPUs, and a job that asked for one would wait for ever.

    :param worker: as in :func:`counted_cores`
    """
    gpus = layout["gpus"] if worker is None else {}
    return {
        stage: {"cpus": cores, **({GPUS: gpus[stage]} if stage in gpus else {})}
        for stage, cores in counted_cores(layout["cpus"], layout["memory_mib"], worker).items()
    }


def _job(
    table: RunTable,
    found: Pending,
    folder: Path,
    layout: Mapping[str, Any],
    requests: Mapping[str, Mapping[str, int]],
) -> Any:
    """All jobs of a round as tasks of one HyperQueue job; a task starts when those have ended well that it reads."""
    from hyperqueue import Job
    from hyperqueue.ffi.protocol import ResourceRequest

    job = Job(default_workdir=folder, max_fails=None, default_env={"PATH": os.environ["PATH"]}, name=layout["study"])
    tasks: dict[int, Any] = {}
    upstream = table.upstream
    for row in sorted(found.now):
        asked = requests[table.jobs[row].stage]
        tasks[row] = job.program(
            ["bash", "hyperqueue/job.sh", layout["table"], str(row)],
            deps=[tasks[other] for other in upstream[row] if other in tasks],
            stdout=None,
            stderr=None,
            name=table.maker(row),
            resources=ResourceRequest(cpus=asked["cpus"], resources=dict(asked)),
        )
    return job


def _run_all(client: Any, job: Any, watch: Watch) -> None:
    """Submit the job and watch it until all its tasks have ended."""
    submitted = client.submit(job)
    ended: list[BaseException | None] = []

    def wait() -> None:
        try:
            client.connection.wait_for_jobs([submitted.id], lambda _: None)
            ended.append(None)
        except BaseException as error:
            ended.append(error)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    while not ended:
        started = time.monotonic()
        watch.look()
        waiting.join(pause_s(started, LOOK_S))
    watch.end()
    if ended[0] is not None:
        raise MmcError(f"HyperQueue's server has ended: {_reason(ended[0])}") from ended[0]


def _reason(error: BaseException) -> str:
    """What HyperQueue says, without its stack."""
    return " ".join(str(error).partition("Stack backtrace")[0].split())


def _layout(folder: Path) -> Mapping[str, Any]:
    """:raises UsageError: when the folder has no bundle of the target hyperqueue"""
    try:
        found: Mapping[str, Any] = read_json(folder / LAYOUT)
        needed = {name: found[name] for name in ("study", "out", "table", "cpus")}
        # bundles without GPUs do not tell them, and older ones no memory
        return needed | {name: found.get(name, {}) for name in ("memory_mib", "gpus")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder} does not hold a bundle of the target hyperqueue") from error
