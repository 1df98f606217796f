"""The progress of a run, from the lines that ``run.sh`` writes into ``events.log``."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmc.tables import duration


@dataclass
class Progress:
    """The state of a run: the numbers of all, done and running jobs of each stage, and the failed jobs."""

    totals: Mapping[str, int]
    """Jobs of each stage, in the order in which stages run."""
    done: dict[str, int] = field(default_factory=dict)
    running: dict[str, int] = field(default_factory=dict)
    before: int = 0
    """The number of jobs that an earlier run has done."""
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Stage and name of each failed job."""
    again: list[str] = field(default_factory=list)
    """The jobs that run again although they were done before, each with the reason."""

    def take(self, line: str) -> None:
        """Count an event: ``start``, ``done``, ``skip``, ``again`` or ``fail``, then stage, job and seconds.

        After ``skip``, ``again`` tells that the job has to run after all, with the reason at the end of the line.
        """
        event, stage, job, _, *reason = line.split(" ", 4)
        if event == "start":
            self.running[stage] = self.running.get(stage, 0) + 1
            return
        if event == "again":
            self.before -= 1
            self.done[stage] -= 1
            self.again.append(f"{stage}[{job}] is made again: {''.join(reason)}")
            return
        if event == "skip":
            self.before += 1
        else:
            self.running[stage] -= 1
        if event == "fail":
            self.failed.append((stage, job))
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
