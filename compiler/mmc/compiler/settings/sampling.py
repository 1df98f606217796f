"""What a job of ``sample`` is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmc.compiler.settings.encoding import SHARED
from mmc.compiler.settings.points import AnyPoints


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """The samples of one method: a ratio method's have ``theta0`` and ``theta1``, all others' have ``theta``."""

    parameters: tuple[str, ...] = field(metadata=SHARED)
    test_split: float = field(metadata=SHARED)
    validation_split: float = field(metadata=SHARED)
    default_observables: tuple[str, ...] = field(default=(), metadata=SHARED)
    """The observables that are MadMiner's own."""
    method_name: str
    method: str
    theta: AnyPoints | None
    theta0: AnyPoints | None
    theta1: AnyPoints | None
    samples: int
    validation_samples: int
    sample_only_from_closest_benchmark: bool
    estimator: str | None = None
    """MadMiner's type of estimator, where it does not follow from the method."""
    nuisance_mode: str = "project"
    """``project`` or ``profile``: whether nuisance parameters are left out, or learned."""
    n_eff_forced: float | None = None
    double_precision: bool | None = None
    """None where MadMiner decides."""
    features: tuple[str, ...] | None = None
    """The observables that the network sees; None for all."""
    group: str | None = None
    """The group whose events are read; None where samples are in no groups."""

    @property
    def drawn_at(self) -> Mapping[str, AnyPoints]:
        """The points that samples are drawn at, as ``theta0`` and ``theta1`` or as ``theta``."""
        points = {"theta": self.theta, "theta0": self.theta0, "theta1": self.theta1}
        return {name: point for name, point in points.items() if point is not None}
