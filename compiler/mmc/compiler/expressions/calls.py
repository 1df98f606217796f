"""Calls in expressions: functions of numbers and of lists, methods of particles, and attributes."""

import ast
import math
from collections.abc import Callable

from mmc.compiler.expressions.elsewhere import INSTEAD, INSTEAD_TRANSFORM, MODULES
from mmc.compiler.expressions.lists import MMC402, ListChecker
from mmc.compiler.expressions.parts import ALLOWED, CONDITION, MMC405, UNKNOWN_VALUE, Value
from mmc.compiler.expressions.vocabulary import (
    ANY,
    ATTRIBUTES,
    BY_FUNCTIONS,
    FLAVOUR,
    FOUR,
    FOUR_VECTORS,
    LIST_FUNCTIONS,
    MADMINER_PARTICLES,
    MATH,
    METHODS,
    METHODS3,
    NUMBER,
    OFTEN_WRITTEN,
    OWN,
    PARTICLE,
    PARTICLE_FUNCTIONS,
    READERS,
    SAME_KIND,
    SCALAR,
    TAGS,
    THREE,
    TRUTH_VALUE,
    UNKNOWN,
    VECTOR3,
    VECTOR4,
    VECTORS,
)
from mmc.compiler.language.diagnostics import Code, Help, one_of, suggestion

_ALL = 99
"""Above the length of every list: the explanation of a code names all words."""

MMC403 = Code(
    "MMC403",
    "The expression uses a name that the reader does not know",
    "MadMiner would not report it: it would use the default or drop every event. The objects of generated events "
    f"are {one_of(READERS['lhe'], _ALL)}, those of Delphes {one_of(READERS['delphes'], _ALL)}. Expressions can also "
    "use the study's `objects` and `definitions`, and observables whose name is a Python name. A transform can use "
    "`theta`.",
)
MMC404 = Code(
    "MMC404",
    "The particle does not have this attribute or method",
    "MadMiner's particles are four-vectors of the package `vector` with `charge`, `pdgid` and tags. A sum of two "
    "particles has a charge, a longer sum has none. Scaled and boosted particles have only a momentum, and missing "
    "momentum has no flavour. The PDG code is `pdgid`; MadMiner's documentation names it differently.",
)


class CallChecker(ListChecker):
    """Checks of calls and attributes."""

    def call(self, node: ast.Call) -> Value:  # noqa: PLR0911 - one per kind of call
        if node.keywords:
            self.report(MMC402, node.keywords[0].value, "named arguments cannot be used", "give only the value")
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                return self.report(MMC402, argument, "a starred argument cannot be used in an expression", ALLOWED)
        if isinstance(node.func, ast.Attribute):
            if (name := self.of_module(node.func)) is not None:
                return self.unknown_function(node.func, name)
            return self.method(node, node.func)
        if not isinstance(node.func, ast.Name):
            return self.report(MMC402, node.func, "only functions and methods by name can be called")
        name = node.func.id
        if name in LIST_FUNCTIONS or (name in ("min", "max") and len(node.args) == 1):
            return self.list_function(node, name)
        if name in BY_FUNCTIONS:
            return self.by_function(node, name)
        if name in PARTICLE_FUNCTIONS:
            return self.particle_function(node, name)
        limits = self.functions.get(name)
        if limits is not None:
            return self.function(node, name, limits)
        arguments = [self.check(argument) for argument in node.args]
        if name in self.variables or name in self.observables:
            help_text = "leave the brackets out" if not arguments else f"write `{name} * (…)` for a product"
            return self.report(MMC405, node, f"`{name}` is not a function", help_text)
        return self.unknown_function(node.func, name)

    def of_module(self, node: ast.Attribute) -> str | None:
        """The name of a function or constant of a module, such as `np.pi`; None for an attribute of a particle."""
        owner = node.value
        is_module = isinstance(owner, ast.Name) and owner.id in MODULES and owner.id not in self.variables
        return node.attr if is_module else None

    def unknown_function(self, node: ast.expr, name: str) -> Value:
        lists = () if self.is_transform else (*LIST_FUNCTIONS, *BY_FUNCTIONS, *PARTICLE_FUNCTIONS)
        known = (*self.functions, *lists)
        instead = INSTEAD_TRANSFORM if self.is_transform else INSTEAD
        meant: Help = instead.get(name, "")
        if not isinstance(node, ast.Name) and name in known:
            meant = f"write `{name}(…)`, without a module"
        meant = meant or _meant(name, known, f"the functions are {one_of(known, 30)}")
        return self.report(MMC403, node, f"`{self.source(node)}` is not a function of expressions", meant)

    def function(self, node: ast.Call, name: str, limits: tuple[int, int]) -> Value:  # noqa: PLR0911 - one per problem
        arguments = [self.number(argument) for argument in node.args]
        smallest, largest = limits
        if not smallest <= len(arguments) <= largest:
            count = str(smallest) if smallest == largest else f"{smallest} to {largest}"
            if largest >= 100:
                count = f"at least {smallest}"
            help_text = "lists are sorted by pT: `j[0].pt` is the largest" if largest >= 100 else ""
            return self.report(MMC405, node, f"`{name}` takes {count} numbers, not {len(arguments)}", help_text)
        for argument, value in zip(node.args, arguments, strict=True):
            if value is not None and value.kind == TRUTH_VALUE and name in ("abs", "round", "min", "max", *OWN):
                help_text = f"write `float({self.source(argument)})`"
                return self.report(MMC405, argument, f"`{name}` takes numbers; this is a condition", help_text)
        values = [argument for argument in arguments if argument is not None]
        if len(values) < len(arguments):
            return UNKNOWN_VALUE
        if name == "bool":
            return CONDITION
        if name == "round" and len(values) == 2 and not _small_whole(values[1]):
            return self.report(MMC405, node.args[1], "`round` takes a number of digits", "write a small whole number")
        bits = 64.0 if name in ("int", "round", "floor", "ceil") else 0.0
        bits = max([bits, *(value.bits for value in values)])
        if name == "pow" and values[1].constant is not None:
            return self.power(node, *values)
        constants = [value.constant for value in values if value.constant is not None]
        if len(constants) < len(values):
            return Value(NUMBER, bits=bits)
        function = getattr(math, name) if name in MATH else _BUILTIN_FUNCTIONS[name]
        if name == "round":
            constants[1:] = [int(digits) for digits in constants[1:]]
        return self.computed(node, lambda: float(function(*constants)), bits)

    def method(self, node: ast.Call, function: ast.Attribute) -> Value:  # noqa: PLR0911 - one per problem
        owner = self.check(function.value)
        arguments = [self.check(argument) for argument in node.args]
        name, source = function.attr, self.source(function.value)
        if owner.kind == UNKNOWN:
            return UNKNOWN_VALUE
        known = methods(owner.kind)
        if name not in known:
            if owner.is_list or not known:
                help_text = f"write `{source}[0].{name}(…)`" if owner.is_list else ""
                return self.report(MMC405, function, f"`{source}` is a {owner} and has no `{name[:60]}`", help_text)
            if name in ATTRIBUTES[owner.kind]:
                return self.report(MMC405, node, f"`{name}` is not a function", f"write `{source}.{name}`")
            return self.unknown_attribute(function, owner, (*known, *ATTRIBUTES[owner.kind]))
        wanted, result = known[name]
        if len(arguments) != len(wanted):
            count = "nothing" if not wanted else "one argument"
            return self.report(MMC405, node, f"`{name}` takes {count}, not {len(arguments)}")
        for argument, value, sort in zip(node.args, arguments, wanted, strict=True):
            if value.kind != UNKNOWN and value.kind not in self.accepted(sort, owner.kind):
                message = f"`{name}` takes a {_SORTS[sort]}; `{self.source(argument)}` is a {value}"
                return self.report(MMC405, argument, message, "take an element, as in `j[0]`" if value.is_list else "")
        if result != SAME_KIND:
            return Value(result)
        return Value(owner.kind if owner.kind in MADMINER_PARTICLES else VECTOR4)

    def accepted(self, sort: str, owner: str) -> tuple[str, ...]:
        """The kinds of value that are accepted for an argument of that sort."""
        if sort == SCALAR:
            return (NUMBER,)
        if sort == ANY:
            return VECTORS
        return (VECTOR3,) if sort == THREE or owner == VECTOR3 else FOUR_VECTORS

    def attribute(self, node: ast.Attribute) -> Value:
        if (constant := self.of_module(node)) is not None:
            known = constant in self.variables
            help_text = f"write `{constant}`" if known else "write its value, or a function without a module"
            return self.report(MMC403, node, f"`{self.source(node)}` is not known in expressions", help_text)
        owner = self.check(node.value)
        name, source = node.attr, self.source(node.value)
        if owner.kind == UNKNOWN:
            return UNKNOWN_VALUE
        if owner.is_list:
            help_text = f"write `{source}[0].{name}` for the one with the largest pT"
            return self.report(MMC405, node, f"`{source}` is a {owner} and has no `{name[:60]}`", help_text)
        found = ATTRIBUTES.get(owner.kind, {}).get(name)
        if found is not None:
            return Value(found, bits=64 if name == "pdgid" else 8)
        if name in methods(owner.kind):
            return self.report(MMC405, node, f"`{name}` must be called", f"write `{source}.{name}(…)`")
        return self.unknown_attribute(node, owner, (*ATTRIBUTES.get(owner.kind, {}), *methods(owner.kind)))

    def unknown_attribute(self, node: ast.Attribute, owner: Value, known: tuple[str, ...]) -> Value:
        name = node.attr
        if not known:
            return self.report(MMC405, node, f"a {owner} has no `{name[:60]}`", "leave it out")
        if name == "spin" and owner.kind == PARTICLE:
            return self.report(MMC404, node, "smeared particles have no spin", "take the spin from `p_truth`")
        if name in (*FLAVOUR, *TAGS):
            help_text = "only single particles, and for all but PDG codes sums of two particles, have it"
            return self.report(MMC404, node, f"a {owner} has no `{name}`", help_text)
        meant = _meant(name, known, f"it has {one_of(known)}")
        return self.report(MMC404, node, f"a {owner} has no `{name[:60]}`", meant)


def _meant(name: str, known: tuple[str, ...], otherwise: str) -> Help:
    guess = OFTEN_WRITTEN.get(name)
    return f"did you mean `{guess}`?" if guess in known else suggestion(name, known, otherwise)


_SORTS = {SCALAR: "number", ANY: "particle or vector", FOUR: "particle", THREE: "three-vector", SAME_KIND: "particle"}
_BUILTIN_FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "float": float,
    "int": int,
    "round": round,
    "min": min,
    "max": max,
    "hypot": math.hypot,
    "sign": lambda number: float((number > 0) - (number < 0)),
}


def methods(kind: str) -> dict[str, tuple[tuple[str, ...], str]]:
    """The methods of a kind of vector."""
    if kind == VECTOR3:
        return METHODS3
    return METHODS if kind in FOUR_VECTORS else {}


def _small_whole(value: Value) -> bool:
    return value.constant is not None and value.constant.is_integer() and abs(value.constant) <= 20
