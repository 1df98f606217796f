"""Estimated memory of jobs, in bytes.

Jobs read event files and samples in blocks, and hold a bounded part of them. Below that bound they hold a few copies of
what they read. A job of samples holds the samples that it draws twice, of any number. Limits on a grid hold the
likelihoods of the toys of the closure tests at its points, up to a bound, and more for every point.

All numbers are measured: docs/scaling.md compares them with the estimates, stage by stage.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmc.compiler.catalogue.baselines import FISHER, RATE
from mmc.compiler.catalogue.stages import (
    BASELINES_STAGE,
    COMBINATIONS,
    COMBINE,
    EVALUATE,
    INGEST,
    REPORT,
    SAMPLE,
    TRAIN,
    TUNE,
)
from mmc.compiler.plan.model import Job, Plan, Stage


@dataclass(frozen=True)
class Held:
    """What a job of a stage holds."""

    program: int
    """Python with the packages that the step imports."""
    own: float = 0.0
    """How many times a job holds its output, of any size."""
    events: float = 0.0
    """How many times it holds event files and samples, those that it reads or the one that it writes."""
    most: int = 0
    """The most that it holds of them."""


MADMINER, TORCH = 150_000_000, 390_000_000
HELD = {
    COMBINE.name: Held(MADMINER, events=2.3, most=600_000_000),
    INGEST.name: Held(MADMINER, events=1.6, most=1_100_000_000),
    SAMPLE.name: Held(MADMINER, own=2.1, events=1.2, most=800_000_000),
    TRAIN.name: Held(TORCH, events=3.2, most=1_650_000_000),
    TUNE.name: Held(TORCH, events=3.2, most=1_650_000_000),
    EVALUATE.name: Held(TORCH, events=2.7, most=1_200_000_000),
    BASELINES_STAGE.name: Held(MADMINER, events=3.0, most=800_000_000),
    COMBINATIONS.name: Held(MADMINER, events=2.0, most=1_200_000_000),
    REPORT.name: Held(200_000_000, events=1.0, most=600_000_000),
}
INPUT = 24_000
"""What ``combine`` holds for each of its inputs."""
MAKES = (COMBINE.name, INGEST.name)
"""The stages that write event files, and hold those alone."""
TOYS, MOST_TOYS, POINT = 30_000, 400_000_000, 4_500
"""What limits hold for each point of a grid: likelihoods of toys, together at most a bound, and all else."""
POINT_OF_RATE = 1_200
"""What the limits of the rate hold for each point, and those of each part of a combination."""
NETWORK, RATIO, MOST_RATIOS = 100_000_000, 8, 800_000_000
"""What the evaluation of a network of ratios holds, and for each pair of a test event and a point, and at most."""
POINT_OF_REPORT = 100
"""What the report holds for each point of each of the limits."""


def memory(plan: Plan) -> dict[tuple[str, str], int]:
    """The memory of the jobs by stage and name, as far as the size of what they hold is known before the run."""
    jobs = {(stage.name, job.name): job for stage in plan.stages for job in stage.jobs}
    points = {
        (stage.name, job.name): _points({**stage.settings, **job.settings})
        for stage in plan.stages
        if stage.name in HELD
        for job in stage.jobs
    }
    found = {}
    for stage in plan.stages:
        held = HELD.get(stage.name)
        for job in stage.jobs if held else ():
            read = job.size if stage.name in MAKES else sum(jobs[need].size for need in _events(stage.name, job))
            of_grid = _of_grid(stage, job, jobs, points)
            if held and (read or of_grid):
                of_events = min(round(held.events * read), held.most) + _inputs(stage, job) * INPUT
                found[stage.name, job.name] = held.program + round(held.own * job.size) + of_events + of_grid
    return found


def memory_mib(plan: Plan) -> dict[str, int]:
    """The memory that a job of each stage may need, in MiB: what the study says, or else that of its largest job."""
    found: dict[str, int] = {}
    for (stage, _), n_bytes in memory(plan).items():
        found[stage] = max(found.get(stage, 0), math.ceil(n_bytes / 2**20))
    asked = {stage.name: stage.resources.memory_mib for stage in plan.stages}
    return found | {name: amount for name, amount in asked.items() if amount is not None}


def _events(stage: str, job: Job) -> list[tuple[str, str]]:
    """The jobs whose events or samples a job reads: samples for networks, and event files for all others."""
    kinds = (SAMPLE.name,) if stage in (TRAIN.name, TUNE.name) else MAKES
    return [need for need in job.needs if need[0] in kinds]


def _inputs(stage: Stage, job: Job) -> int:
    """The event files that a job combines."""
    entries = {**stage.settings, **job.settings}["jobs"] if stage.name == COMBINE.name else ()
    return sum(entry.get("parts", 1) for entry in entries)


def _points(settings: Mapping[str, Any]) -> int:
    """The points of a job's grid; 0 without limits on a grid."""
    if settings.get("baseline") == FISHER.name or not settings.get("grid"):
        return 0
    return math.prod(int(axis["points"]) for axis in settings["grid"].values())


def _of_grid(stage: Stage, job: Job, jobs: Mapping[tuple[str, str], Job], points: Mapping[tuple[str, str], int]) -> int:
    """What a job holds for the points of its grid, or of those of the limits that it shows."""
    if stage.name == REPORT.name:
        return POINT_OF_REPORT * sum(points.get(need, 0) for need in job.needs)
    settings: Mapping[str, Any] = {**stage.settings, **job.settings}
    n = points[stage.name, job.name]
    if stage.name == COMBINATIONS.name:
        return n * POINT_OF_RATE * len(settings["of"])
    if not n or settings.get("baseline") == RATE.name:
        return n * POINT_OF_RATE
    ratios = 0
    if stage.name == EVALUATE.name and "score_bins" not in settings:
        n_events = sum(jobs[need].events for need in _events(stage.name, job)) * settings["test_split"]
        ratios = NETWORK + min(round(n * n_events * RATIO), MOST_RATIOS)
    return min(n * TOYS, MOST_TOYS) + ratios + n * POINT
