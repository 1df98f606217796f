"""Work-arounds for MadMiner 0.9.6 on current packages, in one place and as narrow as they go.

Steps import MadMiner after the functions here that they need::

    from mmc.steps import madminer_compat

    madminer_compat.apply()
    from madminer.sampling import SampleAugmenter  # noqa: E402

Every work-around has a test that pins that stock MadMiner still needs it.
"""

import sys
from functools import cache, wraps
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any

import numpy as np

from mmc.errors import MissingExtraError


@cache
def apply() -> None:
    """Let ``from madminer.x import y`` import the part x alone. A second call does nothing, as everywhere here.

    MadMiner's ``__init__`` imports all of its parts, which takes 2 to 3 s (torch, uproot3, matplotlib, scipy, sympy)
    and warns of what uproot3 does with retired modules of Python; sampling events needs 0.3 s of it. Without that
    ``__init__``, ``import madminer`` gives a package whose parts are imported by their full names.

    :raises MissingExtraError: when MadMiner is not installed
    """
    if "madminer" in sys.modules:
        return
    spec = PathFinder.find_spec("madminer")
    if spec is None:
        raise MissingExtraError("madminer", "steps")
    sys.modules["madminer"] = module_from_spec(spec)


@cache
def apply_histograms() -> None:
    """Let MadMiner's histograms pass ``normed=False`` to ``np.histogramdd``, which numpy removed in 1.24.

    For the steps that compute limits; imports torch.
    """
    apply()
    from madminer.likelihood import histo as likelihood_histo
    from madminer.utils import histo as utils_histo

    for module in (likelihood_histo, utils_histo):
        module.np = _NumpyWithNormed()


class _NumpyWithNormed:
    """numpy, with a ``histogramdd`` that still takes ``normed`` (as ``density``)."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    @wraps(np.histogramdd)
    def histogramdd(sample: Any, *, normed: bool = False, **kwargs: Any) -> Any:
        return np.histogramdd(sample, density=normed, **kwargs)
