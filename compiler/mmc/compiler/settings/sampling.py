"""The settings of jobs of ``sample``."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmc.compiler.settings.encoding import SHARED
from mmc.compiler.settings.points import AnyPoints
from mmc.compiler.settings.reading import ObservableDefinition


@dataclass(frozen=True, kw_only=True)
class SimulatedEvents:
    """Events with a point of their own each, in tables."""

    tables: tuple[str, ...]
    """In a study the paths of the files; in a job the names of the file inputs."""
    tree: str | None
    theta: Mapping[str, str]
    """Parameter → column of its value."""
    denominator: str
    label: str
    """The column that is 0 for events at ``theta``, and 1 for events at the denominator."""
    ratio: str | None
    """The column of the joint ratio."""
    score: Mapping[str, str]
    """Parameter → column of the component of the joint score; empty without scores."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Quantity → column. Expressions use the quantities; an observable without a definition is one."""
    observables: Mapping[str, ObservableDefinition] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    """The definitions that other expressions use, by name."""


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """The samples of one method: ``theta0`` and ``theta1`` for a ratio method, ``theta`` for all others."""

    parameters: tuple[str, ...] = field(metadata=SHARED)
    test_split: float = field(metadata=SHARED)
    validation_split: float = field(metadata=SHARED)
    default_observables: tuple[str, ...] = field(default=(), metadata=SHARED)
    """MadMiner's default observables."""
    method_name: str
    method: str
    theta: AnyPoints | None
    theta0: AnyPoints | None
    theta1: AnyPoints | None
    samples: int
    validation_samples: int
    sample_only_from_closest_benchmark: bool
    estimator: str | None = None
    """MadMiner's type of estimator; None for the default of the method."""
    nuisance_mode: str = "project"
    """``project`` (nuisance parameters are left out) or ``profile`` (they are learned)."""
    n_eff_forced: float | None = None
    double_precision: bool | None = None
    """None for MadMiner's default."""
    features: tuple[str, ...] | None = None
    """The observables that are inputs of the network; None for all."""
    bootstrap: bool = False
    """Whether each training event counts a random number of times, Poisson-distributed with mean 1."""
    group: str | None = None
    """The group or region whose events are read; None without either."""
    over: str | None = None
    """The group of the events at the denominator; None if it is that of the numerator."""
    simulated: SimulatedEvents | None = None
    """The events, if ``theta0`` is their points; None if samples are drawn from weighted events."""

    @property
    def drawn_at(self) -> Mapping[str, AnyPoints]:
        """The points at which samples are drawn, by ``theta0`` and ``theta1`` or by ``theta``."""
        points = {"theta": self.theta, "theta0": self.theta0, "theta1": self.theta1}
        return {name: point for name, point in points.items() if point is not None}
