"""MadMiner's estimators by the names of their types."""

from importlib import import_module
from typing import Any

from mmc.compiler.catalogue.methods import ESTIMATORS
from mmc.jobs.madminer import flow_workarounds, workarounds


def new_estimator(kind: str, **network: Any) -> Any:
    """An untrained MadMiner estimator, of one of the types that ``train.json`` names.

    (MadMiner's own ``load_estimator`` takes morphing-aware estimators for parameterised ones and fails.)
    """
    workarounds.apply_training()
    flow_workarounds.apply()
    module, name = ESTIMATORS[kind].madminer_class.rsplit(".", 1)
    return getattr(import_module(module), name)(**network)
