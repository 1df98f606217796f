"""The resources of a job."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Resources:
    """Cores, memory in MiB, wall time in seconds (None: the engine's default); how often a failed job starts again;
    GPUs."""

    cpus: int = 1
    memory_mib: int | None = None
    time_s: int | None = None
    retries: int = 0
    gpus: int = 0
