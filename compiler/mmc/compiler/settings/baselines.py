"""The settings of jobs of ``baselines``."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmc.compiler.settings.encoding import INLINE, SHARED
from mmc.compiler.settings.limits import LimitSettings, OfRegion, RegionLimits


@dataclass(frozen=True, kw_only=True)
class EqualBins:
    """``n`` bins of equal width, in the value or in its logarithm."""

    n: int
    range: tuple[float, float]
    scale: str
    """``linear`` or ``log``."""


Bins = int | tuple[float, ...] | EqualBins
"""A number of adaptive bins, a list of edges, or bins of equal width."""


@dataclass(frozen=True, kw_only=True)
class HistogramSettings:
    """A histogram with an axis for each observable."""

    observables: tuple[str, ...]
    bins: tuple[Bins, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """The observables that events must have."""
        return self.observables


@dataclass(frozen=True, kw_only=True)
class FisherSettings:
    """Histograms in whose bins the Fisher information is also computed."""

    observable: str | None
    """The observable of the histogram whose first and last bins are open; None without one."""
    bins: Bins
    histograms: Mapping[str, HistogramSettings] = field(default_factory=dict)
    """Further histograms by name; events outside of explicit edges are in no bin."""
    directions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Combinations of parameters, by name: the coefficients by parameter."""
    per_bin: Mapping[str, Bins] = field(default_factory=dict)
    """Observables in whose bins the information is shown."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The observables that events must have."""
        several = (name for histogram in self.histograms.values() for name in histogram.observables)
        return (*(() if self.observable is None else (self.observable,)), *several, *self.per_bin)


@dataclass(frozen=True, kw_only=True)
class BaselineSettings(OfRegion):
    """One baseline."""

    limits: LimitSettings = field(metadata={**SHARED, **INLINE})
    baseline: str
    """``rate``, ``histogram``, ``truth`` or ``fisher``."""
    histogram: HistogramSettings | None = field(default=None, metadata=INLINE)
    fisher: FisherSettings | None = field(default=None, metadata=INLINE)
    group: str | None = None
    """The group or region whose events are read; None without either."""
    region: RegionLimits | None = None
    """What limits in the region have of their own; None if that is nothing."""
    combined: bool = False
    """Whether a combination reads the likelihood."""
