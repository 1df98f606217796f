"""Run a stage of a job with the job's generator."""

import importlib

from mmc.compiler.catalogue.generators import GENERATORS, generator_of
from mmc.errors import StepError
from mmc.jobs.job import StepJob


def run(job: StepJob) -> None:
    """Run the generator's module for the job's stage.

    :raises StepError: when the generator does not exist, and as its module documents
    """
    name = generator_of(job.settings)
    if name not in GENERATORS:
        raise StepError(f"there is no generator {name!r}; the generators are {', '.join(GENERATORS)}")
    importlib.import_module(GENERATORS[name].steps[job.stage]).run(job)
