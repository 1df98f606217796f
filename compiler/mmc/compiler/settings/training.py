"""The settings of jobs of ``train``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """One network to train."""

    method_name: str
    method: str
    sample_job: str
    """The job of ``sample`` that has drawn its samples."""
    features: tuple[str, ...] | None
    """The observables that are inputs of the network; None for all."""
    training: Mapping[str, Any]
    """The hyperparameters, with MadMiner's names, including the scanned ones."""
    scan: Mapping[str, Any]
    """The scanned hyperparameters only."""
    estimator: str | None = None
    """MadMiner's type of estimator; None for the default of the method."""
    nuisance_mode: str = "project"
    """``project`` (nuisance parameters are left out) or ``profile`` (they are learned)."""
    trial: bool = False
    """Whether a later job chooses among trainings, so that a divergent training is not an error."""
    member: int | None = None
    """The number of the network in its ensemble; None without an ensemble."""
