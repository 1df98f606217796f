"""Rules about objects and definitions: their expressions, their names, and that none is defined by itself."""

import keyword
from collections.abc import Iterator, Mapping

from mmc.compiler.catalogue.names import madminer_name
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.expressions.calls import MMC403, MMC404
from mmc.compiler.expressions.checker import MMC401, MMC406
from mmc.compiler.expressions.lists import MMC402
from mmc.compiler.expressions.naming import MAX_CHAIN, Entry, Naming, named, with_names
from mmc.compiler.expressions.parts import MMC405, MMC407, MMC410
from mmc.compiler.expressions.scope import Scope, scope_of_reader
from mmc.compiler.expressions.vocabulary import ELEMENT, RESERVED
from mmc.compiler.language.diagnostics import Code, Diagnostic, show
from mmc.compiler.language.document import Path

_KINDS = {
    "from": ("from", "where", "by"),
    "neutrino": ("neutrino",),
    "pair_of": ("pair_of", "where", "min"),
}
"""The keys of each kind of object."""


def entries(ctx: Context) -> dict[str, Entry]:
    """The objects and definitions whose form is right, by the name that expressions use."""
    objects = {name: entry for name, entry in ctx.entries("objects").items() if _kind(entry) is not None}
    every: dict[str, Entry] = {**ctx.entries("definitions"), **objects}
    return {madminer_name(name): entry for name, entry in every.items()}


def _kind(entry: Mapping[str, object]) -> str | None:
    kinds = [kind for kind in _KINDS if kind in entry]
    return kinds[0] if len(kinds) == 1 else None


def naming(ctx: Context) -> Naming:
    """What is known of the study's objects and definitions."""
    observables = {madminer_name(name): entry.get("definition") for name, entry in ctx.entries("observables").items()}
    every = {**dict.fromkeys((*map(madminer_name, ctx.names("observables") or ()), *ctx.columns)), **observables}
    return named(ctx.once(entries), every, scope_of_reader(ctx.reader))


def scope(ctx: Context) -> Scope:
    """The names that observables, cuts and efficiencies can use, apart from observables."""
    return with_names(scope_of_reader(ctx.reader), ctx.once(naming).values)


MMC411 = Code(
    "MMC411",
    "Something is defined by itself",
    "Objects, definitions and observables may use each other, but none may use itself, also not by way of others.",
)


@rule(MMC401, MMC402, MMC403, MMC404, MMC405, MMC406, MMC407, MMC410, MMC411)
def expressions(ctx: Context) -> Iterator[Diagnostic]:
    """The expressions of objects and definitions have values of the kinds that their places need."""
    if not ctx.reads_particles:
        return
    found, places = ctx.once(naming), _places(ctx)
    for name, part, problem in found.problems:
        path = (*places[name], *part.keys)
        span = ctx.document.part_span(path, problem.start, problem.end)
        yield ctx.problem(problem.code, path, problem.message, problem.help, span=span)
    for cycle in found.cycles:
        message = f"{show(cycle[0])} is defined by itself: {' → '.join(cycle[:10])}"
        yield ctx.problem(MMC411, places[cycle[0]], message, "write one of them without the others", key=True)
    for name in found.too_deep:
        message = f"{show(name)} uses a chain of more than {MAX_CHAIN} definitions"
        yield ctx.problem(MMC407, places[name], message, "write it with fewer names", key=True)


def _places(ctx: Context) -> dict[str, Path]:
    sections = ("observables", "definitions", "objects")
    return {madminer_name(name): (section, name) for section in sections for name in ctx.entries(section)}


MMC412 = Code(
    "MMC412",
    "An object is not of one kind",
    "An object has one of the keys `from` (with `where` and `by`), `neutrino`, and `pair_of` (with `where` and `min`). "
    "A neutrino has `choose` or `min`.",
)


@rule(MMC412)
def kinds(ctx: Context) -> Iterator[Diagnostic]:
    """Each object is a selection, a neutrino or a pair."""
    for name, entry in ctx.entries("objects").items():
        path: Path = ("objects", name)
        kind = _kind(entry)
        if kind is None:
            given = [f"`{key}`" for key in _KINDS if key in entry]
            message = f"{show(name)} has {' and '.join(given)}" if given else f"{show(name)} has no kind"
            help_text = 'write one of them, as in `{from: j, where: "it.b_tag"}`'
            yield ctx.problem(MMC412, path, message, help_text, key=True)
            continue
        for key in entry:
            if key not in _KINDS[kind]:
                message = f"`{key}` has no effect on an object with `{kind}`"
                yield ctx.problem(MMC412, (*path, key), message, "remove it", key=True)
        if {"choose", "min"} <= set(entry.get("neutrino", ())):
            message = "`choose` has no effect beside `min`"
            yield ctx.problem(MMC412, (*path, "neutrino", "choose"), message, "remove one of them", key=True)


MMC222 = Code(
    "MMC222",
    "An object or definition cannot have this name",
    "Expressions use objects and definitions by their names. A name is a Python name without another meaning: that of "
    "an object or function of the event reader, of an observable, or of another object or definition.",
)


@rule(MMC222)
def names(ctx: Context) -> Iterator[Diagnostic]:
    """Objects and definitions have names that expressions can use."""
    others = dict.fromkeys(ctx.columns, "a column")
    others |= {madminer_name(name): "an observable" for name in ctx.names("observables") or ()}
    for section in ("objects", "definitions"):
        for name in ctx.entries(section):
            path, help_text = (section, name), "choose another name"
            stored = madminer_name(name)
            if not name.isidentifier() or keyword.iskeyword(name):
                reason, help_text = "is not a Python name", "use letters, digits and `_`"
            elif name in RESERVED or name == ELEMENT:
                reason = "already has a meaning in expressions"
            elif stored in others:
                reason = f"is also {others[stored]}"
            else:
                others[stored] = "a definition" if section == "definitions" else "an object"
                continue
            yield ctx.problem(MMC222, path, f"{show(name)} {reason}", help_text, key=True)
