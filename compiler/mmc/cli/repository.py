"""Paths as services see them: relative to the root of the repository, wherever mmc runs in it."""

import os
from pathlib import Path, PurePath


def from_root(path: str) -> str:
    """The path of a file relative to the repository that contains the current folder; unchanged without one.

    GitHub drops annotations whose path is relative to ``working-directory``.
    """
    here = Path.cwd()
    root = _root(here)
    full = Path(os.path.normpath(here / path))
    if root is None or not full.is_relative_to(root) or path.startswith("<"):
        return path
    return full.relative_to(root).as_posix()


def _root(folder: Path) -> Path | None:
    """The top of the git repository of a folder, or else GitHub's folder of the job."""
    above = next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)
    given = os.environ.get("GITHUB_WORKSPACE", "")
    if above is None and given and folder.is_relative_to(PurePath(given)):
        return Path(given)
    return above


def in_utf8(path: str) -> str:
    """The path as a program with a UTF-8 locale reads it, whatever the locale of this one."""
    return os.fsencode(path).decode("utf-8", "surrogateescape")
