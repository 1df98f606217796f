"""Estimated memory of jobs, in bytes.

Measured with event files of 6 benchmarks and 3 observables, and of 15 benchmarks and 50 observables: jobs hold whole
files, as MadMiner does. Combining takes 246 and 1,570 bytes per event where the file has 80 and 528, histograms 290 and
1,540, Fisher information 241 and 1,480, evaluation 240 and 1,600, a job of samples 80 and 1,180, and training 580 bytes
per sample of about 200.
"""

import math

from mmc.compiler.catalogue.stages import BASELINES_STAGE, COMBINE, EVALUATE, INGEST, SAMPLE, TRAIN, TUNE
from mmc.compiler.plan.model import Job, Plan

PROGRAM = 400_000_000
"""Python with MadMiner and torch."""
OWN = {COMBINE.name: 3, INGEST.name: 3, SAMPLE.name: 1}
"""How many times a job of a stage holds its output."""
READ = {SAMPLE.name: 2, TRAIN.name: 3, TUNE.name: 3, EVALUATE.name: 3, BASELINES_STAGE.name: 3}
"""How many times a job of a stage holds what it reads."""


def memory(plan: Plan) -> dict[tuple[str, str], int]:
    """The memory of the jobs by stage and name, as far as the size of what they hold is known before the run."""
    size = {(stage.name, job.name): job.size for stage in plan.stages for job in stage.jobs}
    found = {
        (stage.name, job.name): _held(stage.name, job, size)
        for stage in plan.stages
        if stage.name in OWN or stage.name in READ
        for job in stage.jobs
    }
    return {key: PROGRAM + held for key, held in found.items() if held}


def memory_mib(plan: Plan) -> dict[str, int]:
    """The memory that a job of each stage may need, in MiB: what the study says, or else that of its largest job."""
    found: dict[str, int] = {}
    for (stage, _), n_bytes in memory(plan).items():
        found[stage] = max(found.get(stage, 0), math.ceil(n_bytes / 2**20))
    asked = {stage.name: stage.resources.memory_mib for stage in plan.stages}
    return found | {name: amount for name, amount in asked.items() if amount is not None}


def _held(stage: str, job: Job, size: dict[tuple[str, str], int]) -> int:
    return OWN.get(stage, 0) * job.size + READ.get(stage, 0) * sum(size[need] for need in job.needs)
