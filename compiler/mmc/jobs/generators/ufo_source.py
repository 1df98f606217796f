"""Where a job finds the UFO model that the study names."""

from collections.abc import Collection
from pathlib import Path

from mmc.compiler.inputs import ufo_model
from mmc.compiler.settings.generation import UfoModel
from mmc.errors import StepError
from mmc.jobs.job import StepJob


def source(job: StepJob, model: UfoModel, trust: Collection[str]) -> Path:
    """The archive or the folder of a model.

    :param trust: the file inputs that the study trusts
    :raises StepError: the model is not trusted, or not installed
    """
    if model.file is None:
        folder = ufo_model.installed(model.name or "")
        if folder is None:
            raise StepError(
                f"there is no UFO model {model.name}: install the package, or put its folder into one of MMC_UFO_PATH"
            )
        return folder
    if model.file not in trust:
        raise StepError("the model is Python code that the study does not trust: add its archive to `trust`")
    return job.one(model.file)
