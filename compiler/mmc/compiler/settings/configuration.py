"""The configuration file of a stage: what its jobs share, the different settings of jobs, and a row for each job.

A row has the number of the job's settings in the list, its seed and its fingerprint. Most jobs of a large stage differ
only in their seeds, so their settings are written once. ``reads`` names the jobs whose outputs a job reads, where it
may be given more of them: those of other variants of the study.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = tuple[int, int, str]


@dataclass(frozen=True)
class JobEntry:
    """What a configuration says of a job."""

    settings: Mapping[str, Any]
    """Its settings, with those that all jobs of the stage share."""
    seed: int
    fingerprint: str
    reads: Mapping[str, tuple[str, ...]]
    """The names of the jobs whose outputs it reads, for inputs of which it is given others too."""


def configuration(
    stage: str,
    shared: Mapping[str, Any],
    settings: Sequence[Mapping[str, Any]],
    jobs: Mapping[str, Row],
    *,
    threads: int = 1,
    time_s: float | None = None,
) -> dict[str, Any]:
    """The content of the file.

    :param settings: the different settings of jobs
    :param jobs: the row of each job by its name
    :param time_s: the time limit of a job
    """
    head = {"stage": stage, "shared": shared, "threads": threads}
    limit = {} if time_s is None else {"time_s": time_s}
    return {**head, **limit, "settings": list(settings), "jobs": {name: list(row) for name, row in jobs.items()}}


def job_entry(content: Mapping[str, Any], job: str) -> JobEntry:
    """The entry of a job.

    :raises KeyError: when there is no such job, or the content lacks a key
    :raises ValueError: when its row is not one
    :raises IndexError: when there are no such settings
    :raises TypeError: when it is not the content of such a file
    """
    number, seed, fingerprint = content["jobs"][job]
    reads = {name: tuple(jobs) for name, jobs in content.get("reads", {}).get(job, {}).items()}
    return JobEntry({**content["shared"], **content["settings"][number]}, seed, fingerprint, reads)
