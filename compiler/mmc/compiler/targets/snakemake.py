"""The Snakemake target: a Snakefile that Snakemake 7.32, which REANA runs, and newer releases read."""

import math
from collections.abc import Iterator

from mmc.compiler.plan.model import Plan, Stage
from mmc.compiler.targets import bash, dataflow, tasks
from mmc.compiler.targets.bundle import Bundle, make_bundle
from mmc.compiler.targets.options import Options
from mmc.compiler.targets.quoting import Markdown, Python, render
from mmc.version import __version__


def emit(plan: Plan, options: Options) -> Bundle:
    """The plan as a rule for each stage.

    :raises MmcError: when a command would be too long
    """
    images = {stage.image: None for stage in plan.stages if stage.image and not options.local}
    together = {stage.name: n for stage in plan.stages if (n := len(dataflow.tasks(plan, stage)[0])) > 1}
    stages = [
        {
            "name": stage.name,
            "cpus": stage.resources.cpus,
            "resources": list(_resources(stage, together.get(stage.name, 1))),
            "image": f"docker://{stage.image}" if stage.image and not options.local else "",
        }
        for stage in plan.stages
    ]
    header = {"plan": plan, "version": __version__}
    texts = tasks.documents(plan)
    table = tasks.table_digest(texts[bash.TABLE])
    texts["Snakefile"] = render(
        Python, "snakemake/Snakefile.j2", stages=stages, together=together, table=table, **header
    )
    results = [f"out/{bash.place(stage)}" for stage in dataflow.products(plan)]
    texts["README.md"] = render(Markdown, "snakemake/README.md.j2", images=list(images), results=results, **header)
    return make_bundle(plan, "snakemake", texts)


def _resources(stage: Stage, n_jobs: int) -> Iterator[tuple[str, int]]:
    """Snakemake's standard resources: GPUs, memory in MB, time in minutes for all jobs of a task."""
    if stage.resources.gpus:
        yield "gpu", stage.resources.gpus
    if stage.resources.memory_mib is not None:
        yield "mem_mb", math.ceil(stage.resources.memory_mib * 1.048576)
    if stage.resources.time_s is not None:
        yield "runtime", math.ceil(stage.resources.time_s * (1 + stage.resources.retries) * n_jobs / 60)
