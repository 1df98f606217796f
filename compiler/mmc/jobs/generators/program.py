"""Run an external program without questions, with a time limit, and with its output in the job's log."""

import logging
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mmc.errors import StepError
from mmc.jobs.formats.gzipped import reading

log = logging.getLogger("program")  # not below `mmc`: written only to the log file

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST_LINE = 2_000


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
    limit_s: float,
    *,
    feed: Path | None = None,
    skip: str | None = None,
) -> Finished:
    """Run a program to its end, and end the child processes that it leaves behind.

    :param folder: the working directory
    :param feed: a file, gzipped or not, for its standard input; empty input without one
    :param skip: lines that begin with this text are left out (progress bars)
    :raises StepError: when the program cannot be started, or takes longer than the limit
    """
    name = Path(words[0]).name if len(words) == 1 else " ".join(Path(word).name for word in words[:2])
    try:
        process = subprocess.Popen(
            [str(word) for word in words],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL if feed is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its children can be ended with it
        )
    except OSError as error:
        raise StepError(f"cannot run {name}: {error.strerror}") from error
    late = threading.Event()

    def stop() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(limit_s, stop)
    feeder = threading.Thread(target=_feed, args=(feed, process), daemon=True)
    timer.start()
    try:
        if feed is not None:
            feeder.start()
        lines = _read(process, skip)
        code = process.wait()
    finally:
        timer.cancel()
        _kill(process)
        process.wait()
        if feeder.is_alive():
            feeder.join()
    if late.is_set():
        raise StepError(f"{name} was stopped: it took longer than {limit_s / 3600:g} hours")
    return Finished(code, tuple(lines))


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


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End a program and its children, which share its process group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
