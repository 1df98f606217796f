"""The names that an expression can use: the objects of an event reader, or the parameter of a transform."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from mmc.compiler.expressions.elsewhere import INSTEAD, MODULES
from mmc.compiler.expressions.parts import Value
from mmc.compiler.expressions.vocabulary import (
    BUILTINS,
    CONSTANTS,
    LISTS,
    MATH,
    NUMBER,
    OFTEN_WRITTEN,
    OWN,
    READERS,
    SINGLES,
    TRANSFORM_FUNCTIONS,
)
from mmc.compiler.language.diagnostics import Help, did_you_mean, one_of

_COLUMNS = (
    "expressions use the observables, and the quantities that `columns` of a sample names, as in `{pt: Muon_pt[0]}`"
)
LIST = "list"
"""The kind of a list; the kind of its elements is separate."""

_READS = {
    "lhe": "the reader of Les Houches files",
    "delphes": "the reader of Delphes files",
    "table": "a table",
    "particles": "a table",
}


class Scope(NamedTuple):
    """The names that an expression can use."""

    variables: Mapping[str, Value]
    """The reader's objects and constants, or the parameter."""
    functions: Mapping[str, tuple[int, int]]
    """Functions of numbers, with the smallest and largest number of arguments."""
    reader: str | None
    """The name of the reader; None without events."""


@cache
def scope_of_reader(reader: str) -> Scope:
    """The names for observables, cuts and efficiencies; ``reader`` is one of the vocabulary's READERS."""
    constants = {name: Value(NUMBER, constant=value) for name, value in CONSTANTS.items()}
    objects = {name: Value(LIST, LISTS[name]) if name in LISTS else Value(SINGLES[name]) for name in READERS[reader]}
    return Scope({**objects, **constants}, {**MATH, **BUILTINS, **OWN}, reader)


def scope_of_transform(theta: float | None = None) -> Scope:
    """The names for a transform: ``theta``, and :data:`TRANSFORM_FUNCTIONS`."""
    functions = {name: limits for name, limits in {**MATH, **BUILTINS}.items() if name in TRANSFORM_FUNCTIONS}
    return Scope({"theta": Value(NUMBER, constant=theta)}, functions, None)


def unknown_name(scope: Scope, name: str, known: Callable[[], Sequence[str]]) -> tuple[str, Help]:
    """Message and help for an unknown name; ``known`` gives all known names."""
    if scope.reader is None:
        return f"`{name[:60]}` is not known in a transform", "the value of the parameter is `theta`"
    objects_of = READERS[scope.reader]
    objects = f"the objects are {one_of(objects_of)}" if objects_of else _COLUMNS
    if name in LISTS or name in SINGLES:
        return f"{_READS[scope.reader]} has no `{name}`", objects

    def find_help() -> str:
        if name in MODULES:
            return "write functions without a module, as in `sqrt(…)`"
        every = known()
        numbered = re.fullmatch(r"([a-z]+)_?([1-9])", name)
        if numbered is not None and numbered[1] in LISTS and numbered[1] in objects_of and name not in every:
            return f"lists count from 0: write `{numbered[1]}[{int(numbered[2]) - 1}]`"
        guess = OFTEN_WRITTEN.get(name, did_you_mean(name, every) if len(name) > 1 else None)
        return f"did you mean `{guess}`?" if guess in every else INSTEAD.get(name, objects)

    return f"`{name[:60]}` is not known to the event reader", find_help
