"""From the name of a study file on the command line to its document, its diagnostics and the files that it names."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmc.diagnostics import Diagnostic, has_errors
from mmc.errors import UsageError
from mmc.load import Document, load

if TYPE_CHECKING:  # these take a while to import, and `mmc validate` does without
    from mmc.plan import Plan

STDIN = "-"


@dataclass(frozen=True)
class StudyFile:
    """A study as it was read."""

    name: str
    """The file as the user named it."""
    folder: Path
    """Where the study is, and what the files that it names are relative to."""
    document: Document
    diagnostics: list[Diagnostic]
    files: Mapping[str, str]
    """SHA-256 of each file that the study names, by its text there."""

    @property
    def is_wrong(self) -> bool:
        """Whether there is an error among the diagnostics."""
        return has_errors(self.diagnostics)

    def plan(self) -> "Plan":
        """The plan of a study that is not wrong."""
        from mmc.language import fill_defaults
        from mmc.planner import make_plan
        from mmc.study import build_study

        return make_plan(build_study(fill_defaults(self.document.data)), self.files)

    def sources(self, plan: "Plan") -> dict[str, Path]:
        """Where each file is that the bundle of the plan carries, by its path in there."""
        by_digest = {sha256: self.folder / text for text, sha256 in self.files.items()}
        return {str(file.path): by_digest[file.sha256] for file in plan.files}


def read(name: str) -> StudyFile:
    """Read and check a study; ``-`` is standard input.

    :raises UsageError: when there is no such file
    :raises OSError: when it cannot be read
    """
    folder = Path() if name == STDIN else Path(name).parent
    document = load(_content(name), "<stdin>" if name == STDIN else name)
    return StudyFile(name, folder, document, list(document.diagnostics), {})


def _content(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError) as error:  # ValueError: a null in it
        raise UsageError(f"{name}: {getattr(error, 'strerror', None) or error}") from error
