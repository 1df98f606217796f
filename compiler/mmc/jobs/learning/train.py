"""Train the neural network of a method on its samples, and write the network with a record of the training."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmc.compiler.catalogue.methods import METHODS
from mmc.compiler.catalogue.stages import SAMPLE, TRAIN
from mmc.compiler.settings.training import TrainSettings
from mmc.errors import StepError
from mmc.jobs.job import read_json, write_json
from mmc.jobs.learning.samples import load_samples
from mmc.jobs.learning.training import fit
from mmc.jobs.madminer.event_file import Array

ADVICE = "lower training.initial_lr, or set training.clip_gradient"

log = logging.getLogger(__name__)


class DivergedError(StepError):
    """The loss is not finite: the training diverges with these hyperparameters."""


def train(settings: TrainSettings, samples: Path, out: Path) -> None:
    """Write MadMiner's ``model_*`` files, and ``train.json`` with the losses per epoch.

    If the training of a trial diverges, only a ``train.json`` with the reason is written.

    :raises StepError: when the samples belong to another method, or the loss is not finite
    """
    record = read_json(samples / SAMPLE.record)
    if record["method"] != settings.method:
        raise StepError(f"{samples.name} contains samples for {record['method']}, not for {settings.method}")
    features = _indices(settings.features, record["observables"])
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it a GPU has no deterministic algorithms
    torch.set_deterministic_debug_mode("error")  # the same as use_deterministic_algorithms, without the compiler
    kind = METHODS[settings.method].family.estimator_of(settings.estimator).name
    training, validation = load_samples(samples / "train"), load_samples(samples / "validation")
    log.info("training on %d samples, validating on %d", len(training["x"]), len(validation["x"]))
    profile = settings.nuisance_mode == "profile"
    if profile and not record["nuisance_parameters"]:
        raise StepError("the samples have no nuisance parameters to profile: remove `nuisance_mode` of the method")
    estimator, losses = fit(
        settings.method,
        training,
        validation,
        settings.training,
        features,
        kind=kind,
        morphing=record.get("morphing"),
        nuisance=profile,
    )
    try:
        epochs, kept = _check(losses, settings.training)
    except DivergedError as error:
        if not settings.trial:
            raise
        log.warning("this trial is rejected: %s", error)
        write_json(out / TRAIN.record, {"method": settings.method, "scan": settings.scan, "failed": str(error)})
        return
    estimator.save(str(out / "model"))
    write_json(
        out / TRAIN.record,
        {
            "method_name": settings.method_name,
            "method": settings.method,
            "estimator": kind,
            **({} if settings.member is None else {"member": settings.member}),
            **(
                {"nuisance_mode": settings.nuisance_mode, "nuisance_parameters": record["nuisance_parameters"]}
                if profile
                else {}
            ),
            **({"polynomial": record["polynomial"]} if "polynomial" in record else {}),
            "sample_job": settings.sample_job,
            "features": settings.features,
            "training": settings.training,
            "scan": settings.scan,
            "n_train": len(training["x"]),
            "n_validation": len(validation["x"]),
            "sample_warnings": record["warnings"],
            "epochs": epochs,
            "kept_epoch": kept,
            "loss_train": losses[0].tolist(),
            "loss_validation": losses[1].tolist(),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        },
    )


def _indices(features: Sequence[str] | None, observables: Sequence[str]) -> list[int] | None:
    if features is None:
        return None
    missing = sorted(set(features) - set(observables))
    if missing:
        raise StepError(f"the samples have no observable {', '.join(missing)}")
    return [observables.index(name) for name in features]


def _check(losses: tuple[Array, Array], training: Mapping[str, Any]) -> tuple[int, int]:
    """The number of epochs, and the epoch (counted from 1) whose network is kept.

    :raises DivergedError: when a loss is not finite. MadMiner then ends the training early, with only a log message
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
