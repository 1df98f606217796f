"""The progress of a run, from the lines that ``run.sh`` writes into ``events.log``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mmc.tables import duration

_EVENT = re.compile(
    r"(?P<event>start|done|skip|fail) (?P<stage>\S+) (?P<job>\S+) \d+\.\d{3}(?: (?P<code>\d{1,3}))?", re.A
)


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

    def take(self, line: str) -> None:
        """Count an event: ``start``, ``done``, ``skip`` or ``fail``, then stage, job and seconds.

        The exit code of the job follows if it failed. A line that is not an event, as one that was cut, is left out.
        """
        found = _EVENT.fullmatch(line)
        if found is None or found["stage"] not in self.totals:
            return
        event, stage = found["event"], found["stage"]
        if event == "start":
            self.running[stage] = self.running.get(stage, 0) + 1
            return
        if event == "skip":
            self.before += 1
        else:
            self.running[stage] = max(0, self.running.get(stage, 0) - 1)
        if event == "fail":
            self.failed.append(Failed(stage, found["job"], int(found["code"] or 1)))
        else:
            self.done[stage] = self.done.get(stage, 0) + 1

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
