"""The Slurm target: a script for ``sbatch`` for each stage. ``mmc submit`` submits them as arrays of tasks."""

import json
import math
from collections.abc import Iterator

from mmc.compiler.catalogue.batch import SLURM
from mmc.compiler.plan.model import Plan, Stage
from mmc.compiler.targets import bash, dataflow, tasks
from mmc.compiler.targets.bundle import Bundle, make_bundle
from mmc.compiler.targets.options import Options
from mmc.compiler.targets.quoting import Markdown, Shell, render
from mmc.errors import MmcError
from mmc.version import __version__

LAYOUT = "slurm.json"
"""What ``mmc submit`` has to know of the tasks."""


def emit(plan: Plan, options: Options) -> Bundle:
    """The plan for Slurm. Jobs run in the environment of the nodes, also where the study names an image.

    :raises MmcError: when the study is for another batch system, or a command would be too long
    """
    if plan.batch.system not in (None, SLURM):
        raise MmcError(f"`execution.batch` of the study is for {plan.batch.system}: compile for the target htcondor")
    first = bash.first_rows(plan)
    batch = plan.batch
    layout = {
        "jobs_per_task": batch.jobs_per_task,
        **({"in_stage": {name: batch.together(name) for name in batch.job_time_s}} if batch.job_time_s else {}),
        "running_tasks": batch.running_tasks,
        "out": options.out,
    }
    texts = tasks.documents(plan, options.out)
    table = tasks.table_digest(texts[bash.TABLE])
    texts |= {
        script_path(stage.name): _script(plan, stage, options.out, first[stage.name], table) for stage in plan.stages
    }
    texts[LAYOUT] = json.dumps(layout, indent=2) + "\n"
    results = [f"{options.out}/{bash.place(stage)}" for stage in dataflow.products(plan)]
    texts["README.md"] = render(
        Markdown, "slurm/README.md.j2", results=results, out=options.out, plan=plan, version=__version__
    )
    return make_bundle(plan, SLURM, texts)


def script_path(stage: str) -> str:
    """The path of a stage's script within the bundle."""
    return f"slurm/{stage}.sbatch"


def _script(plan: Plan, stage: Stage, out: str, first: int, table: str) -> str:
    return render(
        Shell,
        "slurm/stage.sbatch.j2",
        name=f"{plan.study.replace(' ', '_')}.{stage.name}",
        stage=stage.name,
        out=out,
        options=list(_options(plan, stage)),
        first=first,
        end=first + len(stage.jobs),
        together=plan.batch.together(stage.name),
        table=table,
        plan=plan,
        version=__version__,
    )


def _options(plan: Plan, stage: Stage) -> Iterator[str]:
    """The options of ``sbatch`` that follow from the study; memory in MiB, time in minutes for all jobs of a task."""
    batch, asked = plan.batch, stage.resources
    given = {"partition": batch.partition, "account": batch.account, "constraint": batch.constraint}
    yield from (f"--{name}={value}" for name, value in given.items() if value is not None)
    yield f"--cpus-per-task={asked.cpus}"
    if asked.gpus:
        yield f"--gres=gpu:{asked.gpus}"  # unlike --gpus-per-task it needs neither select/cons_tres nor Slurm 19.05
    if asked.memory_mib is not None:
        yield f"--mem={asked.memory_mib}M"
    time_s = asked.time_of_tries_s(min(batch.together(stage.name), len(stage.jobs)))
    if time_s is not None:
        yield f"--time={math.ceil(time_s / 60)}"
