"""Expressions, damaged and made from their grammar: checked, and what is accepted is read by Python."""

import ast
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random

from mmc.compiler.expressions.checker import MAX_LENGTH, check_expression, transformed
from mmc.compiler.expressions.vocabulary import (
    BUILTINS,
    LIST_FUNCTIONS,
    LISTS,
    MATH,
    METHODS,
    READERS,
    SINGLES,
    SPATIAL,
)
from mmc.compiler.language.diagnostics import told

from benchmarks.fuzz.damage import HOSTILE, damaged_bytes

NAMES = ("pt_j1", "delta_phi", "theta")
KINDS = ("observable", "cut", "efficiency", "transform")
WORDS = (
    *LISTS,
    *SINGLES,
    *MATH,
    *BUILTINS,
    *LIST_FUNCTIONS,
    *METHODS,
    *SPATIAL,
    *NAMES,
    "x",
    "pi",
    "__class__",
    "lambda",
)
SIGNS = (
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "<",
    "==",
    " and ",
    " or ",
    " in ",
    " if ",
    " else ",
    " for ",
    ".",
    ",",
    ":=",
)
SOURCES = (
    "(l[0] + met).pt",
    "j[0].deltaphi(j[1]) * (-1. + 2.*float(j[0].eta > j[1].eta))",
    "sum(x.pt for x in j if x.pt > 30) / max(1, len(j))",
    "any(x.pdgid in (11, -11) for x in p)",
    "16.52*theta + theta**2 - abs(theta)",
    "sqrt(2 * l[0].pt * met.pt * (1 - cos(l[0].deltaphi(met))))",
    "max([x.pt for x in l]) if len(l) > 0 else -1",
)


def make_trial(_folder: Path) -> Callable[[Random], str]:
    """A trial that needs no files."""
    return trial


def trial(random: Random) -> str:
    text = _input(random)
    kind, reader = random.choice(KINDS), random.choice(tuple(READERS))
    problems = check_expression(text, kind, NAMES, reader)
    for problem in problems:
        if not (0 <= problem.start <= problem.end <= max(len(text), 1) + 1) or "\n" in told(problem.help):
            raise AssertionError(f"{problem} of {text!r}")
    transformed(text, random.choice((0.0, 1.0, -1e308, 1e-320)))
    if problems:
        return "refused"
    _check_accepted(text)
    return "accepted"


def _check_accepted(text: str) -> None:
    """Only short text without the syntax and the names that reach beyond numbers and particles."""
    with warnings.catch_warnings(action="ignore"):  # `1in x`
        nodes = ast.walk(ast.parse(text.lstrip(" \t"), mode="eval"))
    if len(text) > MAX_LENGTH or any(map(_is_foreign, nodes)):
        raise AssertionError(f"accepted: {text[:100]!r}")


def _is_foreign(node: ast.AST) -> bool:
    names = {getattr(node, key, None) for key in ("id", "attr")}
    refused = (ast.Lambda, ast.NamedExpr, ast.JoinedStr, ast.Starred, ast.Await, ast.Yield)
    return isinstance(node, refused) or any(name is not None and name.startswith("_") for name in names)


def _input(random: Random) -> str:
    match random.randrange(5):
        case 0:
            return damaged_bytes(random.choice(SOURCES).encode(), random).decode(errors="replace")
        case 1:
            return "".join(random.choices((*WORDS, *SIGNS, *HOSTILE[:20]), k=random.randint(1, 12)))
        case 2:
            return _wrapped(random.choice(SOURCES), random)
        case _:
            return _made(random, random.randint(1, 5))


def _wrapped(text: str, random: Random) -> str:
    """Deep nesting of one kind."""
    start, end = random.choice(
        (("(", ")"), ("-", ""), ("not ", ""), ("abs(", ")"), ("[", "][0]"), ("", ".pt"), ("sum(", " for x in j)"))
    )
    times = random.choice((1, 3, 30, 300))
    return start * times + text + end * times


def _made(random: Random, depth: int) -> str:
    """An expression of the grammar, whose kinds need not fit."""
    if depth == 0:
        return random.choice(
            (*WORDS, "1", "0", "2.5", "1e400", "9" * 30, "j[0]", "l[-1].pt", "'a'", "0x1", "1j", "True", "()")
        )
    inner = [_made(random, depth - 1) for _ in range(3)]
    form = random.choice(
        (
            "({0}) + ({1})", "({0}) ** ({1})", "({0}) / ({1})", "{0}({1})", "{0}({1}, {2})", "({0}).{1}", "({0})[{1}]",
            "({0}) if ({1}) else ({2})", "sum({0} for x in {1})", "[{0} for y in {1} if {2}]", "({0}) < ({1}) < ({2})",
            "not ({0})", "-({0})", "({0}, {1})", "{{{0}: {1}}}", "({0}) and ({1})", "({0})[{1}:{2}]",
            "({0}) in ({1}, {2})",
        )
    )  # fmt: skip
    return form.format(*inner)
