"""``task.sh``, which runs jobs by their rows in the table: what a batch system starts on its machines."""

import hashlib

from mmc.compiler.catalogue.resources import FIRST_WAIT_S
from mmc.compiler.plan.model import Plan
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
            "reads": bash.reads(plan, stage, first),
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
    """A name that differs between tables, as a word that begins with a letter."""
    return f"t{hashlib.sha256(table.encode()).hexdigest()[:15]}"
