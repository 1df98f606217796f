"""The settings of jobs of ``evaluate``; ``tune`` reads them to compare trials by limits or closure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmc.compiler.settings.baselines import Bins, EqualBins
from mmc.compiler.settings.encoding import INLINE, SHARED
from mmc.compiler.settings.limits import LimitSettings, OfRegion, RegionLimits
from mmc.compiler.settings.points import AnyPoints, AtBenchmark, AtPoint, SinglePoint
from mmc.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """The histogram of an estimated score."""

    score_bins: int | tuple[int, ...]
    """The number of adaptive bins of each component of the score; for ``adaptive-sally`` of each axis."""
    score_likelihood: str | None = None
    """``adaptive-sally``, or None for the default of the method."""
    binning: tuple[float, ...] | EqualBins | None = None
    """The edges of the bins of each component instead of adaptive bins; None for these."""

    @property
    def bins(self) -> tuple[Bins, ...]:
        """The bins: one entry for all components, or one for each axis."""
        if self.binning is not None:
            return (self.binning,)
        return (self.score_bins,) if isinstance(self.score_bins, int) else self.score_bins


@dataclass(frozen=True, kw_only=True)
class MixtureFactor:
    """A trained ratio of the density of a group."""

    models: tuple[str, ...]
    """The jobs of ``train`` or ``tune`` with its networks."""
    theta1: SinglePoint
    """The point of its denominator."""
    theta0: SinglePoint | None = None
    """The only point of its numerator; None if it varies."""


@dataclass(frozen=True, kw_only=True)
class MixtureComponent:
    """The ratio of the density of a group to the density that is the denominator of all groups of a mixture."""

    group: str
    factors: tuple[MixtureFactor, ...] = ()
    """The ratios that are multiplied; empty for the group whose density is the denominator."""


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(OfRegion):
    """The limits and closure tests of one estimator."""

    limits: LimitSettings = field(metadata={**SHARED, **INLINE})
    method_name: str
    method: str
    train_job: str | None
    """None for a mixture."""
    theta: AnyPoints | None
    """The points at which score and likelihood methods were trained."""
    theta1: AnyPoints | None
    """The denominator of the ratio that is evaluated, a single point; None for scores."""
    scan: Mapping[str, Any]
    """The values of the scanned hyperparameters."""
    score: ScoreSettings | None = field(default=None, metadata=INLINE)
    """The histogram of the score; None for other methods."""
    group: str | None = None
    """The group or region whose events are read; None without either."""
    region: RegionLimits | None = None
    """What limits in the region have of their own; None if that is nothing."""
    combined: bool = False
    """Whether a combination reads the likelihood."""
    nuisance_mode: str = "project"
    """``project`` (nuisance parameters are left out) or ``profile`` (they are learned)."""
    calibration: str = "none"
    directions: Mapping[str, Mapping[str, float]] = field(default_factory=dict, metadata=SHARED)
    """Combinations of parameters whose errors are given: the coefficients by parameter."""
    members: tuple[str, ...] = ()
    """The jobs of ``train`` that have trained an ensemble; empty without one, or if ``tune`` has assembled it."""
    bootstrap: bool = False
    """Whether the members have bootstrap samples, so that they differ by the statistical error of the training too."""
    training_error: bool = False
    """Whether limits include the error of the training."""
    mixture: tuple[MixtureComponent, ...] = ()
    """The groups of a mixture; empty for a single estimator."""

    @property
    def reference(self) -> SinglePoint:
        """The reference point of the estimates: the denominator of a ratio, or the point at which the score is learned.

        :raises SettingsError: when it is not a single point
        """
        point = self.theta if self.theta1 is None else self.theta1
        if not isinstance(point, AtBenchmark | AtPoint):
            raise SettingsError(f"{self.method_name} has no single reference point")
        return point

    @property
    def profiles_nuisance(self) -> bool:
        """Whether the estimator has learned nuisance parameters, so that they can be profiled."""
        return self.nuisance_mode == "profile"
