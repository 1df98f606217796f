"""The script target: ``run.sh``, which needs only bash and the step program, and its table of jobs."""

import re
from collections.abc import Iterable, Iterator, Mapping

from mmc.compiler.plan.memory import memory_mib
from mmc.compiler.plan.model import Flow, Plan, Stage
from mmc.compiler.targets import dataflow
from mmc.compiler.targets.bundle import Bundle, make_bundle
from mmc.compiler.targets.options import Options
from mmc.compiler.targets.quoting import Markdown, Shell, render, shell
from mmc.version import __version__

EXECUTABLES = frozenset({"run.sh"})


def emit(plan: Plan, _options: Options) -> Bundle:
    """The plan as a bash script. Jobs always run in the script's environment, whatever the options."""
    texts = documents(plan)
    results = [f"out/{path}" for path in outputs(plan)]
    texts["README.md"] = render(Markdown, "script/README.md.j2", results=results, plan=plan, version=__version__)
    return make_bundle(plan, "script", texts, EXECUTABLES)


def documents(plan: Plan) -> dict[str, str]:
    """The script and its table of jobs by path.

    :raises MmcError: when a stage gathers so many directories that its command would be too long
    """
    dataflow.check_commands(plan)
    first = _first_rows(plan)
    needed = memory_mib(plan)
    stages = [
        {
            "name": stage.name,
            "cpus": stage.resources.cpus,
            "memory_mib": needed.get(stage.name),
            "command": _command(plan, stage, first),
        }
        for stage in plan.stages
    ]
    gathered = [{"array": _array(stage), "first": first[stage.name], "n": len(stage.jobs)} for stage in _gathered(plan)]
    lengths = {stage.name: dataflow.gathered_lengths(plan, stage) for stage in plan.stages}
    gathering = [
        {"name": name, "n": len(found), "bytes": sum(found)} for name, found in lengths.items() if len(found) > 1
    ]
    return {
        "run.sh": render(
            Shell,
            "script/run.sh.j2",
            stages=stages,
            gathered=gathered,
            gathering=gathering,
            longest_command=dataflow.LONGEST_COMMAND,
            n_jobs=plan.n_jobs,
            results=outputs(plan),
            plan=plan,
            version=__version__,
        ),
        "jobs.tsv": "".join("\t".join(row) + "\n" for row in _rows(plan)),
    }


def outputs(plan: Plan) -> list[str]:
    """The folders of the results, relative to the folder of all outputs."""
    return [_place(stage) for stage in dataflow.products(plan)]


def _first_rows(plan: Plan) -> dict[str, int]:
    """The row of each stage's first job in the table of all jobs."""
    first, row = {}, 0
    for stage in plan.stages:
        first[stage.name] = row
        row += len(stage.jobs)
    return first


def _rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """The table of jobs: for each job, the number of jobs it waits for and the rows of the jobs that wait for it."""
    row_of: dict[tuple[str, str], int] = {}
    readers: list[list[int]] = []
    for stage in plan.stages:
        for job in stage.jobs:
            row_of[stage.name, job.name] = len(readers)
            for need in set(job.needs):
                readers[row_of[need]].append(len(readers))
            readers.append([])
    for stage in plan.stages:
        for job in stage.jobs:
            waiting = _ranges(readers[row_of[stage.name, job.name]])
            yield stage.name, job.name, job.fingerprint, str(len(set(job.needs))), " ".join(waiting)


def _ranges(rows: Iterable[int]) -> Iterator[str]:
    """Ascending numbers, runs of them as "first-last".

    >>> list(_ranges([1, 2, 3, 7]))
    ['1-3', '7']
    """
    first = last = -1
    for row in rows:
        if row == last + 1 and first >= 0:
            last = row
            continue
        if first >= 0:
            yield f"{first}-{last}" if first < last else str(first)
        first = last = row
    if first >= 0:
        yield f"{first}-{last}" if first < last else str(first)


def _command(plan: Plan, stage: Stage, first: Mapping[str, int]) -> Shell:
    """The words of a stage's command, in bash: ``$1`` is the job's row, ``$job`` its name."""
    files = {file.name: file.path for file in stage.files}
    upstream = {item.name: item for item in stage.inputs}

    def directories(name: str) -> str:
        item = upstream[name]
        if item.flow is Flow.ALL:
            return f'"${{{_array(plan.stage(item.stage))}[@]}}"'
        if item.flow is Flow.EACH:
            return f'"${{{_array(plan.stage(item.stage))}[$1 - {first[stage.name]}]}}"'
        return f'"$out"/{shell(_place(plan.stage(item.stage)))}'

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


def _gathered(plan: Plan) -> list[Stage]:
    """The stages with several outputs in one command, or with a different output for each job."""
    read = {item.stage for stage in plan.stages for item in stage.inputs if item.flow is not Flow.ONE}
    return [stage for stage in plan.stages if stage.name in read]


def _array(stage: Stage) -> str:
    """The bash array of a stage's outputs."""
    return "all_" + re.sub(r"\W", "_", stage.name, flags=re.ASCII)


def _place(stage: Stage) -> str:
    """The folder of a stage's outputs, relative to the folder of all results."""
    return stage.name if stage.scattered else f"{stage.name}/{stage.jobs[0].name}"
