"""Slurm's own programs, each failure in one line."""

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmc.errors import MmcError
from mmc.processes import path_with_mmc
from mmc.ranges import in_ranges, parse_ranges

PROGRAMS = ("sbatch", "squeue", "scancel", "scontrol")
ANSWER_S = 300
"""The time limit for an answer of Slurm's controller."""
MOST_IDS = 200
"""A command names at most this many arrays."""
_NOISE = re.compile(r"^(?:\w+: )?(?:error: |fatal: )?(?:Batch job submission failed: )?")


class SlurmError(MmcError):
    """Slurm refuses, or does not answer; the message is its own."""


@dataclass(frozen=True)
class Queued:
    """A task in the queue."""

    array: str
    """Slurm's number of its array."""
    index: int
    state: str
    """``PENDING``, ``RUNNING`` and so on."""
    reason: str
    """Why it is not running."""


@dataclass(frozen=True)
class Slurm:
    """The cluster on which this machine may submit."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @staticmethod
    def is_here() -> bool:
        """Whether the programs of Slurm are on the search path."""
        return all(map(shutil.which, PROGRAMS))

    @classmethod
    def find(cls, path: str | None = None) -> "Slurm":
        """The cluster.

        :param path: the search path of jobs; None for one on which they find ``mmc`` where this process finds it
        :raises MmcError: when a program of Slurm is not on the search path, or ``mmc`` is not
        """
        missing = [program for program in PROGRAMS if shutil.which(program) is None]
        if missing:
            raise MmcError(f"there is no Slurm here: {missing[0]} is not on the PATH; submit where `sbatch` works")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SQUEUE_")}
        return cls({**inherited, "PATH": path or path_with_mmc()})

    def largest_array(self) -> int:
        """The indices of an array are below this number.

        :raises SlurmError: when Slurm does not answer
        """
        return self._limit("MaxArraySize", 1_001)

    def most_tasks(self) -> int:
        """The number of tasks in the queue, of all users, is below this number.

        :raises SlurmError: when Slurm does not answer
        """
        return self._limit("MaxJobCount", 10_000)

    def _limit(self, name: str, default: int) -> int:
        found = re.search(rf"^{name}\s*=\s*(\d+)", self._ask("scontrol", "show", "config"), re.MULTILINE)
        return int(found[1]) if found else default

    def submit(self, script: str, folder: Path, options: Sequence[str], *arguments: str) -> str:
        """Submit a script of the folder, held; the number of the array.

        :raises SlurmError: when Slurm refuses it
        """
        words = ["--parsable", "--hold", f"--chdir={folder}", "--export=ALL", *options, script, *arguments]
        said = self._call("sbatch", *words, folder=folder)
        return said.strip().splitlines()[-1].partition(";")[0]

    def release(self, numbers: Sequence[str]) -> None:
        """Let held arrays start.

        :raises SlurmError: when Slurm refuses it
        """
        for start in range(0, len(numbers), MOST_IDS):
            self._call("scontrol", "release", ",".join(numbers[start : start + MOST_IDS]))

    def cancel(self, numbers: Collection[str]) -> None:
        """Cancel arrays.

        :raises SlurmError: when Slurm refuses it
        """
        every = sorted(numbers)
        for start in range(0, len(every), MOST_IDS):
            self._call("scancel", *every[start : start + MOST_IDS])

    def queue(self, comment: str) -> list[Queued]:
        """The user's tasks with a comment that have not ended.

        :raises SlurmError: when Slurm does not answer
        """
        said = self._ask("squeue", "--me", "--noheader", "--format=%F|%K|%T|%r|%k")
        rows = [line.split("|", 4) for line in said.splitlines()]
        return [
            Queued(array, index, state, reason)
            for array, spec, state, reason, told in (row for row in rows if len(row) == 5)
            if told.strip() == comment
            for numbers in parse_ranges(spec.partition("%")[0].split(","))
            for index in numbers
        ]

    def _ask(self, *words: str) -> str:
        """What a program of Slurm prints that changes nothing."""
        try:
            return self._call(*words)
        except SlurmError as error:
            raise SlurmError(f"Slurm does not answer: {error}; submit where `{words[0]}` works") from error

    def _call(self, program: str, *words: str, folder: Path | None = None) -> str:
        try:
            done = subprocess.run(
                [program, *words],
                cwd=folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=ANSWER_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise SlurmError(f"{program} has not answered for {ANSWER_S} s") from error
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"{program} failed"]
            raise SlurmError(_NOISE.sub("", lines[-1]))
        return done.stdout


def index_list(indices: Sequence[int], most_running: int | None) -> str:
    """The indices of an array as Slurm reads them.

    >>> index_list([0, 1, 2, 7], 5)
    '0-2,7%5'
    """
    return ",".join(in_ranges(indices)) + (f"%{most_running}" if most_running else "")
