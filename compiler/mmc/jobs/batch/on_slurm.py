"""``mmc run --on slurm``: submits the missing jobs and stays until they have ended, however often that takes."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from mmc.errors import MmcError
from mmc.files import Folder
from mmc.jobs.batch.place import SUBMITTED, SlurmPlace
from mmc.jobs.batch.slurm import Slurm
from mmc.jobs.batch.submission import clear_queue, in_queue, send
from mmc.jobs.batch.watch import Events, Watch, pause_s
from mmc.jobs.resume.decision import decide
from mmc.printing import say
from mmc.reading import read_bytes

LOOK_S, ASK_S, GRACE_S = 1.0, 5.0, 5.0
"""How often the outputs are looked at, how often Slurm is asked for its queue, and how old a view of a shared file
system may be."""
TABLE_BYTES = 1 << 28


def run(bundle: Path, events: BinaryIO, _cores: int | None, mixed_versions: bool) -> bool:
    """Run the missing jobs of a bundle; tasks of an earlier run that are in the queue are waited for.

    :raises MmcError: when Slurm refuses an array: none is left in the queue
    """
    place, slurm = SlurmPlace.open(bundle), Slurm.find(os.environ["PATH"])
    noted: set[int] = set()
    queued = clear_queue(slurm, place)
    if queued:
        say(f"{queued.total():,} tasks of an earlier run are in Slurm's queue: waits for them")
    while True:
        table, found = decide(place.table, place.out, mixed=mixed_versions)
        told = Events(table, events)
        told.note_before(found, noted)
        if not found.now:
            Folder(place.out).remove(SUBMITTED)
            return True
        watch = Watch(told, found.now)
        try:
            if not queued:
                send(slurm, place, table, found)
            _wait(slurm, place, watch)
        except KeyboardInterrupt:
            _cancel(slurm, place)
            raise
        if watch.failed:
            return False
        missing = [table.jobs[row].stage for row in found.now if table.look(row).record is None]
        if missing and not queued:
            raise MmcError(f"Slurm has not run {len(missing):,} jobs: {_said(place, missing)}")
        queued.clear()


def _wait(slurm: Slurm, place: SlurmPlace, watch: Watch) -> None:
    asked = time.monotonic()
    while time.monotonic() < asked + ASK_S or slurm.queue(place.comment):
        if time.monotonic() >= asked + ASK_S:
            asked = time.monotonic()
        started = time.monotonic()
        watch.look()
        time.sleep(pause_s(started, LOOK_S))
    watch.end(GRACE_S)


def _cancel(slurm: Slurm, place: SlurmPlace) -> None:
    """Cancel all tasks and wait until they have ended, as no other run may begin before."""
    while queued := slurm.queue(place.comment):  # also what was released a moment ago, and is not noted yet
        slurm.cancel({task.array for task in queued})
        time.sleep(LOOK_S)
    say("cancelled what was in Slurm's queue")


def _said(place: SlurmPlace, stages: Iterable[str]) -> str:
    """Where Slurm and the set-up command have said something."""
    logs = (place.out / "slurm" / f"{stage}.out" for stage in dict.fromkeys(stages))
    return next((f"see {log}" for log in logs if log.is_file() and log.stat().st_size), "they were cancelled")


def check_queue(bundle: Path, table: str | None) -> None:
    """Check that no jobs are in Slurm's queue that this run would run a second time.

    Where there is no Slurm, as on a laptop with a copy of the folder, nothing is checked.

    :param table: the table of this run's jobs, if it runs on Slurm, where it goes on with jobs of the same table
    :raises MmcError: when such jobs are in the queue, or when Slurm does not answer
    """
    try:
        place = SlurmPlace.open(bundle)
    except MmcError:
        return
    if not place.submitted() or not Slurm.is_here():
        return
    if table is not None and read_bytes(place.table, TABLE_BYTES).decode() == table:
        return
    if queued := clear_queue(Slurm.find(), place):
        raise MmcError(in_queue(place.folder, queued))
