"""``train``: fit the neural network of a method to its samples, with MadMiner's estimators and losses."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from mmc.errors import StepError
from mmc.steps import madminer_compat
from mmc.steps.events import Array
from mmc.steps.job import StepJob, write_json
from mmc.steps.sample import load_samples
from mmc.study import SCORE_METHODS

ADVICE = "lower training.initial_lr, or set training.clip_gradient"

log = logging.getLogger(__name__)


class DivergedError(StepError):
    """The loss is not finite: the hyperparameters are no good."""


def run(job: StepJob) -> None:
    """Write MadMiner's ``model_*`` files and ``train.json``, with the losses per epoch.

    Of a trial whose training diverges there is only a ``train.json`` that says so.

    :raises StepError: when the samples are not those of the method, or the loss is not finite
    """
    settings = job.settings
    folder = job.pick("samples", settings["sample_job"])
    record = json.loads((folder / "sample.json").read_text(encoding="utf-8"))
    if record["method"] != settings["method"]:
        raise StepError(f"{folder.name} holds samples for {record['method']}, not for {settings['method']}")
    training = settings["training"]
    features = _indices(settings["features"], record["observables"])
    torch.use_deterministic_algorithms(True)
    train, validation = load_samples(folder / "train"), load_samples(folder / "validation")
    log.info("training on %d samples, validating on %d", len(train["x"]), len(validation["x"]))
    estimator, losses = fit(settings["method"], train, validation, training, features)
    try:
        epochs, kept = _check(losses, training)
    except DivergedError as error:
        if not settings.get("trial"):
            raise
        log.warning("this trial is out: %s", error)
        failed = {"method": settings["method"], "scan": dict(settings["scan"]), "failed": str(error)}
        write_json(job.out / "train.json", failed)
        return
    estimator.save(str(job.out / "model"))
    write_json(
        job.out / "train.json",
        {
            "method_name": settings["method_name"],
            "method": settings["method"],
            "sample_job": settings["sample_job"],
            "features": settings["features"],
            "training": dict(training),
            "scan": dict(settings["scan"]),
            "n_train": len(train["x"]),
            "n_validation": len(validation["x"]),
            "sample_warnings": record["warnings"],
            "epochs": epochs,
            "kept_epoch": kept,
            "loss_train": losses[0].tolist(),
            "loss_validation": losses[1].tolist(),
        },
    )


def fit(
    method: str,
    train: Mapping[str, Array],
    validation: Mapping[str, Array],
    training: Mapping[str, Any],
    features: Sequence[int] | None,
) -> tuple[Any, tuple[Array, Array]]:
    """A trained MadMiner estimator, and its training and validation losses per epoch.

    ``train`` and ``validation`` are the arrays of :func:`mmc.steps.sample.load_samples`, ``training`` the
    hyperparameters of the method as MadMiner names them; what is not there has its default.
    """
    madminer_compat.apply_training()
    network = {name: training[name] for name in ("activation", "dropout_prob")}
    network |= {"features": None if features is None else list(features), "n_hidden": tuple(training["n_hidden"])}
    options = {name: value for name, value in training.items() if name not in network}
    common = {"method": method, "n_workers": 0, **options}
    if method in SCORE_METHODS:
        from madminer.ml.score import ScoreEstimator

        estimator = ScoreEstimator(**network)
        _prepare_inputs(estimator, train["x"], training["scale_inputs"])
        n = train["theta"].shape[1]  # the scores after those of the parameters are the nuisance parameters'
        data = {"x": train["x"], "t_xz": train["t_xz"][:, :n]}
        data |= {"x_val": validation["x"], "t_xz_val": validation["t_xz"][:, :n]}
        return estimator, estimator.train(**common, **data)

    from madminer.ml.parameterized_ratio import ParameterizedRatioEstimator

    estimator = ParameterizedRatioEstimator(**network)
    _prepare_inputs(estimator, train["x"], training["scale_inputs"])
    names = {"x": "x", "y": "y", "theta": "theta0", "r_xz": "r_xz"}
    if "t_xz" in train:  # without morphing there is no score
        names["t_xz"] = "t_xz"
    data = {name: train[stored] for name, stored in names.items()}
    data |= {f"{name}_val": validation[stored] for name, stored in names.items()}
    return estimator, estimator.train(**common, **data)


def _prepare_inputs(estimator: Any, x: Array, scale: bool) -> None:
    """Set the input scaling to 1 where none is asked for: MadMiner would save an entry per sample."""
    if not scale:
        estimator.x_scaling_means, estimator.x_scaling_stds = np.zeros(x.shape[1]), np.ones(x.shape[1])


def _indices(features: Sequence[str] | None, observables: Sequence[str]) -> list[int] | None:
    if features is None:
        return None
    missing = sorted(set(features) - set(observables))
    if missing:
        raise StepError(f"the samples have no observable {', '.join(missing)}")
    return [observables.index(name) for name in features]


def _check(losses: tuple[Array, Array], training: Mapping[str, Any]) -> tuple[int, int]:
    """The epochs that were run, and the epoch (from 1) whose network is kept.

    :raises DivergedError: when a loss is not finite. MadMiner then ends the training early and says so in the log only
    """
    train, validation = losses
    epochs, patience = len(train), training.get("early_stopping_patience")
    if not epochs or not (np.isfinite(train).all() and np.isfinite(validation).all()):
        raise DivergedError(f"the loss is not finite in epoch {max(epochs, 1)}: {ADVICE}")
    best = int(np.argmin(validation))
    stopped = training["early_stopping"] and patience is not None and epochs - 1 - best > patience
    if epochs < training["n_epochs"] and not stopped:
        raise DivergedError(f"the loss became NaN in epoch {epochs + 1}: {ADVICE}")
    keeps_best = training["early_stopping"] and training["n_epochs"] > 1
    return epochs, (best if keeps_best else epochs - 1) + 1
