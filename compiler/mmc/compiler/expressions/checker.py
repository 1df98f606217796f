"""The whitelist for observables, cuts, efficiencies and transforms, which MadMiner hands to `eval`.

An expression is parsed, never evaluated. Allowed are arithmetic, comparisons and functions of numbers over the reader's
particles (:mod:`mmc.compiler.expressions.vocabulary`), or over the parameter of a transform. The kind of every part is
checked: `j.pt`, `met[0]` or `l[0] + 1` are refused here. In MadMiner they would fail only when the events are read,
silently or with the whole job.
"""

import ast
import math
import re
import warnings
from collections.abc import Callable, Iterable

from mmc.compiler.expressions.calls import MMC403, CallChecker
from mmc.compiler.expressions.elsewhere import OPERATORS
from mmc.compiler.expressions.lists import MMC402
from mmc.compiler.expressions.parts import (
    ALLOWED,
    CONDITION,
    MAX_BITS,
    MAX_LENGTH,
    MMC405,
    MMC407,
    UNKNOWN_VALUE,
    ExpressionProblem,
    Value,
    described,
    offset,
)
from mmc.compiler.expressions.scope import Scope, scope_of_reader, scope_of_transform, unknown_name
from mmc.compiler.expressions.vocabulary import (
    BY_FUNCTIONS,
    CONSTANTS,
    ELEMENT,
    FOUR_VECTORS,
    LIST_FUNCTIONS,
    MADMINER_PARTICLES,
    NUMBER,
    PAIR,
    PARTICLE,
    PARTICLE_FUNCTIONS,
    TRUTH,
    TRUTH_VALUE,
    UNKNOWN,
    VECTOR3,
    VECTOR4,
    VECTORS,
)
from mmc.compiler.language.diagnostics import Code

MAX_DEPTH = 40
"""The deepest nesting; the limits of Python's parser and `eval` are well above."""
MAX_TRANSFORM = 256
"""The largest number of characters of a transform that MadMiner's files keep."""
TRANSFORM = "transform"
CONDITIONS = ("cut", "condition")
"""The kinds of expression whose value is a condition."""
DEFINITION = "definition"
"""The kind of expression whose value may be of any kind."""
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)


def check_expression(text: str, kind: str, names: Iterable[str] = (), reader: str = "lhe") -> list[ExpressionProblem]:
    """The problems of an expression; an empty list if MadMiner may evaluate it.

    ``kind`` is "observable", "cut", "efficiency" or "transform". ``names`` are the study's observables, which are
    numbers in expressions. ``reader`` is one of :data:`mmc.compiler.expressions.vocabulary.READERS`. A transform
    depends only on ``theta``; MadMiner evaluates it without a reader.

    >>> check_expression("(l[0] + met).pt", "observable")
    []
    >>> check_expression("j.pt > 30", "cut")[0].message
    '`j` is a list of particles and has no `pt`'
    >>> check_expression("16.52*theta", "transform")
    []
    """
    scope = scope_of_transform() if kind == TRANSFORM else scope_of_reader(reader)
    return checked(text, kind, scope, frozenset(names))[0]


def transformed(text: str, theta: float) -> tuple[float | None, list[ExpressionProblem]]:
    """The value of a transform at a parameter value, and its problems; None and no problems if only `eval` can find it.

    >>> transformed("16.52*theta", 2.0)
    (33.04, [])
    >>> transformed("1/theta", 0.0)[1][0].message
    'this divides by zero'
    """
    problems, value = checked(text, TRANSFORM, scope_of_transform(theta), frozenset())
    return (None if problems else value.constant), problems


MMC401 = Code(
    "MMC401",
    "The expression cannot be read",
    "Observables, cuts, efficiencies and transforms are Python expressions. This one has a bracket that is not "
    "closed, an operator without an operand, or an unknown character.",
)


def checked(text: str, kind: str, scope: Scope, names: frozenset[str]) -> tuple[list[ExpressionProblem], Value]:
    """The problems of an expression, and its static value.

    :param kind: as in :func:`check_expression`, or a "condition" or "quantity" of an object, or a "definition"
    :param names: the study's observables
    """
    foreign = next((index for index, char in enumerate(text) if not char.isascii() or char == "\0"), None)
    if foreign is not None:
        message = f"the character `{text[foreign]}` is not allowed in an expression"
        return _alone(MMC401, message, "use ASCII characters only", foreign, foreign + 1)
    longest = MAX_TRANSFORM if kind == TRANSFORM else MAX_LENGTH
    if len(text) > longest:
        message = f"the expression has {len(text):,} characters; at most {longest:,} are read"
        return _alone(MMC407, message, "make it shorter", 0, len(text))
    stripped = text.lstrip(" \t")
    shift = len(text) - len(stripped)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(stripped, mode="eval")
    except SyntaxError as error:
        start = min(shift + offset(stripped, error.lineno or 1, (error.offset or 1) - 1), max(len(text) - 1, 0))
        reason = "it is empty" if not stripped.strip() else error.msg
        help_text = next((text for sign, text in OPERATORS.items() if sign in stripped), "")
        if (unit := _WITH_UNIT.search(stripped)) is not None:
            help_text = f"energies are in GeV, without a unit: `{float(unit[1]) * _GEV[unit[2]]:g}`"
        return _alone(MMC401, f"this is not an expression: {reason}", help_text, start, start + 1)
    except (ValueError, MemoryError, RecursionError):
        return _alone(MMC407, "the expression cannot be parsed", "make it simpler", 0, len(text))
    checker = _Checker(stripped, shift, scope, names, kind)
    value = checker.result(tree.body)
    return sorted(checker.problems, key=lambda problem: problem.start), value


def _alone(code: Code, message: str, help_text: str, start: int, end: int) -> tuple[list[ExpressionProblem], Value]:
    return [ExpressionProblem(code, message, help_text, start, end)], UNKNOWN_VALUE


MMC406 = Code(
    "MMC406",
    "The result of the expression is of the wrong kind",
    "Observables, efficiencies and transforms are numbers. A cut is a condition.",
)


class _Checker(CallChecker):
    def __init__(self, text: str, shift: int, scope: Scope, observables: frozenset[str], kind: str) -> None:
        super().__init__(text, shift)
        self.scope = scope
        self.functions = scope.functions
        self.observables = observables
        self.kind = kind
        self.is_transform = kind == TRANSFORM
        self.variables: dict[str, Value] = dict(scope.variables)
        self.depth = 0

    # -- results ------------------------------------------------------------------------------------------------------

    def result(self, node: ast.expr) -> Value:
        """Check that the value of the whole expression has the kind that its place needs."""
        kind = self.kind
        value = self.check(node)
        is_condition = kind in CONDITIONS
        if value.kind in (UNKNOWN, TRUTH_VALUE) or (value.kind == NUMBER and not is_condition) or kind == DEFINITION:
            return value
        if is_condition:
            help_text = "compare it, as in `pt_j1 > 30`" if value.kind == NUMBER else "compare one of its numbers"
            meaning = "a cut is a condition" if kind == "cut" else "a condition is true or false"
            self.report(MMC406, node, f"{meaning}; this is a {value}", help_text)
        else:
            a_part = "an element, as in `j[0].pt`" if value.is_list else "one of its numbers, such as `.pt`"
            article = "an" if kind[0] in "aeio" else "a"
            self.report(MMC406, node, f"{article} {kind} is a number; this is a {value}", f"take {a_part}")
        return value

    # -- parts --------------------------------------------------------------------------------------------------------

    def check(self, node: ast.expr) -> Value:
        rule = _RULES.get(type(node))
        if rule is None:
            return self.report(MMC402, node, f"{described(node)} cannot be used in an expression", ALLOWED)
        if self.depth >= MAX_DEPTH:
            return self.report(MMC407, node, f"the expression is nested more than {MAX_DEPTH} levels deep")
        self.depth += 1
        value = rule(self, node)
        self.depth -= 1
        return value

    def constant(self, node: ast.Constant) -> Value:
        value = node.value
        if isinstance(value, bool):
            return Value(TRUTH_VALUE, bits=1)
        if isinstance(value, int) and value.bit_length() <= MAX_BITS // 2:
            return Value(NUMBER, constant=float(value), bits=value.bit_length())
        if isinstance(value, float) and math.isfinite(value):
            return Value(NUMBER, constant=value)
        if isinstance(value, int | float):
            return self.report(MMC407, node, f"the number `{self.source(node)}` is too large")
        return self.report(MMC402, node, f"{described(node)} cannot be used in an expression", ALLOWED)

    def name(self, node: ast.Name) -> Value:
        name = node.id
        if name in self.variables:
            value = self.variables[name]
            is_constant = name in CONSTANTS and name in self.observables
            return self.report_two_meanings(node, name, value) if is_constant else value
        lists = (*LIST_FUNCTIONS, *BY_FUNCTIONS, *PARTICLE_FUNCTIONS)
        if name in self.functions or (name in lists and self.scope.reader is not None):
            if name in self.observables:
                return self.report_two_meanings(node, name, "function")
            return self.report(MMC405, node, f"the function `{name}` must be called", f"write `{name}(…)`")
        if name in self.observables:
            return Value(NUMBER)
        variables = tuple(self.variables)
        message, help_text = unknown_name(self.scope, name, lambda: [*variables, *sorted(self.observables)])
        return self.report(MMC403, node, message, help_text)

    def subscript(self, node: ast.Subscript) -> Value:
        owner = self.check(node.value)
        if owner.kind == UNKNOWN:
            return UNKNOWN_VALUE
        if not owner.is_list or owner.lazy:
            message = f"`{self.source(node.value)}` is a {owner}; only a list has an index"
            return self.report(MMC405, node, message, "leave the index out")
        if isinstance(node.slice, ast.Slice):
            bounds = (node.slice.lower, node.slice.upper, node.slice.step)
            if all(bound is None or _whole(bound) is not None for bound in bounds) and bounds[2] is None:
                return owner
        elif _whole(node.slice) is not None:
            return Value(owner.element or UNKNOWN)
        message = f"`{self.source(node.slice)}` is not an index: a whole number is needed"
        return self.report(MMC405, node.slice, message, "write `j[0]` for the first, `j[-1]` for the last")

    def unary(self, node: ast.UnaryOp) -> Value:
        if isinstance(node.op, ast.Not):
            self.number(node.operand)
            return CONDITION
        if isinstance(node.op, ast.Invert):
            return self.report(MMC402, node, "the operator `~` cannot be used in an expression", "write `not`")
        value = self.check(node.operand)
        if value.kind in VECTORS:
            return value if isinstance(node.op, ast.UAdd) or value.kind == VECTOR3 else Value(VECTOR4)
        if value.kind == NUMBER:
            negative = isinstance(node.op, ast.USub) and value.constant is not None
            return value._replace(
                constant=-value.constant if negative and value.constant is not None else value.constant
            )
        if value.kind == TRUTH_VALUE:
            return self.report(MMC405, node, "a condition has no sign", f"write `float({self.source(node.operand)})`")
        self.expect_number(node.operand, value)
        return UNKNOWN_VALUE

    def expect_number(self, node: ast.expr, value: Value) -> None:
        if value.kind != UNKNOWN:
            help_text = "take an element, as in `j[0]`" if value.is_list else ""
            self.report(MMC405, node, f"a {value} cannot be used in arithmetic", help_text)

    def binary(self, node: ast.BinOp) -> Value:
        left, right = self.check(node.left), self.check(node.right)
        if not isinstance(node.op, _ARITHMETIC):
            help_text = _INSTEAD_OF_OPERATORS.get(type(node.op), ALLOWED)
            return self.report(MMC402, node, "this operator cannot be used in an expression", help_text)
        if UNKNOWN in (left.kind, right.kind):
            return UNKNOWN_VALUE
        for side, value in ((node.left, left), (node.right, right)):
            if value.is_list:
                self.expect_number(side, value)
                return UNKNOWN_VALUE
        if left.kind in VECTORS or right.kind in VECTORS:
            return self.vectors(node, left, right)
        if left.kind == right.kind == TRUTH_VALUE:
            message = "arithmetic between two conditions is not allowed"
            return self.report(MMC405, node, message, f"write `float({self.source(node.left)})`, or `and` and `or`")
        return self.arithmetic(node, left, right)

    def vectors(self, node: ast.BinOp, left: Value, right: Value) -> Value:
        if isinstance(node.op, ast.Add | ast.Sub) and left.kind in FOUR_VECTORS and right.kind in FOUR_VECTORS:
            if left.kind in MADMINER_PARTICLES and right.kind not in MADMINER_PARTICLES:
                message = f"MadMiner cannot add a {right} to a {left}; the reverse order works"
                first = self.source(node.right)
                first = first if isinstance(node.op, ast.Add) else f"-({first})"
                help_text = f"start with the {right}: `{first} + {self.source(node.left)}`"
                return self.report(MMC405, node, message, help_text)
            flavoured = left.kind in (TRUTH, PARTICLE) and right.kind in (TRUTH, PARTICLE)
            return Value(PAIR if flavoured else VECTOR4)
        if isinstance(node.op, ast.Add | ast.Sub) and left.kind == right.kind == VECTOR3:
            return Value(VECTOR3)
        scaled, factor = (left, right) if left.kind in VECTORS else (right, left)
        scales = isinstance(node.op, ast.Mult) or (isinstance(node.op, ast.Div) and scaled is left)
        if scales and factor.kind == NUMBER:
            if isinstance(node.op, ast.Div) and factor.constant == 0:
                return self.report(MMC407, node, "this divides by zero")
            return Value(VECTOR3 if scaled.kind == VECTOR3 else VECTOR4)
        message = f"this operator does not accept a {left} and a {right}"
        return self.report(MMC405, node, message, "take one of its numbers, such as `.pt`")

    def boolean(self, node: ast.BoolOp) -> Value:
        for part in node.values:
            self.number(part)
        return CONDITION

    def compare(self, node: ast.Compare) -> Value:
        self.number(node.left)
        for operator, other in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, ast.In | ast.NotIn):
                if not isinstance(other, ast.Tuple | ast.List):
                    message = f"`{self.source(other)}` is not a list of numbers"
                    help_text = "write the numbers, as in `p[0].pdgid in (11, 13)`"
                    if self.source(node.left) == ELEMENT:
                        help_text = f"a list without some of its particles is `without(l, {self.source(other)})`"
                    self.report(MMC405, other, message, help_text)
                else:
                    for element in other.elts:
                        self.number(element)
            elif isinstance(operator, ast.Is | ast.IsNot):
                self.report(MMC402, node, "`is` cannot be used in an expression", "write `==` or `!=`")
            else:
                self.number(other)
        return CONDITION

    def choice(self, node: ast.IfExp) -> Value:
        self.number(node.test)
        first, second = self.check(node.body), self.check(node.orelse)
        if UNKNOWN in (first.kind, second.kind):
            return UNKNOWN_VALUE
        if {first.kind, second.kind} <= {NUMBER, TRUTH_VALUE}:
            kind = NUMBER if first.kind == second.kind == NUMBER else TRUTH_VALUE
            return Value(kind, bits=max(first.bits, second.bits))
        if first.kind == second.kind and first.element == second.element:
            return first
        message = f"this is either a {first} or a {second}"
        return self.report(MMC405, node, message, "give both branches the same kind of value")


_GEV = {"MeV": 1e-3, "GeV": 1.0, "TeV": 1e3}
_WITH_UNIT = re.compile(r"(\d{1,9}(?:\.\d{0,9})?)\s?(MeV|GeV|TeV)\b", re.ASCII)
_INSTEAD_OF_OPERATORS = {
    **dict.fromkeys((ast.BitAnd, ast.BitOr), "write `and` or `or`"),
    ast.BitXor: "a power is `**`, as in `met.pt ** 2`",
    ast.MatMult: "write `j[0].dot(j[1])`",
}
_RULES: dict[type, Callable[..., Value]] = {
    ast.Constant: _Checker.constant,
    ast.Name: _Checker.name,
    ast.Attribute: _Checker.attribute,
    ast.Subscript: _Checker.subscript,
    ast.UnaryOp: _Checker.unary,
    ast.BinOp: _Checker.binary,
    ast.BoolOp: _Checker.boolean,
    ast.Compare: _Checker.compare,
    ast.IfExp: _Checker.choice,
    ast.GeneratorExp: _Checker.comprehension,
    ast.ListComp: _Checker.comprehension,
    ast.Call: _Checker.call,
}
"""The whitelist of syntax: everything else is refused."""


def _whole(node: ast.expr) -> int | None:
    """The value of a literal whole number, which may be negative; None for other nodes."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _whole(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Constant) and type(node.value) is int and node.value < 1_000_000:
        return node.value
    return None
