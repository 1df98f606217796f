"""``task.sh``, which runs jobs by their rows in the table: what a batch system starts on its machines."""

import hashlib
from collections.abc import Iterator, Mapping

from mmc.compiler.catalogue.resources import FIRST_WAIT_S
from mmc.compiler.plan.model import Flow, Plan, Stage
from mmc.compiler.targets import bash, dataflow
from mmc.compiler.targets.quoting import Shell, render
from mmc.version import __version__

SCRIPT = "task.sh"


def documents(plan: Plan, out: str = "out") -> dict[str, str]:
    """The script and the table of jobs by path.

    :param out: the folder of all outputs, seen from that of the bundle
    :raises MmcError: when a stage gathers so many directories that its command would be too long
    """
    dataflow.check_commands(plan, len(out))
    first = bash.first_rows(plan)
    stages = [
        {
            "name": stage.name,
            "command": bash.command(plan, stage, first),
            "reads": list(_reads(plan, stage, first)),
            "retries": stage.resources.retries,
        }
        for stage in plan.stages
    ]
    table = bash.table(plan)
    header = {"table": table_digest(table), "first_wait": FIRST_WAIT_S, "plan": plan, "version": __version__}
    return {
        SCRIPT: render(Shell, "batch/task.sh.j2", stages=stages, shares=bash.shares(plan), out=out, **header),
        bash.TABLE: table,
    }


def table_digest(table: str) -> str:
    """What tells tables apart, as a word that begins with a letter."""
    return f"t{hashlib.sha256(table.encode()).hexdigest()[:15]}"


def _reads(plan: Plan, stage: Stage, first: Mapping[str, int]) -> Iterator[dict[str, str]]:
    """The arrays that a stage's command names, and the rows of the table that they hold: first, number, first index."""
    for item in stage.inputs:
        if item.flow is Flow.ONE or item.named:
            continue
        upstream = plan.stage(item.stage)
        start, n = first[item.stage], len(upstream.jobs)
        here = f"$1 - {first[stage.name]}"
        ranges = {Flow.ALL: f"{start} {n} 0", Flow.EACH: f"$(({start} + {here})) 1 $(({here}))"}
        if item.flow is Flow.PART:
            begin, share = bash.share(stage, first)
            ranges[Flow.PART] = f"$(({start} + {begin})) $(({share})) $(({begin}))"
        yield {"array": bash.array(upstream), "range": Shell(ranges[item.flow])}
