"""Plans of studies for the tests of the planner."""

import hashlib
from collections.abc import Mapping
from typing import Any

from mmc.compiler.checks.context import whole_numbers
from mmc.compiler.language.schema import fill_defaults
from mmc.compiler.plan.make import make_plan
from mmc.compiler.plan.model import Job, Plan
from mmc.compiler.study.build import build_study


def plan_of(data: Mapping[str, Any], *files: str, **contents: str) -> Plan:
    """The plan of a study that names files; ``contents`` says what is in some of them, by their stem."""
    digests = {
        name: hashlib.sha256(contents.get(name.rpartition("/")[2].partition(".")[0], name).encode()).hexdigest()
        for name in files
    }
    return make_plan(build_study(whole_numbers(fill_defaults(data))), digests)


def jobs(plan: Plan, stage: str) -> dict[str, Job]:
    """The jobs of a stage by name."""
    return {job.name: job for job in plan.stage(stage).jobs}


def changed(before: Plan, after: Plan) -> dict[str, list[str]]:
    """The jobs, by stage, that would run again, or for the first time, after the edit."""
    done = {(stage.name, job.name, job.fingerprint) for stage in before.stages for job in stage.jobs}
    found: dict[str, list[str]] = {}
    for stage in after.stages:
        for job in stage.jobs:
            if (stage.name, job.name, job.fingerprint) not in done:
                found.setdefault(stage.name, []).append(job.name)
    return found
