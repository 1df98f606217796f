"""Outputs that another run has made already, of jobs with the same fingerprints."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mmc.errors import MmcError, StepError
from mmc.files import Folder
from mmc.jobs.job import fingerprint_in, read_record
from mmc.jobs.record import RECORD, Record

OUT = "out"
"""The folder of the outputs in the folder of a run."""


def take(jobs: Iterable[tuple[str, str, str]], needed: str, run: Path, out: Folder) -> int:
    """Put the outputs of another run into the folder of outputs, where they are not there yet.

    Files are hard links where the disk is the same. Whoever reads them compares them with their digests, as always.

    :param jobs: the stage, name and fingerprint of each job
    :param needed: the stage whose outputs must be there; of others, such as set-ups, only the record may have been kept
    :returns: the number of outputs
    :raises MmcError: when the other run has no such output of a needed job
    """
    taken = 0
    for stage, name, fingerprint in jobs:
        if fingerprint_in(out.place(f"{stage}/{name}")) == fingerprint:
            continue
        source = run / OUT / stage / name
        record = _record(source)
        if record is None or record.fingerprint != fingerprint:
            reason = "there is none" if record is None else "they were made with other settings, seeds or files"
        else:
            reason = record.damage(source, whole=False) or ""
        if stage == needed and reason:
            raise MmcError(
                f"{run} does not have the events of {stage}[{name}] that this study would make: {reason}; what makes "
                "events, such as `generation`, must be that of the other study, most shortly with `extends`"
            )
        if record is not None and record.fingerprint == fingerprint:
            _link(source, record, out, stage, name)
            taken += 1
    return taken


def _record(folder: Path) -> Record | None:
    with suppress(StepError, OSError):
        return read_record(folder)
    return None


def _link(source: Path, record: Record, out: Folder, stage: str, name: str) -> None:
    part = f"{stage}/.{name}.taken"
    out.empty(part)
    for file in (*record.outputs, RECORD):
        if (path := Folder(source).place(file)).exists():
            out.link(path, f"{part}/{file}")
    out.remove(f"{stage}/{name}")
    out.move(part, f"{stage}/{name}")
