"""The settings of jobs of ``baselines``."""

from dataclasses import dataclass, field

from mmc.compiler.settings.encoding import INLINE, SHARED
from mmc.compiler.settings.limits import LimitSettings


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


@dataclass(frozen=True, kw_only=True)
class FisherSettings:
    """The observable in whose bins the Fisher information is also computed; None without one."""

    observable: str | None
    bins: Bins


@dataclass(frozen=True, kw_only=True)
class BaselineSettings:
    """One baseline."""

    limits: LimitSettings = field(metadata={**SHARED, **INLINE})
    baseline: str
    """``rate``, ``histogram``, ``truth`` or ``fisher``."""
    histogram: HistogramSettings | None = field(default=None, metadata=INLINE)
    fisher: FisherSettings | None = field(default=None, metadata=INLINE)
    group: str | None = None
    """The group whose events are read; None without groups."""
