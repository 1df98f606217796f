"""The settings of jobs of ``tune``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmc.compiler.settings.encoding import INLINE
from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.compiler.settings.training import TrainSettings


@dataclass(frozen=True, kw_only=True)
class ValueRange:
    """The values of a hyperparameter between two ends, both included; uniform in the value or in its logarithm."""

    low: float
    high: float
    log: bool
    integer: bool


@dataclass(frozen=True, kw_only=True)
class ValueList:
    """The values that a hyperparameter can have."""

    values: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class OptunaSettings:
    """An adaptive search, all trials in one job."""

    space: Mapping[str, ValueRange | ValueList]
    ensemble: int
    """The number of networks that each trial trains."""
    n_trials: int
    sampler: str
    time_limit_s: float | None
    store: str
    train: TrainSettings = field(metadata=INLINE)
    """The training of each trial, without the values that are searched."""


@dataclass(frozen=True, kw_only=True)
class ChoiceSettings:
    """How the best trial of a method is found."""

    search: str
    """``grid`` or ``random``, whose trials are jobs of ``train``, or ``optuna``."""
    criterion: str
    """``validation_loss``, ``closure`` or ``expected_limit``."""
    optuna: OptunaSettings | None = field(default=None, metadata=INLINE)
    evaluation: EvaluateSettings | None = field(default=None, metadata=INLINE)
    """None for the criterion ``validation_loss``."""


@dataclass(frozen=True, kw_only=True)
class TuneSettings:
    """One estimator: the best of several trials, or the only one that was trained."""

    method_name: str
    method: str
    train_jobs: Mapping[str, tuple[str, ...]]
    """For each trial, the jobs of ``train`` that have trained it: one, or one for each member of an ensemble."""
    choice: ChoiceSettings | None = field(default=None, metadata=INLINE)
    """None for a single training, whose model is passed on."""
