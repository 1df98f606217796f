"""Expressions over the particles of an event, evaluated for many events at once.

MadMiner calls Python's `eval` for each event; a value is undefined for an event if `eval` raises an error. If the value
of an expression cannot be decided in columns, the error is :class:`UnusualExpressionError`. For example, numpy numbers
can be divided by zero and Python numbers cannot; MadMiner uses either of them, depending on the origin of a particle.
"""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmc.compiler.expressions.parts import free_names
from mmc.compiler.expressions.vocabulary import (
    CONSTANTS,
    LIST_FUNCTIONS,
    LISTS,
    METHODS,
    METHODS3,
    NUMBER,
    RESERVED,
    SCALAR,
    SINGLES,
    SPATIAL,
    TEMPORAL,
    TRUTH_VALUE,
)
from mmc.jobs.readers.arithmetic import LARGEST_WHOLE, UndefinedError
from mmc.jobs.readers.lists import FORMS, ListEvaluator
from mmc.jobs.readers.parsing import is_continuous, parse
from mmc.jobs.readers.values import (
    Definition,
    Items,
    Known,
    Mask,
    Number,
    Objects,
    UnusualExpressionError,
    Value,
    Vector,
    compact,
    integer,
    truth,
    vector_sum,
    where,
)

_COORDINATES = ("x", "y", "z", "px", "py", "pz", "pt", "rho", "phi", "e", "E", "energy", "t")
"""Coordinates that are defined for every momentum."""
_MIXED = ("sum", "prod", "min", "max")
"""Functions that return a Python number in some events and a numpy number in others."""


def evaluate(
    expression: str,
    events: Objects,
    names: Mapping[str, Number],
    wanted: Mask,
    definitions: "Definitions | None" = None,
) -> tuple[Number, Mask]:
    """The value of an expression for the events in ``wanted``, and the events for which it is defined.

    :param names: values of observables
    :param definitions: what the expression can use apart from these and the objects of the events
    :raises UnusualExpressionError: when MadMiner must evaluate the expression event by event
    """
    tree = parse(expression)
    definitions = Definitions(events, {}) if definitions is None else definitions
    value, defined = _evaluated(tree, _Scope(events, names, definitions), wanted)
    if value is None:
        value = Number(np.zeros(len(events)), plain=True)
    if not isinstance(value, Number):
        raise UnusualExpressionError("the value is not a number")
    return value, defined


def _evaluated(tree: ast.expr, scope: "_Scope", wanted: Mask) -> tuple[Value | None, Mask]:
    """The value of an expression, and where it is defined; None if it is defined nowhere."""
    evaluator = _Evaluator(scope, wanted, is_continuous(tree))
    with np.errstate(all="ignore"):
        value = evaluator.branch(tree, wanted)
    if isinstance(value, Number):
        value = replace(value, is_charge=evaluator.uses_charge)
    return value, wanted & ~evaluator.undefined


class Definitions:
    """The values of definitions in some events. Each is computed once, for all events, when an expression uses it."""

    def __init__(self, events: Objects, definitions: Mapping[str, Definition], columns: Known | None = None) -> None:
        self._definitions = {name: item for name, item in definitions.items() if name not in RESERVED}
        self._scope = _Scope(events, {}, self)
        self._found: dict[str, tuple[Value | None, Mask]] = dict(columns or {})

    def __contains__(self, name: str) -> bool:
        return name in self._definitions or name in self._found

    def __iter__(self) -> Iterator[str]:
        return iter({**self._definitions, **self._found})

    def get(self, name: str) -> tuple[Value | None, Mask]:
        """The value of a definition, and the events for which it is defined; None if it is defined nowhere."""
        waiting = [] if name in self._found else [name]
        while waiting:  # what it uses comes first: Python's stack does not grow with the number of definitions
            last = waiting[-1]
            uses = [other for other in self._used_by(last) if other not in self._found]
            waiting += uses
            if not uses:
                self._found[last] = self._compute(last)
                waiting.pop()
        return self._found[name]

    def _used_by(self, name: str) -> list[str]:
        return [other for other in free_names(parse(self._definitions[name].expression)) if other in self]

    def _compute(self, name: str) -> tuple[Value | None, Mask]:
        item, everywhere = self._definitions[name], np.ones(len(self._scope.events), dtype=bool)
        value, defined = _evaluated(parse(item.expression), self._scope, everywhere)
        if item.default is None:
            return value, defined
        if value is None:
            return Number(np.full(len(everywhere), item.default)), everywhere
        if not isinstance(value, Number):
            raise UnusualExpressionError("the value of an observable is not a number")
        return replace(value, values=np.where(defined, value.values, item.default)), everywhere


@dataclass(frozen=True)
class _Scope:
    """The names that an expression can use."""

    events: Objects
    names: Mapping[str, Number]
    definitions: Definitions


class _Evaluator(ListEvaluator):
    def __init__(self, scope: "_Scope", wanted: Mask, continuous: bool) -> None:
        super().__init__(len(scope.events), wanted, continuous)
        self._events = scope.events
        self._names = scope.names
        self._definitions = scope.definitions
        self.uses_charge = False

    def branch(self, node: ast.expr, mask: Mask) -> "Value | None":
        """The value of a part for the events in ``mask``; None if it is not needed or undefined in all of them."""
        with self.only(mask):
            if not self.active.any():
                return None
            try:
                return self.value(node)
            except UndefinedError:
                self.undefined |= self.wanted
                return None

    # -- parts --------------------------------------------------------------------------------------------------------

    def value(self, node: ast.expr) -> Value:
        rule = _RULES.get(type(node))
        if rule is None:
            raise UnusualExpressionError(f"{type(node).__name__} is not implemented")
        return rule(self, node)

    def _number(self, node: ast.expr) -> Number:
        value = self.value(node)
        if not isinstance(value, Number):
            raise UnusualExpressionError("a particle instead of a number")
        return value

    def number_in(self, node: ast.expr, mask: Mask) -> Number:
        """Like :meth:`_number` for the events in ``mask``, with arbitrary values for all other events."""
        value = self.branch(node, mask)
        if value is None:
            return self.constant(0.0)
        if not isinstance(value, Number):
            raise UnusualExpressionError("a particle depends on a condition")
        return value

    def _constant(self, node: ast.Constant) -> Number:
        if isinstance(node.value, int | float) and abs(node.value) < LARGEST_WHOLE:
            return self.constant(float(node.value))
        raise UnusualExpressionError(f"the constant {node.value!r}")

    def _name(self, node: ast.Name) -> Value:
        name = node.id
        if name in self.variables:
            return self.variables[name]
        if name in LISTS:
            return self._events.items(name)
        if name in SINGLES:
            return self._events.single(name)
        if name in CONSTANTS:
            return self.constant(CONSTANTS[name])
        if name in self._names:
            return self.checked(self._names[name])
        if name in self._definitions:
            return self._defined(name)
        raise UnusualExpressionError(f"the name {name!r} is not known")

    def _defined(self, name: str) -> Value:
        value, defined = self._definitions.get(name)
        self.undefined |= self.active & ~defined
        if value is None or not self.active.any():
            raise UndefinedError
        if isinstance(value, Number):
            self.uses_charge = self.uses_charge or value.is_charge
            return self.checked(value)
        return value

    def _attribute(self, node: ast.Attribute) -> Value:
        owner, name = self.value(node.value), node.attr
        if isinstance(owner, Vector):
            if name in owner.members:
                return owner.members[name]
            if name in owner.flavour:
                self.uses_charge = self.uses_charge or name == "charge"
                return self.checked(Number(owner.flavour[name], plain=True, is_charge=name == "charge"))
            if name in SPATIAL or (name in TEMPORAL and not owner.is_3d):
                values = np.asarray(getattr(owner.array, name), dtype=float)
                if name not in _COORDINATES:
                    self.check_regular([owner], [values])
                return Number(values)
        raise UnusualExpressionError(f"the attribute {name!r} is not known")

    def _subscript(self, node: ast.Subscript) -> Value:
        items = self.value(node.value)
        if not isinstance(items, Items):
            raise UnusualExpressionError("only lists have elements")
        counts = sum((mask.astype(int) for mask in items.present), start=np.zeros(len(self._events), dtype=int))
        ranks = [np.zeros_like(counts)]
        for mask in items.present:
            ranks.append(ranks[-1] + mask)
        if isinstance(node.slice, ast.Slice):
            if node.slice.step is not None:
                raise UnusualExpressionError("a slice with a step")
            lower, upper = (0 if bound is None else integer(bound) for bound in (node.slice.lower, node.slice.upper))
            first = np.maximum(counts + lower, 0) if lower < 0 else lower
            last = counts if node.slice.upper is None else np.maximum(counts + upper, 0) if upper < 0 else upper
            masks = [mask & (rank >= first) & (rank < last) for mask, rank in zip(items.present, ranks, strict=False)]
            return compact(items.elements, masks)
        index = integer(node.slice)
        wanted = counts + index if index < 0 else np.full_like(counts, index)
        self.undefined |= self.active & ((wanted < 0) | (wanted >= counts))
        if not self.active.any():
            raise UndefinedError
        masks = [mask & (rank == wanted) for mask, rank in zip(items.present, ranks, strict=False)]
        chosen = compact(items.elements, masks)
        return self.merged(chosen)

    def _unary(self, node: ast.UnaryOp) -> Value:
        value = self.value(node.operand)
        if isinstance(value, Number) and isinstance(node.op, ast.Not):
            return Number(~truth(value), plain=True)
        if isinstance(value, Number) and isinstance(node.op, ast.USub | ast.UAdd):
            values = value.values.astype(float)
            return Number(-values if isinstance(node.op, ast.USub) else values, plain=value.plain)
        if isinstance(value, Vector) and isinstance(node.op, ast.USub):
            return Vector(-value.array, {})
        raise UnusualExpressionError("a sign that is not implemented")

    def _binary(self, node: ast.BinOp) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(left, Number) and isinstance(right, Number):
            return self.arithmetic(node.op, left, right)
        if isinstance(left, Vector) and isinstance(right, Vector) and isinstance(node.op, ast.Add | ast.Sub):
            return vector_sum(left, right, minus=isinstance(node.op, ast.Sub))
        if isinstance(left, Vector) and isinstance(right, Number):
            self._check_zeros(node.right, right)
            if isinstance(node.op, ast.Mult):
                return Vector(left.array * right.values.astype(float), {})
            if isinstance(node.op, ast.Div) and not (self.active & (right.values == 0.0)).any():
                return Vector(left.array / right.values.astype(float), {})
        if isinstance(left, Number) and isinstance(right, Vector) and isinstance(node.op, ast.Mult):
            self._check_zeros(node.left, left)
            return Vector(left.values.astype(float) * right.array, {})
        raise UnusualExpressionError("an operator that is not implemented")

    def _check_zeros(self, node: ast.expr, number: Number) -> None:
        """Refuse zeros that may be integers in some events, where the sign of the zero matters: integers have no -0."""
        may_be_whole = number.plain or any(
            isinstance(part, ast.IfExp | ast.BoolOp)
            or (
                isinstance(part, ast.Name)
                and (part.id in _MIXED or part.id in self._names or part.id in self._definitions)
            )
            for part in ast.walk(node)
        )
        if may_be_whole and ((number.values == 0.0) & self.active).any():
            raise UnusualExpressionError("a zero that may be an integer, which has no sign")

    def _boolean(self, node: ast.BoolOp) -> Number:
        value = self._number(node.values[0])
        for part in node.values[1:]:
            continues = truth(value) if isinstance(node.op, ast.And) else ~truth(value)
            value = where(continues, self.number_in(part, continues), value)
        return value

    def _compare(self, node: ast.Compare) -> Number:
        left, result = self._number(node.left), np.ones(len(self._events), dtype=bool)
        plain = True
        for operation, comparator in zip(node.ops, node.comparators, strict=True):
            with self.only(result):
                if not self.active.any():
                    break
                if isinstance(operation, ast.In | ast.NotIn):
                    if not isinstance(comparator, ast.Tuple | ast.List):
                        raise UnusualExpressionError("`in` without a list")
                    elements = [self._number(element) for element in comparator.elts]
                    found = np.zeros(len(self._events), dtype=bool)
                    for element in elements:
                        found |= element.values == left.values
                    result = result & (found == isinstance(operation, ast.In))
                elif type(operation) in _COMPARISONS:
                    right = self._number(comparator)
                    plain = plain and left.plain and right.plain
                    result = result & _COMPARISONS[type(operation)](left.values, right.values)
                    left = right
                else:
                    raise UnusualExpressionError("a comparison that is not implemented")
        return Number(result, plain)

    def _choice(self, node: ast.IfExp) -> Value:
        test = truth(self._number(node.test))
        active = self.active
        for branch, taken in ((node.body, test), (node.orelse, ~test)):
            if taken[active].all():
                return self.value(branch)
        return where(test, self.number_in(node.body, test), self.number_in(node.orelse, ~test))

    # -- calls --------------------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Value:
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise UnusualExpressionError("a call that is not implemented")
        if isinstance(node.func, ast.Attribute):
            return self._method(node, node.func)
        if not isinstance(node.func, ast.Name):
            raise UnusualExpressionError("a call that is not implemented")
        name = node.func.id
        if name in LIST_FUNCTIONS or (name in ("min", "max") and len(node.args) == 1):
            return self.list_function(name, node.args)
        if name in FORMS:
            return self.form(name, node.args)
        arguments = [self._number(argument) for argument in node.args]
        if name in ("atan2", "hypot"):
            for argument, number in zip(node.args, arguments, strict=True):
                self._check_zeros(argument, number)
        return self.function(name, arguments)

    def _method(self, node: ast.Call, function: ast.Attribute) -> Value:
        owner, name = self.value(function.value), function.attr
        known = (METHODS3 if owner.is_3d else METHODS) if isinstance(owner, Vector) else {}
        if not isinstance(owner, Vector) or name not in known or len(node.args) != len(known[name][0]):
            raise UnusualExpressionError(f"the method {name!r}")
        arguments: list[Any] = []
        vectors = []
        for argument, kind in zip(map(self.value, node.args), known[name][0], strict=True):
            if isinstance(argument, Items) or (kind == SCALAR) != isinstance(argument, Number):
                raise UnusualExpressionError(f"the arguments of {name!r}")
            if isinstance(argument, Number):
                arguments.append(argument.values.astype(float))
            else:
                vectors.append(argument)
                arguments.append(argument.array)
        result = getattr(owner.array, name)(*arguments)
        coordinates = [result[name] for name in result.dtype.names or ()] or [np.asarray(result, dtype=float)]
        if name != "deltaphi":
            self.check_regular([owner, *vectors], coordinates)
        if known[name][1] == NUMBER:
            return Number(np.asarray(result, dtype=float))
        if known[name][1] == TRUTH_VALUE:
            return Number(np.asarray(result, dtype=bool))
        return replace(owner, array=result) if name == "boost" and owner.is_particle else Vector(result, {})


_COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_RULES: dict[type, Callable[..., Value]] = {
    ast.Constant: _Evaluator._constant,
    ast.Name: _Evaluator._name,
    ast.Attribute: _Evaluator._attribute,
    ast.Subscript: _Evaluator._subscript,
    ast.UnaryOp: _Evaluator._unary,
    ast.BinOp: _Evaluator._binary,
    ast.BoolOp: _Evaluator._boolean,
    ast.Compare: _Evaluator._compare,
    ast.IfExp: _Evaluator._choice,
    ast.GeneratorExp: _Evaluator.comprehension,
    ast.ListComp: _Evaluator.comprehension,
    ast.Call: _Evaluator._call,
}
