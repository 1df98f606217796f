"""Expressions as Python reads them, and what can be known of them without events."""

import ast
from functools import cache

from mmc.jobs.readers.lists import FORMS
from mmc.jobs.readers.values import UnusualExpressionError


@cache
def parse(expression: str) -> ast.expr:
    """:raises UnusualExpressionError: when it is not an expression"""
    try:
        return ast.parse(expression.lstrip(" \t"), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise UnusualExpressionError(str(error)) from error


@cache
def is_continuous(expression: ast.AST) -> bool:
    """Whether a small change of the particles cannot let the value jump."""
    steps = (ast.Compare, ast.BoolOp, ast.Not, ast.IfExp, ast.FloorDiv, ast.Mod)
    functions = ("int", "floor", "ceil", "round", "bool", "any", "all", "sign", *FORMS)
    return not any(
        isinstance(node, steps) or (isinstance(node, ast.Name) and node.id in functions)
        for node in ast.walk(expression)
    )
