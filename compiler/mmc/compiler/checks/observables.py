"""Rules about observables: their definitions, and settings that have no effect on an existing event file."""

import ast
import re
from collections.abc import Iterator, Mapping

from mmc.compiler.catalogue.generators import EVENT_FILE
from mmc.compiler.catalogue.names import IN_BASIS
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.expressions.checker import MAX_LENGTH, constant_value
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show

_TAKES_ELEMENT = re.compile(r"[\w\])]\s*\[")


MMC311 = Code(
    "MMC311",
    "A setting has no effect on an existing event file",
    "An existing MadMiner file fixes observables, cuts, efficiencies, the detector, the morphing basis, systematic "
    "uncertainties and samples. Remove these settings, so that the study describes what is done.",
)


@rule(MMC311)
def without_effect(ctx: Context) -> Iterator[Diagnostic]:
    """The study sets nothing that an existing event file has already fixed."""
    if ctx.origin is not EVENT_FILE:
        return
    decided = ("morphing", "detector", "default_observables", "cuts", "efficiencies", "systematics", "groups")
    for section in decided:
        if ctx.given(section):
            message = f"`{section}` has no effect on an existing event file"
            yield ctx.problem(MMC311, (section,), message, "remove it", key=True)
    for name in ctx.entries("benchmarks"):
        if ctx.given("benchmarks", name, IN_BASIS):
            message = f"`{IN_BASIS}` has no effect: the event file contains the morphing basis"
            yield ctx.problem(MMC311, ("benchmarks", name, IN_BASIS), message, "remove it", key=True)
    for name in ctx.entries("observables"):
        for key in ("definition", "required", "default"):
            if ctx.given("observables", name, key):
                message = f"`{key}` has no effect: the event file contains the values of {show(name)}"
                yield ctx.problem(MMC311, ("observables", name, key), message, "remove it", key=True)


MMC312 = Code(
    "MMC312",
    "An observable has no definition",
    "Each observable needs a `definition`, unless the study reads a MadMiner event file.",
)
MMC313 = Code(
    "MMC313",
    "An observable may be undefined",
    "The expression uses an element of a list, such as `j[0]`, which some events may lack. Without `default` or "
    "`required: true` its value in such events is not a number (NaN), and a network cannot be trained with it.",
    "warning",
)


@rule(MMC312, MMC313)
def definitions(ctx: Context) -> Iterator[Diagnostic]:
    """Observables have a definition, with a value in every event."""
    if not ctx.reads_particles:
        return
    for name, entry in ctx.entries("observables").items():
        definition = entry.get("definition")
        if definition is None:
            message = f"observable {show(name)} has no definition"
            yield ctx.problem(MMC312, ("observables", name), message, 'add one, as in `definition: "met.pt"`', key=True)
        elif not entry["required"] and "default" not in entry and _may_lack(definition, ctx.once(required_lengths)):
            message = f"observable {show(name)} is not a number in events that lack the particle"
            help_text = "add `default: 0`, or `required: true` or a cut such as `len(j) >= 2` to drop such events"
            yield ctx.problem(MMC313, ("observables", name), message, help_text, key=True)


def _may_lack(definition: str, lengths: Mapping[str, int]) -> bool:
    """Whether an expression takes an element of a list that an event may lack."""
    if not _TAKES_ELEMENT.search(definition):
        return False
    tree = _parsed(definition)
    elements = [node for node in ast.walk(tree) if isinstance(node, ast.Subscript)] if tree is not None else []
    needed = [_needed(node) for node in elements]
    return not elements or any(need is None or need[1] > lengths.get(need[0], 0) for need in needed)


def required_lengths(ctx: Context) -> dict[str, int]:
    """The shortest length of each list of particles in events that pass all cuts and have all required observables."""
    cuts, observables = ctx.data.get("cuts", ()), ctx.entries("observables").values()
    texts = [
        cut if isinstance(cut, str) else cut.get("definition", "")
        for cut in (cuts if ctx.sound("cuts") else ())
        if isinstance(cut, str) or not cut.get("passed_if_undefined")
    ]
    texts += [entry["definition"] for entry in observables if entry["required"] and "definition" in entry]
    lengths: dict[str, int] = {}
    for text in texts:
        for name, length in _lengths(_parsed(text)):
            lengths[name] = max(length, lengths.get(name, 0))
    return lengths


def _lengths(tree: ast.expr | None) -> Iterator[tuple[str, int]]:
    """The lengths without which an expression has no value, or a condition is false."""
    if tree is None:
        return
    if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And):
        for part in tree.values:
            yield from _lengths(part)
        return
    if any(isinstance(node, ast.BoolOp | ast.IfExp | ast.ListComp | ast.GeneratorExp) for node in ast.walk(tree)):
        return
    yield from (need for node in ast.walk(tree) if isinstance(node, ast.Subscript) and (need := _needed(node)))
    if isinstance(tree, ast.Compare) and len(tree.ops) == 1:
        counted, number, operator = tree.left, tree.comparators[0], type(tree.ops[0])
        if isinstance(counted, ast.Constant):
            counted, number, operator = number, counted, _REVERSED.get(operator, operator)
        is_length = isinstance(counted, ast.Call) and ast.unparse(counted.func) == "len"
        least = number.value if isinstance(number, ast.Constant) and type(number.value) is int else None
        if is_length and least is not None and operator in (ast.Gt, ast.GtE, ast.Eq):
            yield ast.unparse(counted).removeprefix("len(").removesuffix(")"), least + (operator is ast.Gt)


_REVERSED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


def _needed(node: ast.Subscript) -> tuple[str, int] | None:
    """The list of an element and the length that it needs; None for a list or an index that is not a plain one."""
    try:
        index = ast.literal_eval(node.slice)
    except ValueError:
        return None
    if not isinstance(node.value, ast.Name) or type(index) is not int:
        return None
    return node.value.id, index + 1 if index >= 0 else -index


def _parsed(text: str) -> ast.expr | None:
    """An expression; None if it is wrong, which another rule reports."""
    try:
        return ast.parse(text.strip(), mode="eval").body if len(text) <= MAX_LENGTH else None
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


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
        if ctx.reads_particles and definition is not None and constant_value(definition, ctx.reader) is not None:
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
