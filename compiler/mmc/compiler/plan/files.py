"""The files of a study that the jobs of a stage read."""

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from mmc.compiler.plan.model import FileInput


class StageFiles:
    """Gives every file of a stage's jobs a name on their command line; each file has one name.

    The name depends on the path only, so files of other jobs do not change the settings of a job.
    """

    def __init__(self, digests: Mapping[str, str]) -> None:
        self._digests = digests
        self._files: dict[str, FileInput] = {}
        self._names: dict[str, str] = {}
        self._tried: Counter[str] = Counter()
        """How many names were tried for files whose paths look the same without their punctuation."""

    def name(self, text: str) -> str:
        """The name of the file input for a path of the study.

        >>> StageFiles({"cards/run card.dat": "0" * 64}).name("cards/run card.dat")
        'file_cards_run_card_dat'
        """
        path = posixpath.normpath(text)
        if path not in self._names:
            name = base = "file_" + re.sub(r"[^A-Za-z0-9]", "_", path)
            while name in self._files:
                self._tried[base] += 1
                name = f"{base}_" if self._tried[base] == 1 else f"{base}__{self._tried[base]}"
            self._names[path] = name
            self._files[name] = FileInput(name, PurePosixPath("inputs") / path, self._digests[text])
        return self._names[path]

    def optional(self, text: str | None) -> str | None:
        """The name of the file input; None if the study names no file."""
        return None if text is None else self.name(text)

    def trusted_cards(self, trust: Iterable[str], *paths: str | None) -> tuple[str, ...]:
        """The file inputs of those of the paths that a study trusts.

        >>> StageFiles({"a.tcl": "0" * 64}).trusted_cards(["./a.tcl", "Init:plugins"], "a.tcl", None)
        ('file_a_tcl',)
        """
        known = {posixpath.normpath(entry) for entry in trust}
        return tuple(self.name(path) for path in paths if path is not None and posixpath.normpath(path) in known)

    def trusted_settings(self, trust: Iterable[str]) -> tuple[str, ...]:
        """What a study trusts that is not a file: the names of settings.

        >>> StageFiles({"a.tcl": "0" * 64}).trusted_settings(["./a.tcl", "Init:plugins"])
        ('Init:plugins',)
        """
        known = {posixpath.normpath(path) for path in self._digests}
        return tuple(entry for entry in trust if posixpath.normpath(entry) not in known)

    @property
    def inputs(self) -> tuple[FileInput, ...]:
        """All files, in the order in which they got their names."""
        return tuple(self._files.values())
