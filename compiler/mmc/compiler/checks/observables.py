"""Rules about observables: their definitions, and settings that have no effect on an existing event file."""

import ast
from collections.abc import Iterator

from mmc.compiler.catalogue.generators import EVENT_FILE, TABLES
from mmc.compiler.catalogue.names import IN_BASIS, madminer_name
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.definitions import scope
from mmc.compiler.checks.files import is_there
from mmc.compiler.checks.lengths import may_lack
from mmc.compiler.expressions.checker import checked
from mmc.compiler.expressions.vocabulary import RESERVED
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show, suggestion

MMC311 = Code(
    "MMC311",
    "A setting has no effect on an existing event file",
    "An existing MadMiner file fixes observables, cuts, efficiencies, the detector, the morphing basis, systematic "
    "uncertainties and samples. Remove these settings, so that the study describes what is done. For a file without "
    "morphing write `morphing: none`.",
)


@rule(MMC311)
def without_effect(ctx: Context) -> Iterator[Diagnostic]:
    """The study sets nothing that an existing event file has already fixed."""
    if ctx.origin is not EVENT_FILE:
        return
    decided = ["morphing"] if ctx.get("morphing") != "none" else []
    decided += ["detector", "default_observables", "objects", "definitions"]
    for section in (*decided, "cuts", "efficiencies", "systematics", "groups", "regions"):
        if ctx.given(section):
            message = f"`{section}` has no effect on an existing event file"
            yield ctx.problem(MMC311, (section,), message, "remove it", key=True)
    for name in ctx.entries("benchmarks"):
        if ctx.given("benchmarks", name, IN_BASIS):
            message = f"`{IN_BASIS}` has no effect: the event file contains the morphing basis"
            yield ctx.problem(MMC311, ("benchmarks", name, IN_BASIS), message, "remove it", key=True)
    for name in ctx.entries("observables"):
        for key in ("definition", "function", "required", "default"):
            if ctx.given("observables", name, key):
                message = f"`{key}` has no effect: the event file contains the values of {show(name)}"
                yield ctx.problem(MMC311, ("observables", name, key), message, "remove it", key=True)


MMC312 = Code(
    "MMC312",
    "An observable has no definition",
    "Each observable needs a `definition` or a `function`, unless the study reads a MadMiner event file.",
)
MMC313 = Code(
    "MMC313",
    "An observable may be undefined",
    "The expression uses an element of a list, such as `j[0]`, or a pair, which some events may lack. Without "
    "`default` or `required: true` its value in such events is not a number (NaN), and a network cannot be trained "
    "with it.",
    "warning",
)


@rule(MMC312, MMC313)
def definitions(ctx: Context) -> Iterator[Diagnostic]:
    """Observables have a definition, with a value in every event."""
    if not ctx.reads_particles:
        return
    for name, entry in ctx.entries("observables").items():
        definition = entry.get("definition")
        if "function" in entry:
            continue
        if definition is None and ctx.origin is TABLES:
            continue  # it is the column of its name
        if definition is None:
            message = f"observable {show(name)} has no definition"
            yield ctx.problem(MMC312, ("observables", name), message, 'add one, as in `definition: "met.pt"`', key=True)
        elif not entry["required"] and "default" not in entry and may_lack(ctx, definition):
            message = f"observable {show(name)} is not a number in events that lack the particle"
            help_text = "add `default: 0`, or `required: true` or a cut such as `len(j) >= 2` to drop such events"
            yield ctx.problem(MMC313, ("observables", name), message, help_text, key=True)


MMC413 = Code(
    "MMC413",
    "A function cannot be an observable",
    "The file must define the function, at the left margin, and the observable's name must be a Python name without "
    "another meaning. An observable has a `function` or a `definition`.",
)


@rule(MMC413)
def functions(ctx: Context) -> Iterator[Diagnostic]:
    """Functions are in their files, which are read as text and not run."""
    for name, entry in ctx.entries("observables").items():
        if "function" not in entry or not ctx.reads_particles:
            continue
        path = ("observables", name, "function")
        file, _, function = entry["function"].rpartition(":")
        if "definition" in entry:
            message = f"{show(name)} has a function and a definition"
            yield ctx.problem(MMC413, path, message, "remove one of them", key=True)
        if not madminer_name(name).isidentifier() or madminer_name(name) in RESERVED:
            message = f"{show(name)} cannot be the name of an observable with a function"
            yield ctx.problem(MMC413, path[:2], message, "choose a Python name without another meaning", key=True)
        defined = _functions_in(ctx.read_text(file)) if is_there(ctx, file) else None
        if defined is not None and function not in defined:
            help_text = suggestion(function, defined, f"it defines {one_of(defined)}") if defined else ""
            message = f"{show(file)} does not define {show(function)}"
            yield ctx.problem(MMC413, path, message, help_text)


def _functions_in(text: str | None) -> list[str] | None:
    """The functions that a Python file defines; None if it is not known."""
    try:
        tree = ast.parse(text or "")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return [] if text is not None else None
    return None if text is None else [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


MMC409 = Code(
    "MMC409",
    "An observable does not depend on the event",
    "The definition contains no particle, so the observable is the same in every event and nothing can be learned from "
    "it. An observable that contains particles and is still constant is found when the events are read: the run warns, "
    "and no method is trained on it.",
)


@rule(MMC409)
def constants(ctx: Context) -> Iterator[Diagnostic]:
    """Observables depend on the event."""
    for name, entry in ctx.entries("observables").items():
        definition = entry.get("definition")
        if not ctx.reads_particles or definition is None:
            continue
        if checked(definition, "observable", ctx.once(scope), frozenset())[1].constant is not None:
            message = f"observable {show(name)} is the same in every event: its definition contains no particle"
            path = ("observables", name, "definition")
            yield ctx.problem(MMC409, path, message, 'use particles in the definition, as in `"met.pt"`, or remove it')


MMC314 = Code(
    "MMC314",
    "There are no observables",
    "Without observables nothing can be learned. Define some in `observables`, or use MadMiner's standard set with "
    "`default_observables: {}`.",
)


@rule(MMC314)
def some_observables(ctx: Context) -> Iterator[Diagnostic]:
    """The study has observables."""
    if ctx.names("observables") == [] and ctx.get("observables") == {} and ctx.sound("default_observables"):
        message = "the study has no observables"
        help_text = f"define some, or use MadMiner's default observables: {one_of(['default_observables: {}'])}"
        yield ctx.problem(MMC314, ("observables",), message, help_text if ctx.reads_particles else "", key=True)
