"""The script target: ``run.sh``, which needs bash and the step program only, and the table of jobs that it runs."""

from collections.abc import Iterable, Iterator, Mapping

from mmc.plan import Flow, Plan, Stage
from mmc.targets import dataflow
from mmc.targets.bundle import Bundle, make_bundle
from mmc.targets.options import Options
from mmc.targets.quoting import Markdown, Shell, render, shell
from mmc.version import __version__


def emit(plan: Plan, _options: Options) -> Bundle:
    """The plan as a bash script. Jobs run in its own environment, whatever the options."""
    header = {"plan": plan, "version": __version__}
    first = _first_rows(plan)
    results = [_place(stage) for stage in dataflow.products(plan)]
    stages = [
        {"name": stage.name, "cpus": stage.resources.cpus, "command": _command(plan, stage, first)}
        for stage in plan.stages
    ]
    texts = {
        "run.sh": render(Shell, "script/run.sh.j2", stages=stages, n_jobs=plan.n_jobs, results=results, **header),
        "jobs.tsv": "".join("\t".join(row) + "\n" for row in _rows(plan)),
        "README.md": render(Markdown, "script/README.md.j2", results=[f"out/{result}" for result in results], **header),
    }
    return make_bundle(plan, "script", texts, executables=frozenset({"run.sh"}))


def _first_rows(plan: Plan) -> dict[str, int]:
    """The row of each stage's first job in the table of all jobs."""
    first, row = {}, 0
    for stage in plan.stages:
        first[stage.name] = row
        row += len(stage.jobs)
    return first


def _rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """The table of jobs, each with the number of jobs that it waits for and the rows of those that wait for it."""
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
    """The words of a stage's command, in bash: ``$1`` is the row of the job, ``places`` the folder of every job."""
    files = {file.name: file.path for file in stage.files}
    upstream = {item.name: item for item in stage.inputs}

    def directories(name: str) -> str:
        item = upstream[name]
        row = first[item.stage]
        if item.flow is Flow.ALL:
            return f'"${{places[@]:{row}:{len(plan.stage(item.stage).jobs)}}}"'
        if item.flow is Flow.EACH:
            return f'"${{places[$1 - {first[stage.name] - row}]}}"'
        return f'"${{places[{row}]}}"'

    words = dataflow.words(
        stage,
        {
            "text": shell,
            "config": lambda _: shell(dataflow.config_path(stage)),
            "job": lambda _: '"${jobs[$1]}"',
            "input": directories,
            "file": lambda name: shell(str(files[name])),
            "out": lambda _: '"${places[$1]}"',
        },
    )
    return Shell(" ".join(words))


def _place(stage: Stage) -> str:
    """Where the outputs of a stage are, within the folder of all results."""
    return stage.name if stage.scattered else f"{stage.name}/{stage.jobs[0].name}"
