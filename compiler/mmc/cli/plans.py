"""The studies that a command is given: their problems shown, their plans made, and where their bundles go."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mmc.cli.study_file import StudyFile, read

if TYPE_CHECKING:
    from mmc.compiler.plan.model import Plan


def distinct(names: Iterable[str]) -> list[str]:
    """The names without repetition; a study that a pattern finds twice is read once."""
    return list(dict.fromkeys(names))


def show(studies: Sequence[StudyFile], stream: TextIO, form: str = "text") -> None:
    """Write the diagnostics of the studies, if there are any or the form is for programs."""
    diagnostics = [item for study in studies for item in study.diagnostics]
    if form == "text" and not diagnostics:
        return
    from mmc.cli.rendering import RENDERERS, to_text

    sources = {study.document.path: study.document.text for study in studies}
    if form == "text":
        stream.write(to_text(diagnostics, sources, colour=stream.isatty() and "NO_COLOR" not in os.environ))
    else:
        stream.write(RENDERERS[form](diagnostics, sources))


def read_plans(names: list[str]) -> "list[tuple[StudyFile, Plan]] | None":
    """The studies with their plans; None, and the problems on standard error, when one is wrong."""
    studies = [read(name) for name in names]
    show(studies, sys.stderr)
    if any(study.is_wrong for study in studies):
        return None
    return [(study, study.plan()) for study in studies]


def read_plan(name: str) -> "tuple[StudyFile, Plan] | None":
    """The study with its plan; None, and the problems on standard error, when it is wrong."""
    plans = read_plans([name])
    return None if plans is None else plans[0]


def bundle_folder(study: StudyFile, plan: "Plan", target: str) -> Path:
    """Where the bundle of a study is, unless the user says where."""
    return study.folder / "build" / folder_name(plan) / target


def folder_name(plan: "Plan") -> str:
    """The name of a study as folders have it."""
    return plan.study.replace(" ", "_")
