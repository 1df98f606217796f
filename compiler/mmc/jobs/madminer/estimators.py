"""MadMiner's estimators by the names of their types."""

from typing import Any

from mmc.compiler.study.model import DOUBLE, MORPHING_AWARE, QUADRATIC
from mmc.jobs.madminer import flow_workarounds, workarounds


def new_estimator(kind: str, **network: Any) -> Any:
    """An untrained MadMiner estimator, of one of the types that ``train.json`` names.

    (MadMiner's own ``load_estimator`` takes morphing-aware estimators for parameterised ones and fails.)
    """
    workarounds.apply_training()
    flow_workarounds.apply()
    from madminer.ml.double_parameterized_ratio import DoubleParameterizedRatioEstimator
    from madminer.ml.likelihood import LikelihoodEstimator
    from madminer.ml.morphing_aware import MorphingAwareRatioEstimator, QuadraticMorphingAwareRatioEstimator
    from madminer.ml.parameterized_ratio import ParameterizedRatioEstimator
    from madminer.ml.score import ScoreEstimator

    classes = {
        "score": ScoreEstimator,
        "likelihood": LikelihoodEstimator,
        "parameterized_ratio": ParameterizedRatioEstimator,
        DOUBLE: DoubleParameterizedRatioEstimator,
        MORPHING_AWARE: MorphingAwareRatioEstimator,
        QUADRATIC: QuadraticMorphingAwareRatioEstimator,
    }
    return classes[kind](**network)
