"""Batch systems: what a study asks them for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SLURM, HTCONDOR = "slurm", "htcondor"
"""The batch systems, by the names of their targets."""
ONLY_SLURM = ("partition", "constraint")
"""The keys of ``execution.batch`` that HTCondor does not have."""

MOST_JOBS = 100_000
"""The most jobs that a task may have."""


@dataclass(frozen=True)
class Batch:
    """The section ``execution.batch``; None is the default of the batch system."""

    system: str | None = None
    """The batch system for which the section is; None without the section."""
    partition: str | None = None
    account: str | None = None
    constraint: str | None = None
    jobs_per_task: int = 1
    """The number of jobs of one task, in stages without a measured time."""
    running_tasks: int | None = None
    """The largest number of tasks of a stage that run at the same time."""
    task_time_s: float = 0.0
    """How long a task is to take."""
    job_time_s: Mapping[str, float] = field(default_factory=dict)
    """The measured time of a job, by stage."""

    def together(self, stage: str) -> int:
        """The largest number of jobs of a stage that are in one task.

        >>> Batch(jobs_per_task=5, task_time_s=60.0, job_time_s={"simulate": 7.0}).together("simulate")
        8
        """
        if stage not in self.job_time_s:
            return self.jobs_per_task
        return min(max(1, int(self.task_time_s / self.job_time_s[stage])), MOST_JOBS)
