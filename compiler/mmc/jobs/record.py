"""``job.json``, the record of a finished job: the job, the versions that made its output, the digests of its inputs,
and the size and digest of every file of its output.

Whoever reads an output compares its files with the record. A file with the recorded size and time of modification
counts as unchanged; any other file is read whole.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mmc.compiler.settings.encoding import from_json, to_json
from mmc.errors import SettingsError, StepError

RECORD = "job.json"
"""The file that the runner adds to the output of every finished job."""
MAKE_AGAIN = "run the study again, which makes it anew"
"""What to do about a damaged output."""


@dataclass(frozen=True)
class OutputFile:
    """A file of an output, as the job wrote it."""

    bytes: int
    sha256: str
    modified_ns: int
    """The time of modification, in nanoseconds since 1970."""

    @classmethod
    def of(cls, path: Path) -> "OutputFile":
        """The file at a path."""
        found = path.stat()
        return cls(found.st_size, sha256_of(path), found.st_mtime_ns)

    def damage(self, path: Path, *, whole: bool) -> str | None:
        """How the file at a path differs from this one, in words that follow its name; None if it does not.

        :param whole: read it even if its size and time are those of this file
        """
        try:
            found = path.stat()
            if found.st_size != self.bytes:
                return f"has {found.st_size:,} of {self.bytes:,} bytes"
            if found.st_mtime_ns == self.modified_ns and not whole:
                return None
            if sha256_of(path) != self.sha256:
                return "has changed since it was made"
        except OSError as error:
            return "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        if (
            found.st_mtime_ns != self.modified_ns
        ):  # a copy: with its time restored, the next reader need not read it all
            with suppress(OSError):
                os.utime(path, ns=(found.st_atime_ns, self.modified_ns))
        return None


@dataclass(frozen=True)
class Record:
    """The record of a finished job."""

    stage: str
    job: str
    fingerprint: str
    seed: int
    seconds: float
    mmc: str
    made_with: Mapping[str, str] = field(default_factory=dict)
    """The versions of packages and programs on which the output depends."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """The digest of every output that the job has read, by its maker, ``stage[job]``; of a single file of an output,
    with ``/FILE`` after the maker."""
    outputs: Mapping[str, OutputFile] = field(default_factory=dict)
    """The files of the output by their POSIX paths in it."""
    tracked: Mapping[str, Any] | None = None
    """What was tracked of the job in the end; None without tracking."""

    @property
    def maker(self) -> str:
        """The job, as people call it."""
        return f"{self.stage}[{self.job}]"

    @cached_property
    def digest(self) -> str:
        """The digest of the output: of the names and digests of its files."""
        lines = [f"{file.sha256}  {name}\n" for name, file in sorted(self.outputs.items())]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def only(self, file: str) -> "Record":
        """The record with a single file of the output.

        :raises StepError: when the output has no such file
        """
        if file not in self.outputs:
            raise StepError(f"the output of {self.maker} has no {file}; {MAKE_AGAIN}")
        return replace(self, outputs={file: self.outputs[file]})

    def has(self, file: str, digest: str) -> bool:
        """Whether the output, or one file of it unless ``file`` is empty, has this digest."""
        if not file:
            return self.digest == digest
        return file in self.outputs and self.only(file).digest == digest

    def changed_inputs(self, there: Iterable["Record"]) -> Iterator[str]:
        """The makers of inputs, of those that are there, whose outputs are not what the job has read."""
        made = {record.maker: record for record in there}
        for name, digest in self.inputs.items():
            maker, _, file = name.partition("/")
            if maker in made and not made[maker].has(file, digest):
                yield maker

    def damage(self, folder: Path, *, whole: bool) -> str | None:
        """How the output in a folder differs from the record, beginning with the name of a file; None if it does not.

        :param whole: read all files, also those with the recorded size and time
        """
        for name, file in self.outputs.items():
            if (found := file.damage(folder / name, whole=whole)) is not None:
                return f"{name} {found}"
        return None

    def check(self, folder: Path, *, whole: bool = False) -> None:
        """Check the files of an output; ``whole`` as in :meth:`damage`.

        :raises StepError: when a file is not as the job wrote it
        """
        if (damage := self.damage(folder, whole=whole)) is not None:
            raise StepError(f"the output of {self.maker} in {folder} is damaged: {damage}; {MAKE_AGAIN}")

    def names(self, folder: str = "", suffix: str = "") -> list[str]:
        """The names of the files in a subfolder of the output, or of all files, that end like this; sorted."""
        inside = f"{folder}/" if folder else ""
        return sorted(name for name in self.outputs if name.startswith(inside) and name.endswith(suffix))

    def with_outputs(self, folder: Path, changing: tuple[str, ...] = ()) -> "Record":
        """The record with the files that are in the folder, except those that later jobs change.

        :param changing: how the names of these files and folders begin, which are directly in the output
        """
        names = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        kept = {name: OutputFile.of(path) for name, path in names.items() if not name.startswith((RECORD, *changing))}
        return replace(self, outputs=kept)

    def to_json(self) -> dict[str, Any]:
        """The content of the file."""
        written: dict[str, Any] = to_json(self)
        return written

    @classmethod
    def of(cls, value: Any, folder: Path | str) -> "Record":
        """The record in a folder, from the content of its file.

        :raises StepError: when it is not the record of a job with the files of its output
        """
        try:
            record = from_json(cls, value)
        except SettingsError as error:
            raise StepError(f"{folder}/{RECORD} is not the record of a finished job: {error}") from error
        if not record.outputs:
            raise StepError(
                f"{folder}/{RECORD} does not list the files of the output, as that of an older mmc; {MAKE_AGAIN}"
            )
        outside = [name for name in record.outputs if name.startswith("/") or ".." in name.split("/")]
        if outside:
            raise StepError(f"{folder}/{RECORD} names a file outside of its folder: {outside[0]!r}")
        return record


def sha256_of(path: Path) -> str:
    """The digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
