"""What becomes of jobs that a batch system runs, as lines of ``events.log``: those that ``run.sh`` writes.

A job has started when the file with what it prints is there, and is done when its output is. So nothing is asked of the
batch system, whose memory of ended tasks is short, and which may be another one in the next run.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mmc.jobs.batch.status import exit_code
from mmc.jobs.resume.pending import Pending
from mmc.jobs.resume.run_table import RunTable

POLL_S = 0.5
LONGEST_S = 5.0
"""The longest pause between two looks, however long a look at many jobs takes."""
KILLED = 137
"""The exit code of a job that is gone and has left neither its output nor an exit code."""


@dataclass(frozen=True)
class Events:
    """The lines of a run."""

    run: RunTable
    file: BinaryIO

    def note(self, event: str, row: int, seconds: float = 0.0, more: str = "") -> None:
        """Write a line: see :meth:`mmc.cli.progress.Progress.take`."""
        job = self.run.jobs[row]
        line = f"{event} {job.stage} {job.name} {seconds:.3f} {more}".rstrip()
        self.file.write(line.replace("\n", " ").encode(errors="surrogateescape") + b"\n")
        self.file.flush()

    def note_before(self, found: Pending, noted: set[int]) -> None:
        """Note the jobs that are done before a round, and those that were and run again.

        :param noted: the rows of jobs that were noted before an earlier round; those of this round are added
        """
        for row in range(len(self.run.jobs)):
            is_open = row in found.now or row in found.later
            if row not in noted and (not is_open or row in found.again):
                self.note("skip", row)
            if row in found.again:
                self.note("again", row, more=found.again[row])
        noted.update(row for row in range(len(self.run.jobs)) if row not in found.later)


def pause_s(started: float, shortest_s: float) -> float:
    """The pause after a look that began at this time: four times as long, as slow file systems are to be spared."""
    return max(shortest_s, min(LONGEST_S, 4 * (time.monotonic() - started)))


class Watch:
    """The jobs of a round."""

    def __init__(self, events: Events, rows: Iterable[int]) -> None:
        self._run, self._events = events.run, events
        self._waiting: dict[Path, dict[str, int]] = {}  # the rows by the folders and names of their logs
        for row in rows:
            log = self._run.log(row)
            self._waiting.setdefault(log.parent, {})[log.name] = row
        self._started: dict[int, float] = {}
        self.failed: list[int] = []

    def look(self) -> None:
        """Note what has happened since the last time."""
        for row in sorted(self._newly_started()):
            self._started[row] = time.monotonic()
            self._events.note("start", row)
        for row in list(self._started):
            record = self._run.look(row).record
            if record is not None:
                del self._started[row]
                self._events.note("done", row, record.seconds)
            elif (code := exit_code(self._run.log(row))) is not None:
                self._fail(row, code)

    def end(self, grace_s: float = 0.0) -> None:
        """Note that all tasks have ended: who has not finished was killed, or was never started.

        :param grace_s: the time after which a shared file system shows what other machines have written
        """
        self.look()
        deadline = time.monotonic() + grace_s
        while self._started and time.monotonic() < deadline:
            time.sleep(POLL_S)
            self.look()
        for row in list(self._started):
            self._fail(row, KILLED)

    def _newly_started(self) -> Iterator[int]:
        for folder, rows in self._waiting.items():
            with suppress(OSError):  # no job of the stage has started
                for path in folder.iterdir() if rows else ():  # one look tells of thousands of jobs
                    if path.name in rows:
                        yield rows.pop(path.name)

    def _fail(self, row: int, code: int) -> None:
        self.failed.append(row)
        self._events.note("fail", row, time.monotonic() - self._started.pop(row), str(code))
