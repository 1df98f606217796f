"""Arithmetic with Python's rules on columns over events."""

import ast
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import numpy as np

from mmc.compiler.expressions.vocabulary import MATH
from mmc.jobs.formats.les_houches_table import Floats
from mmc.jobs.readers.values import Items, Mask, Number, UnusualExpressionError, Value, Vector, extreme, truth

LARGEST_WHOLE = 2.0**53
"""Python integers are exact beyond this number; floating-point numbers are not."""

_HUGE = 1e300


class UndefinedError(Exception):
    """The expression has no value in any of the events."""


class Arithmetic:
    """The events for which values are calculated, and arithmetic on these values."""

    def __init__(self, n_events: int, wanted: Mask, continuous: bool) -> None:
        self._n_events = n_events
        self.wanted = wanted
        """The events whose value is needed; inside a branch, the events that take the branch."""
        self._continuous = continuous
        self.undefined: Mask = np.zeros(n_events, dtype=bool)
        """The events for which Python would have raised an error so far."""

    @property
    def active(self) -> Mask:
        """The events whose value is needed and not undefined."""
        return self.wanted & ~self.undefined

    @contextmanager
    def only(self, mask: Mask) -> Iterator[None]:
        before, self.wanted = self.wanted, self.wanted & mask
        try:
            yield
        finally:
            self.wanted = before

    def constant(self, value: float) -> Number:
        return Number(np.full(self._n_events, value), plain=True)

    def checked(self, number: Number) -> Number:
        """Refuse fractional charges if the value could depend on rounding: in Python, they are exact fractions."""
        if number.is_charge and not self._continuous and (number.values != np.round(number.values)).any():
            raise UnusualExpressionError("quark charges are exact fractions in MadMiner")
        return number

    def check_regular(self, vectors: Sequence[Vector], results: Sequence[Floats]) -> None:
        """Refuse divisions by zero inside the package vector: the result depends on the type of a coordinate."""
        active = self.active
        given = [item for item in vectors if not item.is_computed]
        for item in given:
            zero = np.asarray(item.array.rho) == 0.0
            if not item.is_3d:
                zero |= np.asarray(item.array.t) == 0.0
            if (zero & active).any():
                raise UnusualExpressionError("a momentum without transverse component")
        if given and any((~(np.abs(column) < _HUGE) & active).any() for column in results):
            raise UnusualExpressionError("a quantity of a momentum is not finite")

    def merged(self, items: Items) -> Value:
        """The element of each list, for lists with one element per event."""
        active = self.active
        pairs = [(e, m) for e, m in zip(items.elements, items.present, strict=True) if (m & active).any()]
        first, _ = pairs[0]
        if len(pairs) == 1:
            return first
        masks = [mask for _, mask in pairs]
        if all(isinstance(element, Number) for element, _ in pairs):
            columns = [cast(Number, element) for element, _ in pairs]
            values = np.select(masks, [number.values for number in columns])
            return Number(values, plain=all(number.plain for number in columns))
        if not isinstance(first, Vector):
            raise UnusualExpressionError("a list of lists")
        array, flavour = first.array.copy(), {name: column.copy() for name, column in first.flavour.items()}
        for element, mask in pairs[1:]:
            if not isinstance(element, Vector) or element.array.dtype != array.dtype:
                raise UnusualExpressionError("a list of particles with different coordinates")
            array[mask] = element.array[mask]
            for name, column in flavour.items():
                column[mask] = element.flavour[name][mask]
        return replace(first, array=array, flavour=flavour)

    def arithmetic(self, operation: ast.operator, left: Number, right: Number) -> Number:
        plain = left.plain and right.plain
        a, b = left.values.astype(float), right.values.astype(float)
        if isinstance(operation, ast.Pow):
            return Number(self._power(a, b), plain)
        if isinstance(operation, ast.Div | ast.FloorDiv | ast.Mod):
            zero = self.active & (b == 0.0)
            if zero.any() and not plain:
                raise UnusualExpressionError("a division by zero")
            self.undefined |= zero
        if isinstance(operation, ast.FloorDiv | ast.Mod):
            function = operator.floordiv if isinstance(operation, ast.FloorDiv) else operator.mod
            return self.each(function, (a, b), plain)
        return self.exact(Number(_ARITHMETIC[type(operation)](a, b), plain))

    def _power(self, base: Floats, exponent: Floats) -> Floats:
        result = np.zeros(len(base))
        active = self.active
        try:
            powers = [x**y for x, y in zip(base[active].tolist(), exponent[active].tolist(), strict=True)]
            result[active] = powers
        except (ArithmeticError, TypeError) as error:
            raise UnusualExpressionError(f"a power: {error}") from error
        self.exact(Number(result, plain=True))
        return result

    def exact(self, number: Number) -> Number:
        """Refuse numbers that may be integers with more digits than a floating-point number has."""
        if number.plain and (np.abs(number.values[self.active]) >= LARGEST_WHOLE).any():
            raise UnusualExpressionError("a very large number")
        return number

    def function(self, name: str, given: Sequence[Number]) -> Number:
        columns = [number.values.astype(float) for number in given]
        if name in MATH or name == "hypot":
            return self.each(getattr(math, name), columns, plain=True)
        if name in ("min", "max"):
            value = given[0]
            for other in given[1:]:
                value = extreme(name, value, other)
            return value
        if len(given) == 1 and name in _WHOLE:
            return self.each(_WHOLE[name], columns, plain=True)
        if len(given) == 1 and name in ("abs", "float"):
            return Number(np.abs(columns[0]) if name == "abs" else columns[0], given[0].plain or name == "float")
        if len(given) == 1 and name == "bool":
            return Number(truth(given[0]), plain=True)
        raise UnusualExpressionError(f"the function {name!r}")

    def each(self, function: Callable[..., float], columns: Sequence[Floats], plain: bool) -> Number:
        """A function of Python numbers, called for each event."""
        result = np.zeros(self._n_events)
        active = np.flatnonzero(self.active)
        rows = list(zip(*(column[active].tolist() for column in columns), strict=True))
        try:
            result[active] = [function(*row) for row in rows]
        except (ValueError, ArithmeticError):
            for index, row in zip(active.tolist(), rows, strict=True):
                try:
                    result[index] = function(*row)
                except (ValueError, ArithmeticError):
                    self.undefined[index] = True
        except TypeError as error:
            raise UnusualExpressionError(str(error)) from error
        if function in (int, round, math.floor, math.ceil):
            return self.exact(Number(result, plain))
        return Number(result, plain)


_WHOLE: dict[str, Callable[[float], float]] = {
    "int": int,
    "round": round,
    "sign": lambda number: float((number > 0) - (number < 0)),
}
_ARITHMETIC: dict[type, Callable[[Floats, Floats], Floats]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
