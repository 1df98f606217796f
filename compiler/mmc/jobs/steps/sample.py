"""``sample``: draw the training and validation samples of a method."""

from mmc.compiler.catalogue.stages import SAMPLE
from mmc.compiler.settings.sampling import SampleSettings
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.learning.samples import draw_samples


def run(job: StepJob) -> None:
    """Write ``train/`` and ``validation/`` with MadMiner's arrays, and ``sample.json``.

    :raises StepError: as :func:`mmc.jobs.learning.samples.draw_samples`
    """
    settings = job.read(SampleSettings)
    write_json(job.out / SAMPLE.record, draw_samples(job.events(settings.group), settings, job.out))
