"""Runs a program, and ends it and all that it has started when it or the job ends, however that happens.

A program of its own, between the job and an external program: ``python -IS keeper.py DESCRIPTOR``. The descriptor is
one end of a socket; the job has the other end, so the socket tells when the job is gone. The words and the environment
of the program come over the socket, in a line of JSON; back goes its exit code, or the reason why it cannot be started.

On Linux, processes whose parent ends become children of the keeper, so it finds those that have left the process group
too. It inherits the lock of the job and holds it until all of them have ended.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Run the program that the job asks for."""
    job = socket.socket(fileno=int(sys.argv[1]))
    job.set_inheritable(False)
    with suppress(AttributeError, OSError):  # only Linux has it
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with job.makefile("r", encoding="ascii") as lines:
        words, environment = json.loads(lines.readline())
    try:
        process = subprocess.Popen(words, env=environment, close_fds=False)  # which inherits the lock
    except OSError as error:
        job.sendall((error.strerror or str(error)).encode())
        return
    threading.Thread(target=_end_with, args=(job,), daemon=True).start()
    with suppress(ChildProcessError, OSError):  # the job has ended, and the other thread has ended all
        child = status = 0
        while child != process.pid:
            child, status = os.waitpid(-1, 0)
        _end_all()
        job.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os.killpg(0, signal.SIGKILL)


def _end_with(job: socket.socket) -> None:
    with suppress(OSError):
        job.recv(1)
    _end_all()
    os.killpg(0, signal.SIGKILL)


def _end_all() -> None:
    """Kill the children until none is left: the children of a killed one become children of this process."""
    with suppress(ChildProcessError):
        while children := _children():
            for child in children:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            os.waitpid(-1, 0)


def _children() -> list[int]:
    """The children of this process; on systems other than Linux, where they are not known, none."""
    with suppress(OSError):
        lists = [(task / "children").read_text(encoding="ascii") for task in Path("/proc/self/task").iterdir()]
        return [int(child) for text in lists for child in text.split()]
    return []


if __name__ == "__main__":
    main()
