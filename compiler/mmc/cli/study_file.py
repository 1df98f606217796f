"""Reads and checks a study file, given its name on the command line, and finds the files that it names."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmc.compiler.checks import Checked, bounded, check, resolved
from mmc.compiler.checks.variants import check_variants, found_in
from mmc.compiler.inputs import tables, ufo_model
from mmc.compiler.language.bases import Reader, extended
from mmc.compiler.language.changes import changed
from mmc.compiler.language.diagnostics import Diagnostic, has_errors, in_order
from mmc.compiler.language.document import Document, load
from mmc.compiler.language.yaml_nodes import MAX_BYTES
from mmc.compiler.study.variants import VARIANTS, Variant, Variants
from mmc.errors import UsageError
from mmc.packing import packed
from mmc.reading import leads_out, open_regular, read_bytes

if TYPE_CHECKING:  # slow imports that `mmc validate` does not need
    from mmc.compiler.plan.model import Plan

STDIN = "-"
MAX_START_BYTES = 2_000_000
"""The first event of an event file ends within so many bytes, or is not looked at."""
MAX_CARD_BYTES = 2_000_000
"""Larger files are not cards."""


@dataclass(frozen=True)
class StudyFile:
    """A study as it was read and checked."""

    name: str
    """The file as the user named it."""
    folder: Path
    """The folder of the study; the paths in the study are relative to it."""
    document: Document
    diagnostics: list[Diagnostic]
    data: dict[str, Any] | None
    """The study with every default filled in; None if it has errors."""
    files: tuple[str, ...]
    """The files that the study names, as it writes them."""
    is_shown: bool = True
    """Whether its lines may be shown; those of a file outside of its folder may not."""
    changes: tuple[str, ...] = ()
    """The values that the command line has set, ``KEY=VALUE``."""
    variants: Variants | None = None
    """The variants of a study without errors that has some."""
    files_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The files that each variant names."""

    @property
    def texts(self) -> dict[str, str]:
        """The text of each file from which the study is, by its name in messages; empty if it may not be shown."""
        table = [] if self.variants is None else [self.variants.said]
        read = (*table, self.document, *self.document.bases)
        return {document.path: document.text if self.is_shown else "" for document in read}

    @property
    def is_wrong(self) -> bool:
        """Whether there is an error among the diagnostics."""
        return self.data is None

    def plan(self) -> "Plan":
        """The plan of a study without errors."""
        from mmc.compiler.plan.make import make_plan
        from mmc.compiler.study.build import build_study

        if self.data is None:
            raise ValueError(f"{self.name} is wrong")
        study = build_study(self.data)
        if self.variants is None:
            return replace(make_plan(study, self._digests), changes=self.changes)
        from mmc.compiler.plan.variants import merge

        plans = ((variant, self._plan_of(self.variants, variant)) for variant in self.variants.variants)
        return replace(merge(study, self._digests, plans), changes=self.changes)

    def _plan_of(self, variants: Variants, variant: Variant) -> "Plan":
        """The plan of one variant, as that of a study of its own."""
        from mmc.compiler.plan.make import make_plan
        from mmc.compiler.study.build import build_study

        digests = {text: self._digests[text] for text in self.files_of[variant.name]}
        return make_plan(build_study(resolved(variants.document(variant))), digests)

    def sources(self, plan: "Plan") -> dict[str, Path]:
        """The source of each file in the bundle of the plan, by its path in the bundle."""
        by_digest = {sha256: self.folder / text for text, sha256 in self._digests.items()}
        return {str(file.path): by_digest[file.sha256] for file in plan.files}

    @cached_property
    def _digests(self) -> dict[str, str]:
        """SHA-256 of each file that the study names, by its path in the study."""
        import hashlib

        digests = {}
        for text in self.files:
            if (self.folder / text).is_dir():
                digests[text] = hashlib.sha256(packed(self.folder / text)).hexdigest()
                continue
            with open_regular(self.folder / text) as file:
                digests[text] = hashlib.file_digest(file, "sha256").hexdigest()
        return digests


def read(name: str, changes: Sequence[str] = ()) -> StudyFile:
    """Read and check a study; ``-`` is standard input.

    :param changes: other values than in the file, ``KEY=VALUE``
    :raises UsageError: when there is no such file, or it is a link to something else than a study; when a change cannot
        be made
    :raises OSError: when it cannot be read
    """
    folder = Path() if name == STDIN else Path(name).parent
    document = load(content(name), "<stdin>" if name == STDIN else name)
    is_shown = name == STDIN or not leads_out(Path(name))
    if not is_shown and "mmc" not in (document.data or {}):  # messages would quote it: a private key, say
        raise UsageError(f"{name}: a link out of its folder, to a file that is not a study")
    look_up = _look_up_in(folder)
    beside = Reader(look_up, lambda text: content(str(folder / text)), lambda text: str(folder / text))
    document = changed(extended(document, Path(name).name, beside), changes)
    readers = (look_up, _read_text_in(folder), read_start_in(folder), read_model_in(folder))
    columns = read_columns_in(folder)
    checked = check(document, *readers, read_columns=columns)
    study = StudyFile(name, folder, document, *checked, is_shown, tuple(changes))
    if study.data is None or VARIANTS not in study.data:
        return study
    variants = found_in(document, study.data, readers[1], beside.name)
    return _with_variants(
        study, variants, lambda variant: check(variant, *readers, read_columns=columns, is_variant=True)
    )


def _with_variants(study: StudyFile, variants: Variants, check_one: Callable[[Document], Checked]) -> StudyFile:
    """A study that is fine itself with its variants, and with their problems instead of its own: it does not run."""
    problems, files_of = check_variants(variants, check_one)
    diagnostics = bounded(in_order(problems))
    return replace(
        study,
        diagnostics=diagnostics,
        data=None if has_errors(diagnostics) else study.data,
        files=tuple(dict.fromkeys([*study.files, *(file for files in files_of.values() for file in files)])),
        variants=variants,
        files_of=files_of,
    )


def content(name: str) -> bytes:
    """The bytes of a regular file, but at most one more than a study has; ``-`` is standard input.

    :raises UsageError: when there is no such file
    :raises OSError: when it cannot be read
    """
    if name == STDIN:
        return b"" if sys.stdin is None else sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with open_regular(Path(name)) as file:
            return file.read(MAX_BYTES + 1)
    except PermissionError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise UsageError(f"{name}: {getattr(error, 'strerror', None) or error}") from error


def _look_up_in(folder: Path) -> Callable[[str], str]:
    """A function that says what a path in the folder is: ``file``, ``missing``, ``outside``, or else ``folder``."""

    def look_up(text: str) -> str:
        path = folder / text
        try:
            if not path.exists():
                return "missing"
            if not path.resolve().is_relative_to(folder.resolve()):
                return "outside"
        except (OSError, ValueError, RuntimeError):  # a name too long, a null character, a loop of links
            return "missing"
        return "file" if path.is_file() and os.access(path, os.R_OK) else "folder"

    return look_up


def _read_text_in(folder: Path) -> Callable[[str], str | None]:
    """A function that returns the text of a card in the folder; None if it cannot be read."""

    @cache
    def read_text(text: str) -> str | None:
        try:
            return read_bytes(folder / text, MAX_CARD_BYTES).decode("utf-8")
        except (OSError, ValueError):  # too large, not UTF-8, or a null character in the name
            return None

    return read_text


def read_start_in(folder: Path) -> Callable[[str], str | None]:
    """A function that returns the start of an event file in the folder, unpacked; None if it cannot be read."""

    @cache
    def read_start(text: str) -> str | None:
        import gzip
        import zlib

        try:
            with open_regular(folder / text) as file:
                if file.peek(2)[:2] != b"\x1f\x8b":
                    return file.read(MAX_START_BYTES).decode("utf-8", "replace")
                with gzip.open(file) as packed:
                    return packed.read(MAX_START_BYTES).decode("utf-8", "replace")
        except (OSError, ValueError, EOFError, zlib.error):  # damaged: the job that reads the file says how
            return None

    return read_start


def read_columns_in(folder: Path) -> Callable[[str], Mapping[str, tables.Column] | None]:
    """A function that returns the columns of a table in the folder; None if only jobs can read them."""

    @cache
    def read_columns(text: str) -> Mapping[str, tables.Column] | None:
        return tables.columns_of_npz(folder / text) if tables.kind_of(text) == "npz" else None

    return read_columns


def read_model_in(folder: Path) -> Callable[[Any], Mapping[str, str] | None]:
    """A function that returns the texts of a UFO model; None if it is not at hand or its archive cannot be read.

    The model is the value of ``model`` in a study: a name, or ``file`` or ``ufo`` with an archive in the folder.
    """

    def read_model(model: Any) -> Mapping[str, str] | None:
        try:
            source = (
                ufo_model.installed(model) if isinstance(model, str) else folder / (model.get("file") or model["ufo"])
            )
            return None if source is None else ufo_model.texts(source)
        except (OSError, ValueError):  # a name too long, or with a null character
            return None

    return read_model
