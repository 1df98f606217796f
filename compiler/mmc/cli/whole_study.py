"""A study in one file: with everything that it has from its bases and from the command line."""

from collections.abc import Callable, Iterator
from typing import Any

from mmc.cli.study_file import StudyFile
from mmc.compiler.checks.grouped import read_grouped
from mmc.compiler.importers.yaml_text import flow
from mmc.compiler.language.document import Path

Origins = dict[Path, str | None]
"""Path → where a value is from; None if parts of it are from different lines."""


def study_text(study: StudyFile) -> str:
    """The text of a study as it is run: as it is written, unless parts of it are elsewhere."""
    if not study.document.bases and not study.changes:
        return study.document.text
    return "".join(f"{line}\n" for line in whole_study(study, origins=False))


def whole_study(study: StudyFile, *, origins: bool) -> Iterator[str]:
    """The lines of the whole study. Values that are from the same line are on one line.

    :param origins: add comments with the file and the line of each value, or the change of the command line
    """
    document, _ = read_grouped(study.document)
    own_lines = len(document.lines) - len(study.changes)

    def origin(path: Path) -> str:
        span = document.value_span(path)
        if not span.file and span.line > own_lines:
            return document.lines[span.line - 1]
        return f"{span.file or document.path}:{span.line}"

    found: Origins = {}
    _find(document.data, (), origin, found)
    for line, where in _lines("", document.data, (), -2, found):
        yield f"{line}  # {where}" if origins and where is not None else line


def _find(value: Any, path: Path, origin: Callable[[Path], str], found: Origins) -> str | None:
    """The origin of everything in a value, None if it has several; for this value and all within."""
    inner = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    origins = {_find(item, (*path, key), origin, found) for key, item in inner} or {origin(path)}
    found[path] = next(iter(origins)) if len(origins) == 1 else None
    return found[path]


def _lines(start: str, value: Any, path: Path, indent: int, found: Origins) -> Iterator[tuple[str, str | None]]:
    """The lines of a value after the text ``start``, each with the origin of what is on it."""
    if path and found[path] is not None:
        yield f"{start} {flow(value)}", found[path]
        return
    if path:
        yield start, None
    blanks = " " * (indent + 2)
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        head = f"{blanks}{flow(key)}:" if isinstance(key, str) else f"{blanks}-"
        yield from _lines(head, item, (*path, key), indent + 2, found)
