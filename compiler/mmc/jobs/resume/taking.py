"""Outputs that another run has made already, of jobs with the same fingerprints."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mmc.errors import MmcError, StepError
from mmc.files import Folder
from mmc.jobs.job import fingerprint_in, read_record, write_json
from mmc.jobs.record import RECORD, Record

OUT = "out"
"""The folder of the outputs in the folder of a run."""
TAKEN = ".taken"
"""The end of the name of an unfinished output, whose name begins with a dot."""


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


def take_renamed(jobs: Iterable[tuple[str, str, str]], out: Folder) -> int:
    """Give outputs that the folder has under other names the names of their jobs: those of variants of a study that
    have other numbers now. Records that tell of them as inputs get the new names too. What a killed call has left is
    taken by the next one.

    :param jobs: the stage, name and fingerprint of each job
    :returns: the number of outputs
    """
    jobs, lacking = list(jobs), dict[str, dict[str, str]]()
    for stage, name, fingerprint in jobs:
        if fingerprint_in(out.place(f"{stage}/{name}")) != fingerprint:
            lacking.setdefault(stage, {})[fingerprint] = name
    parts: dict[str, tuple[str, Record]] = {}
    moved: dict[str, str] = {}
    for stage, names in lacking.items():
        place = out.place(stage)
        for folder in sorted(place.iterdir()) if place.is_dir() else ():
            is_output = not folder.name.startswith(".") or folder.name.endswith(TAKEN)
            record = _record(folder) if is_output else None
            if record is not None and record.fingerprint in names:
                now = replace(record, job=names.pop(record.fingerprint))
                moved[record.maker] = now.maker
                parts[f"{stage}/{now.job}"] = _part(folder, record, out, stage), now
    for place_of_job, (part, now) in parts.items():  # only now, as a name may be that of an output that gets another
        write_json(out.place(part) / RECORD, _reading(now, moved).to_json())
        out.remove(place_of_job)
        out.move(part, place_of_job)
    for stage, name, fingerprint in jobs if moved else ():
        folder = out.place(f"{stage}/{name}")
        record = None if f"{stage}/{name}" in parts else _record(folder)
        if record is not None and record.fingerprint == fingerprint and (now := _reading(record, moved)) != record:
            write_json(folder / RECORD, now.to_json())
    return len(parts)


def _reading(record: Record, moved: Mapping[str, str]) -> Record:
    """The record with the new names of the jobs whose outputs, or single files of them, its job has read."""
    split = {name: name.partition("/") for name in record.inputs}
    names = {name: f"{moved.get(maker, maker)}{slash}{file}" for name, (maker, slash, file) in split.items()}
    return replace(record, inputs={names[name]: digest for name, digest in record.inputs.items()})


def _record(folder: Path) -> Record | None:
    with suppress(StepError, OSError):
        return read_record(folder)
    return None


def _link(source: Path, record: Record, out: Folder, stage: str, name: str) -> None:
    part = _part(source, replace(record, job=name), out, stage)
    out.remove(f"{stage}/{name}")
    out.move(part, f"{stage}/{name}")


def _part(source: Path, record: Record, out: Folder, stage: str) -> str:
    """The path in the folder of all outputs of an unfinished output with the files of another one, and its record.

    It is called after its fingerprint: a call that was killed may have left it already.
    """
    part = f"{stage}/.{record.fingerprint}{TAKEN}"
    if source == out.place(part):
        return part
    out.empty(part)
    for file in record.outputs:
        if (path := Folder(source).place(file)).exists():
            out.link(path, f"{part}/{file}")
    write_json(out.place(part) / RECORD, record.to_json())
    return part
