"""``train``: fit the neural network of a method to its samples."""

from mmc.compiler.settings.training import TrainSettings
from mmc.jobs.job import StepJob
from mmc.jobs.learning.train import train


def run(job: StepJob) -> None:
    """Write MadMiner's ``model_*`` files and ``train.json``.

    :raises StepError: as :func:`mmc.jobs.learning.train.train`
    """
    settings = job.read(TrainSettings)
    train(settings, job.pick("samples", settings.sample_job), job.out)
