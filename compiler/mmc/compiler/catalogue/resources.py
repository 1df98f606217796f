"""The resources of a job."""

from dataclasses import dataclass

FIRST_WAIT_S = 10
"""How long the scripts wait before the first retry; each later wait is twice as long."""


@dataclass(frozen=True)
class Resources:
    """Cores, memory in MiB, wall time in seconds (None: the engine's default); how often a failed job starts again;
    GPUs."""

    cpus: int = 1
    memory_mib: int | None = None
    time_s: int | None = None
    retries: int = 0
    gpus: int = 0

    def time_of_tries_s(self, n_jobs: int) -> int | None:
        """The time of so many jobs in a row, with all tries and the waits between them; None without a wall time.

        >>> Resources(time_s=600, retries=2).time_of_tries_s(1)
        1830
        """
        if self.time_s is None:
            return None
        return n_jobs * (self.time_s * (1 + self.retries) + FIRST_WAIT_S * ((1 << self.retries) - 1))
