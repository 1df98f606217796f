"""The cuts of a study on events of which only the observables are known, such as observed events."""

import ast
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from mmc.compiler.expressions.vocabulary import BUILTINS, CONSTANTS, LISTS, MATH, OWN, SINGLES
from mmc.jobs.formats.les_houches_table import Floats
from mmc.jobs.readers.expressions import evaluate
from mmc.jobs.readers.values import Items, Mask, Number, UnusualExpressionError, Vector


class _NoObjects:
    """Events without particles."""

    def __init__(self, n_events: int) -> None:
        self._n_events = n_events

    def __len__(self) -> int:
        return self._n_events

    def items(self, name: str) -> Items:
        raise UnusualExpressionError(f"the {name} of observed events are not known")

    def single(self, name: str) -> Vector:
        raise UnusualExpressionError(f"the {name} of observed events is not known")


def failed_cuts(cuts: Iterable[str], observables: Mapping[str, Floats], n_events: int) -> Iterator[tuple[str, Mask]]:
    """The cuts that need only observables and that some events fail, each with these events."""
    known = {name: Number(values) for name, values in observables.items()}
    for cut in cuts:
        names = {node.id for node in ast.walk(ast.parse(cut.strip(), mode="eval")) if isinstance(node, ast.Name)}
        if not names <= (known.keys() - {*LISTS, *SINGLES}) | {*CONSTANTS, *MATH, *BUILTINS, *OWN}:
            continue
        passes, defined = evaluate(cut, _NoObjects(n_events), known, np.ones(n_events, dtype=bool))
        fails = ~(defined & passes.values.astype(bool))
        if fails.any():
            yield cut, fails
