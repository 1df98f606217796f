"""All checks of a study: first its shape by the JSON Schema, then the rules that a schema cannot express.

Each family of rules has a module. A rule is a function that reads a :class:`~mmc.compiler.checks.context.Context` and
yields diagnostics; it skips the parts that the schema refuses.
"""

from importlib import import_module
from typing import Any, NamedTuple

from mmc.compiler.catalogue.generators import GENERATORS
from mmc.compiler.checks import (
    annotations,
    basis,
    cards,
    detector,
    evaluation,
    events,
    files,
    methods,
    names,
    observables,
    points,
    reana,
    systematics,
    trust,
    tuning,
)
from mmc.compiler.checks.context import RULES, Context, LookUp, ReadText
from mmc.compiler.checks.grouped import read_grouped
from mmc.compiler.checks.shape import MMC109, check_shape
from mmc.compiler.language.diagnostics import Code, Diagnostic, Severity, Span, has_errors, in_order
from mmc.compiler.language.document import Document

__all__ = ["RULE_MODULES", "Checked", "LookUp", "ReadText", "check"]
RULE_MODULES = (
    *(annotations, basis, cards, detector, evaluation, events),
    *(files, methods, names, observables, points, reana, systematics, trust, tuning),
    *(import_module(f"mmc.compiler.checks.{origin.module}") for origin in GENERATORS.values()),
)
"""The modules that register their rules when they are imported. Each generator has a module of its own."""

MOST_SHOWN = 50
"""At most this many problems of a study are shown; the others are counted."""


class Checked(NamedTuple):
    """What the checks found; ``data`` is the study with every default filled in, None if the study has errors."""

    diagnostics: list[Diagnostic]
    data: dict[str, Any] | None
    files: tuple[str, ...]
    """The existing files that the study names, with their paths as the study writes them."""


def _no_text(_path: str) -> None:
    """Read nothing, for callers without cards."""


def check(document: Document, look_up: LookUp, read_text: ReadText = _no_text) -> Checked:
    """All problems of a study, including those of its YAML.

    :param look_up: says what a path in its folder is
    :param read_text: gives the text of a card there
    """
    document, malformed = read_grouped(document)
    if document.data is None:
        return Checked(in_order(document.diagnostics), None, ())
    problems, unsound, unknown = check_shape(document)
    found = [*document.diagnostics, *malformed, *problems]
    context = Context(document, unsound, unknown, look_up, read_text)
    other_language = [problem for problem in problems if problem.code == MMC109.id and document.data["mmc"] != 1.0]
    if other_language:
        return Checked(in_order([*document.diagnostics, *other_language]), None, ())
    for _, rule in RULES:
        found += rule(context)
    ordered = in_order(found)
    data = None if has_errors(ordered) else context.data
    return Checked(_bounded(ordered), data, files.named(context))


MMC014 = Code(
    "MMC014",
    "There are more problems than are shown",
    "`mmc` shows the first fifty problems of a study and counts the others. Repair these and check again.",
)


def _bounded(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    more = len(diagnostics) - MOST_SHOWN
    if more <= 0:
        return diagnostics
    last = diagnostics[MOST_SHOWN - 1]
    span = Span(last.span.line, last.span.column, last.span.line, last.span.column + 1)
    severity: Severity = "error" if has_errors(diagnostics[MOST_SHOWN:]) else "warning"
    message = f"at least {more} more problems are not shown"
    note = MMC014.at(last.path, span, message, "repair these first")._replace(severity=severity)
    return [*diagnostics[:MOST_SHOWN], note]
