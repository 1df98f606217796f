"""The static value of a part of an expression, and reports of its problems."""

import ast
import math
import re
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from mmc.compiler.expressions.vocabulary import NUMBER, QUANTITIES, TRUTH_VALUE, UNKNOWN
from mmc.compiler.language.diagnostics import Code, Help

MAX_LENGTH = 2000
"""The largest number of characters of an expression."""
MAX_BITS = 2048
"""The largest number of bits of an integer: `eval` would not finish `9**9**9`."""


class ExpressionProblem(NamedTuple):
    """One problem of an expression, with its code and its characters (start, end) in the text."""

    code: Code
    message: str
    help: Help
    start: int
    end: int


class Value(NamedTuple):
    """The static value of a part of an expression."""

    kind: str
    element: str | None = None
    """The kind of the elements of a list."""
    constant: float | None = None
    """The value, if it does not depend on the event."""
    bits: float = 0.0
    """An upper bound on the size of an integer value."""
    lazy: bool = False
    """True for a generator: it can be summed, but has no length."""

    @property
    def is_list(self) -> bool:
        return self.element is not None

    def __str__(self) -> str:
        if self.is_list:
            return "list" if self.element == UNKNOWN else f"list of {self.element}s"
        return self.kind


UNKNOWN_VALUE = Value(UNKNOWN)
CONDITION = Value(TRUTH_VALUE, bits=1)
ALLOWED = "`mmc explain MMC402` lists what is allowed"
_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
}


MMC405 = Code(
    "MMC405",
    "The expression combines values of incompatible kinds",
    "Examples: an attribute of a list, an index of a single particle, a number added to a particle, a condition with "
    "a sign. MadMiner would use the default or end with an error. A list needs an index, `j[0].pt`; `float(…)` turns "
    "a condition into a number; a sum comes before a single particle: `(l[0] + l[1]) + met`.",
)
MMC407 = Code(
    "MMC407",
    "The expression has no value or does not finish",
    "The expression divides by zero, takes the root of a negative number, has an exponent that is too large or not "
    "constant, or is too long or too deeply nested. MadMiner evaluates every expression once when it starts, so the "
    "expression would end or block the run. A transform needs a value at every benchmark and at both ends of the "
    "range.",
)

MMC410 = Code(
    "MMC410",
    "A name has two meanings",
    "An observable may have the name of an object, such as `met`, or of a constant or function. In expressions the "
    "name then means the object: `met.pt` works, and `met > 30` is refused because it could mean the observable.",
)


class Reporter:
    """Checks of numbers, and the problems found so far."""

    functions: Mapping[str, tuple[int, int]]
    """Functions of numbers, with the smallest and largest number of arguments."""
    observables: frozenset[str]
    """The names of observables."""
    is_transform: bool
    """Whether the expression is a transform of a parameter."""

    def __init__(self, text: str, shift: int) -> None:
        self.text = text
        self.shift = shift
        self.problems: list[ExpressionProblem] = []

    @abstractmethod
    def check(self, node: ast.expr) -> Value:
        """The static value of a part; its problems are reported."""

    def report(self, code: Code, node: ast.AST, message: str, help_text: Help = "") -> Value:
        start, end = self.place(node)
        self.problems.append(ExpressionProblem(code, message, help_text, start, end))
        return UNKNOWN_VALUE

    def place(self, node: ast.AST) -> tuple[int, int]:
        start = offset(self.text, getattr(node, "lineno", 1), getattr(node, "col_offset", 0))
        end = offset(self.text, getattr(node, "end_lineno", 1), getattr(node, "end_col_offset", len(self.text)))
        return start + self.shift, end + self.shift

    def source(self, node: ast.AST) -> str:
        """The text of a part, for a message."""
        start, end = self.place(node)
        text = " ".join(self.text[start - self.shift : end - self.shift].split())
        return text if len(text) <= 40 else text[:39] + "…"

    def number(self, node: ast.expr) -> Value | None:
        """The value of a part that must be a number or a condition; None after a reported problem."""
        value = self.check(node)
        if value.kind in (NUMBER, TRUTH_VALUE):
            return value
        if isinstance(node, ast.Name) and node.id in self.observables and value.kind != UNKNOWN:
            self.report_two_meanings(node, node.id, value)
        elif value.kind != UNKNOWN:
            help_text = (
                "take an element, as in `j[0].pt`" if value.is_list else "take one of its numbers, such as `.pt`"
            )
            self.report(MMC405, node, f"a number is needed here; `{self.source(node)}` is a {value}", help_text)
        return None

    def report_two_meanings(self, node: ast.expr, name: str, meaning: Value | str) -> Value:
        message = f"`{name}` is a {meaning} and an observable"
        return self.report(MMC410, node, message, "give the observable another name to use it in expressions")

    def arithmetic(self, node: ast.BinOp, left: Value, right: Value) -> Value:
        divides = isinstance(node.op, ast.Div | ast.FloorDiv | ast.Mod)
        if divides and right.constant == 0:
            return self.report(MMC407, node, "this divides by zero")
        if isinstance(node.op, ast.Pow):
            return self.power(node, left, right)
        bits = left.bits + right.bits + 1 if isinstance(node.op, ast.Mult) else max(left.bits, right.bits) + 1
        if bits > MAX_BITS:
            return self.report(MMC407, node, "the number may become too large")
        constant = None
        if left.constant is not None and right.constant is not None:
            constant = _OPERATORS[type(node.op)](left.constant, right.constant)
        return self.finite(node, constant, bits)

    def power(self, node: ast.expr, base: Value, exponent: Value) -> Value:
        if exponent.constant is None and self.can_have_exponent(base, exponent):
            return Value(NUMBER, bits=64.0)
        if exponent.constant is None:
            help_text = "write `exp(… * log(…))`" if "exp" in self.functions else "write a number"
            return self.report(MMC407, node, "the exponent is not a constant", help_text)
        bits = max(base.bits, 1.0) * max(abs(exponent.constant), 1.0)
        if bits > MAX_BITS:
            return self.report(MMC407, node, "the number may become too large", "take a smaller exponent")
        if base.constant is None:
            return Value(NUMBER, bits=bits)
        return self.computed(node, lambda: _real_power(base.constant or 0.0, exponent.constant or 0.0), bits)

    def can_have_exponent(self, base: Value, exponent: Value) -> bool:
        """Whether an exponent that is not constant is allowed: for a positive number in a transform, whose value at
        each point is checked. A power of whole numbers must not be too large."""
        is_small = max(base.bits, 1.0) * 2.0 ** min(exponent.bits, MAX_BITS / 2) <= MAX_BITS
        return self.is_transform and base.constant is not None and base.constant > 0.0 and is_small

    def computed(self, node: ast.expr, compute: Callable[[], float], bits: float = 0.0) -> Value:
        """A constant value, if it can be computed."""
        try:
            constant = compute()
        except (ArithmeticError, ValueError, TypeError):
            return self.report(MMC407, node, f"`{self.source(node)}` has no value")
        return self.finite(node, constant, bits)

    def finite(self, node: ast.expr, constant: float | None, bits: float) -> Value:
        if constant is not None and not math.isfinite(constant):
            return self.report(MMC407, node, f"`{self.source(node)}` is too large")
        return Value(NUMBER, constant=constant, bits=bits)


def _real_power(base: float, exponent: float) -> float:
    result = base**exponent
    if isinstance(result, complex):
        raise ArithmeticError("a root of a negative number")  # noqa: TRY004
    return float(result)


def parsed(text: str) -> ast.expr | None:
    """An expression as Python reads it; None if it is wrong or too long."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text.strip(), mode="eval").body if len(text) <= MAX_LENGTH else None
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def free_names(node: ast.AST, bound: frozenset[str] = frozenset()) -> Iterator[str]:
    """The names that a part uses, without those of functions and of the elements of its own loops."""
    if isinstance(node, ast.Name):
        if node.id not in bound:
            yield node.id
    elif isinstance(node, ast.GeneratorExp | ast.ListComp):
        for loop in node.generators:
            yield from free_names(loop.iter, bound)
            bound |= {target.id for target in ast.walk(loop.target) if isinstance(target, ast.Name)}
            for condition in loop.ifs:
                yield from free_names(condition, bound)
        yield from free_names(node.elt, bound)
    elif isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if not name:
            yield from free_names(node.func, bound)
        before, elements = QUANTITIES.get(name, (len(node.args), ()))
        for index, argument in enumerate(node.args):
            yield from free_names(argument, bound if index < before else bound | set(elements))
    else:
        for child in ast.iter_child_nodes(node):
            yield from free_names(child, bound)


def offset(text: str, line: int, column: int) -> int:
    """The text index of a position from Python's parser (line from 1, column from 0); CR ends a line there too."""
    ends = [found.end() for found in re.finditer(r"\r\n?|\n", text)]
    return (ends[line - 2] if 2 <= line <= len(ends) + 1 else 0) + max(column, 0)


_DESCRIPTIONS: dict[type, str] = {
    ast.Lambda: "a lambda",
    ast.NamedExpr: "an assignment",
    ast.JoinedStr: "text",
    ast.Dict: "a dictionary",
    ast.Set: "a set",
    ast.List: "a new list",
    ast.Tuple: "a tuple",
    ast.DictComp: "a dictionary",
    ast.SetComp: "a set",
    ast.Await: "`await`",
    ast.Yield: "`yield`",
    ast.YieldFrom: "`yield`",
}


def described(node: ast.expr) -> str:
    """A part that expressions cannot contain, in words."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str | bytes):
            return "text"
        return "a complex number" if isinstance(node.value, complex) else f"`{node.value}`"
    return _DESCRIPTIONS.get(type(node), "this")
