"""Run an external program without questions, with a time limit, and with its output in the job's log."""

import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mmc.errors import StepError
from mmc.jobs.formats.gzipped import reading
from mmc.processes import killed_by

log = logging.getLogger("program")  # not below `mmc`: written only to the log file

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST_LINE = 2_000
_KEEPER = Path(__file__).with_name("keeper.py")


@dataclass(frozen=True)
class Finished:
    """A program that has ended by itself."""

    code: int
    lines: tuple[str, ...]
    """The printed lines, without colours and trailing blanks."""


def run(
    words: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str],
    *,
    limit_s: float | None = None,
    feed: Path | None = None,
    skip: str | None = None,
) -> Finished:
    """Run a program to its end, and end the processes that it leaves behind. They also end when this process is killed.

    :param folder: the working directory
    :param feed: a file, gzipped or not, for its standard input; empty input without one
    :param skip: lines that begin with this text are left out (progress bars)
    :raises StepError: when the program cannot be started, is killed, or takes longer than the limit
    """
    name = Path(words[0]).name if len(words) == 1 else " ".join(Path(word).name for word in words[:2])
    with _kept(words, folder, environment, feed is not None) as (process, keeper):
        timer = threading.Timer(limit_s or 0.0, _end, [keeper])
        feeder = threading.Thread(target=_feed, args=(feed, process), daemon=True)
        if limit_s is not None:
            timer.start()
        try:
            if feed is not None:
                feeder.start()
            lines = _read(process, skip)
            said = keeper.recv(_LONGEST_LINE).decode(errors="replace")
        finally:
            timer.cancel()
    if feed is not None:
        feeder.join()
    if not said:
        late = f"it took longer than {limit_s / 3600:g} hours" if limit_s is not None else "its keeper was killed"
        raise StepError(f"{name} was stopped: {late}")
    if not said.lstrip("-").isdigit():
        raise StepError(f"cannot run {name}: {said}")
    code = int(said)
    if code < 0:
        raise StepError(f"{name} was {killed_by(-code)}")
    return Finished(code, tuple(lines))


@contextmanager
def _kept(
    words: Sequence[str | Path], folder: Path, environment: Mapping[str, str], fed: bool
) -> Iterator[tuple["subprocess.Popen[bytes]", socket.socket]]:
    """A running program and the socket to its keeper, which ends it with all its children at the end of the block."""
    keeper, other = socket.socketpair()
    with keeper:
        with other:
            other.set_inheritable(True)
            process = subprocess.Popen(
                [sys.executable, "-IS", str(_KEEPER), str(other.fileno())],
                cwd=folder,
                stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                close_fds=False,  # the lock of the job is inherited: it is held until the last child has ended
                start_new_session=True,
            )
        try:
            keeper.sendall((json.dumps([[*map(str, words)], dict(environment)]) + "\n").encode("ascii"))
            yield process, keeper
        finally:
            _end(keeper)
            process.wait()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _read(process: "subprocess.Popen[bytes]", skip: str | None) -> list[str]:
    """The lines that a program prints; each is logged at once."""
    assert process.stdout is not None
    lines = []
    with process.stdout as stream:
        for raw in stream:
            for part in raw.decode("utf-8", errors="replace").split("\r"):
                line = _COLOUR.sub("", part).strip()[:_LONGEST_LINE]
                if line and not (skip is not None and line.startswith(skip)):
                    log.info("%s", line)
                    lines.append(line)
    return lines


def _feed(source: Path | None, process: "subprocess.Popen[bytes]") -> None:
    assert source is not None and process.stdin is not None
    # a program that has ended stops reading; a damaged file shows in the number of output events
    with suppress(OSError, ValueError, StepError), process.stdin as sink, reading(source) as content:
        shutil.copyfileobj(content, sink, 1 << 20)


def _end(keeper: socket.socket) -> None:
    """Let the keeper end the program and its children."""
    with suppress(OSError):
        keeper.shutdown(socket.SHUT_RDWR)
