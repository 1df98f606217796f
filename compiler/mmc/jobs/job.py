"""What a step program is handed, and how it finds its inputs."""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mmc.compiler.settings.encoding import from_json
from mmc.errors import StepError

T = TypeVar("T")

RECORD = "job.json"
"""The file that the runner adds to the output of every finished job: which job made it, from what."""


KEPT = ".kept"
"""What is added to the name of a job's part for that of the directory that outlives it."""


@dataclass(frozen=True)
class StepJob:
    """One run of a step program."""

    stage: str
    name: str
    settings: Mapping[str, Any]
    """What all jobs of the stage share, overlaid with what this job has of its own."""
    seed: int
    """1 <= seed < 2**31 - 1; ``random``, numpy and torch are seeded with it before the step starts."""
    inputs: Mapping[str, tuple[Path, ...]]
    """Paths by the name of the option, without its dashes."""
    out: Path
    """An empty directory to write into. It takes its final name when the step returns."""
    place: Path = Path()
    """The final name. Until the step returns, an earlier output of the job may be there."""
    fingerprint: str = ""
    """What the output depends on: the same job with the same fingerprint makes the same output."""

    def read(self, cls: type[T]) -> T:
        """The settings as the dataclass that the planner wrote them from.

        :raises SettingsError: when they do not fit: another version of mmc wrote them
        """
        return from_json(cls, self.settings)

    def kept(self) -> Path:
        """A directory that outlives a run that fails or is killed, for the next run of the same job to go on with.

        One that a job with another fingerprint has left is emptied. It is gone once the job is done.
        """
        folder = self.out.with_name(self.out.name + KEPT)
        mark = folder / "fingerprint"
        if not mark.is_file() or mark.read_text(encoding="utf-8") != self.fingerprint:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            mark.write_text(self.fingerprint, encoding="utf-8")
        return folder

    def one(self, name: str) -> Path:
        """The single path of an input.

        :raises StepError: when the input was not given, or several times
        """
        paths = self.inputs.get(name, ())
        if len(paths) != 1:
            raise StepError(f"expected one path for --{name}, got {len(paths)}")
        return paths[0]

    def optional(self, name: str) -> Path | None:
        """The single path of an input that the study may leave out; None where it does.

        :raises StepError: when it was given several times
        """
        return self.one(name) if name in self.inputs else None

    def events(self, group: str | None) -> Path:
        """The file of the combined events that the job reads: of a group, where samples are in groups."""
        return (self.one("events") if group is None else self.pick("events", group)) / "events.h5"

    def pick(self, name: str, job: str) -> Path:
        """The directory among those of an input that the job of that name wrote.

        The others may be outputs of jobs that are still to run: a job waits for those alone that it reads.

        :raises StepError: when no finished job of that name wrote any of them
        """
        return self.pick_all(name, [job])[0]

    def pick_all(self, name: str, jobs: Iterable[str]) -> list[Path]:
        """The directories among those of an input that the jobs of those names wrote, in their order.

        :raises StepError: as :meth:`pick`
        """
        paths = self.inputs.get(name, ())
        makers = {read_json(path / RECORD)["job"]: path for path in paths if (path / RECORD).is_file()}
        found = []
        for job in jobs:
            if job not in makers:
                raise StepError(f"none of the directories of --{name} is the output of job {job!r}")
            found.append(makers[job])
        return found


def group_entry(group: str | None) -> dict[str, str]:
    """What records say of the group of events; nothing where samples are in no groups."""
    return {} if group is None else {"group": group}


def read_json(path: Path) -> Any:
    """The content of a JSON file that an earlier job wrote.

    :raises StepError: when it is missing or not JSON: its directory is no output of a finished job
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StepError(f"{path.parent} is not the output of a finished job: it has no {path.name}") from error
    except ValueError as error:
        raise StepError(f"{path} is not JSON: {error}") from error


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, the same bytes for the same value; NaN and infinities are refused (ValueError)."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
