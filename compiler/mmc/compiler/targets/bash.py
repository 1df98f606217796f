"""Jobs for shells: their table, ``jobs.tsv``, and the command of each stage in bash."""

import re
from collections.abc import Iterator, Mapping

from mmc.compiler.plan.model import Flow, Plan, Stage
from mmc.compiler.targets import dataflow
from mmc.compiler.targets.quoting import Shell, shell
from mmc.ranges import in_ranges

TABLE = "jobs.tsv"
"""The table of all jobs: for each its stage, its name, its fingerprint, the number of jobs for which it waits, and the
rows of the jobs that wait for it."""


def first_rows(plan: Plan) -> dict[str, int]:
    """The row of each stage's first job in the table of all jobs."""
    first, row = {}, 0
    for stage in plan.stages:
        first[stage.name] = row
        row += len(stage.jobs)
    return first


def table(plan: Plan) -> str:
    """The text of the table of all jobs."""
    return "".join("\t".join(row) + "\n" for row in _rows(plan))


def _rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    row_of: dict[tuple[str, str], int] = {}
    readers: list[list[int]] = []
    waits: list[int] = []
    for stage in plan.stages:
        for job in stage.jobs:
            row = row_of[stage.name, job.name] = len(readers)
            needs = set(job.needs)
            for need in needs:
                readers[row_of[need]].append(row)
            readers.append([])
            waits.append(len(needs))
    of_rows = zip(waits, readers, strict=True)
    for stage in plan.stages:
        for job in stage.jobs:
            n, waiting = next(of_rows)
            yield stage.name, job.name, job.fingerprint, str(n), " ".join(in_ranges(waiting))


def command(plan: Plan, stage: Stage, first: Mapping[str, int]) -> Shell:
    """The words of a stage's command, in bash: ``$1`` is the job's row, ``$job`` its name."""
    files = {file.name: file.path for file in stage.files}
    upstream = {item.name: item for item in stage.inputs}

    def directories(name: str) -> str:
        item = upstream[name]
        if item.named:
            return f'"$out"/{shell(item.stage)}'
        if item.flow is Flow.ALL:
            return f'"${{{array(plan.stage(item.stage))}[@]}}"'
        if item.flow is Flow.EACH:
            return f'"${{{array(plan.stage(item.stage))}[$1 - {first[stage.name]}]}}"'
        if item.flow is Flow.PART:
            start, n = share(stage, first)
            return f'"${{{array(plan.stage(item.stage))}[@]:{start}:{n}}}"'
        return f'"$out"/{shell(place(plan.stage(item.stage)))}'

    words = dataflow.words(
        stage,
        {
            "text": shell,
            "config": lambda _: shell(dataflow.config_path(stage)),
            "job": lambda _: '"$job"',
            "input": directories,
            "file": lambda name: shell(str(files[name])),
            "out": lambda _: f'"$out"/{shell(stage.name)}/"$job"',
        },
    )
    return Shell(" ".join(words))


def share(stage: Stage, first: Mapping[str, int]) -> tuple[str, str]:
    """Where the share of a job begins that reads some outputs of another stage, and their number, in arithmetic."""
    ends, before = _ends(stage), f"$1 - {first[stage.name]}"
    return f"{ends}[{before}]", f"{ends}[{before} + 1] - {ends}[{before}]"


def shares(plan: Plan) -> list[Shell]:
    """The arrays of the numbers of outputs that the jobs before each one read, for :func:`share`."""
    return [
        Shell(f"{_ends(stage)}=(0 {' '.join(map(str, item.ends))})")
        for stage in plan.stages
        for item in stage.inputs
        if item.flow is Flow.PART
    ]


def reads(plan: Plan, stage: Stage, first: Mapping[str, int]) -> list[dict[str, Shell | bool]]:
    """The arrays that a stage's command names; the rows of the table that they hold: first, number, first index; and
    whether they are the same for all jobs of the stage."""
    found: list[dict[str, Shell | bool]] = []
    here = f"$1 - {first[stage.name]}"
    for item in stage.inputs:
        if item.flow is Flow.ONE or item.named:
            continue
        upstream = plan.stage(item.stage)
        start = first[item.stage]
        if item.flow is Flow.ALL:
            rows = f"{start} {len(upstream.jobs)} 0"
        elif item.flow is Flow.EACH:
            rows = f"$(({start} + {here})) 1 $(({here}))"
        else:
            begin, n = share(stage, first)
            rows = f"$(({start} + {begin})) $(({n})) $(({begin}))"
        found.append({"array": Shell(array(upstream)), "range": Shell(rows), "whole": item.flow is Flow.ALL})
    return found


def array(stage: Stage) -> str:
    """The bash array of a stage's outputs."""
    return f"all_{_variable(stage)}"


def _ends(stage: Stage) -> str:
    return f"ends_{_variable(stage)}"


def _variable(stage: Stage) -> str:
    return re.sub(r"\W", "_", stage.name, flags=re.ASCII)


def place(stage: Stage) -> str:
    """The folder of a stage's outputs, relative to the folder of all results."""
    return stage.name if stage.scattered else f"{stage.name}/{stage.jobs[0].name}"
