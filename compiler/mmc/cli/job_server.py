"""The server of ``mmc run`` off which jobs are forked (:mod:`mmc.jobs.steps.server`)."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mmc.compiler.catalogue.stages import DETECT, IMPORT_EVENTS
from mmc.compiler.plan.model import Plan

PROGRAM = (sys.executable, "-P", "-m", "mmc.jobs.steps.server")
"""-P, as the folder where mmc is called may hold modules of anybody."""
WAIT_S = 5.0
"""The time in which jobs must end that still run when the program that started them has ended; then they are killed."""
THREADED = (IMPORT_EVENTS.name, DETECT.name)
"""The stages whose steps import awkward, and with it pyarrow, which starts a thread."""


def served(plan: Plan) -> list[str]:
    """The stages whose jobs may be forked: those of one thread, as the threads of a library do not survive a fork."""
    own = (stage for stage in plan.stages if stage.image is None and stage.name not in THREADED)
    return [stage.name for stage in own if stage.resources.cpus == 1]


@contextmanager
def serving(stages: Sequence[str], folder: Path, log: BinaryIO) -> Iterator[dict[str, str]]:
    """Run the jobs of these stages during the block. Yields the environment in which ``mmc step`` finds the server.

    :param folder: the folder in which jobs are started
    :param log: where the server's own messages go
    """
    if not stages or sys.platform != "linux":
        yield {}
        return
    from mmc.jobs.steps.asking import SERVER

    asked, asks = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with asked, asks:
        asked.set_inheritable(True)
        server = subprocess.Popen(
            [*PROGRAM, str(asked.fileno()), *stages],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            close_fds=False,  # the locks are inherited: they are held until the last job has ended
            start_new_session=True,  # Ctrl-C is for this process alone
        )
        asked.close()
        asks.set_inheritable(True)
        try:
            yield {SERVER: f"{asks.fileno()} {os.fstat(asks.fileno()).st_ino}"}
        finally:
            asks.close()
            _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    """Wait for the end of the last job. None may write into the folder when the next run uses it."""
    try:
        with suppress(subprocess.TimeoutExpired):
            server.wait(WAIT_S)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)  # with all jobs
            server.wait()
