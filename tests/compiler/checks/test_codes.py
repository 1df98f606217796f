"""Every code is declared once, in the module that reports it; what is reported is declared."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from mmc.compiler.checks.codes import CODES, FAMILIES
from mmc.compiler.checks.context import RULES

from tests.support import ROOT

COMPILER = ROOT / "compiler" / "mmc" / "compiler"
ID = re.compile(r"MMC\d{3}")


@cache
def modules() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(COMPILER.rglob("*.py"))}


def declared(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The constants of a module that hold a code, each with the code's id."""
    for statement in tree.body:
        match statement:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(func=ast.Name(id="Code"), args=[ast.Constant(value=str(code)), *_]),
            ):
                yield name, code


def reported(tree: ast.Module) -> Iterator[str]:
    """The names of the codes that the functions of a module report, more than to register them with a rule."""
    registered = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for decorator in function.decorator_list
        for node in ast.walk(decorator)
    }
    for node in ast.walk(tree):
        is_read = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        if is_read and ID.fullmatch(node.id) and node not in registered:
            yield node.id


def texts(tree: ast.Module) -> Iterator[str]:
    """The texts of a module that are nothing but a code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ID.fullmatch(node.value):
            yield node.value


def test_every_code_is_declared_once_and_gathered() -> None:
    found = [pair for tree in modules().values() for pair in declared(tree)]
    assert Counter(name for name, _ in found) == Counter(list(CODES)), "each once, and `codes` gathers them all"
    assert all(name == code == CODES[code].id for name, code in found)


def test_a_code_stands_with_what_reports_it() -> None:
    astray: dict[Path, set[str]] = {}
    for path, tree in modules().items():
        if strange := {name for name, _ in declared(tree)} - set(reported(tree)):
            astray[path] = strange
    assert astray == {}


def test_codes_are_named_by_their_constants() -> None:
    for path, tree in modules().items():
        assert sorted(texts(tree)) == sorted(code for _, code in declared(tree)), path


def test_codes_are_in_order_and_each_has_a_family() -> None:
    assert list(CODES) == sorted(CODES)
    assert {code[3] for code in CODES} == set(FAMILIES)
    assert {code.severity for code in CODES.values()} == {"error", "warning"}
    assert all(code.title and code.explanation.endswith(".") for code in CODES.values())


def test_rules_are_registered_with_declared_codes() -> None:
    assert {code.id for codes, _ in RULES for code in codes} <= set(CODES)
