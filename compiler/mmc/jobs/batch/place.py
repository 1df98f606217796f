"""The folder of a bundle for a batch system, and that of its outputs."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmc.errors import UsageError
from mmc.files import Folder
from mmc.reading import read_json

TABLE, SLURM_LAYOUT = "jobs.tsv", "slurm.json"
"""What the target slurm writes."""
SUBMITTED = "submitted.json"
"""The arrays of the last submission, among the outputs; written when all of them are released."""


@dataclass(frozen=True)
class Submitted:
    """An array of the last submission."""

    array: str
    """Slurm's number."""
    stage: str
    offset: int
    """The number of the task with index 0."""


@dataclass(frozen=True)
class SlurmPlace:
    """A bundle of the target slurm: see :class:`mmc.compiler.catalogue.batch.Batch`."""

    folder: Path
    out: Path
    """The folder of all outputs."""
    jobs_per_task: int
    """The number of jobs of a task, in stages that are not in ``in_stage``."""
    in_stage: Mapping[str, int]
    running_tasks: int | None

    @classmethod
    def open(cls, folder: Path) -> "SlurmPlace":
        """:raises UsageError: when the folder has no bundle of the target slurm"""
        folder = folder.resolve()
        try:
            found = read_json(folder / SLURM_LAYOUT)
            out = Path(folder / found["out"])
            in_stage = {str(stage): int(n) for stage, n in found.get("in_stage", {}).items()}
            return cls(folder, out.resolve(), int(found["jobs_per_task"]), in_stage, found["running_tasks"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{folder} does not hold a bundle of the target slurm: mmc compile STUDY --target slurm"
            ) from error

    def together(self, stage: str) -> int:
        """The largest number of jobs of a stage that are in one task."""
        return self.in_stage.get(stage, self.jobs_per_task)

    @property
    def table(self) -> Path:
        """The table of all jobs."""
        return self.folder / TABLE

    @property
    def comment(self) -> str:
        """What marks the arrays of the folder in the queue."""
        return comment(self.folder)

    def submitted(self) -> list[Submitted]:
        """The arrays of the last submission; none without one, or if its record is damaged."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            entries: list[Mapping[str, Any]] = read_json(self.out / SUBMITTED)
            return [Submitted(str(e["array"]), str(e["stage"]), int(e["offset"])) for e in entries]
        return []

    def write_submitted(self, arrays: Sequence[Submitted]) -> None:
        """Note that these arrays have been released."""
        Folder(self.out).write(SUBMITTED, json.dumps([asdict(entry) for entry in arrays], indent=1) + "\n")


def comment(folder: Path) -> str:
    """What marks the arrays of a bundle's folder in Slurm's queue."""
    return f"mmc-{hashlib.sha256(str(folder.resolve()).encode(errors='surrogateescape')).hexdigest()[:16]}"
