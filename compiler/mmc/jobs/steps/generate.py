"""Prepare each process."""

from mmc.jobs.generators import dispatch
from mmc.jobs.job import StepJob


def run(job: StepJob) -> None:
    """Write ``process.json``, and what else the jobs that simulate need of the process.

    :raises StepError: as the generator's module says
    """
    dispatch.run(job)
