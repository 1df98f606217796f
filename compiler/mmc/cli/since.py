"""For ``mmc plan --since``: what a study would run in the folder of an earlier run."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from mmc.compiler.plan.model import Plan
from mmc.compiler.targets.bash import table as table_of
from mmc.errors import UsageError
from mmc.tables import table
from mmc.version import __version__

if TYPE_CHECKING:
    from mmc.jobs.resume.forecast import Forecast

REASONS = 3
"""At most this many reasons are named for a stage."""


def since(plan: Plan, run: Path) -> "list[Forecast]":
    """What ``mmc run`` would do with the jobs of a plan in the folder of a run, by stage.

    :raises UsageError: when the folder is not that of a run
    """
    from mmc.jobs.resume.forecast import forecast
    from mmc.jobs.resume.run_table import RunTable
    from mmc.jobs.resume.taking import OUT

    if not (run / OUT).is_dir():
        raise UsageError(f"{run} is not the folder of a run: it has no folder {OUT}")
    return list(forecast(RunTable.of(table_of(plan), run / OUT), plan.taken))


def to_text(plan: Plan, run: Path, stages: "list[Forecast]") -> str:
    """The stages with numbers of jobs, the mean time of those that are finished, and the reasons why jobs run."""
    total, later = sum(len(stage.run) for stage in stages), sum(len(stage.later) for stage in stages)
    perhaps = f", {later:,} if what they read turns out different" if later else ""
    lines = [f"{plan.study} in {run}: {total:,} of {plan.n_jobs:,} jobs would run{perhaps}", ""]
    rows = [("stage", "jobs", "finished", "run", *(["perhaps"] if later else []), "s each", "why")]
    for stage in stages:
        why = [f"{reason} ({n:,})" if len(stage.why) > 1 else reason for reason, n in stage.why.most_common(REASONS)]
        why += ["…"] if len(stage.why) > REASONS else []
        counts = [stage.jobs, stage.finished, len(stage.run), *([len(stage.later)] if later else [])]
        each = "" if stage.seconds is None else f"{stage.seconds:{'.3g' if stage.seconds < 100.0 else '.0f'}}"
        rows.append((stage.stage, *(f"{n:,}" if n else "" for n in counts), each, "; ".join(why)))
    return "\n".join([*lines, *table(rows, right=range(1, len(rows[0]) - 1))]) + "\n"


def to_json(plan: Plan, run: Path, stages: "list[Forecast]") -> str:
    """The same for programs, with the names of the jobs."""
    view = {
        "mmc": __version__,
        "study": plan.study,
        "since": str(run),
        "n_jobs": plan.n_jobs,
        "stages": [
            {
                "name": stage.stage,
                "jobs": stage.jobs,
                "finished": stage.finished,
                "run": [{"job": job, "reason": reason} for job, reason in stage.run.items()],
                "later": list(stage.later),
                "seconds": stage.seconds,
            }
            for stage in stages
        ],
    }
    return json.dumps(view, indent=2, ensure_ascii=False) + "\n"
