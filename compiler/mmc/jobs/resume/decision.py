"""What a run has to do, unless its finished jobs were made with other versions."""

from pathlib import Path

from mmc.errors import MixedVersionsError
from mmc.jobs.resume.mixed_versions import mixed_versions
from mmc.jobs.resume.pending import Pending, pending
from mmc.jobs.resume.run_table import RunTable


def decide(
    path: Path, out: Path, *, whole: bool = True, stage: str | None = None, mixed: bool = False
) -> tuple[RunTable, Pending]:
    """The jobs of a run and those that have to run.

    :param path: the table of jobs, in the folder of the bundle
    :param out: the folder of all outputs
    :param whole: read the files of outputs that are needed; otherwise only those whose size or time have changed
    :param stage: run only jobs of this stage; all others count as ``later``
    :param mixed: accept finished jobs of other versions of MadMiner and the like
    :raises MixedVersionsError: when there are such jobs
    :raises MmcError: when the table is not one
    """
    table = RunTable.read(path, out)
    found = pending(table, whole=whole, stage=stage)
    if mixed:
        return table, found
    finished = [
        output.record
        for row, output in enumerate(table.outputs)
        if output.record is not None and row not in found.now and row not in found.later
    ]
    stages = {table.jobs[row].stage for row in found.now}
    if differences := mixed_versions(finished, stages, path.parent / "config"):
        raise MixedVersionsError(f"finished jobs in {out} were made with other versions: {'; '.join(differences)}")
    return table, found
