"""Training of the neural networks of all methods, with MadMiner's estimators and losses.

Networks learn in natural units, so that the units of the parameters and of the observables do not matter: a parameter
may be in GeV^-4, with values of 1e-12. The saved model has the units of the study again. MadMiner alone treats a
standard deviation below 1e-6 as 1e-6, and does not scale scores.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from mmc.compiler.catalogue.methods import (
    ESTIMATORS,
    LIKELIHOOD,
    METHODS,
    POLYNOMIAL,
    SCORE,
    EstimatorType,
    LearningMethod,
)
from mmc.jobs.madminer.estimators import new_estimator
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.madminer.mapped import blocks

NETWORK = (
    *("n_hidden", "activation", "dropout_prob"),
    *(name for kind in ESTIMATORS.values() for name in kind.own_hyperparameters),
)
"""The hyperparameters of the network; all others are hyperparameters of the training."""
ROUNDING = 1e-7
"""The relative size of rounding errors in single precision; observables that vary less are constant."""
ROUNDING_OF_TARGETS = 1e-6
"""Coefficients of a polynomial that vary less, in units of the largest, are constant: they are sums of weights."""
ROWS = 1 << 14
"""Rows in a batch of a network that has been trained."""


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

    The estimator takes parameters, and gives scores, in the units of the samples. The losses of score methods are in
    units of the mean squared score of each component: 1 for a network that has learned nothing. The weight ``alpha`` of
    a score term is relative to the mean squared score as well. The losses of polynomials are in units of the variance
    of each coefficient, likewise.

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
    estimator.x_scaling_means, estimator.x_scaling_stds = _input_scaling(train["x"], training["scale_inputs"])
    names = _inputs(declared, estimator_type, train)
    data = {name: train[stored] for name, stored in names.items()}
    data |= {f"{name}_val": validation[stored] for name, stored in names.items()}
    for name in ("t_xz", "t_xz_val") if declared.family is SCORE and not nuisance else ():
        data[name] = data[name][:, : train["theta"].shape[1]]  # the scores of nuisance parameters come last
    for name in data.keys() & {"t_xz1", "t_xz1_val"}:
        data[name] = -data[name]  # MadMiner compares it with the slope of ln r along θ1
    coefficients = _standardise(data) if declared.family is POLYNOMIAL else None
    unit = _unit(data)
    for name, values in data.items() if coefficients is None else ():
        if name.startswith(("theta", "t_xz")):
            data[name] = (values / unit if name.startswith("theta") else values * unit).astype(values.dtype)
    if morphing is not None:
        estimator.components = np.array(morphing["components"])
        powers = np.prod(unit**estimator.components, axis=1)
        estimator.morphing_matrix = np.array(morphing["matrix"]) * powers[:, np.newaxis]
    if estimator_type.is_quadratic:
        estimator.reference = (train["theta1"][0] / unit).tolist()
    if training.get("scale_parameters"):
        _scale_validation_points(estimator, data)
    options = {name: value for name, value in training.items() if name not in network}
    if declared.score_term:
        options["alpha"] = training.get("alpha", 1.0) / _mean_squared_score(data)
    if estimator_type.is_morphing_aware:  # MadMiner's `train` of this type does the same, but returns no losses
        from madminer.ml.parameterized_ratio import ParameterizedRatioEstimator

        train_network = partial(ParameterizedRatioEstimator.train, estimator, scale_parameters=False)
    else:
        train_network = estimator.train
    losses = train_network(method=declared.madminer_loss, n_workers=0, **options, **data)
    if coefficients is not None:
        _restore_coefficients(estimator, train["x"], *coefficients)
        return estimator, losses
    _restore_unit(estimator, unit, takes_parameters=estimator_type.takes_parameters)
    return estimator, losses


def _inputs(method: LearningMethod, kind: EstimatorType, samples: Mapping[str, Array]) -> dict[str, str]:
    """The arrays that an estimator learns from: MadMiner's name of each, and its name among the samples."""
    if method.family in (SCORE, POLYNOMIAL):
        return {"x": "x", "t_xz": "t_xz"}
    if method.family is LIKELIHOOD:
        return {"x": "x", "theta": "theta"} | ({"t_xz": "t_xz"} if method.score_term else {})
    names = {name: name for name in ("x", "y", "r_xz") if name in samples}  # carl does not need the joint ratio
    if kind.varies_with_denominator:
        scores = ("t_xz0", "t_xz1") if method.score_term else ()
        return names | {name: name for name in ("theta0", "theta1", *scores)}
    names["theta"] = "theta0"
    return names | ({"t_xz": "t_xz"} if "t_xz" in samples else {})  # the score is missing without morphing


def _input_scaling(x: Array, scaled: bool) -> tuple[Array, Array]:
    """The mean and standard deviation of each observable, by which MadMiner scales it; 0 and 1 without scaling."""
    if not scaled:  # else MadMiner saves one entry per sample
        return np.zeros(x.shape[1]), np.ones(x.shape[1])
    means, stds = x.mean(axis=0), x.std(axis=0)
    is_constant = stds <= ROUNDING * _largest(x)
    return means, np.where(is_constant, 1.0, stds).astype(x.dtype)


def _unit(data: Mapping[str, Array]) -> Array:
    """The natural unit of each parameter: its largest value, or the inverse of the root mean square of its score."""
    thetas = [_largest(values) for name, values in data.items() if name in ("theta", "theta0", "theta1")]
    if not thetas:
        rms = np.sqrt(_mean_squares(data["t_xz"]))
        return np.asarray(np.divide(1.0, rms, out=np.ones_like(rms), where=rms > 0.0))
    largest = np.max(np.asarray(thetas, dtype=float), axis=0)
    return np.asarray(np.where(largest > 0.0, largest, 1.0))


def _mean_squared_score(data: Mapping[str, Array]) -> float:
    """The loss term of a score that has learned nothing, by which the weight ``alpha`` is divided; 1 without scores."""
    scores = [values for name, values in data.items() if name in ("t_xz", "t_xz0", "t_xz1")]
    mean = float(np.mean([_mean_squares(values, axis=None) for values in scores])) if scores else 0.0
    return mean if mean > 0.0 else 1.0


def _largest(values: Array) -> Array:
    """The largest absolute value in each column."""
    return np.asarray(np.max([np.abs(block).max(axis=0) for block in blocks(values)], axis=0))


def _mean_squares(values: Array, axis: int | None = 0) -> Array:
    """The mean square of each column, or of all numbers without an axis."""
    n = len(values) if axis == 0 else len(values) * values.shape[1]
    return np.asarray(sum(np.square(block, dtype=float).sum(axis=axis) for block in blocks(values)) / n)


def _restore_unit(estimator: Any, unit: Array, *, takes_parameters: bool) -> None:
    """Let a trained estimator take parameters, or give scores, in the units of the samples, with MadMiner too."""
    if takes_parameters:
        means, stds = estimator.theta_scaling_means, estimator.theta_scaling_stds
        estimator.theta_scaling_means = np.zeros_like(unit) if means is None else means * unit
        estimator.theta_scaling_stds = unit if stds is None else stds * unit
        return
    last, divisor = estimator.model.layers[-1], torch.as_tensor(unit)
    with torch.no_grad():
        last.weight /= divisor.to(last.weight)[:, np.newaxis]
        last.bias /= divisor.to(last.bias)


def _standardise(data: dict[str, Array]) -> tuple[Array, Array]:
    """Give each coefficient of the training samples mean 0 and standard deviation 1, in place.

    :returns: the means and the standard deviations; 0 for a coefficient that is the same in all samples
    """
    targets = data["t_xz"].astype(float)
    means, spreads = targets.mean(axis=0), targets.std(axis=0)
    spreads[spreads <= ROUNDING_OF_TARGETS * _largest(targets).max()] = 0.0
    for name in ("t_xz", "t_xz_val"):
        data[name] = ((data[name] - means) / np.where(spreads > 0.0, spreads, np.inf)).astype(data[name].dtype)
    return means, spreads


def _restore_coefficients(estimator: Any, x: Array, means: Array, spreads: Array) -> None:
    """Let a trained estimator give coefficients, whose mean over the training samples is exactly that of the targets.

    A squared loss has its minimum there, but training ends elsewhere. The mean multiplies every likelihood ratio, so
    its error would grow with the number of events.
    """
    model, last = estimator.model.cpu().float().eval(), estimator.model.layers[-1]
    with torch.no_grad():
        excess: Any = 0.0
        for block in blocks(x):
            inputs = estimator._transform_inputs(block)
            inputs = inputs if estimator.features is None else inputs[:, estimator.features]
            batches = torch.from_numpy(np.ascontiguousarray(inputs, dtype=np.float32)).split(ROWS)
            excess = sum((model(batch).double().sum(dim=0) for batch in batches), excess)
        excess = excess / len(x)
        scale = torch.as_tensor(spreads)
        last.bias.copy_((last.bias.double() - excess) * scale + torch.as_tensor(means))
        last.weight.mul_(scale.to(last.weight)[:, np.newaxis])


def _scale_validation_points(estimator: Any, data: dict[str, Array]) -> None:
    """Scale the parameters of the validation samples, in place.

    MadMiner 0.9.6 only scales the parameters of the training samples. So it calculates the validation loss at wrong
    points, and chooses the best epoch from this loss.
    """
    names = [name for name in ("theta", "theta0", "theta1") if name in data]
    estimator.initialize_parameter_transform(np.concatenate([data[name] for name in names]))
    for name in names:
        data[f"{name}_val"] = estimator._transform_parameters(data[f"{name}_val"])
