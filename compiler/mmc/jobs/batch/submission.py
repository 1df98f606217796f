"""``mmc submit`` and ``mmc status`` of a bundle for Slurm.

All arrays are submitted held, and released together. So an interrupted submission has started nothing: the next one
finds its arrays in the queue by their comment, which belongs to the folder, and cancels them.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmc.errors import MmcError, UsageError
from mmc.files import Folder
from mmc.jobs.batch.arrays import After, Array, arrays, first_rows
from mmc.jobs.batch.slurm import Queued, Slurm, SlurmError, index_list
from mmc.jobs.record import RECORD
from mmc.jobs.resume.decision import decide
from mmc.jobs.resume.run_table import RunTable
from mmc.locks import RUN, held
from mmc.printing import say
from mmc.reading import read_json
from mmc.tables import table as text_table

TABLE, LAYOUT, OUT = "jobs.tsv", "slurm.json", "out"
"""What the target slurm writes, and the folder of all outputs in the bundle."""
SUBMITTED = "submitted.json"
"""The arrays of the last submission, among the outputs; written when all of them are released."""
NAMED = 5
"""At most this many failed jobs are named."""
_KEYS = {
    r"partition": "`execution.batch.partition`",
    r"account": "`execution.batch.account`",
    r"feature|constraint": "`execution.batch.constraint`",
    r"time limit|memory|cpu|node configuration": "`execution.resources.{stage}` and `execution.batch`",
}
"""The keys of a study for what Slurm refuses."""


@dataclass(frozen=True)
class Layout:
    """How the bundle has jobs run: see :class:`mmc.compiler.catalogue.batch.Batch`."""

    jobs_per_task: int
    running_tasks: int | None


@dataclass(frozen=True)
class Submitted:
    """An array of the last submission."""

    array: str
    """Slurm's number."""
    stage: str
    offset: int
    """The number of the task with index 0."""


def submit(folder: Path, *, mixed_versions: bool) -> int:
    """Submit the jobs of a bundle that are missing.

    :raises MmcError: when Slurm refuses an array: none is left in the queue; when earlier ones are still there
    """
    folder = folder.resolve()
    layout, slurm = _layout(folder), Slurm.find()
    place = Folder(folder / OUT)
    with held(place.make() / RUN, "mmc submit"):
        _clear_queue(slurm, folder)
        run, found = decide(folder / TABLE, place.path, mixed=mixed_versions)
        for row, reason in found.again.items():
            say(f"{run.maker(row)} is made again: {reason}")
            place.remove(f"{run.jobs[row].stage}/{run.jobs[row].name}/{RECORD}")
        before = len(run.jobs) - len(found.now) - len(found.later)
        if not found.now:
            say(f"all {before:,} jobs are done: {place.path}")
            return 0
        place.make("slurm")
        most = slurm.largest_array()
        made = arrays(run, found.now.keys(), layout.jobs_per_task, most)
        submitted = _send(slurm, folder, made, most, layout.running_tasks)
        place.write(SUBMITTED, json.dumps([asdict(entry) for entry in submitted], indent=1) + "\n")
    tasks = sum(len(array.tasks) for array in made)
    say(f"submitted {len(found.now):,} jobs in {tasks:,} tasks, {len(made):,} arrays; {before:,} jobs were done before")
    if found.later:
        say(f"{len(found.later):,} more jobs depend on what these jobs write: submit again when they are done")
    say(f"`mmc status {folder}` shows how far they are")
    return 0


def _clear_queue(slurm: Slurm, folder: Path) -> None:
    """Cancel what an interrupted submission has left in the queue.

    :raises MmcError: when tasks of a submission that was not interrupted are in the queue
    """
    queued = Counter(task.array for task in slurm.queue(_comment(folder)))
    known = {entry.array for entry in _submitted(folder)}
    if leftover := queued.keys() - known:
        slurm.cancel(leftover)
        say(f"cancelled {len(leftover):,} arrays of a submission that was interrupted")
    elif queued:
        raise MmcError(
            f"{queued.total():,} tasks of {folder} are in Slurm's queue: wait until they have ended, or cancel them: "
            f"scancel {' '.join(sorted(queued, key=int))}"
        )


def _send(slurm: Slurm, folder: Path, made: Sequence[Array], most: int, running: int | None) -> list[Submitted]:
    """Submit all arrays or none.

    :raises MmcError: when Slurm refuses one
    """
    sent: list[Submitted] = []
    try:
        for array in made:
            offset = array.tasks[0] // most * most
            options = [f"--comment={_comment(folder)}"]
            options.append(f"--array={index_list([task - offset for task in array.tasks], running)}")
            if array.after:
                options += [f"--dependency={','.join(_conditions(array.after, sent))}", "--kill-on-invalid-dep=yes"]
            number = slurm.submit(f"slurm/{array.stage}.sbatch", folder, options, str(offset))
            sent.append(Submitted(number, array.stage, offset))
        slurm.release([entry.array for entry in sent])
    except BaseException as error:
        with suppress(SlurmError):  # the next submission cancels them
            slurm.cancel({entry.array for entry in sent})
        if isinstance(error, SlurmError):
            raise MmcError(_refusal(str(error), made[min(len(sent), len(made) - 1)].stage)) from error
        raise
    return sent


def _conditions(after: Sequence[After], sent: Sequence[Submitted]) -> Iterator[str]:
    """What an array waits for, as Slurm reads it."""
    for item in after:
        other = sent[item.array]
        task = "" if item.task is None else f"_{item.task - other.offset}"
        yield f"{'aftercorr' if item.same_number else 'afterok'}:{other.array}{task}"


def _refusal(said: str, stage: str) -> str:
    keys = next((place.format(stage=stage) for what, place in _KEYS.items() if re.search(what, said, re.I)), "")
    hint = f"; see {keys} of the study" if keys else ""
    return f"Slurm refuses the jobs of {stage}: {said}{hint}; nothing was submitted"


def status(folder: Path) -> int:
    """Print how far the jobs of a bundle are.

    :raises MmcError: when jobs have failed, after the table; when Slurm does not answer
    """
    folder = folder.resolve()
    layout, slurm = _layout(folder), Slurm.find()
    queued = slurm.queue(_comment(folder))  # before the records: a task that ends meanwhile counts as done
    run = RunTable.read(folder / TABLE, folder / OUT)
    done = {row for row, output in enumerate(run.outputs) if output.record is not None}
    running, waiting = (_rows(run, folder, layout, queued, running=state) - done for state in (True, False))
    waiting -= running
    failed = {
        row: code
        for row in sorted(set(range(len(run.jobs))) - done - running - waiting)
        if (code := _exit_code(run, row)) is not None
    }
    rows: list[tuple[str, ...]] = [("stage", "jobs", "done", "running", "waiting", "failed")]
    for stage in dict.fromkeys(job.stage for job in run.jobs):
        own = {row for row, job in enumerate(run.jobs) if job.stage == stage}
        rows.append((stage, *(f"{len(own & part):,}" for part in (own, done, running, waiting, failed.keys()))))
    say(*text_table(rows, right=range(1, len(rows[0]))))
    if failed:
        named = [f"{run.maker(row)} {code}" for row, code in list(failed.items())[:NAMED]]
        log = run.place(next(iter(failed)))
        raise MmcError(
            f"{len(failed):,} jobs failed: {', '.join(named)}{', …' if len(failed) > NAMED else ''} "
            f"(log: {log.with_name(log.name + '.out')})"
        )
    if not (running or waiting):
        missing = [job.stage for row, job in enumerate(run.jobs) if row not in done]
        say(
            f"{len(missing):,} jobs are missing: mmc submit {folder}"
            if missing
            else f"all jobs are done: {folder / OUT}"
        )
        for stage in dict.fromkeys(missing):
            log = folder / OUT / "slurm" / f"{stage}.out"
            if log.is_file() and log.stat().st_size:
                say(f"what Slurm and the set-up command have said of {stage}: {log}")
    return 0


def _rows(run: RunTable, folder: Path, layout: Layout, queued: Sequence[Queued], *, running: bool) -> set[int]:
    """The rows of the jobs whose tasks are running, or are in the queue and not running."""
    known, first = {entry.array: entry for entry in _submitted(folder)}, first_rows(run)
    found: set[int] = set()
    for task in queued:
        entry = known.get(task.array)
        if entry is not None and (task.state != "PENDING") is running:
            start = first[entry.stage] + (entry.offset + task.index) * layout.jobs_per_task
            end = min(start + layout.jobs_per_task, len(run.jobs))
            found.update(row for row in range(start, end) if run.jobs[row].stage == entry.stage)
    return found


def _exit_code(run: RunTable, row: int) -> str | None:
    """How a job ended that is not done, in words; None if it has not started."""
    log = run.place(row)
    log = log.with_name(log.name + ".out")
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 200))
            last = file.read().decode(errors="replace").strip().rpartition("\n")[2]
    except OSError:
        return None
    code = re.fullmatch(r"task\.sh: (exit code \d+)", last)
    return f"with {code[1]}" if code else "without an exit code: it was killed"


def _comment(folder: Path) -> str:
    """What marks the arrays of a folder in the queue."""
    return f"mmc-{hashlib.sha256(str(folder).encode(errors='surrogateescape')).hexdigest()[:16]}"


def _layout(folder: Path) -> Layout:
    """:raises UsageError: when the folder has no bundle of the target slurm"""
    try:
        found = read_json(folder / LAYOUT)
        return Layout(int(found["jobs_per_task"]), found["running_tasks"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{folder} does not hold a bundle of the target slurm: mmc compile STUDY --target slurm"
        ) from error


def _submitted(folder: Path) -> list[Submitted]:
    """The arrays of the last submission; none without one, or if its record is damaged."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        entries: list[Mapping[str, Any]] = read_json(folder / OUT / SUBMITTED)
        return [Submitted(str(e["array"]), str(e["stage"]), int(e["offset"])) for e in entries]
    return []
