"""Cuts in terms of observables, for events of which nothing else is known."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mmc.compiler.expressions.parts import MAX_LENGTH, parsed


def conditions(cuts: Iterable[str], observables: Mapping[str, str], names: Mapping[str, str]) -> tuple[str, ...]:
    """All conditions of cuts, with the name of an observable in place of its definition.

    >>> conditions(["mu[0].pt > 50. and is_far", "len(j)>1"], {"pt": "mu[0].pt"}, {"is_far": "abs(eta) > 2"})
    ('pt > 50.0', 'abs(eta) > 2', 'len(j)>1')

    :param observables: the definitions of observables
    :param names: the expressions of the study's objects and definitions
    """
    known = _Names({name: text for name, text in names.items() if name not in observables})
    definitions = {ast.dump(known.visit(tree)): name for name, text in observables.items() if (tree := parsed(text))}
    return tuple(text for cut in cuts for text in _conditions(cut, known, _Definitions(definitions)))


def _conditions(cut: str, names: "_Names", definitions: "_Definitions") -> Iterator[str]:
    tree, written = parsed(cut), parsed(cut)
    if tree is None or written is None:
        yield cut
        return
    for part in _parts(definitions.visit(names.visit(tree))):
        yield cut if ast.dump(part) == ast.dump(written) else ast.unparse(part)


def _parts(node: ast.expr) -> Iterator[ast.expr]:
    """The conditions that must all be met."""
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        for part in node.values:
            yield from _parts(part)
    else:
        yield node


class _Names(ast.NodeTransformer):
    """Put expressions in place of their names, where they are not too long."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts, self._found = texts, dict[str, ast.expr | None]()

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in self._found:
            self._found[node.id] = None
            tree = parsed(self._texts.get(node.id, ""))
            tree = None if tree is None else self.visit(tree)
            self._found[node.id] = None if tree is None or len(ast.unparse(tree)) > MAX_LENGTH else tree
        return self._found[node.id] or node

    def visit(self, node: ast.AST) -> Any:
        """An expression with the others in it; a loop as it is written if its elements have one of the names."""
        targets = [loop.target for loop in node.generators] if isinstance(node, ast.GeneratorExp | ast.ListComp) else []
        elements = {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
        return node if elements & self._texts.keys() else super().visit(node)


class _Definitions(ast.NodeTransformer):
    """Put names of observables in place of their definitions."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def visit(self, node: ast.AST) -> Any:
        name = self._names.get(ast.dump(node))
        return self.generic_visit(node) if name is None else ast.Name(name, ast.Load())
