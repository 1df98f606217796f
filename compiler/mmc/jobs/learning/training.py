"""Training of the neural networks of all methods, with MadMiner's estimators and losses."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from mmc.compiler.catalogue.methods import (
    ESTIMATORS,
    LIKELIHOOD,
    METHODS,
    SCORE,
    EstimatorType,
    LearningMethod,
)
from mmc.jobs.madminer.estimators import new_estimator
from mmc.jobs.madminer.event_file import Array

NETWORK = (
    *("n_hidden", "activation", "dropout_prob"),
    *(name for kind in ESTIMATORS.values() for name in kind.own_hyperparameters),
)
"""The hyperparameters of the network; all others are hyperparameters of the training."""


def fit(
    method: str,
    train: Mapping[str, Array],
    validation: Mapping[str, Array],
    training: Mapping[str, Any],
    features: Sequence[int] | None,
    *,
    kind: str | None = None,
    morphing: Mapping[str, Any] | None = None,
    nuisance: bool = False,
) -> tuple[Any, tuple[Array, Array]]:
    """A trained MadMiner estimator, and its training and validation losses per epoch.

    :param train: arrays of :func:`mmc.jobs.learning.samples.load_samples`; ``validation`` likewise
    :param training: hyperparameters by MadMiner's names; missing ones have MadMiner's defaults
    :param features: indices of the observables that the network uses; None for all
    :param kind: the type of the estimator; None for the default type of the method
    :param morphing: the components and the matrix of a morphing-aware estimator
    :param nuisance: whether a score method learns the score of the nuisance parameters too
    """
    declared = METHODS[method]
    estimator_type = declared.family.estimator_of(kind)
    network = {name: training[name] for name in NETWORK if name in training} | {"n_hidden": tuple(training["n_hidden"])}
    estimator = new_estimator(estimator_type.name, features=None if features is None else list(features), **network)
    if morphing is not None:
        estimator.components = np.array(morphing["components"])
        estimator.morphing_matrix = np.array(morphing["matrix"])
    if not training["scale_inputs"]:  # else MadMiner saves one scaling entry per sample
        n = train["x"].shape[1]
        estimator.x_scaling_means, estimator.x_scaling_stds = np.zeros(n), np.ones(n)
    names = _inputs(declared, estimator_type, train)
    data = {name: train[stored] for name, stored in names.items()}
    data |= {f"{name}_val": validation[stored] for name, stored in names.items()}
    for name in ("t_xz", "t_xz_val") if declared.family is SCORE and not nuisance else ():
        data[name] = data[name][:, : train["theta"].shape[1]]  # the scores of nuisance parameters come last
    for name in data.keys() & {"t_xz1", "t_xz1_val"}:
        data[name] = -data[name]  # MadMiner compares it with the slope of ln r along θ1
    if training.get("scale_parameters"):
        _scale_validation_points(estimator, data)
    options = {name: value for name, value in training.items() if name not in network}
    if estimator_type.is_morphing_aware:  # MadMiner's `train` of this type does the same, but returns no losses
        from madminer.ml.parameterized_ratio import ParameterizedRatioEstimator

        train_network = partial(ParameterizedRatioEstimator.train, estimator, scale_parameters=False)
    else:
        train_network = estimator.train
    return estimator, train_network(method=method, n_workers=0, **options, **data)


def _inputs(method: LearningMethod, kind: EstimatorType, samples: Mapping[str, Array]) -> dict[str, str]:
    """The arrays that an estimator learns from: MadMiner's name of each, and its name among the samples."""
    if method.family is SCORE:
        return {"x": "x", "t_xz": "t_xz"}
    if method.family is LIKELIHOOD:
        return {"x": "x", "theta": "theta"} | ({"t_xz": "t_xz"} if method.score_term else {})
    names = {"x": "x", "y": "y", "r_xz": "r_xz"}
    if kind.varies_with_denominator:
        scores = ("t_xz0", "t_xz1") if method.score_term else ()
        return names | {name: name for name in ("theta0", "theta1", *scores)}
    names["theta"] = "theta0"
    return names | ({"t_xz": "t_xz"} if "t_xz" in samples else {})  # the score is missing without morphing


def _scale_validation_points(estimator: Any, data: dict[str, Array]) -> None:
    """Scale the parameters of the validation samples, in place.

    MadMiner 0.9.6 only scales the parameters of the training samples. So it calculates the validation loss at wrong
    points, and chooses the best epoch from this loss.
    """
    names = [name for name in ("theta", "theta0", "theta1") if name in data]
    estimator.initialize_parameter_transform(np.concatenate([data[name] for name in names]))
    for name in names:
        data[f"{name}_val"] = estimator._transform_parameters(data[f"{name}_val"])
