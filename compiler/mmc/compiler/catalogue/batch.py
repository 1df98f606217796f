"""Batch systems: what a study asks them for."""

from dataclasses import dataclass

SLURM, HTCONDOR = "slurm", "htcondor"
"""The batch systems, by the names of their targets."""
ONLY_SLURM = ("partition", "constraint")
"""The keys of ``execution.batch`` that HTCondor does not have."""


@dataclass(frozen=True)
class Batch:
    """The section ``execution.batch``; None is the default of the batch system."""

    system: str | None = None
    """The batch system for which the section is; None without the section."""
    partition: str | None = None
    account: str | None = None
    constraint: str | None = None
    jobs_per_task: int = 1
    running_tasks: int | None = None
    """The largest number of tasks of a stage that run at the same time."""
