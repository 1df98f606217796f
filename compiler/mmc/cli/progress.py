"""The progress of a run, from the lines that ``run.sh`` writes into ``events.log``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mmc.tables import duration

_EVENT = re.compile(r"(start|done|skip|again|fail|retry) (\S+) (\S+) \d+\.\d{3}(?: (.*))?", re.A)


class Failed(NamedTuple):
    """A job that has failed."""

    stage: str
    job: str
    code: int
    """The exit code of the process; 128 and more if a signal has ended it."""


@dataclass
class Progress:
    """The state of a run: the numbers of all, done and running jobs of each stage, and the failed jobs."""

    totals: Mapping[str, int]
    """The number of jobs of each stage, in the order in which stages run."""
    done: dict[str, int] = field(default_factory=dict)
    running: dict[str, int] = field(default_factory=dict)
    before: int = 0
    """The number of jobs that an earlier run has done."""
    failed: list[Failed] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    """The jobs that run again, as they have failed or although they were done before, each with the reason."""

    def take(self, line: str) -> None:
        """Count an event: ``start``, ``done``, ``skip``, ``again``, ``fail`` or ``retry``, then stage, job, seconds.

        After ``skip``, ``again`` says that the job has to run after all, with the reason at the end of the line; after
        ``fail`` and ``retry``, the exit code is there. A line that is not an event, as one that was cut, is left out.
        """
        found = _EVENT.fullmatch(line)
        if found is None or found[2] not in self.totals:
            return
        event, stage, job, more = found.groups("")
        if event == "start":
            self._add(self.running, stage, 1)
            return
        if event == "again":
            self.before = max(0, self.before - 1)
            self._add(self.done, stage, -1)
            self.again.append(f"{stage}[{job}] is made again: {more}")
            return
        if event == "skip":
            self.before += 1
        else:
            self._add(self.running, stage, -1)
        if event == "fail":
            self.failed.append(Failed(stage, job, int(more) if more.isdecimal() else 1))
        elif event == "retry":
            self.again.append(f"{stage}[{job}] has failed with exit code {more} and is tried again")
        else:
            self._add(self.done, stage, 1)

    def _add(self, counts: dict[str, int], stage: str, more: int) -> None:
        counts[stage] = max(0, counts.get(stage, 0) + more)

    @property
    def n_done(self) -> int:
        """The number of jobs that are done, by this or an earlier run."""
        return sum(self.done.values())

    @property
    def n_jobs(self) -> int:
        """The number of all jobs."""
        return sum(self.totals.values())

    def line(self, seconds: float, width: int) -> str:
        """The state in one line of at most ``width`` characters.

        >>> progress = Progress({"simulate": 9, "analyse": 9})
        >>> for event in ("start simulate a.0 0.000", "done simulate a.0 1.000", "start analyse a.0 0.000"):
        ...     progress.take(event)
        >>> progress.line(63, 80)
        '1 of 18 jobs  1:03  analyse 0/9'
        """
        now = [f"{stage} {self.done.get(stage, 0)}/{n}" for stage, n in self.totals.items() if self.running.get(stage)]
        text = "  ".join((f"{self.n_done:,} of {self.n_jobs:,} jobs", duration(seconds), *now))
        return text if len(text) <= width else text[: max(0, width - 1)] + "…"
