"""The server of ``mmc run`` off which jobs are forked (:mod:`mmc.jobs.steps.server`)."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mmc.compiler.plan.model import Stage
from mmc.jobs.steps.asking import SERVER

WAIT_S = 5.0
"""The time in which jobs must end that are still running when what started them has ended."""


@contextmanager
def serving(stages: Sequence[Stage], folder: Path, log: BinaryIO) -> Iterator[Mapping[str, str]]:
    """Serve jobs of these stages during the block, if they have one thread: threads of libraries do not survive a fork.

    Yields the environment in which ``mmc step`` finds the server.

    :param folder: the folder in which ``run.sh`` is going to run
    :param log: where warnings of what is imported go
    """
    names = [stage.name for stage in stages if stage.resources.cpus == 1 and stage.image is None]
    if not names or sys.platform != "linux":
        yield {}
        return
    asked, asks = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with asks:
        with asked:
            asked.set_inheritable(True)
            server = subprocess.Popen(
                # -P, as the folder may hold modules of anybody
                [sys.executable, "-P", "-m", "mmc.jobs.steps.server", str(asked.fileno()), *names],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                close_fds=False,  # the locks are inherited: they are held until the last job has ended
                start_new_session=True,
            )
        asks.set_inheritable(True)
        try:
            yield {SERVER: f"{asks.fileno()} {os.fstat(asks.fileno()).st_ino}"}
        finally:
            asks.close()
            with suppress(subprocess.TimeoutExpired):
                server.wait(WAIT_S)
