"""MadMiner's estimators by type name."""

from importlib import import_module
from typing import Any

from mmc.compiler.catalogue.methods import ESTIMATORS
from mmc.jobs.madminer import flow_workarounds, workarounds


def new_estimator(kind: str, **network: Any) -> Any:
    """An untrained MadMiner estimator of a type named in ``train.json``.

    (MadMiner's own ``load_estimator`` mistakes morphing-aware estimators for parameterised ones and fails.)
    """
    workarounds.apply_training()
    flow_workarounds.apply()
    module, name = ESTIMATORS[kind].madminer_class.rsplit(".", 1)
    return getattr(import_module(module), name)(**network)
