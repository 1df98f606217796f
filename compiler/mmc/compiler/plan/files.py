"""The files of a study that the jobs of a stage read."""

import posixpath
import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from mmc.compiler.plan.model import FileInput


class StageFiles:
    """Gives every file of a stage's jobs a name on their command line; each file has one name.

    The name depends on the path only, so files of other jobs do not change the settings of a job.
    """

    def __init__(self, digests: Mapping[str, str]) -> None:
        self._digests = digests
        self._files: dict[str, FileInput] = {}

    def name(self, text: str) -> str:
        """The name of the file input for a path of the study.

        >>> StageFiles({"cards/run card.dat": "0" * 64}).name("cards/run card.dat")
        'file_cards_run_card_dat'
        """
        path = posixpath.normpath(text)
        name = "file_" + re.sub(r"[^A-Za-z0-9]", "_", path)
        while name in self._files and self._files[name].path != _in_bundle(path):
            name += "_"
        self._files.setdefault(name, FileInput(name, _in_bundle(path), self._digests[text]))
        return name

    def optional(self, text: str | None) -> str | None:
        """The name of the file input; None if the study names no file."""
        return None if text is None else self.name(text)

    @property
    def inputs(self) -> tuple[FileInput, ...]:
        """All files, in the order in which they got their names."""
        return tuple(self._files.values())


def _in_bundle(path: str) -> PurePosixPath:
    return PurePosixPath("inputs") / path
