"""The HTCondor target: a DAG with a node for each stage, whose jobs are queued from a list of rows of the table.

Jobs share a file system with the machine that submits them.
"""

from collections.abc import Iterator

from mmc.compiler.catalogue.batch import HTCONDOR
from mmc.compiler.plan.model import Plan, Stage
from mmc.compiler.targets import bash, dataflow, tasks
from mmc.compiler.targets.bundle import Bundle, make_bundle
from mmc.compiler.targets.options import Options
from mmc.compiler.targets.quoting import Condor, Markdown, Shell, render
from mmc.errors import MmcError
from mmc.version import __version__

RETRIES = 2
"""How often a stage with a job that failed is tried again; only the jobs that are not done run then."""
EXECUTABLES = frozenset({"htcondor/job.sh"})


def emit(plan: Plan, options: Options) -> Bundle:
    """The plan for HTCondor's DAGMan.

    :raises MmcError: when the study is for another batch system, or a command would be too long
    """
    if plan.batch.system not in (None, HTCONDOR):
        raise MmcError(f"`execution.batch` of the study is for {plan.batch.system}: compile for the target slurm")
    header = {"plan": plan, "version": __version__}
    first = bash.first_rows(plan)
    stages = [
        {"name": stage.name, "reads": list(dict.fromkeys(item.stage for item in stage.inputs))} for stage in plan.stages
    ]
    texts = tasks.documents(plan)
    texts["study.dag"] = render(Condor, "htcondor/study.dag.j2", stages=stages, retries=RETRIES, **header)
    texts["htcondor/job.sh"] = render(Shell, "batch/job.sh.j2", log="", **header)
    for stage in plan.stages:
        texts[f"htcondor/{stage.name}.sub"] = render(
            Condor,
            "htcondor/stage.sub.j2",
            stage=stage.name,
            table=tasks.table_digest(texts[bash.TABLE]),
            universe="container" if _image(stage, options) else "vanilla",
            options=list(_options(plan, stage, options)),
            **header,
        )
        texts[f"htcondor/{stage.name}.rows"] = "".join(_rows(plan, stage, first[stage.name]))
    images = {image: None for stage in plan.stages if (image := _image(stage, options))}
    results = [f"out/{bash.place(stage)}" for stage in dataflow.products(plan)]
    texts["README.md"] = render(
        Markdown, "htcondor/README.md.j2", images=list(images), results=results, retries=RETRIES, **header
    )
    return make_bundle(plan, HTCONDOR, texts, EXECUTABLES)


def _image(stage: Stage, options: Options) -> str | None:
    return None if options.local else stage.image


def _rows(plan: Plan, stage: Stage, first: int) -> Iterator[str]:
    """A line for each task: the rows of its jobs."""
    together = plan.batch.together(stage.name)
    for start in range(0, len(stage.jobs), together):
        end = min(start + together, len(stage.jobs))
        yield " ".join(str(first + k) for k in range(start, end)) + "\n"


def _options(plan: Plan, stage: Stage, options: Options) -> Iterator[tuple[str, str]]:
    """The commands of a submit description that follow from the study; memory in MiB, time in seconds for all jobs."""
    batch, asked = plan.batch, stage.resources
    if image := _image(stage, options):
        yield "container_image", f"docker://{image}"
    yield "request_cpus", str(asked.cpus)
    if asked.gpus:
        yield "request_gpus", str(asked.gpus)
    if asked.memory_mib is not None:
        yield "request_memory", f"{asked.memory_mib}MB"  # HTCondor's MB are MiB
    time_s = asked.time_of_tries_s(min(batch.together(stage.name), len(stage.jobs)))
    if time_s is not None:
        yield "allowed_execute_duration", str(time_s)
    if batch.account is not None:
        yield "accounting_group", batch.account
    if batch.running_tasks is not None:
        yield "max_materialize", str(batch.running_tasks)
