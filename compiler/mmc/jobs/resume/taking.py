"""Outputs that another run has made already, of jobs with the same fingerprints."""

from collections.abc import Iterable
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
    have other numbers now. Records in which they are inputs get the new names too. What a killed call has left is
    taken by the next one.

    :param jobs: the stage, name and fingerprint of each job
    :returns: the number of outputs
    """
    jobs, lacking = list(jobs), dict[str, dict[str, str]]()
    for stage, name, fingerprint in jobs:
        if fingerprint_in(out.place(f"{stage}/{name}")) != fingerprint:
            lacking.setdefault(stage, {})[fingerprint] = name
    parts: dict[str, tuple[str, Record]] = {}
    for stage, names in lacking.items():
        place = out.place(stage)
        for folder in sorted(place.iterdir()) if place.is_dir() else ():
            is_output = not folder.name.startswith(".") or folder.name.endswith(TAKEN)
            record = _record(folder) if is_output else None
            if record is not None and record.fingerprint in names:
                now = replace(record, job=names.pop(record.fingerprint))
                parts[f"{stage}/{now.job}"] = _part(folder, record, out, stage), now
    for place_of_job, (part, now) in parts.items():  # only now, as a name may be that of an output that gets another
        write_json(out.place(part) / RECORD, now.to_json())
        out.remove(place_of_job)
        out.move(part, place_of_job)
    if parts:
        _rename_inputs(jobs, out)
    return len(parts)


def _rename_inputs(jobs: Iterable[tuple[str, str, str]], out: Folder) -> None:
    """Let records name as inputs the jobs that have their names now: those whose outputs have the digests."""
    records = {
        f"{stage}/{name}": record
        for stage, name, fingerprint in jobs
        if (record := _record(out.place(f"{stage}/{name}"))) is not None and record.fingerprint == fingerprint
    }
    there = {record.maker: record for record in records.values()}
    read = {name.partition("/")[2] for record in records.values() for name in record.inputs}
    made: dict[tuple[str, str, str], set[str]] = {}
    """Makers, by their stage, a file of their output, empty for all, and the digest of that."""
    for record in records.values():
        for file in read & {"", *record.outputs}:
            digest = record.only(file).digest if file else record.digest
            made.setdefault((record.stage, file, digest), set()).add(record.maker)

    def named(name: str, digest: str) -> str:
        maker, slash, file = name.partition("/")
        if maker in there and there[maker].has(file, digest):
            return name
        same = made.get((maker.partition("[")[0], file, digest), set())
        return f"{min(same)}{slash}{file}" if len(same) == 1 else name

    for place, record in records.items():
        inputs = {named(name, digest): digest for name, digest in record.inputs.items()}
        if inputs != record.inputs:
            write_json(out.place(place) / RECORD, replace(record, inputs=inputs).to_json())


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
