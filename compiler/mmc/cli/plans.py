"""The studies of a command: shows their problems, makes their plans, and names the folders of their bundles."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mmc.cli import study_file
from mmc.cli.repository import from_root, in_utf8
from mmc.cli.study_file import StudyFile
from mmc.errors import UsageError
from mmc.files import Folder

if TYPE_CHECKING:
    from mmc.compiler.plan.model import Plan


def distinct(names: Iterable[str]) -> list[str]:
    """The names without repetition, so that a study given twice is read once."""
    return list(dict.fromkeys(names))


def show(studies: Sequence[StudyFile], stream: TextIO, form: str = "text") -> None:
    """Write the diagnostics of the studies; formats for programs are written even without diagnostics."""
    diagnostics = list(dict.fromkeys(item for study in studies for item in study.diagnostics))  # bases may be shared
    if form == "text" and not diagnostics:
        return
    from mmc.cli.rendering import RENDERERS, to_bytes, to_text

    sources = {path: text for study in studies for path, text in study.texts.items()}
    if form == "text":
        stream.write(to_text(diagnostics, sources, colour=_has_colours(stream)))
        return
    named = {path: in_utf8(from_root(path) if form in _OF_REPOSITORIES else path) for path in sources}
    diagnostics = [item._replace(path=named[item.path]) for item in diagnostics]
    sources = {named[path]: text for path, text in sources.items()}
    stream.flush()
    binary = getattr(stream, "buffer", None)
    text = RENDERERS[form](diagnostics, sources)
    if binary is None:  # a stream without bytes, in a test
        stream.write(text)
    else:
        binary.write(to_bytes(text))


_OF_REPOSITORIES = ("github", "sarif")
"""The formats whose readers know files by their path in the repository."""


def _has_colours(stream: TextIO) -> bool:
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def read_studies(
    names: Iterable[str], stream: TextIO, form: str = "text", changes: Sequence[str] = ()
) -> list[StudyFile]:
    """Read studies, with changes of the command line, and show the problems of all of them.

    :raises UsageError: afterwards, when a file cannot be read
    """
    studies, unread = [], []
    for name in names:
        try:
            studies.append(study_file.read(name, changes))
        except UsageError as error:
            unread.append(str(error))
        except OSError as error:
            unread.append(f"{name}: {error.strerror}")
    show(studies, stream, form)
    if unread:
        raise UsageError("; ".join(unread))
    return studies


def read_plans(names: list[str], changes: Sequence[str] = ()) -> "list[tuple[StudyFile, Plan]] | None":
    """The studies with their plans. If one has errors, writes the problems to standard error and returns None."""
    studies = read_studies(names, sys.stderr, changes=changes)
    if any(study.is_wrong for study in studies):
        return None
    return [(study, study.plan()) for study in studies]


def read_plan(name: str, changes: Sequence[str] = ()) -> "tuple[StudyFile, Plan] | None":
    """The study with its plan. If it has errors, writes the problems to standard error and returns None."""
    plans = read_plans([name], changes)
    return None if plans is None else plans[0]


def bundle_folder(study: StudyFile, plan: "Plan", target: str) -> Path:
    """The default folder of the bundle of a study.

    :raises MmcError: when a link leads from ``build`` to somewhere else; ``build`` itself may be a link
    """
    return Folder(study.folder / "build").place(f"{folder_name(plan)}/{target}")


def folder_name(plan: "Plan") -> str:
    """The name of a study in folder names."""
    return plan.study.replace(" ", "_")
