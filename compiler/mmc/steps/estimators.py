"""Trained estimators as functions of parameter points and events, in large batches."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmc.errors import StepError
from mmc.steps import madminer_compat
from mmc.steps.events import Array

ROWS = 1 << 14
"""Rows that go through a network at once: few enough to stay in the processor's cache."""

LogRatio = Callable[[Array, Array], Array]
"""ln r(x | θ) for all pairs: points (n, parameters), x (m, observables) to shape (n, m)."""


def load_estimator(folder: Path, kind: str) -> Any:
    """The MadMiner estimator that ``train`` saved; ``kind`` is ``score`` or ``ratio``."""
    madminer_compat.apply()
    if kind == "score":
        from madminer.ml.score import ScoreEstimator as Estimator
    else:
        from madminer.ml.parameterized_ratio import ParameterizedRatioEstimator as Estimator
    estimator = Estimator()
    estimator.load(str(folder / "model"))
    estimator.model.eval()
    return estimator


def network_log_ratio(estimator: Any) -> LogRatio:
    """ln r(x | θ) of a ratio estimator for all pairs: points (n, parameters), x (m, observables) to shape (n, m).

    The same network on the same scaled inputs as MadMiner's ``evaluate_log_likelihood_ratio``, in large batches.
    """

    def evaluate(points: Array, x: Array) -> Array:
        inputs, thetas = _tensor(_inputs(estimator, x)), _tensor(estimator._transform_parameters(points))
        result = torch.empty((len(thetas), len(inputs)))
        with torch.inference_mode():
            for start in range(0, len(inputs), ROWS):
                rows = inputs[start : start + ROWS]
                for k, theta in enumerate(thetas):
                    log_ratio = estimator.model(theta.expand(len(rows), -1), rows, track_score=False)[1]
                    result[k, start : start + ROWS] = log_ratio[:, 0]
        return _finite(np.asarray(result.numpy(), dtype=float))

    return evaluate


def network_score(estimator: Any, x: Array) -> Array:
    """The estimated score of each event, shape (events, parameters)."""
    inputs = _tensor(_inputs(estimator, x))
    with torch.inference_mode():
        scores = torch.cat([estimator.model(rows) for rows in inputs.split(ROWS)]).numpy().astype(float)
    return _finite(np.asarray(scores))


def _inputs(estimator: Any, x: Array) -> Array:
    scaled = estimator._transform_inputs(x)
    return np.asarray(scaled if estimator.features is None else scaled[:, estimator.features])


def _tensor(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def _finite(values: Array) -> Array:
    if not np.isfinite(values).all():
        raise StepError("the network returns numbers that are not finite: train it again with other hyperparameters")
    return values
