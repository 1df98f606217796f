"""Estimated memory of jobs, in bytes.

Jobs read event files and samples in blocks, and hold a bounded part of them (docs/scaling.md). Below that bound they
hold a few copies of what they read, measured with event files of 6 benchmarks and 3 observables, and of 15 benchmarks
and 50 observables. A job of samples holds the samples that it draws, of any number.

Limits on a grid hold the likelihoods of the toys of the closure tests at its points, up to a bound, and more for every
point: measured with 1,000, 18,225 and 100,000 points, four parameters and 625 bins of the score (docs/scaling.md).
"""

import math
from collections.abc import Mapping
from typing import Any

from mmc.compiler.catalogue.stages import BASELINES_STAGE, COMBINE, EVALUATE, INGEST, SAMPLE, TRAIN, TUNE
from mmc.compiler.plan.model import Job, Plan, Stage

PROGRAM = 400_000_000
"""Python with MadMiner and torch."""
MOST = 1_600_000_000
"""The most that a job holds of event files and samples."""
OWN = {COMBINE.name: 3, INGEST.name: 3, SAMPLE.name: 1}
"""How many times a job of a stage holds its output."""
READ = {SAMPLE.name: 2, TRAIN.name: 3, TUNE.name: 3, EVALUATE.name: 3, BASELINES_STAGE.name: 3}
"""How many times a job of a stage holds what it reads."""
WITH_GRID = (EVALUATE.name, BASELINES_STAGE.name)
"""The stages whose jobs compute limits on a grid."""
TOYS, MOST_TOYS, POINT = 30_000, 400_000_000, 4_500
"""What limits hold for each point of a grid: likelihoods of toys, together at most a bound, and all else."""
RATIOS, MOST_RATIOS = 160_000, 800_000_000
"""What they hold for each point of the ratios that a network has estimated for events, and at most."""


def memory(plan: Plan) -> dict[tuple[str, str], int]:
    """The memory of the jobs by stage and name, as far as the size of what they hold is known before the run."""
    size = {(stage.name, job.name): job.size for stage in plan.stages for job in stage.jobs}
    found = {
        (stage.name, job.name): (_held(stage.name, job, size), _of_grid(stage, job))
        for stage in plan.stages
        if stage.name in OWN or stage.name in READ
        for job in stage.jobs
    }
    return {key: PROGRAM + held + of_grid for key, (held, of_grid) in found.items() if held or of_grid}


def memory_mib(plan: Plan) -> dict[str, int]:
    """The memory that a job of each stage may need, in MiB: what the study says, or else that of its largest job."""
    found: dict[str, int] = {}
    for (stage, _), n_bytes in memory(plan).items():
        found[stage] = max(found.get(stage, 0), math.ceil(n_bytes / 2**20))
    asked = {stage.name: stage.resources.memory_mib for stage in plan.stages}
    return found | {name: amount for name, amount in asked.items() if amount is not None}


def _of_grid(stage: Stage, job: Job) -> int:
    """What a job holds for the points of its grid; 0 for jobs without limits on a grid."""
    settings: Mapping[str, Any] = {**stage.settings, **job.settings}
    grid = settings.get("grid", {})
    if stage.name not in WITH_GRID or not grid:
        return 0
    points = math.prod(int(axis["points"]) for axis in grid.values())
    of_network = stage.name == EVALUATE.name and "score_bins" not in settings
    ratios = min(points * RATIOS, MOST_RATIOS) if of_network else 0
    return min(points * TOYS, MOST_TOYS) + ratios + points * POINT


def _held(stage: str, job: Job, size: dict[tuple[str, str], int]) -> int:
    own, read = OWN.get(stage, 0) * job.size, READ.get(stage, 0) * sum(size[need] for need in job.needs)
    return own + min(read, MOST) if stage == SAMPLE.name else min(own + read, MOST)
