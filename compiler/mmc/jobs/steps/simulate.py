"""Generate events, and weight each event at every benchmark."""

from mmc.jobs.generators import dispatch
from mmc.jobs.job import StepJob


def run(job: StepJob) -> None:
    """Write ``events.lhe.gz`` and ``simulate.json``; with a shower also ``events.hepmc.gz``.

    :raises StepError: as the generator's module documents
    """
    dispatch.run(job)
