"""The jobs that have to run, and in which round.

A finished job runs again if another job has to read its output and a file of it is damaged, or if it has read an
output that has been made anew with other content. Outputs that nobody has to read are not looked at, so large files of
finished jobs can be removed. The last outputs of a run are its results, which are always looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mmc.jobs.resume.run_table import RunTable


@dataclass(frozen=True)
class Pending:
    """The jobs that have to run, by their rows."""

    now: Mapping[int, int]
    """The jobs of this round, each with the number of jobs of this round for which it waits."""
    later: frozenset[int]
    """The jobs that can be decided only when the outputs that are made in this round are known."""
    again: Mapping[int, str]
    """The finished jobs among them, each with the reason why it runs again."""


def pending(table: RunTable, *, whole: bool, stage: str | None = None) -> Pending:
    """The jobs of a run that have to run.

    :param whole: read the files of outputs that are needed; otherwise only those whose size or time have changed
    :param stage: run only jobs of this stage; all others count as ``later``
    """
    upstream = table.upstream
    again: dict[int, str] = {}
    todo: set[int] = set()
    for row in reversed(range(len(table.jobs))):
        output, readers = table.outputs[row], table.jobs[row].readers
        if output.record is None:
            todo.add(row)
            if output.damage:
                again[row] = output.damage
            continue
        needed = not readers or any(reader in todo for rows in readers for reader in rows)
        reason = _changed_input(table, row, upstream[row])
        if reason is None and needed:
            reason = output.record.damage(table.place(row), whole=whole)
        if reason is not None:
            todo.add(row)
            again[row] = reason
    return _rounds(table, upstream, todo, again, stage)


def _changed_input(table: RunTable, row: int, upstream: list[int]) -> str | None:
    """The input that is not the output that the job has read; None if it has read what is there.

    Outputs that are missing or out of date are not compared: their jobs run first, then this job is looked at again.
    """
    record = table.outputs[row].record
    there = (output.record for output in map(table.outputs.__getitem__, upstream) if output.record)
    changed = None if record is None else next(record.changed_inputs(there), None)
    return None if changed is None else f"its input {changed} has changed"


def _rounds(
    table: RunTable, upstream: list[list[int]], todo: set[int], again: Mapping[int, str], stage: str | None
) -> Pending:
    """Put off the jobs that read, also indirectly, a finished output that may yet turn out to be out of date."""
    now: dict[int, int] = {}
    later: set[int] = set()
    uncertain: set[int] = set()
    for row, rows in enumerate(upstream):
        if row not in todo:
            if any(other in todo or other in uncertain for other in rows):
                uncertain.add(row)
        elif (stage is not None and table.jobs[row].stage != stage) or any(
            other in uncertain or other in later for other in rows
        ):
            later.add(row)
        else:
            now[row] = sum(other in now for other in rows)
    return Pending(now, frozenset(later), {row: again[row] for row in sorted(again) if row in now})
