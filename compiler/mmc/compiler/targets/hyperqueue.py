"""The HyperQueue target: a table whose rows are HyperQueue's tasks. ``mmc run --on hyperqueue`` hands them over."""

import json

from mmc.compiler.plan.memory import memory_mib
from mmc.compiler.plan.model import Plan
from mmc.compiler.targets import bash, dataflow, tasks
from mmc.compiler.targets.bundle import Bundle, make_bundle
from mmc.compiler.targets.options import Options
from mmc.compiler.targets.quoting import Markdown, Shell, render
from mmc.version import __version__

LAYOUT = "hyperqueue.json"
"""What has to be known to make tasks of the rows."""


def emit(plan: Plan, options: Options) -> Bundle:
    """The plan for HyperQueue. Jobs run in the environment of its workers, also where the study names an image.

    :raises MmcError: when a command would be too long
    """
    header = {"plan": plan, "version": __version__}
    texts = tasks.documents(plan, options.out)
    gpus = {stage.name: stage.resources.gpus for stage in plan.stages if stage.resources.gpus}
    layout = {
        "study": plan.study,
        "out": options.out,
        "table": tasks.table_digest(texts[bash.TABLE]),
        "cpus": {stage.name: stage.resources.cpus for stage in plan.stages},
        **({"gpus": gpus} if gpus else {}),
        "memory_mib": memory_mib(plan),
    }
    texts[LAYOUT] = json.dumps(layout, indent=2, ensure_ascii=False) + "\n"
    texts["hyperqueue/job.sh"] = render(Shell, "batch/job.sh.j2", log=f"{options.out}/hyperqueue.out", **header)
    results = [f"{options.out}/{bash.place(stage)}" for stage in dataflow.products(plan)]
    texts["README.md"] = render(Markdown, "hyperqueue/README.md.j2", results=results, out=options.out, **header)
    return make_bundle(plan, "hyperqueue", texts)
