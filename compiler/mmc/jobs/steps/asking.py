"""``mmc step`` asks the server of ``mmc run`` (:mod:`mmc.jobs.steps.server`) to run its job."""

import json
import os
import socket
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mmc.jobs.steps.limits import end_with_engine
from mmc.processes import stopping_signals

SERVER = "MMC_JOB_SERVER"
"""The environment variable with the file on which the server is asked: its number and its inode, as the number may be
that of another file in another program."""
FILES = 5
"""A request is the name of the stage with five files: the standard streams of the job, its words, folder and
environment as JSON, and a socket. There the server tells the process of the job, 0 if it does not run it, and then its
exit code."""
NUMBER_BYTES = 8


def ask(words: Sequence[str]) -> int | None:
    """Let the server run the job given by the words after ``mmc step``, and wait for its end.

    :returns: the exit code, that of a shell; None if this process is to run the job: there is no server, it leaves the
        job to this process, or it has ended before the job
    """
    number, _, inode = os.environ.pop(SERVER, "").partition(" ")
    if not (words and number.isdecimal() and inode.isdecimal()):
        return None
    with suppress(OSError, OverflowError):
        if os.fstat(int(number)).st_ino == int(inode):
            with socket.socket(fileno=int(number)) as server:
                return _ask(server, words)
    return None


def _ask(server: socket.socket, words: Sequence[str]) -> int | None:
    end_with_engine()
    told, tells = socket.socketpair()
    with told:
        with tells, tempfile.TemporaryFile() as request:
            request.write(json.dumps([words, str(Path.cwd()), dict(os.environ)]).encode())
            request.flush()
            socket.send_fds(server, [words[0].encode()], [0, 1, 2, request.fileno(), tells.fileno()])
        job = _number(told)  # a signal ends this process, and so the job as soon as there is one
        if not job:
            return None
        with stopping_signals(lambda number: _send(job, number)) as signals:
            code = _number(told)
    if code is None and signals:  # the server has ended too
        return 128 + signals[0]
    return code


def _number(told: socket.socket) -> int | None:
    """The next number that the server tells; None if it has ended."""
    try:
        found = told.recv(NUMBER_BYTES, socket.MSG_WAITALL)
    except ConnectionError:
        return None
    return int.from_bytes(found, "little") if len(found) == NUMBER_BYTES else None


def _send(job: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(job, number)
