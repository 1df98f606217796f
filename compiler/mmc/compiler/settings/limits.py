"""The settings that all limits share: the splits of the events, the luminosity, the true point and the grid."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class GridAxis:
    """The values of a parameter on the grid: equidistant points in the range, both ends included."""

    range: tuple[float, float]
    points: int


@dataclass(frozen=True, kw_only=True)
class LikelihoodScan:
    """A likelihood scan over one or two parameters."""

    over: tuple[str, ...]
    points: int
    """Equidistant points along each parameter."""
    others: Mapping[str, float] | None = None
    """The values at which the other parameters are fixed; None if they are fitted at each point."""


@dataclass(frozen=True, kw_only=True)
class Experiments:
    """Simulated experiments, each of which is fitted."""

    at: Mapping[str, float]
    """The point at which they are drawn."""
    repeat: int
    events: str
    """``poisson``, or ``fixed`` for the expected number of events in each."""


@dataclass(frozen=True, kw_only=True)
class RegionLimits:
    """What the limits of a region, or at a further luminosity, have of their own; luminosity in pb^-1."""

    luminosity_pb: float | None = None
    """None for the luminosity of the study."""
    luminosity: str | None = None
    """The name of a further luminosity of the study; None for its first one, or the region's own."""
    observed: str | None = None
    """The file input with the observed events; None without any."""
    n_observed: int | None = None
    """None for the number of rows of the file."""
    cuts: tuple[str, ...] = ()
    """The cuts of the study and of the region, if there are observed events."""


@dataclass(frozen=True, kw_only=True)
class LimitSettings:
    """The settings of limits that do not depend on the estimator or baseline; luminosity in pb^-1."""

    parameters: tuple[str, ...]
    test_split: float
    validation_split: float
    luminosity_pb: float
    theta_true: Mapping[str, float]
    grid: Mapping[str, GridAxis]
    """Empty without a grid; then there are scans."""
    include_xsec: bool | Literal["both"]
    event_weights: str = "balanced"
    """``balanced`` or ``madminer``: how the events of several benchmarks are combined."""
    confidence_levels: tuple[float, ...]
    confidence: str = "asymptotic"
    """``asymptotic``, or ``toys`` for critical values from toy experiments."""
    systematics: str = "nominal"
    """``nominal``, or ``profile`` to compute limits also with nuisance parameters profiled."""
    n_observed: int | Literal[False] | None = False
    """The number of observed events; None for the number of rows of the file, False without observed events."""
    observed_cuts: tuple[str, ...] = ()
    """The cuts of the study; observed events must pass those that need only observables."""
    scans: tuple[LikelihoodScan, ...] = ()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The range of each parameter in which the best fit is looked for; empty without scans and experiments."""
    experiments: Experiments | None = None

    def of(self, region: RegionLimits | None) -> "LimitSettings":
        """The settings in a region; the same without regions."""
        if region is None:
            return self
        found = self if region.luminosity_pb is None else replace(self, luminosity_pb=region.luminosity_pb)
        if region.observed is None:
            return found
        return replace(found, n_observed=region.n_observed, observed_cuts=region.cuts)


class OfRegion:
    """The settings of a job whose limits may be those of a region; its dataclass declares these two fields."""

    limits: LimitSettings
    region: RegionLimits | None

    @property
    def own_limits(self) -> LimitSettings:
        """The settings of limits from these events."""
        return self.limits.of(self.region)

    @property
    def luminosity_entry(self) -> dict[str, str]:
        """The entry of records that names a further luminosity of the study; empty for the first one."""
        named = None if self.region is None else self.region.luminosity
        return {} if named is None else {"luminosity": named}

    @property
    def observed(self) -> str:
        """The file input with the observed events."""
        return "observed" if self.region is None else self.region.observed or ""
