"""Where a job finds the UFO model that the study names."""

from collections.abc import Collection
from pathlib import Path

from mmc.compiler.inputs import ufo_model
from mmc.compiler.settings.generation import UfoModel
from mmc.errors import StepError
from mmc.jobs.job import StepJob


def source(job: StepJob, model: UfoModel, trust: Collection[str]) -> str | Path:
    """The archive or the folder of a model, or a name that no model has.

    :param trust: the file inputs that the study trusts
    :raises StepError: the model is not trusted
    """
    if model.file is None:
        name = model.name or ""
        return ufo_model.installed(name) or name
    if model.file not in trust:
        raise StepError("the model is Python code that the study does not trust: add its archive to `trust`")
    return job.one(model.file)
