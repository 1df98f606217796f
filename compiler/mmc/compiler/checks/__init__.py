"""All checks of a study: first its shape by the JSON Schema, then the rules that a schema cannot express.

Each family of rules has a module, and so may each generator: all modules of this package are imported. A rule is a
function that reads a :class:`~mmc.compiler.checks.context.Context` and yields diagnostics; it skips the parts that the
schema refuses.
"""

from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pkgutil import iter_modules
from typing import Any, NamedTuple

from mmc.compiler.checks import files
from mmc.compiler.checks.bounds import too_many_entries
from mmc.compiler.checks.context import RULES, Context, LookUp, ReadColumns, ReadModel, ReadText, Rule
from mmc.compiler.checks.grouped import read_grouped
from mmc.compiler.checks.shape import MMC109, MOST_FOUND, check_shape
from mmc.compiler.checks.short import read_short
from mmc.compiler.language.diagnostics import START, Code, Diagnostic, Severity, Span, has_errors, in_order, show
from mmc.compiler.language.document import Document

__all__ = ["RULE_MODULES", "Checked", "LookUp", "ReadText", "check"]
RULE_MODULES = tuple(
    import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__) if module.name != "codes"
)
"""The modules of this package, which register their rules when they are imported. ``codes`` collects from them."""

MOST_SHOWN = 50
"""At most this many problems of a study are shown; the others are counted."""


class Checked(NamedTuple):
    """What the checks found; ``data`` is the study with every default filled in, None if the study has errors."""

    diagnostics: list[Diagnostic]
    data: dict[str, Any] | None
    files: tuple[str, ...]
    """The existing files that the study names, with their paths as the study writes them."""


def _nothing(_path: Any) -> None:
    """Read nothing, for callers without cards and models."""


def check(
    document: Document,
    look_up: LookUp,
    read_text: ReadText = _nothing,
    read_start: ReadText = _nothing,
    read_model: ReadModel = _nothing,
    *,
    read_columns: ReadColumns = _nothing,
    is_variant: bool = False,
) -> Checked:
    """All problems of a study, including those of its YAML.

    :param look_up: says what a path in its folder is
    :param read_text: gives the text of a card there
    :param read_start: gives the start of an event file there
    :param read_model: gives the texts of a UFO model, there or installed
    :param read_columns: gives the columns of a table there
    :param is_variant: whether it is a variant of another study
    """
    document, malformed = read_grouped(document)
    if document.data is None:
        return Checked(in_order(document.diagnostics), None, ())
    too_many = list(too_many_entries(document))
    if too_many:
        return Checked(bounded(in_order([*document.diagnostics, *too_many])), None, ())
    document = read_short(document)
    shape = check_shape(document)
    other_language = [problem for problem in shape.diagnostics if problem.code == MMC109.id]
    if other_language and document.data and document.data["mmc"] != 1.0:
        return Checked(in_order([*document.diagnostics, *other_language]), None, ())
    found = [*document.diagnostics, *malformed, *shape.diagnostics]
    if not shape.is_whole:
        return Checked(bounded(in_order(found)), None, ())
    readers = (look_up, read_text, read_start, read_model, read_columns)
    context = Context(document, shape.unsound, shape.unknown, *readers, is_variant)
    for codes, rule in RULES:
        found += _found_by(rule, codes, context)
    ordered = in_order(found)
    data = None if has_errors(ordered) else context.data
    return Checked(bounded(ordered), data, files.named(context))


def resolved(document: Document) -> dict[str, Any]:
    """The data of a study that is fine, with every default filled in."""
    document = read_short(read_grouped(document)[0])
    readers = (lambda _: "missing", _nothing, _nothing, _nothing, _nothing)
    return Context(document, frozenset(), frozenset(), *readers).data


MMC014 = Code(
    "MMC014",
    "There are more problems than are shown",
    "`mmc` shows the first fifty problems of a study and counts the others. Repair these and check again.",
)


MMC016 = Code(
    "MMC016",
    "A rule of mmc fails",
    "A rule ended with an exception, so it could not check the study. This is a bug in mmc: please report it with the "
    "study. The other rules have checked the study.",
)


def _found_by(rule: Rule, codes: tuple[Code, ...], context: Context) -> Iterator[Diagnostic]:
    """What a rule finds, up to a bound. An exception of the rule is a problem too, and the other rules still run."""
    problems = rule(context)
    try:
        yield from islice(problems, MOST_FOUND)
        if next(problems, None) is not None:  # an error, even if all that were found are warnings
            yield MMC014.at(context.document.path, START, f"there are more than {MOST_FOUND:,} problems of one kind")
    except Exception as error:
        names = ", ".join(code.id for code in codes)
        message = f"the rule {rule.__module__.rpartition('.')[2]}.{rule.__name__} ({names}) fails: "
        help_text = "this is a bug in mmc: report it with the study"
        yield MMC016.at(context.document.path, START, f"{message}{type(error).__name__}: {show(str(error))}", help_text)


def bounded(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """The problems that are shown, each with its help."""
    return [item.complete for item in _first(diagnostics)]


def _first(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    more = len(diagnostics) - MOST_SHOWN
    if more <= 0:
        return diagnostics
    last = diagnostics[MOST_SHOWN - 1]
    span = Span(last.span.line, last.span.column, last.span.line, last.span.column + 1)
    severity: Severity = "error" if has_errors(diagnostics[MOST_SHOWN:]) else "warning"
    message = f"at least {more} more problems are not shown"
    note = MMC014.at(last.path, span, message, "repair these first")._replace(severity=severity)
    return [*diagnostics[:MOST_SHOWN], note]
