"""Jobs as arrays of tasks that wait for each other.

A task runs a few consecutive jobs of a stage; the tasks of a stage are counted from 0. An array holds tasks of one
stage that wait for the same: whole arrays, single tasks of an array, or each task for the one with its own number.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from mmc.jobs.resume.run_table import RunTable

FEW_TASKS = 4
"""An array waits for at most this many single tasks of another one, and otherwise for the whole other one."""
FEW_ARRAYS = 50
"""If the jobs of a stage wait for more different things than this, they wait for more than they need."""

Task = tuple[str, int]
"""The stage of a task, and its number there."""


@dataclass(frozen=True, order=True)
class After:
    """What an array waits for; it never starts if that fails."""

    array: int
    """The place of the other array in the list of all."""
    task: int | None = None
    """A single task of the other array; None for all of them."""
    same_number: bool = False
    """Whether each task waits only for the task with its own number."""


@dataclass(frozen=True)
class Array:
    """Tasks that are submitted together."""

    stage: str
    tasks: tuple[int, ...]
    """Their numbers, ascending."""
    after: tuple[After, ...] = ()


def arrays(table: RunTable, rows: Collection[int], together: Callable[[str], int], most_tasks: int) -> list[Array]:
    """The arrays that run the jobs of these rows, each after those for which it waits.

    :param together: the number of jobs in a task of a stage
    :param most_tasks: tasks whose numbers have the same integer quotient by this may be in one array
    """
    tasks = _tasks(table, together)
    waits = _waits(table, rows, tasks)
    gathered = _gathered(waits)
    made: list[Array] = []
    place: dict[Task, int] = {}
    for stage, group in groupby(waits, key=lambda task: task[0]):
        own = list(group)
        ways = _waiting(stage, waits, place, made)
        for (after, _), numbers in _together([task for _, task in own], ways, gathered.get(stage, {})).items():
            for _, part in groupby(numbers, key=lambda number: number // most_tasks):
                array = Array(stage, tuple(part), after)
                place |= {(stage, number): len(made) for number in array.tasks}
                made.append(array)
    return made


def _tasks(table: RunTable, together: Callable[[str], int]) -> list[Task]:
    """The task of each row."""
    first = first_rows(table)
    return [(job.stage, (row - first[job.stage]) // together(job.stage)) for row, job in enumerate(table.jobs)]


def first_rows(table: RunTable) -> dict[str, int]:
    """The row of the first job of each stage."""
    first: dict[str, int] = {}
    for row, job in enumerate(table.jobs):
        first.setdefault(job.stage, row)
    return first


def _waits(table: RunTable, rows: Collection[int], tasks: Sequence[Task]) -> dict[Task, set[Task]]:
    """For each task with a job to run, the tasks with jobs to run whose output it reads."""
    chosen, upstream = set(rows), table.upstream
    found: dict[Task, set[Task]] = {}
    for row in sorted(chosen):
        found.setdefault(tasks[row], set()).update(tasks[other] for other in upstream[row] if other in chosen)
    return found


def _gathered(waits: Mapping[Task, set[Task]]) -> dict[str, dict[int, frozenset[Task]]]:
    """By stage and number, the tasks that read the output of a task together with that of many others of its stage.

    Stages where these differ much are left out.
    """
    found: dict[str, dict[int, set[Task]]] = {}
    for task, needed in waits.items():
        by_stage: dict[str, list[int]] = {}
        for stage, number in needed:
            by_stage.setdefault(stage, []).append(number)
        for stage, numbers in by_stage.items():
            for number in numbers if len(numbers) > FEW_TASKS else ():
                found.setdefault(stage, {}).setdefault(number, set()).add(task)
    frozen = {stage: {number: frozenset(by) for number, by in entry.items()} for stage, entry in found.items()}
    return {stage: entry for stage, entry in frozen.items() if len(set(entry.values())) <= FEW_ARRAYS}


Waiting = Callable[[int], tuple[After, ...]]
"""What a task waits for, by its number."""


def _waiting(
    stage: str, waits: Mapping[Task, set[Task]], place: Mapping[Task, int], made: Sequence[Array]
) -> list[Waiting]:
    """Ways to wait, the finest first; the last one makes few arrays."""
    own = {number: needed for (name, number), needed in waits.items() if name == stage}
    reads = {upstream for needed in own.values() for upstream, _ in needed}
    alike = {
        upstream
        for upstream in reads
        if len(own) > 1
        and all({number for name, number in needed if name == upstream} <= {task} for task, needed in own.items())
    }
    every = {place[task] for needed in own.values() for task in needed if task[0] not in alike}

    def same(task: int) -> set[After]:
        return {After(place[needed], same_number=True) for needed in own[task] if needed[0] in alike}

    def whole(task: int) -> set[After]:
        return {After(place[needed]) for needed in own[task] if needed[0] not in alike}

    def single(task: int) -> set[After]:
        found: dict[int, set[int]] = {}
        for needed in own[task]:
            if needed[0] not in alike:
                found.setdefault(place[needed], set()).add(needed[1])
        few = {
            After(array, number)
            for array, numbers in found.items()
            if len(numbers) < len(made[array].tasks) and len(numbers) <= FEW_TASKS
            for number in numbers
        }
        return few | {After(array) for array in found.keys() - {item.array for item in few}}

    return [
        lambda task: tuple(sorted(same(task) | single(task), key=_order)),
        lambda task: tuple(sorted(same(task) | whole(task), key=_order)),
        lambda task: tuple(sorted(same(task) | {After(array) for array in every}, key=_order)),
    ]


def _order(after: After) -> tuple[int, int]:
    return after.array, -1 if after.task is None else after.task


def _together(
    numbers: Sequence[int], ways: Sequence[Waiting], gathered: Mapping[int, frozenset[Task]]
) -> dict[tuple[tuple[After, ...], frozenset[Task]], list[int]]:
    """The tasks by what they wait for, in the finest way that makes few arrays, and by who gathers them."""
    found: dict[tuple[tuple[After, ...], frozenset[Task]], list[int]] = {}
    for way in ways:
        found = {}
        for number in numbers:
            found.setdefault((way(number), gathered.get(number, frozenset())), []).append(number)
        if len(found) <= FEW_ARRAYS:
            break
    return found
