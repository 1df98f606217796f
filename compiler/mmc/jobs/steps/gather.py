"""Put the outputs of many jobs into one, so that a later job can be given all of them."""

from mmc.compiler.catalogue.stages import ANALYSE, GATHER
from mmc.compiler.settings.combine import GatherSettings
from mmc.files import Folder
from mmc.jobs.job import StepJob, read_record, write_json


def run(job: StepJob) -> None:
    """Write a folder for each job, and ``gather.json`` with their names in order.

    Files are hard links where the disk is the same, so they take no room. The records of the jobs are not among them:
    they contain times, with which the output would differ each time.
    """
    names = job.read(GatherSettings).names
    place = Folder(job.out)
    for name, folder in zip(names, job.pick_all(ANALYSE.output, names), strict=True):
        for file in read_record(folder).outputs:
            place.link(folder / file, f"{name}/{file}")
    write_json(job.out / GATHER.record, {"jobs": names})
