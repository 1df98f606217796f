"""Expressions over the particles of an event, evaluated for many events at once.

MadMiner calls Python's `eval` for each event; a value is undefined for an event if `eval` raises an error. If the value
of an expression cannot be decided in columns, the error is :class:`UnusualExpressionError`. For example, numpy numbers
can be divided by zero and Python numbers cannot; MadMiner uses either of them, depending on the origin of a particle.
"""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from mmc.compiler.expressions.vocabulary import (
    CONSTANTS,
    LISTS,
    METHODS,
    METHODS3,
    NUMBER,
    SCALAR,
    SINGLES,
    SPATIAL,
    TEMPORAL,
    TRUTH_VALUE,
)
from mmc.jobs.readers.arithmetic import LARGEST_WHOLE, Arithmetic, UndefinedError
from mmc.jobs.readers.values import (
    Items,
    Mask,
    Number,
    Objects,
    UnusualExpressionError,
    Value,
    Vector,
    compact,
    extreme,
    integer,
    numbers,
    truth,
    vector_sum,
    where,
)

_COORDINATES = ("x", "y", "z", "px", "py", "pz", "pt", "rho", "phi", "e", "E", "energy", "t")
"""Coordinates that are defined for every momentum."""
_MIXED = ("sum", "min", "max")
"""Functions that return a Python number in some events and a numpy number in others."""


def evaluate(expression: str, events: Objects, names: Mapping[str, Number], wanted: Mask) -> tuple[Number, Mask]:
    """The value of an expression for the events in ``wanted``, and the events for which it is defined.

    :param names: values of observables
    :raises UnusualExpressionError: when MadMiner must evaluate the expression event by event
    """
    tree = _parse(expression)
    evaluator = _Evaluator(events, names, wanted, _is_continuous(tree))
    with np.errstate(all="ignore"):
        value = evaluator.branch(tree, wanted)
    if value is None:
        value = evaluator.constant(0.0)
    if not isinstance(value, Number):
        raise UnusualExpressionError("the value is not a number")
    uses_charge = any(isinstance(node, ast.Attribute) and node.attr == "charge" for node in ast.walk(tree))
    return replace(value, is_charge=uses_charge), wanted & ~evaluator.undefined


@cache
def _parse(expression: str) -> ast.expr:
    try:
        return ast.parse(expression.lstrip(" \t"), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise UnusualExpressionError(str(error)) from error


@cache
def _is_continuous(expression: ast.AST) -> bool:
    steps = (ast.Compare, ast.BoolOp, ast.Not, ast.IfExp, ast.FloorDiv, ast.Mod)
    functions = ("int", "floor", "ceil", "round", "bool", "any")
    return not any(
        isinstance(node, steps) or (isinstance(node, ast.Name) and node.id in functions)
        for node in ast.walk(expression)
    )


class _Evaluator(Arithmetic):
    def __init__(self, events: Objects, names: Mapping[str, Number], wanted: Mask, continuous: bool) -> None:
        super().__init__(len(events), wanted, continuous)
        self._events = events
        self._names = names
        self._variables: dict[str, Value] = {}

    def branch(self, node: ast.expr, mask: Mask) -> "Value | None":
        """The value of a part for the events in ``mask``; None if it is not needed or undefined in all of them."""
        with self.only(mask):
            if not self.active.any():
                return None
            try:
                return self._value(node)
            except UndefinedError:
                self.undefined |= self.wanted
                return None

    # -- parts --------------------------------------------------------------------------------------------------------

    def _value(self, node: ast.expr) -> Value:
        rule = _RULES.get(type(node))
        if rule is None:
            raise UnusualExpressionError(f"{type(node).__name__} is not implemented")
        return rule(self, node)

    def _number(self, node: ast.expr) -> Number:
        value = self._value(node)
        if not isinstance(value, Number):
            raise UnusualExpressionError("a particle instead of a number")
        return value

    def _number_in(self, node: ast.expr, mask: Mask) -> Number:
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
        if name in self._variables:
            return self._variables[name]
        if name in self._names:
            return self.checked(self._names[name])
        if name in LISTS:
            return self._events.items(name)
        if name in SINGLES:
            return self._events.single(name)
        if name in CONSTANTS:
            return self.constant(CONSTANTS[name])
        raise UnusualExpressionError(f"the name {name!r} is not known")

    def _attribute(self, node: ast.Attribute) -> Number:
        owner, name = self._value(node.value), node.attr
        if isinstance(owner, Vector):
            if name in owner.flavour:
                return self.checked(Number(owner.flavour[name], plain=True, is_charge=name == "charge"))
            if name in SPATIAL or (name in TEMPORAL and not owner.is_3d):
                values = np.asarray(getattr(owner.array, name), dtype=float)
                if name not in _COORDINATES:
                    self.check_regular([owner], [values])
                return Number(values)
        raise UnusualExpressionError(f"the attribute {name!r} is not known")

    def _subscript(self, node: ast.Subscript) -> Value:
        items = self._value(node.value)
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

    # -- operators ----------------------------------------------------------------------------------------------------

    def _unary(self, node: ast.UnaryOp) -> Value:
        value = self._value(node.operand)
        if isinstance(value, Number) and isinstance(node.op, ast.Not):
            return Number(~truth(value), plain=True)
        if isinstance(value, Number) and isinstance(node.op, ast.USub | ast.UAdd):
            values = value.values.astype(float)
            return Number(-values if isinstance(node.op, ast.USub) else values, plain=value.plain)
        if isinstance(value, Vector) and isinstance(node.op, ast.USub):
            return Vector(-value.array, {})
        raise UnusualExpressionError("a sign that is not implemented")

    def _binary(self, node: ast.BinOp) -> Value:
        left, right = self._value(node.left), self._value(node.right)
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
            or (isinstance(part, ast.Name) and (part.id in _MIXED or part.id in self._names))
            for part in ast.walk(node)
        )
        if may_be_whole and ((number.values == 0.0) & self.active).any():
            raise UnusualExpressionError("a zero that may be an integer, which has no sign")

    def _boolean(self, node: ast.BoolOp) -> Number:
        value = self._number(node.values[0])
        for part in node.values[1:]:
            continues = truth(value) if isinstance(node.op, ast.And) else ~truth(value)
            value = where(continues, self._number_in(part, continues), value)
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
                return self._value(branch)
        return where(test, self._number_in(node.body, test), self._number_in(node.orelse, ~test))

    # -- loops --------------------------------------------------------------------------------------------------------

    def _loop(self, node: ast.GeneratorExp | ast.ListComp) -> Iterator[tuple[Value, Mask]]:
        """The elements of the lists, each with the events in which it is present."""
        loop = node.generators[0]
        source = self._value(loop.iter)
        if len(node.generators) > 1 or not isinstance(loop.target, ast.Name) or not isinstance(source, Items):
            raise UnusualExpressionError("a loop that is not implemented")
        name = loop.target.id
        for element, present in zip(source.elements, source.present, strict=True):
            mask = present
            self._variables[name] = element
            for condition in loop.ifs:
                mask = mask & truth(self._number_in(condition, mask))
            value = self.branch(node.elt, mask)
            del self._variables[name]
            if value is not None:
                yield value, mask

    def _comprehension(self, node: ast.GeneratorExp | ast.ListComp) -> Items:
        found = list(self._loop(node))
        return compact([value for value, _ in found], [mask for _, mask in found])

    def _any(self, node: ast.expr) -> Number:
        result = np.zeros(len(self._events), dtype=bool)
        if isinstance(node, ast.GeneratorExp):
            before = self.undefined.copy()
            result = self._any_of(self._comprehension(node))
            if (self.undefined != before).any():
                raise UnusualExpressionError("`any` stops before an undefined value")
            return Number(result, plain=True)
        return Number(self._any_of(self._list(node)), plain=True)

    def _any_of(self, items: Items) -> Mask:
        result = np.zeros(len(self._events), dtype=bool)
        for number, mask in numbers(items):
            result |= mask & truth(number)
        return result

    def _list(self, node: ast.expr) -> Items:
        value = self._value(node)
        if not isinstance(value, Items):
            raise UnusualExpressionError("a value that is not a list")
        return value

    # -- calls --------------------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Value:
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise UnusualExpressionError("a call that is not implemented")
        if isinstance(node.func, ast.Attribute):
            return self._method(node, node.func)
        if not isinstance(node.func, ast.Name):
            raise UnusualExpressionError("a call that is not implemented")
        name = node.func.id
        if len(node.args) == 1 and name in ("len", "sum", "any", "min", "max"):
            return self._list_function(name, node.args[0])
        arguments = [self._number(argument) for argument in node.args]
        if name == "atan2":
            for argument, number in zip(node.args, arguments, strict=True):
                self._check_zeros(argument, number)
        return self.function(name, arguments)

    def _list_function(self, name: str, node: ast.expr) -> Number:
        if name == "any":
            return self._any(node)
        items = self._list(node)
        if name == "len":
            return Number(sum((mask.astype(float) for mask in items.present), start=np.zeros(len(self._events))), True)
        total = self.constant(0.0)
        if name == "sum":
            for number, mask in numbers(items):
                term = Number(np.where(mask, number.values.astype(float), 0.0), number.plain)
                total = self.exact(Number(total.values + term.values, total.plain and term.plain))
            return total
        found = np.zeros(len(self._events), dtype=bool)
        for number, mask in numbers(items):
            total = where(mask, where(found, extreme(name, total, number), number), total)
            found = found | mask
        self.undefined |= self.active & ~found
        return total

    def _method(self, node: ast.Call, function: ast.Attribute) -> Value:
        owner, name = self._value(function.value), function.attr
        known = (METHODS3 if owner.is_3d else METHODS) if isinstance(owner, Vector) else {}
        if not isinstance(owner, Vector) or name not in known or len(node.args) != len(known[name][0]):
            raise UnusualExpressionError(f"the method {name!r}")
        arguments: list[Any] = []
        vectors = []
        for argument, kind in zip(map(self._value, node.args), known[name][0], strict=True):
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
    ast.GeneratorExp: _Evaluator._comprehension,
    ast.ListComp: _Evaluator._comprehension,
    ast.Call: _Evaluator._call,
}
