"""``mmc submit`` of a bundle for Slurm.

All arrays are submitted held, and released together. So an interrupted submission has started nothing: the next one
finds its arrays in the queue by their comment, which belongs to the folder, and cancels them.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from mmc.errors import MmcError
from mmc.files import Folder
from mmc.jobs.batch.arrays import After, Array, arrays
from mmc.jobs.batch.place import SlurmPlace, Submitted
from mmc.jobs.batch.slurm import Slurm, SlurmError, index_list
from mmc.jobs.record import RECORD
from mmc.jobs.resume.decision import decide
from mmc.jobs.resume.pending import Pending
from mmc.jobs.resume.run_table import RunTable
from mmc.locks import RUN, held
from mmc.printing import say

_KEYS = {
    r"partition": "`execution.batch.partition`",
    r"account": "`execution.batch.account`",
    r"feature|constraint": "`execution.batch.constraint`",
    r"time limit|memory|cpu|generic resource|node configuration": "`execution.resources.{stage}` and `execution.batch`",
}
"""The keys of a study for what Slurm refuses."""


def submit(folder: Path, *, mixed_versions: bool) -> int:
    """Submit the jobs of a bundle that are missing.

    :raises MmcError: when Slurm refuses an array: none is left in the queue; when earlier ones are still there
    """
    place, slurm = SlurmPlace.open(folder), Slurm.find()
    with held(Folder(place.out).make() / RUN, "mmc submit"):
        if queued := clear_queue(slurm, place):
            raise MmcError(in_queue(place.folder, queued))
        run, found = decide(place.table, place.out, mixed=mixed_versions)
        for row, reason in found.again.items():
            say(f"{run.maker(row)} is made again: {reason}")
        before = len(run.jobs) - len(found.now) - len(found.later)
        if not found.now:
            say(f"all {before:,} jobs are done: {place.out}")
            return 0
        made = send(slurm, place, run, found)
    tasks = sum(len(array.tasks) for array in made)
    say(f"submitted {len(found.now):,} jobs in {tasks:,} tasks, {len(made):,} arrays; {before:,} jobs were done before")
    if found.later:
        say(f"{len(found.later):,} more jobs depend on what these jobs write: submit again when they are done")
    say(f"`mmc status {place.folder}` shows how far they are")
    return 0


def clear_queue(slurm: Slurm, place: SlurmPlace) -> Counter[str]:
    """Cancel what an interrupted submission has left in the queue.

    :returns: the arrays of a submission that was not interrupted, and how many of their tasks are in the queue
    """
    queued = Counter(task.array for task in slurm.queue(place.comment))
    known = {entry.array for entry in place.submitted()}
    if leftover := queued.keys() - known:
        slurm.cancel(leftover)
        say(f"cancelled {len(leftover):,} arrays of a submission that was interrupted")
    return Counter({array: n for array, n in queued.items() if array in known})


def in_queue(folder: Path, queued: Counter[str]) -> str:
    """That tasks are in the queue, and how to end them."""
    return (
        f"{queued.total():,} tasks of {folder} are in Slurm's queue: wait until they have ended, or cancel them: "
        f"scancel {' '.join(sorted(queued, key=int))}"
    )


def send(slurm: Slurm, place: SlurmPlace, run: RunTable, found: Pending) -> list[Array]:
    """Submit all jobs of a round or none.

    :raises MmcError: when Slurm refuses an array, or takes fewer tasks than there are
    """
    most = slurm.largest_array()
    made = arrays(run, found.now.keys(), place.together, most)
    tasks, limit = sum(len(array.tasks) for array in made), slurm.most_tasks()
    if tasks >= limit:  # sbatch would try again for two minutes
        raise MmcError(
            f"the missing jobs are {tasks:,} tasks, and Slurm takes fewer than {limit:,} (its MaxJobCount): put more "
            "jobs into a task with `execution: {batch: {jobs_per_task: N}}` of the study, or a longer `task_time`; "
            "nothing was submitted"
        )
    out = Folder(place.out)
    for row in found.again:
        out.remove(f"{run.jobs[row].stage}/{run.jobs[row].name}/{RECORD}")
    for row in found.now:  # where it is, the job has started
        out.remove(f"{run.jobs[row].stage}/{run.jobs[row].name}.out")
    out.make("slurm")
    place.write_submitted(_send(slurm, place, made, most))
    return made


def _send(slurm: Slurm, place: SlurmPlace, made: Sequence[Array], most: int) -> list[Submitted]:
    """:raises MmcError: when Slurm refuses one"""
    sent: list[Submitted] = []
    try:
        for array in made:
            offset = array.tasks[0] // most * most
            options = [f"--comment={place.comment}"]
            options.append(f"--array={index_list([task - offset for task in array.tasks], place.running_tasks)}")
            if array.after:
                options += [f"--dependency={','.join(_conditions(array.after, sent))}", "--kill-on-invalid-dep=yes"]
            number = slurm.submit(f"slurm/{array.stage}.sbatch", place.folder, options, str(offset))
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
