"""Estimated memory of jobs, in bytes.

Jobs read event files and samples in blocks, so the memory for them has a bound; below it, a job needs a few times the
size of its inputs. A job that draws samples needs twice their size, without a bound. Limits on a grid need memory for
the likelihoods of the toys of the closure tests at its points, up to a bound, and for every point.

The numbers are measured; docs/scaling.md compares estimates and measurements of each stage. The number for each
point of critical values from toys follows from the sizes of their arrays. Jobs of ``ingest`` have no estimate, because
a plan does not know how many events are in an existing file.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmc.compiler.catalogue.baselines import FISHER, RATE
from mmc.compiler.catalogue.stages import (
    BASELINES_STAGE,
    COMBINATIONS,
    COMBINE,
    EVALUATE,
    REPORT,
    SAMPLE,
    TRAIN,
    TUNE,
)
from mmc.compiler.plan.model import Job, Plan


@dataclass(frozen=True)
class Held:
    """The parts of the memory of a job of a stage."""

    program: int
    """Python with the packages that the step imports."""
    own: float = 0.0
    """The size of its output is multiplied by this number, without a bound."""
    events: float = 0.0
    """The size of its event files and samples (read or written) is multiplied by this number."""
    most: int = 0
    """The bound of the memory for event files and samples."""


Settings = Mapping[str, Any]
AllSettings = Mapping[tuple[str, str], Settings]

MADMINER, TORCH = 150_000_000, 390_000_000
HELD = {
    COMBINE.name: Held(MADMINER, events=2.3, most=600_000_000),
    SAMPLE.name: Held(MADMINER, own=2.1, events=1.2, most=800_000_000),
    TRAIN.name: Held(TORCH, events=3.2, most=1_650_000_000),
    TUNE.name: Held(TORCH, events=3.2, most=1_650_000_000),
    EVALUATE.name: Held(TORCH, events=2.7, most=1_200_000_000),
    BASELINES_STAGE.name: Held(MADMINER, events=3.0, most=800_000_000),
    COMBINATIONS.name: Held(MADMINER, events=2.0, most=1_200_000_000),
    REPORT.name: Held(200_000_000, events=1.0, most=600_000_000),
}
INPUT = 24_000
"""The memory of ``combine`` for each of its inputs."""
TOYS, MOST_TOYS, POINT = 30_000, 400_000_000, 4_500
"""The memory of limits for each point of a grid: for likelihoods of toys, with their bound, and for all else."""
POINT_OF_RATE = 1_200
"""The memory for each point in limits of the rate, and in each part of a combination."""
CRITICAL, MOST_CRITICAL, CELL = 200_000, 200_000_000, 20
"""The memory of critical values from toys for each point, its bound, and that for each pair of a point and a bin."""
NETWORK, RATIO, MOST_RATIOS = 100_000_000, 8, 600_000_000
"""The memory for the network of a ratio, for each pair of a test event and a point, and the bound of the latter."""
EVENTS = 20_000
"""The number of test events, if a plan does not know it: as many are used on a grid of any size."""
POINT_OF_REPORT = 100
"""The memory of the report for each point of each of the limits."""


def memory(plan: Plan) -> dict[tuple[str, str], int]:
    """The memory of the jobs by stage and name, if the sizes of their inputs and grids are known before the run."""
    jobs = {(stage.name, job.name): job for stage in plan.stages for job in stage.jobs}
    settings: AllSettings = {
        (stage.name, job.name): {**stage.settings, **job.settings}
        for stage in plan.stages
        if stage.name in HELD
        for job in stage.jobs
    }
    found = {}
    for key, own_settings in settings.items():
        (stage, _), job = key, jobs[key]
        held = HELD[stage]
        read = job.size if stage == COMBINE.name else sum(jobs[need].size for need in _events(stage, job))
        own, of_grid = round(held.own * job.size), _of_grid(key, jobs, settings)
        if read or own or of_grid:
            of_events = min(round(held.events * read), held.most) + _inputs(own_settings) * INPUT
            found[key] = held.program + own + of_events + of_grid
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
    kind = SAMPLE.name if stage in (TRAIN.name, TUNE.name) else COMBINE.name
    return [need for need in job.needs if need[0] == kind]


def _inputs(settings: Settings) -> int:
    """The event files that a job combines; 0 for all other jobs."""
    return sum(entry.get("parts", 1) for entry in settings.get("jobs", ()))


def _points(settings: Settings) -> int:
    """The points of a job's grid; 0 without limits on a grid."""
    if settings.get("baseline") == FISHER.name or not settings.get("grid"):
        return 0
    return math.prod(int(axis["points"]) for axis in settings["grid"].values())


def _cells(settings: Settings) -> int:
    """The bins of a job's likelihood, with those outside of explicit edges; 0 without bins."""
    if not _points(settings):
        return 0
    if "bins" in settings:
        return math.prod(map(_size, settings["bins"]))
    if isinstance(settings.get("score_bins"), Sequence):
        return int(math.prod(settings["score_bins"]))  # of each axis
    of_component = _size(settings.get("binning") or settings.get("score_bins", 0))
    return int(of_component ** len(settings["parameters"]))


def _size(bins: Any) -> int:
    """The bins of an axis: adaptive ones, equal ones, or those between edges."""
    if isinstance(bins, int):
        return bins
    return int(bins["n"]) + 2 if isinstance(bins, Mapping) else len(bins) + 1


def _of_grid(key: tuple[str, str], jobs: Mapping[tuple[str, str], Job], every: AllSettings) -> int:
    """The memory of a job for the points of its grid, or of the grids of the limits that it shows."""
    (stage, _), job, settings = key, jobs[key], every[key]
    limits = [every[need] for need in job.needs if need in every]
    if stage == REPORT.name:
        return POINT_OF_REPORT * sum(map(_points, limits))
    n = _points(settings)
    if stage == COMBINATIONS.name:
        return n * POINT_OF_RATE * len(settings["of"]) + _of_critical_values(settings, limits)
    of_toys = 0 if stage == TUNE.name else _of_critical_values(settings, [settings])  # trials are compared without
    if not n or settings.get("baseline") == RATE.name:
        return n * POINT_OF_RATE + of_toys
    ratios = 0
    if stage == EVALUATE.name and "score_bins" not in settings:
        n_events = sum(jobs[need].events for need in _events(stage, job)) * settings["test_split"]
        ratios = NETWORK + min(round(n * (n_events or EVENTS) * RATIO), MOST_RATIOS)
    return min(n * TOYS, MOST_TOYS) + ratios + n * POINT + of_toys


def _of_critical_values(settings: Settings, parts: Sequence[Settings]) -> int:
    """The memory of critical values: log ratios of toys at all points, and the tables of the parts with bins."""
    n = max(map(_points, parts), default=0)  # 0 for Fisher information
    if not n or settings.get("confidence") != "toys":
        return 0
    return min(n * CRITICAL, MOST_CRITICAL) + n * sum(map(_cells, parts)) * CELL
