"""The files of a study that the jobs of a stage read."""

import posixpath
from collections.abc import Mapping
from pathlib import PurePosixPath

from mmc.plan import FileInput


class StageFiles:
    """Gives every file that a stage's jobs name a name on their command line; a file that is named twice has one.

    All jobs of a stage get all its files and know by their settings which they need, so a change of one file runs all
    jobs of the stage again.
    """

    def __init__(self, digests: Mapping[str, str]) -> None:
        self._digests = digests
        self._names: dict[str, str] = {}

    def name(self, text: str | None) -> str | None:
        """The name of a file's input from the path that the study gives; None for none."""
        return None if text is None else self._names.setdefault(text, f"file_{len(self._names)}")

    @property
    def inputs(self) -> tuple[FileInput, ...]:
        """All files that were named, in that order."""
        return tuple(FileInput(name, _in_bundle(text), self._digests[text]) for text, name in self._names.items())


def _in_bundle(text: str) -> PurePosixPath:
    """Where the bundle has the file.

    >>> str(_in_bundle("cards/../cards/run_card.dat"))
    'inputs/cards/run_card.dat'
    """
    return PurePosixPath("inputs") / posixpath.normpath(text)
