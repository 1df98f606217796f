"""PyTorch's optimisers without its compiler.

Each optimiser imports ``torch._dynamo``, 800 modules, to tell it that it shall not compile its methods. That takes as
long as the import of ``torch`` itself, in every job that trains, and nothing there is compiled.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import torch

NAME = "torch._dynamo"


class _StandIn(ModuleType):
    """What optimisers ask of the compiler; whoever asks for more gets the compiler."""

    @staticmethod
    def disable(method: Callable[..., Any], *_: Any, **__: Any) -> Callable[..., Any]:
        return method

    @staticmethod
    def graph_break() -> None:
        """Say that a compiled program has to end here: there is none."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":  # asked of every module, for example by inspect
            raise AttributeError(name)
        if sys.modules.get(NAME) is self:
            del sys.modules[NAME]
            del torch._dynamo
        return getattr(import_module(NAME), name)


def apply() -> None:
    """Leave the compiler out, unless it is there already."""
    if NAME not in sys.modules:
        sys.modules[NAME] = torch._dynamo = _StandIn(NAME)
