"""Prepare a process with its generator."""

from mmc.jobs.generators import dispatch
from mmc.jobs.job import StepJob


def run(job: StepJob) -> None:
    """Write ``process.json`` and the other files that simulation jobs need.

    :raises StepError: as the generator's module documents
    """
    dispatch.run(job)
