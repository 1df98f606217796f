"""Which elements of lists an expression needs, and which ones the selected events have."""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from mmc.compiler.catalogue.names import madminer_name
from mmc.compiler.checks.context import Context
from mmc.compiler.checks.definitions import entries
from mmc.compiler.expressions.naming import parts
from mmc.compiler.expressions.parts import free_names, parsed
from mmc.compiler.expressions.vocabulary import BY_FUNCTIONS, RESERVED

Need = tuple[str, int] | None
"""A list and the length that it needs, or a pair and 1; None for an element whose list has no name."""


def may_lack(ctx: Context, definition: str) -> bool:
    """Whether an expression takes an element of a list, or a pair, that a selected event may lack."""
    lengths = ctx.once(required_lengths)
    return any(need is None or need[1] > lengths.get(need[0], 0) for need in _needs(ctx, definition))


def _needs(ctx: Context, text: str) -> Iterator[Need]:
    """What an expression needs, with everything that it uses."""
    named, observables = ctx.once(entries), ctx.once(_without_default)
    waiting, seen = [text], {text}
    while waiting:
        tree = parsed(waiting.pop())
        if tree is None:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Subscript):
                yield _needed(node)
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in BY_FUNCTIONS[1:] and node.args:
                yield (node.args[0].id, 1) if isinstance(node.args[0], ast.Name) else None
        for name in free_names(tree):
            if _is_pair(named.get(name)):
                yield name, 1
            used = [part.text for part in parts(named[name])] if name in named else []
            if name not in named and name in observables:
                used = [observables[name]]
            waiting += [part for part in used if part not in seen]
            seen |= set(used)


def _without_default(ctx: Context) -> dict[str, str]:
    """The definitions of observables that have no value where their definition has none."""
    return {
        madminer_name(name): entry["definition"]
        for name, entry in ctx.entries("observables").items()
        if "definition" in entry and "default" not in entry and madminer_name(name) not in RESERVED
    }


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, Mapping) and "pair_of" in entry


def required_lengths(ctx: Context) -> dict[str, int]:
    """The shortest length of each list in events that pass all cuts and have all required observables.

    A pair has length 1 there if all these events have it.
    """
    cuts, observables = ctx.data.get("cuts", ()), ctx.entries("observables").values()
    waiting = [
        cut if isinstance(cut, str) else cut.get("definition", "")
        for cut in (cuts if ctx.sound("cuts") else ())
        if isinstance(cut, str) or not cut.get("passed_if_undefined")
    ]
    waiting += [entry["definition"] for entry in observables if entry["required"] and "definition" in entry]
    named, plain = ctx.once(entries), ctx.once(_without_default)
    lengths: dict[str, int] = {}
    seen = set(waiting)
    while waiting:
        text = waiting.pop()
        for name, needed in _lengths(parsed(text)):
            length = 1 if _is_pair(named.get(name)) else needed
            lengths[name] = max(length, lengths.get(name, 0))
            used = _always_used(named[name], length) if name in named else [plain[name]] if name in plain else []
            waiting += [part for part in used if part not in seen]
            seen |= set(used)
    return lengths


def _always_used(entry: Any, length: int) -> list[str]:
    """The expressions that have a value wherever an entry has one; for a selection, that its source is as long."""
    if isinstance(entry, str):
        return [entry]
    if not isinstance(entry, Mapping):
        return []
    if "neutrino" in entry:
        return [part.text for part in parts(entry) if not part.bound]
    source = entry.get("pair_of", entry.get("from"))
    return [f"len({source}) >= {2 if 'pair_of' in entry else length}"] if length > 0 else []


def _lengths(tree: ast.expr | None) -> Iterator[tuple[str, int]]:
    """The lengths without which an expression has no value, or a condition is false; each name in it has length 0."""
    if tree is None:
        return
    if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And):
        for part in tree.values:
            yield from _lengths(part)
        return
    if any(isinstance(node, ast.BoolOp | ast.IfExp | ast.ListComp | ast.GeneratorExp) for node in ast.walk(tree)):
        return
    yield from ((name, 0) for name in free_names(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and (need := _needed(node)) is not None:
            yield need
    if isinstance(tree, ast.Compare) and len(tree.ops) == 1:
        counted, number, operator = tree.left, tree.comparators[0], type(tree.ops[0])
        if isinstance(counted, ast.Constant):
            counted, number, operator = number, counted, _REVERSED.get(operator, operator)
        is_length = isinstance(counted, ast.Call) and ast.unparse(counted.func) == "len"
        least = number.value if isinstance(number, ast.Constant) and type(number.value) is int else None
        if is_length and least is not None and operator in (ast.Gt, ast.GtE, ast.Eq):
            yield ast.unparse(counted).removeprefix("len(").removesuffix(")"), least + (operator is ast.Gt)


_REVERSED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


def _needed(node: ast.Subscript) -> Need:
    """The list of an element and the length that it needs; None for a list or an index that is not a plain one."""
    if isinstance(node.slice, ast.Slice):
        return None
    try:
        index = ast.literal_eval(node.slice)
    except ValueError:
        return None
    if not isinstance(node.value, ast.Name) or type(index) is not int:
        return None
    return node.value.id, index + 1 if index >= 0 else -index
