"""ufoamp 1.0.0, with its conventions corrected to those of the UFO format and of MadGraph."""

import warnings
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from mmc.errors import MissingExtraError, StepError

if TYPE_CHECKING:
    from ufoamp.ufo_model import Model as UfoModel


def load(folder: Path) -> "UfoModel":
    """Read a UFO model with ufoamp. This runs the model's Python code.

    - A vertex may give a pair of colour and Lorentz structures a list of couplings, to be summed: for instance the
      Standard Model's and an operator's. ufoamp drops such a list without a word. Here each coupling of a list gets a
      vertex of its own, so the couplings are summed and each keeps its orders.
    - ufoamp's Levi-Civita tensor has ε^{0123} = +1, MadGraph's and FeynRules' has -1: the operators with it, which
      violate CP, would have the wrong sign.

    :raises StepError: the model does not load
    :raises MissingExtraError: ufoamp is not installed
    """
    try:
        from ufoamp import ufo_model, vertex_eval
    except ImportError as error:
        raise MissingExtraError("ufoamp", "ufo") from error
    if vertex_eval.EPSILON_T[0, 1, 2, 3].real > 0:
        vertex_eval.EPSILON_T *= -1
    harvest = ufo_model._import

    def with_single_couplings(path: str) -> ModuleType:
        module: ModuleType = harvest(path)
        module.all_vertices[:] = [single for vertex in module.all_vertices for single in _single(vertex)]
        return module

    try:
        with patch.object(ufo_model, "_import", with_single_couplings), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ufoamp leaves files open, and models are written for old Pythons
            return ufo_model.load(str(folder))
    except (Exception, SystemExit) as error:  # the model's own code may raise anything
        raise StepError(f"the UFO model {folder.name} does not load: {type(error).__name__}: {error}") from error


def _single(vertex: Any) -> list[Any]:
    """The vertex once per coupling of its longest list of couplings, each time with one coupling of every list."""
    lists = {
        key: list(value) if isinstance(value, list | tuple) else [value] for key, value in vertex.couplings.items()
    }
    singles = []
    for index in range(max(map(len, lists.values()), default=0)):
        single = object.__new__(type(vertex))
        single.__dict__ = {**vertex.__dict__, "couplings": {k: v[index] for k, v in lists.items() if index < len(v)}}
        singles.append(single)
    return singles
