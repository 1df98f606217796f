"""The job of a step program: its settings, seed, inputs and output."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mmc import reading
from mmc.compiler.catalogue.stages import GATHER, STAGES
from mmc.compiler.settings.encoding import from_json
from mmc.compiler.settings.variants import own_name
from mmc.errors import StepError
from mmc.files import Folder
from mmc.jobs.record import RECORD, Record

T = TypeVar("T")

KEPT = ".kept"
"""The suffix, after the name of ``.NAME.part``, of the directory that is kept after a failure."""


@dataclass(frozen=True)
class StepJob:
    """One run of a step program."""

    stage: str
    name: str
    settings: Mapping[str, Any]
    """The shared settings of the stage, overridden by the settings of this job."""
    seed: int
    """1 <= seed < 2**31 - 1; ``random``, numpy and torch are seeded with it before the step starts."""
    inputs: Mapping[str, tuple[Path, ...]]
    """Paths by option name, without dashes."""
    out: Path
    """An empty directory to write into. It gets its final name when the step returns."""
    place: Path = Path()
    """The final output directory. Until the step returns, it may hold an earlier output of the job."""
    fingerprint: str = ""
    """The fingerprint: the same job with the same fingerprint makes the same output."""
    read_outputs: dict[str, str] = field(default_factory=dict)
    """The digests of what the job has read of other jobs, by their makers: ``stage[job]``, and ``/FILE`` if it has read
    a single file. Filled while the job runs."""
    programs: dict[str, str] = field(default_factory=dict)
    """The versions of the programs that the job has called, by name; filled while the job runs."""
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The names of the jobs whose outputs it reads, for inputs of which it is given others too. Everywhere else jobs
    are called as in their variant of the study."""

    def read(self, cls: type[T]) -> T:
        """The settings as the dataclass from which the planner wrote them.

        :raises SettingsError: when they do not fit the dataclass: another version of mmc wrote them
        """
        return from_json(cls, self.settings)

    def kept(self) -> Path:
        """A directory that is kept when a run fails or is killed; the next run of the same job continues from it.

        It is emptied when a job with another fingerprint left it, and removed when the job is done.
        """
        place, name = Folder(self.out.parent), self.out.name + KEPT
        if place.read(f"{name}/fingerprint") != self.fingerprint.encode():
            place.empty(name)
            place.write(f"{name}/fingerprint", self.fingerprint)
        return place.path / name

    def one(self, name: str) -> Path:
        """The single path of an input.

        :raises StepError: when the input was not given, or several times; when it is a damaged output
        """
        path = self._single(name)
        return self.whole(path) if path.is_dir() else path

    def file(self, name: str, file: str) -> Path:
        """A file of the single output of an input. The job reads nothing else of this output, so it stays finished when
        other files of it change.

        :raises StepError: when the input was not given, or several times; when the file is missing or damaged
        """
        folder = self._single(name)
        record = read_record(folder).only(file)
        record.check(folder)
        self.read_outputs[f"{record.maker}/{file}"] = record.digest
        return folder / file

    def optional(self, name: str) -> Path | None:
        """The single path of an optional input; None without it.

        :raises StepError: when the input was given several times; when it is a damaged output
        """
        return self.one(name) if name in self.inputs else None

    def events(self, group: str | None) -> Path:
        """The file of combined events that the job reads; with groups of samples, the file of its group."""
        return (self.one("events") if group is None else self.pick("events", group)) / "events.h5"

    def pick(self, name: str, job: str) -> Path:
        """The directory of an input that the named job wrote.

        The other directories may not exist yet: a job waits only for the jobs whose outputs it reads.

        :raises StepError: when none of the directories is an output of that job, finished; when it is damaged
        """
        return self.pick_all(name, [job])[0]

    def counterpart(self, name: str) -> Path:
        """The directory of an input that the job with the name of this job wrote, in a stage of the same events.

        :raises StepError: as :meth:`pick`
        """
        return self.pick(name, own_name(self.name))

    def pick_all(self, name: str, jobs: Iterable[str]) -> list[Path]:
        """The directories of an input that the named jobs wrote, in the order of the names; those that ``gather`` has
        put into its output are there.

        :raises StepError: as :meth:`pick`
        """
        makers = {job: (path, holder) for holder in self.outputs(name) for job, path in _held(holder)}
        found, holders = [], {}
        for job in jobs:
            if job not in makers:
                raise StepError(f"none of the directories of --{name} is the output of job {job!r}")
            path, holder = makers[job]
            holders[holder] = True
            found.append(path)
        for holder in holders:
            self.whole(holder)
        return found

    def by_job(self, name: str) -> dict[str, Path]:
        """All directories of an input, by the name of the job that wrote each.

        :raises StepError: when one is not the output of a finished job, or is damaged
        """
        return {own_name(read_record(path).job): self.whole(path) for path in self.outputs(name)}

    def _single(self, name: str) -> Path:
        paths = self.outputs(name) if name in self.reads else self.inputs.get(name, ())
        if len(paths) != 1:
            raise StepError(f"expected one path for --{name}, got {len(paths)}")
        found = _outputs(paths[0], name)
        if len(found) > 1:  # those of a task: this job reads that of the job with its name
            found = [path for path in found if path.name == self.name]
        if not found:
            raise StepError(f"{paths[0]} has no output of the job {self.name}")
        return found[0]

    def outputs(self, name: str) -> list[Path]:
        """The outputs of jobs that an input names, itself or by a folder that holds them; of these, those of the jobs
        that this one reads.

        :raises StepError: when one of those is not there
        """
        paths, reads = self.inputs.get(name, ()), self.reads.get(name)
        if reads is None:
            return [output for path in paths for output in _outputs(path, name)]
        if len(paths) == 1 and all((paths[0] / job / RECORD).exists() for job in reads):
            return [paths[0] / job for job in reads]  # the folder of a stage, in which there may be thousands
        made = {
            job: output for path in paths for output in _outputs(path, name) for job, _ in _held(output, whole=True)
        }
        if missing := [job for job in reads if job not in made]:
            raise StepError(f"none of the directories of --{name} is the output of job {missing[0]!r}")
        return [made[job] for job in reads]

    def whole(self, folder: Path) -> Path:
        """The folder of an output, whose files are those that its maker wrote.

        :raises StepError: when they are not
        """
        record = read_record(folder)
        if record.maker not in self.read_outputs:
            record.check(folder)
            self.read_outputs[record.maker] = record.digest
        return folder


def _outputs(folder: Path, name: str) -> list[Path]:
    """The folder, or, if it is that of a task or of several tasks, the outputs in it that the input of this name takes.

    Outputs of jobs are at most two levels below.
    """
    below = (folder.glob(f"{level}/{RECORD}") for level in ("[!.]*", "[!.]*/[!.]*"))
    if (folder / RECORD).exists() or not any(any(records) for records in below):
        return [folder]
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [output for path in inner for output in _outputs(path, name) if _is_taken(output, name)]


def _is_taken(folder: Path, name: str) -> bool:
    """Whether the input of this name takes the output in a folder: inputs are called as the outputs of stages. One that
    is not finished may be anything."""
    with suppress(StepError, LookupError, TypeError):
        taken: bool = STAGES[read_json(folder / RECORD)["stage"]].output == name
        return taken
    return True


def _held(folder: Path, *, whole: bool = False) -> list[tuple[str, Path]]:
    """The job that wrote the folder, or the jobs whose outputs are gathered in it, with their places; none if it is not
    finished.

    :param whole: the job that wrote it, with its name in the plan
    """
    with suppress(StepError):
        record = read_json(folder / RECORD)
        if isinstance(record, Mapping) and isinstance(record.get("job"), str):
            if whole:
                return [(record["job"], folder)]
            if record.get("stage") == GATHER.name:
                return [(name, folder / name) for name in read_json(folder / GATHER.record)["jobs"]]
            return [(own_name(record["job"]), folder)]
    return []


def fingerprint_in(folder: Path) -> str | None:
    """The fingerprint of the job that wrote the folder; None if it is not finished, or its record is damaged."""
    with suppress(StepError, OSError):
        return read_record(folder).fingerprint
    return None


def read_record(folder: Path) -> Record:
    """The record of the job that wrote the folder.

    :raises StepError: when it is missing, or not the record of a job with the files of its output
    """
    return Record.of(read_json(folder / RECORD), folder)


def group_entry(group: str | None) -> dict[str, str]:
    """The entry of records for the group of events; empty without groups."""
    return {} if group is None else {"group": group}


def read_json(path: Path) -> Any:
    """Read a JSON file that an earlier job wrote.

    :raises StepError: when the file is missing (its directory is not the output of a finished job), cannot be read, or
        is not JSON as :func:`mmc.reading.read_json` accepts it
    """
    try:
        return reading.read_json(path)
    except FileNotFoundError as error:
        raise StepError(f"{path.parent} is not the output of a finished job: it has no {path.name}") from error
    except OSError as error:
        raise StepError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise StepError(f"{path} is not JSON: {error}") from error


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, with the same bytes for the same value.

    :raises ValueError: for NaN and infinities
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    Folder(path.parent).write(path.name, text)
