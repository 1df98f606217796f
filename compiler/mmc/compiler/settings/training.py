"""What a job of ``train`` is told."""

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
    """The observables that the network sees; None for all."""
    training: Mapping[str, Any]
    """The hyperparameters, as MadMiner names them, scanned ones included."""
    scan: Mapping[str, Any]
    """The scanned ones among them."""
    estimator: str | None = None
    """MadMiner's type of estimator, where it does not follow from the method."""
    nuisance_mode: str = "project"
    """``project`` or ``profile``: whether nuisance parameters are left out, or learned."""
    trial: bool = False
    """Whether a later job chooses among trainings, so that one that diverges is not an error."""
    member: int | None = None
    """The number of the network in its ensemble; None where there is no ensemble."""
