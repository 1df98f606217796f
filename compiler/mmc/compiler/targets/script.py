"""The script target: ``run.sh``, which needs only bash and the step program, and its table of jobs."""

from mmc.compiler.catalogue.resources import FIRST_WAIT_S
from mmc.compiler.plan.memory import memory_mib
from mmc.compiler.plan.model import Flow, Plan
from mmc.compiler.targets import bash, dataflow
from mmc.compiler.targets.bundle import Bundle, make_bundle
from mmc.compiler.targets.options import Options
from mmc.compiler.targets.quoting import Markdown, Shell, render
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
    first = bash.first_rows(plan)
    needed = memory_mib(plan)
    stages = [
        {
            "name": stage.name,
            "cpus": stage.resources.cpus,
            "retries": stage.resources.retries,
            "memory_mib": needed.get(stage.name),
            "command": bash.command(plan, stage, first),
            "reads": bash.reads(plan, stage, first),
        }
        for stage in plan.stages
    ]
    gathered = {
        item.stage for stage in plan.stages for item in stage.inputs if item.flow is Flow.ALL and not item.named
    }
    lengths = {stage.name: dataflow.gathered_lengths(plan, stage) for stage in plan.stages}
    gathering = [
        {"name": name, "n": len(found), "bytes": sum(found)} for name, found in lengths.items() if len(found) > 1
    ]
    return {
        "run.sh": render(
            Shell,
            "script/run.sh.j2",
            stages=stages,
            shares=bash.shares(plan),
            whole=[Shell(bash.array(plan.stage(name))) for name in sorted(gathered)],
            gathering=gathering,
            longest_command=dataflow.LONGEST_COMMAND,
            n_jobs=plan.n_jobs,
            first_wait=FIRST_WAIT_S,
            results=outputs(plan),
            plan=plan,
            version=__version__,
        ),
        bash.TABLE: bash.table(plan),
    }


def outputs(plan: Plan) -> list[str]:
    """The folders of the results, relative to the folder of all outputs."""
    return [bash.place(stage) for stage in dataflow.products(plan)]
