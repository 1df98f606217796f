"""Lists in expressions: loops, functions of lists, and elements that are compared by a quantity."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager

from mmc.compiler.expressions.parts import (
    CONDITION,
    MMC405,
    MMC407,
    UNKNOWN_VALUE,
    ExpressionProblem,
    Reporter,
    Value,
)
from mmc.compiler.expressions.scope import LIST
from mmc.compiler.expressions.vocabulary import (
    BUILTINS,
    BY_FUNCTIONS,
    CONSTANTS,
    ELEMENT,
    FLAVOUR,
    FOUR_VECTORS,
    FUNCTIONS,
    LIST_FUNCTIONS,
    LISTS,
    MATH,
    METHODS,
    NUMBER,
    OWN,
    PARTICLE_FUNCTIONS,
    SINGLES,
    SPATIAL,
    TAGS,
    TEMPORAL,
    TRANSFORM_FUNCTIONS,
    TRUTH_VALUE,
    UNKNOWN,
)
from mmc.compiler.language.diagnostics import Code, one_of

MAX_LOOPS = 3
"""The deepest nesting of loops: the time grows with the number of particles to this power."""
_ALL = 99
"""Above the length of every list: the explanation of a code names all words."""

MMC402 = Code(
    "MMC402",
    "The expression uses syntax that is not allowed",
    "Expressions are arithmetic (`+ - * / // % **`), comparisons, `and`, `or`, `not`, `a if c else b`, indices, "
    f"and loops such as `sum(x.pt for x in j)` over {one_of([*LISTS, *SINGLES], _ALL)}, with the functions "
    f"{one_of([*MATH, *BUILTINS, *OWN, *LIST_FUNCTIONS, *BY_FUNCTIONS, *PARTICLE_FUNCTIONS], _ALL)}. Particles have "
    f"{one_of([*SPATIAL, *TEMPORAL, *FLAVOUR, *TAGS], _ALL)} and the methods {one_of(METHODS, _ALL)}. A transform is "
    f"arithmetic of `theta`, with {one_of(TRANSFORM_FUNCTIONS, _ALL)}. mmc refuses everything else, because "
    "MadMiner hands expressions to Python's `eval`.",
)


class ListChecker(Reporter):
    """Checks of loops and of functions of lists."""

    variables: dict[str, Value]
    """The objects, constants, definitions and loop variables that the part can use."""
    problems: list[ExpressionProblem]
    loops = 0
    elements: frozenset[str] = frozenset()
    """The names of elements of the loops around the part."""

    @contextmanager
    def bound(self, **values: Value) -> Iterator[None]:
        """Let names mean an element inside a loop."""
        before, self.variables = self.variables, {**self.variables, **values}
        outside, self.elements = self.elements, self.elements | values.keys()
        self.loops += 1
        try:
            yield
        finally:
            self.variables, self.elements = before, outside
            self.loops -= 1

    def may_loop(self, node: ast.AST) -> bool:
        """Whether another loop may be nested here; False after a reported problem."""
        if self.loops >= MAX_LOOPS:
            self.report(MMC407, node, f"loops are nested more than {MAX_LOOPS} levels deep")
        return self.loops < MAX_LOOPS

    def comprehension(self, node: ast.GeneratorExp | ast.ListComp) -> Value:
        loop = node.generators[0]
        if len(node.generators) > 1 or not isinstance(loop.target, ast.Name) or loop.is_async:
            return self.report(MMC402, node, "only a loop of one variable over one list is allowed here")
        name = loop.target.id
        taken = name in self.elements or name in (*LISTS, *SINGLES, *CONSTANTS, *FUNCTIONS)
        if taken or name.startswith("_"):
            return self.report(MMC402, loop.target, f"`{name[:60]}` cannot be a loop variable", "use a new name")
        if not self.may_loop(node):
            return UNKNOWN_VALUE
        source = self.check(loop.iter)
        if not source.is_list:
            if source.kind != UNKNOWN:
                self.report(MMC405, loop.iter, f"`{self.source(loop.iter)}` is a {source}, not a list")
            return UNKNOWN_VALUE
        with self.bound(**{name: Value(source.element or UNKNOWN)}):
            for condition in loop.ifs:
                self.number(condition)
            value = self.check(node.elt)
        if value.is_list:
            return self.report(MMC405, node.elt, "a list of lists cannot be used in an expression")
        return Value(LIST, value.kind, bits=value.bits, lazy=isinstance(node, ast.GeneratorExp))

    def list_function(self, node: ast.Call, name: str) -> Value:
        if len(node.args) != 1:
            return self.report(MMC405, node, f"`{name}` takes one list", f"write `{name}([…])`")
        value = self.check(node.args[0])
        if UNKNOWN in (value.kind, value.element):
            return UNKNOWN_VALUE
        if not value.is_list or (value.lazy and name == "len"):
            shown = "generator, which has no length" if value.is_list else str(value)
            help_text = "put square brackets around it" if value.is_list else "give it a list, such as `j`"
            message = f"`{name}` takes a list; `{self.source(node.args[0])}` is a {shown}"
            return self.report(MMC405, node.args[0], message, help_text)
        if name != "len" and value.element not in (NUMBER, TRUTH_VALUE):
            message = f"`{name}` takes a list of numbers; this is a {value}"
            return self.report(MMC405, node.args[0], message, f"write `{name}(x.pt for x in j)`")
        if name in ("any", "all"):
            return CONDITION
        return Value(NUMBER, bits=max(value.bits, 1) * 32 if name == "prod" else max(value.bits, 1) + 32)

    def by_function(self, node: ast.Call, name: str) -> Value:
        """`sorted(j, abs(it.eta))`, `argmin(…)` and `argmax(…)`."""
        if len(node.args) != 2:
            message = f"`{name}` takes a list and the quantity of its elements"
            return self.report(MMC405, node, message, f"write `{name}(j, abs({ELEMENT}.eta))`")
        value = self.a_list(node.args[0], name)
        if value is None or not self.may_loop(node):
            return UNKNOWN_VALUE
        with self.bound(**{ELEMENT: Value(value.element or UNKNOWN, bits=value.bits)}):
            key = self.number(node.args[1])
        if key is None:
            return UNKNOWN_VALUE
        element = Value(value.element or UNKNOWN, bits=value.bits)
        return Value(LIST, element.kind, bits=value.bits) if name == "sorted" else element

    def particle_function(self, node: ast.Call, name: str) -> Value:
        """`without(j, b)` and `transverse_mass(l[0], met)`."""
        if len(node.args) != 2:
            example = "without(l, z)" if name == "without" else "transverse_mass(l[0], met)"
            return self.report(MMC405, node, f"`{name}` takes two arguments", f"as in `{example}`")
        if name == "without":
            value, other = self.a_list(node.args[0], name), self.check(node.args[1])
            if value is None or other.kind == UNKNOWN:
                return UNKNOWN_VALUE
            for argument, kind in zip(node.args, (value.element, other.element or other.kind), strict=True):
                if kind not in FOUR_VECTORS:
                    return self.report(MMC405, argument, f"`without` compares particles; this is a {kind}")
            return value._replace(lazy=False)
        for argument in node.args:
            value = self.check(argument)
            if value.kind not in (*FOUR_VECTORS, UNKNOWN):
                help_text = "take an element, as in `l[0]`" if value.is_list else ""
                return self.report(MMC405, argument, f"`{name}` takes particles; this is a {value}", help_text)
        return Value(NUMBER)

    def a_list(self, node: ast.expr, name: str) -> Value | None:
        """The value of a part that must be a list; None after a reported problem."""
        value = self.check(node)
        if value.is_list and value.element != UNKNOWN:
            return value
        if value.kind != UNKNOWN:
            message = f"`{name}` takes a list; `{self.source(node)}` is a {value}"
            self.report(MMC405, node, message, "give it a list, such as `j`")
        return None
