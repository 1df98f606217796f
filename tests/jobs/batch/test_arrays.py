"""Arrays wait for what their tasks read, and for little else."""

from collections.abc import Collection, Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from mmc.jobs.batch.arrays import After, Array, arrays
from mmc.jobs.resume.run_table import Job, Output, RunTable

Stages = Sequence[tuple[str, int]]


def alone(_stage: str) -> int:
    return 1


def table(stages: Stages, reads: dict[int, Collection[int]]) -> RunTable:
    """The table of stages with so many jobs; ``reads`` has the rows that a row reads."""
    readers: dict[int, list[int]] = {}
    for row, others in reads.items():
        for other in others:
            readers.setdefault(other, []).append(row)
    names = [(stage, str(k)) for stage, n in stages for k in range(n)]
    jobs = [
        Job(*name, "f", tuple(range(reader, reader + 1) for reader in sorted(readers.get(row, ()))))
        for row, name in enumerate(names)
    ]
    return RunTable(jobs, Path(), [Output(None)] * len(jobs))


CHAIN: Stages = (("configure", 1), ("simulate", 5), ("analyse", 5), ("combine", 1))
READS: dict[int, Collection[int]] = {
    **{row: [0] for row in range(1, 6)},
    **{row: [0, row - 5] for row in range(6, 11)},
    11: [0, *range(6, 11)],
}


def test_tasks_wait_for_the_task_with_their_number() -> None:
    run = table(CHAIN, READS)
    assert arrays(run, range(12), alone, 1000) == [
        Array("configure", (0,)),
        Array("simulate", (0, 1, 2, 3, 4), (After(0),)),
        Array("analyse", (0, 1, 2, 3, 4), (After(0), After(1, same_number=True))),
        Array("combine", (0,), (After(0), After(2))),
    ]


def test_jobs_that_are_done_are_not_waited_for() -> None:
    run = table(CHAIN, READS)
    assert arrays(run, [3, 6, 8, 11], alone, 1000) == [
        Array("simulate", (2,)),
        Array("analyse", (0,)),
        Array("analyse", (2,), (After(0, same_number=True),)),
        Array("combine", (0,), (After(1), After(2))),
    ]


def test_large_stages_are_several_arrays() -> None:
    made = arrays(table(CHAIN, READS), range(1, 12), alone, 2)
    assert [(array.stage, array.tasks) for array in made] == [
        *((stage, tasks) for stage in ("simulate", "analyse") for tasks in ((0, 1), (2, 3), (4,))),
        ("combine", (0,)),
    ]
    assert made[4].after == (After(1, same_number=True),)
    assert made[6].after == (After(3), After(4), After(5))


def test_several_jobs_in_a_task() -> None:
    assert arrays(table(CHAIN, READS), range(1, 12), lambda _: 2, 1000) == [
        Array("simulate", (0, 1, 2)),
        Array("analyse", (0, 1, 2), (After(0, same_number=True),)),
        Array("combine", (0,), (After(1),)),
    ]


def test_a_few_tasks_are_waited_for_one_by_one() -> None:
    """Events of a process wait for this process alone."""
    run = table([("generate", 2), ("simulate", 4)], {2: [0], 3: [0], 4: [1], 5: [1]})
    assert arrays(run, range(6), alone, 1000) == [
        Array("generate", (0, 1)),
        Array("simulate", (0, 1), (After(0, 0),)),
        Array("simulate", (2, 3), (After(0, 1),)),
    ]


def test_who_gathers_many_waits_for_no_others() -> None:
    """Two groups of events are combined; a job that fails in one does not stop the other."""
    run = table([("analyse", 12), ("combine", 2)], {12: range(6), 13: range(6, 12)})
    assert arrays(run, range(14), alone, 1000) == [
        Array("analyse", (0, 1, 2, 3, 4, 5)),
        Array("analyse", (6, 7, 8, 9, 10, 11)),
        Array("combine", (0,), (After(0),)),
        Array("combine", (1,), (After(1),)),
    ]


def test_very_different_needs_make_few_arrays() -> None:
    n = 100
    reads = {n + row: [row, (row * 7 + 1) % n] for row in range(n)}
    made = arrays(table([("sample", n), ("train", n)], reads), range(2 * n), alone, 1000)
    assert [array.stage for array in made] == ["sample", "train"]
    assert made[1].after == (After(0),)


@st.composite
def _runs(draw: st.DrawFn) -> tuple[RunTable, set[int], dict[str, int], int]:
    sizes = draw(st.lists(st.integers(1, 8), min_size=1, max_size=4))
    names = ["configure", "simulate", "analyse", "combine"]
    starts = [sum(sizes[:k]) for k in range(len(sizes))]
    reads = {
        row: draw(st.sets(st.integers(0, start - 1), max_size=10))
        for start, n in zip(starts[1:], sizes[1:], strict=True)
        for row in range(start, start + n)
    }
    rows = draw(st.sets(st.integers(0, sum(sizes) - 1)))
    together = {name: draw(st.integers(1, 4)) for name in names}
    return table(list(zip(names, sizes, strict=False)), reads), rows, together, draw(st.integers(1, 5))


@given(_runs())
def test_every_job_runs_once_and_after_what_it_reads(drawn: tuple[RunTable, set[int], dict[str, int], int]) -> None:
    run, rows, together, most = drawn
    made = arrays(run, rows, together.__getitem__, most)
    first: dict[str, int] = {}
    task_of = {
        row: (job.stage, (row - first.setdefault(job.stage, row)) // together[job.stage])
        for row, job in enumerate(run.jobs)
    }
    place = {(array.stage, task): k for k, array in enumerate(made) for task in array.tasks}
    assert sorted(place) == sorted({task_of[row] for row in rows})
    assert sum(len(array.tasks) for array in made) == len(place)
    for array in made:
        assert len({task // most for task in array.tasks}) == 1
        for item in array.after:
            assert item.array < made.index(array)
            other = set(made[item.array].tasks)
            assert item.task is None or item.task in other
            assert not item.same_number or (
                set(array.tasks) <= other and not {t // most for t in other} ^ {t // most for t in array.tasks}
            )
    for row in rows:
        stage, task = task_of[row]
        waits = made[place[stage, task]].after
        for needed in {task_of[other] for other in run.upstream[row] if other in rows}:
            (found,) = {item for item in waits if item.array == place[needed] and item.task in (None, needed[1])}
            assert not found.same_number or needed[1] == task
