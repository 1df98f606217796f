"""Run a stage as the generator of the job runs it."""

import importlib

from mmc.compiler.catalogue.generators import GENERATORS, generator_of
from mmc.errors import StepError
from mmc.jobs.job import StepJob


def run(job: StepJob) -> None:
    """Do what the job's stage does with its generator.

    :raises StepError: when there is no such generator, or as its module says
    """
    name = generator_of(job.settings)
    if name not in GENERATORS:
        raise StepError(f"there is no generator {name!r}; there are {', '.join(GENERATORS)}")
    importlib.import_module(GENERATORS[name].steps[job.stage]).run(job)
