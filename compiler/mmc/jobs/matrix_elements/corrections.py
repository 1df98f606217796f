"""ufoamp 1.0.0, with its conventions corrected to those of the UFO format and of MadGraph."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import numpy as np

from mmc.errors import MissingExtraError, StepError
from mmc.jobs.matrix_elements import contractions

if TYPE_CHECKING:
    from ufoamp.ufo_model import Model as UfoModel

_FEW = 5
_UNLIMITED = 99
"""As MadGraph reads it: from this expansion order on, a coupling order is not limited."""


class Loaded(NamedTuple):
    """A model as ufoamp reads it, and what ufoamp does not read."""

    ufo: "UfoModel"
    own_propagators: frozenset[int]
    """The PDG ids, without sign, of particles with a propagator that the model defines."""
    hierarchy: Mapping[str, int]
    """The weight of each coupling order in MadGraph's order WEIGHTED."""
    expansion: Mapping[str, int]
    """The largest power of an order in a diagram, if the model limits it."""


def load(folder: Path) -> Loaded:
    """Read a UFO model with ufoamp. This runs the model's Python code.

    - A vertex may give a pair of colour and Lorentz structures a list of couplings, to be summed: for instance the
      Standard Model's and an operator's. ufoamp drops such a list without a word. Here each coupling of a list gets a
      vertex of its own, so the couplings are summed and each keeps its orders.
    - A Lorentz structure of four fermions may be a sum in which different fermions are on one line. ufoamp takes the
      lines of the first term for all. Here each way to join the fermions is a structure of its own.
    - ufoamp's Levi-Civita tensor has ε^{0123} = +1, MadGraph's and FeynRules' has -1: the operators with it, which
      violate CP, would have the wrong sign.
    - ufoamp searches the best order of contractions anew for each number of events, and among all orders, which takes
      seconds. Here it is searched once, and a good one suffices.
    - ufoamp also multiplies with the many zeros of γ matrices and the like. Here they are left out, without a change
      of any bit.
    - ufoamp does not read propagators that a model defines, and of coupling orders it reads the names alone. Both are
      returned.

    :raises StepError: the model does not load
    :raises MissingExtraError: ufoamp is not installed
    """
    try:
        from ufoamp import ufo_model, vertex_eval
    except ImportError as error:
        raise MissingExtraError("ufoamp", "ufo") from error
    if vertex_eval.EPSILON_T[0, 1, 2, 3].real > 0:
        vertex_eval.EPSILON_T *= -1
    if not isinstance(vertex_eval._plan_cache, _Plans):
        vertex_eval._plan_cache = _Plans()
        vertex_eval.np = _Numpy()
        vertex_eval.xp = SimpleNamespace(einsum=contractions.einsum)
    harvest = ufo_model._import
    own: set[int] = set()
    hierarchy: dict[str, int] = {}
    expansion: dict[str, int] = {}

    def corrected(path: str) -> ModuleType:
        module: ModuleType = harvest(path)
        vertices = [single for vertex in module.all_vertices for single in _with_single_couplings(vertex)]
        module.all_vertices[:] = [_with_single_lines(vertex, module.all_lorentz) for vertex in vertices]
        own.update(abs(p.pdg_code) for p in module.all_particles if getattr(p, "propagator", None) is not None)
        for order in module.all_orders:
            hierarchy[order.name] = int(getattr(order, "hierarchy", 1))
            if 0 < (limit := int(getattr(order, "expansion_order", _UNLIMITED))) < _UNLIMITED:
                expansion[order.name] = limit
        return module

    try:
        with patch.object(ufo_model, "_import", corrected), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ufoamp leaves files open, and models are written for old Pythons
            return Loaded(ufo_model.load(str(folder)), frozenset(own), hierarchy, expansion)
    except (Exception, SystemExit) as error:  # the model's own code may raise anything
        raise StepError(f"the UFO model {folder.name} does not load: {type(error).__name__}: {error}") from error


class _Plans(dict[Any, Any]):
    """ufoamp's plans of contractions, by their expressions and shapes, whatever the number of events."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(self._shared(key), default)

    def __setitem__(self, key: Any, plan: Any) -> None:
        super().__setitem__(self._shared(key), plan)

    @staticmethod
    def _shared(key: Any) -> Any:
        expression, shapes = key
        letters = expression.partition("->")[0].split(",")
        return expression, tuple(
            tuple(size for letter, size in zip(word, shape, strict=True) if letter != "Z")
            for word, shape in zip(letters, shapes, strict=True)
        )


class _Numpy:
    """numpy, as ufoamp uses it to search an order of contractions."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def einsum_path(self, expression: str, *operands: Any, optimize: str) -> Any:
        """All orders are tried for a few factors only."""
        return np.einsum_path(expression, *operands, optimize=optimize if len(operands) <= _FEW else "greedy")


def _with_single_couplings(vertex: Any) -> list[Any]:
    """The vertex once per coupling of its longest list of couplings, each time with one coupling of every list."""
    lists = {
        key: list(value) if isinstance(value, list | tuple) else [value] for key, value in vertex.couplings.items()
    }
    return [
        _changed(vertex, couplings={key: value[index] for key, value in lists.items() if index < len(value)})
        for index in range(max(map(len, lists.values()), default=0))
    ]


def _with_single_lines(vertex: Any, every: list[Any]) -> Any:
    """The vertex with Lorentz structures in which all terms join the same fermions.

    :param every: the Lorentz structures of the model, to which new ones are added
    """
    parts = [_by_lines(structure) for structure in vertex.lorentz]
    if all(len(part) == 1 for part in parts):
        return vertex
    every += [one for part in parts if len(part) > 1 for one in part]
    starts = [sum(map(len, parts[:index])) for index in range(len(parts))]
    return _changed(
        vertex,
        lorentz=[one for part in parts for one in part],
        couplings={
            (colour, starts[lorentz] + index): coupling
            for (colour, lorentz), coupling in vertex.couplings.items()
            for index in range(len(parts[lorentz]))
        },
    )


def _by_lines(structure: Any) -> list[Any]:
    """A Lorentz structure in parts, one for each way in which its terms join fermions."""
    from ufoamp.vertex_eval import fermion_chains, parse

    if list(getattr(structure, "spins", ())).count(2) < 4:
        return [structure]
    parts: dict[frozenset[tuple[int, int]], list[str]] = {}
    for factor, atoms in parse(structure.structure):
        words = [f"{atom.name}({','.join(map(str, atom.args))})" for atom in atoms]
        parts.setdefault(frozenset(fermion_chains("*".join(words))), []).append("*".join([f"({factor})", *words]))
    if len(parts) < 2:
        return [structure]
    texts = enumerate(" + ".join(terms) for terms in parts.values())
    return [_changed(structure, name=f"{structure.name}_{index}", structure=text) for index, text in texts]


def _changed(item: Any, **values: Any) -> Any:
    """A copy of an object of the model, which is not added to the model's list of such objects."""
    copy = object.__new__(type(item))
    copy.__dict__ = {**item.__dict__, **values}
    return copy
