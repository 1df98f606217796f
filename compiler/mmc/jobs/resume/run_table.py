"""The jobs of a bundle for the target ``script``, from its ``jobs.tsv``, and the records of their outputs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmc.compiler.catalogue.stages import STAGES
from mmc.errors import MmcError, StepError
from mmc.jobs.record import RECORD, Record
from mmc.ranges import parse_ranges
from mmc.reading import read_bytes, read_json

MOST_BYTES = 1 << 28
"""The largest table: 100,000 jobs, the most of a study, have 6 MB."""
_NAME = re.compile(r"(?!\.)[^/\\\x00-\x1f\x7f]+")
"""The name of a job, which is a folder."""


@dataclass(frozen=True)
class Job:
    """A row of the table."""

    stage: str
    name: str
    fingerprint: str
    readers: tuple[range, ...]
    """The rows of the jobs that read its output."""


@dataclass(frozen=True)
class Output:
    """What is in the folder of a job's output."""

    record: Record | None
    """The record, if it is that of the job with its current fingerprint."""
    damage: str = ""
    """Why the record cannot be read, if it is there."""


@dataclass(frozen=True)
class RunTable:
    """The jobs of a run in an order in which they can run, and their outputs."""

    jobs: Sequence[Job]
    folder: Path
    """The folder of all outputs."""
    outputs: Sequence[Output]

    @property
    def upstream(self) -> list[list[int]]:
        """For each row, the rows whose outputs it reads."""
        found: list[list[int]] = [[] for _ in self.jobs]
        for row, job in enumerate(self.jobs):
            for rows in job.readers:
                for reader in rows:
                    found[reader].append(row)
        return found

    def place(self, row: int) -> Path:
        """The folder of a job's output."""
        return self.folder / self.jobs[row].stage / self.jobs[row].name

    def log(self, row: int) -> Path:
        """The file with what a job prints. A batch system removes an earlier one when it submits the job."""
        place = self.place(row)
        return place.with_name(f"{place.name}.out")

    def look(self, row: int) -> Output:
        """What is in the folder of a job's output now."""
        return _output(str(self.place(row)), self.jobs[row])

    def maker(self, row: int) -> str:
        """The job, as people call it."""
        return f"{self.jobs[row].stage}[{self.jobs[row].name}]"

    @classmethod
    def read(cls, table: Path, folder: Path) -> "RunTable":
        """Read the table, and the record of every output.

        :raises MmcError: when the table is not one
        """
        try:
            return cls.of(read_bytes(table, MOST_BYTES).decode(), folder)
        except (OSError, ValueError) as error:
            raise MmcError(f"{table} is not the table of the jobs of a run: {error}") from error

    @classmethod
    def of(cls, text: str, folder: Path) -> "RunTable":
        """The table with this text, and the record of every output.

        :raises ValueError: when the text is not a table
        """
        jobs = [_job(*line.split("\t")) for line in text.split("\n") if line]
        if any(rows.start <= row or rows.stop > len(jobs) for row, job in enumerate(jobs) for rows in job.readers):
            raise ValueError("a job reads what a later one makes")
        return cls(jobs, folder, [_output(f"{folder}/{job.stage}/{job.name}", job) for job in jobs])


def _job(*row: str) -> Job:
    """The job of a row of the table.

    :raises ValueError: when there can be no such job
    """
    stage, name, fingerprint, _, readers = row
    if stage not in STAGES or not _NAME.fullmatch(name):
        raise ValueError(f"there is no job {stage}[{name}]")
    return Job(stage, name, fingerprint, parse_ranges(readers.split()))


def _output(folder: str, job: Job) -> Output:
    try:
        record = Record.of(read_json(f"{folder}/{RECORD}"), folder)
    except (FileNotFoundError, NotADirectoryError):
        return Output(None)
    except OSError as error:
        return Output(None, f"{RECORD} cannot be read: {error.strerror or error}")
    except (StepError, ValueError):
        return Output(None, f"{RECORD} is damaged")
    return Output(record if record.fingerprint == job.fingerprint else None)
