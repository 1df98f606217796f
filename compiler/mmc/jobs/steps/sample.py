"""``sample``: draw the training and validation samples of a method."""

from pathlib import Path
from typing import Any

import numpy as np

from mmc.compiler.catalogue.stages import SAMPLE
from mmc.compiler.settings.points import AtBenchmark
from mmc.compiler.settings.sampling import SampleSettings, SimulatedEvents
from mmc.errors import StepError
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.learning.samples import draw_samples
from mmc.jobs.madminer.event_file import EventFile


def run(job: StepJob) -> None:
    """Write ``train/`` and ``validation/`` with MadMiner's arrays, and ``sample.json``.

    :raises StepError: as :func:`mmc.jobs.learning.samples.draw_samples`; for simulated events as
        :func:`mmc.jobs.readers.simulated.read` and :func:`mmc.jobs.learning.simulated.take_samples`
    """
    settings = job.read(SampleSettings)
    path = job.events(settings.group)
    if settings.simulated is None:
        over = None if settings.over is None else job.events(settings.over)
        record = draw_samples(path, settings, job.out, over)
    else:
        record = _take(job, path, settings, settings.simulated)
    write_json(job.out / SAMPLE.record, record)


def _take(job: StepJob, path: Path, settings: SampleSettings, simulated: SimulatedEvents) -> dict[str, Any]:
    from mmc.jobs.learning.simulated import take_samples
    from mmc.jobs.readers.simulated import read

    file = EventFile(path, settings.test_split, settings.validation_split)
    events = read(path, [job.one(name) for name in simulated.tables], simulated, settings.parameters)
    if list(events.x) != file.observables:
        raise StepError(f"the observables of the events are {file.observables}, not {list(events.x)}")
    theta1 = np.broadcast_to(file.point(AtBenchmark(simulated.denominator)), events.theta.shape)
    arrays: dict[str, Any] = {"theta0": events.theta, "theta1": theta1, "y": events.of_denominator[:, np.newaxis]}
    if events.ratio is not None:
        arrays["r_xz"] = events.ratio[:, np.newaxis]
    if events.score is not None:
        arrays["t_xz"] = events.score
    return take_samples(events.x, arrays, settings, job.out, np.random.default_rng(job.seed))
