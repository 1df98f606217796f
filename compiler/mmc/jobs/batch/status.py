"""``mmc status`` of a bundle for Slurm."""

import re
from collections.abc import Sequence
from pathlib import Path

from mmc.errors import MmcError
from mmc.jobs.batch.arrays import first_rows
from mmc.jobs.batch.place import SlurmPlace
from mmc.jobs.batch.slurm import Queued, Slurm
from mmc.jobs.resume.run_table import RunTable
from mmc.printing import say
from mmc.tables import table as text_table

NAMED = 5
"""At most this many failed jobs are named."""


def status(folder: Path) -> int:
    """Print how far the jobs of a bundle are.

    :raises MmcError: when jobs have failed, after the table; when Slurm does not answer
    """
    place, slurm = SlurmPlace.open(folder), Slurm.find()
    queued = slurm.queue(place.comment)  # before the records: a task that ends meanwhile counts as done
    run = RunTable.read(place.table, place.out)
    done = {row for row, output in enumerate(run.outputs) if output.record is not None}
    running, waiting = (_rows(run, place, queued, running=state) - done for state in (True, False))
    waiting -= running
    failed = [row for row in range(len(run.jobs)) if row not in done | running | waiting and run.log(row).exists()]
    rows: list[tuple[str, ...]] = [("stage", "jobs", "done", "running", "waiting", "failed")]
    for stage in dict.fromkeys(job.stage for job in run.jobs):
        own = {row for row, job in enumerate(run.jobs) if job.stage == stage}
        rows.append((stage, *(f"{len(own & part):,}" for part in (own, done, running, waiting, set(failed)))))
    say(*text_table(rows, right=range(1, len(rows[0]))))
    if failed:
        named = [f"{run.maker(row)} {_end(run.log(row))}" for row in failed[:NAMED]]
        more = ", …" if len(failed) > NAMED else ""
        raise MmcError(f"{len(failed):,} jobs failed: {', '.join(named)}{more} (log: {run.log(failed[0])})")
    if not (running or waiting):
        missing = [job.stage for row, job in enumerate(run.jobs) if row not in done]
        say(
            f"{len(missing):,} jobs are missing: mmc submit {place.folder}"
            if missing
            else f"all jobs are done: {place.out}"
        )
        for stage in dict.fromkeys(missing):
            log = place.out / "slurm" / f"{stage}.out"
            if log.is_file() and log.stat().st_size:
                say(f"what Slurm and the set-up command have said of {stage}: {log}")
    return 0


def _rows(run: RunTable, place: SlurmPlace, queued: Sequence[Queued], *, running: bool) -> set[int]:
    """The rows of the jobs whose tasks are running, or are in the queue and not running."""
    known, first = {entry.array: entry for entry in place.submitted()}, first_rows(run)
    found: set[int] = set()
    for task in queued:
        entry = known.get(task.array)
        if entry is not None and (task.state != "PENDING") is running:
            together = place.together(entry.stage)
            start = first[entry.stage] + (entry.offset + task.index) * together
            end = min(start + together, len(run.jobs))
            found.update(row for row in range(start, end) if run.jobs[row].stage == entry.stage)
    return found


def _end(log: Path) -> str:
    code = exit_code(log)
    return "without an exit code: it was killed" if code is None else f"with exit code {code}"


def exit_code(log: Path) -> int | None:
    """The exit code at the end of what a job has printed; None without one: it was killed, or is running."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 200))
            last = file.read().decode(errors="replace").strip().rpartition("\n")[2]
    except OSError:
        return None
    found = re.fullmatch(r"task\.sh: exit code (\d+)", last)
    return int(found[1]) if found else None
