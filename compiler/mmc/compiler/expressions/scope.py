"""What an expression can name: the objects of a reader of events, or the one parameter of a transform."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

from mmc.compiler.expressions.parts import Value
from mmc.compiler.expressions.vocabulary import (
    BUILTINS,
    CONSTANTS,
    LISTS,
    MATH,
    NUMBER,
    OFTEN_WRITTEN,
    READERS,
    SINGLES,
)
from mmc.compiler.language.diagnostics import did_you_mean, one_of

LIST = "list"
"""The kind of a list; what it is a list of is apart from that."""


class Scope(NamedTuple):
    """What an expression can name."""

    variables: Mapping[str, Value]
    """Objects of the reader and constants, or the parameter."""
    functions: Mapping[str, tuple[int, int]]
    """Functions of numbers, with the smallest and largest number of arguments."""
    reader: str | None
    """None where there are no events."""


@cache
def scope_of_reader(reader: str) -> Scope:
    """What observables, cuts and efficiencies can name; ``reader`` is one of the vocabulary's READERS."""
    constants = {name: Value(NUMBER, constant=value) for name, value in CONSTANTS.items()}
    objects = {name: Value(LIST, LISTS[name]) if name in LISTS else Value(SINGLES[name]) for name in READERS[reader]}
    return Scope({**objects, **constants}, {**MATH, **BUILTINS}, reader)


def scope_of_transform(theta: float | None = None) -> Scope:
    """What a transform can name: MadMiner gives `eval` no names but ``theta``, so Python's own functions are left."""
    functions = {name: BUILTINS[name] for name in ("abs", "float", "max", "min")}
    return Scope({"theta": Value(NUMBER, constant=theta)}, functions, None)


def unknown_name(scope: Scope, name: str, known: Iterable[str]) -> tuple[str, str]:
    """What to say of a name that means nothing, and the way out; ``known`` are all names that do."""
    if scope.reader is None:
        return f"`{name[:60]}` means nothing in a transform", "the value of the parameter is `theta`"
    objects = f"there are {one_of(READERS[scope.reader])}"
    if name in LISTS or name in SINGLES:
        return f"the reader of {scope.reader.capitalize()} files has no `{name}`", objects
    known = tuple(known)
    guess = OFTEN_WRITTEN.get(name, did_you_mean(name, known) if len(name) > 1 else None)
    help_text = f"did you mean `{guess}`?" if guess in known else objects
    return f"`{name[:60]}` is nothing that the event reader knows", help_text
