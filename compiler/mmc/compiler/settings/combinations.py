"""The settings of jobs of ``combinations``."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmc.compiler.settings.encoding import INLINE, SHARED
from mmc.compiler.settings.limits import LimitSettings


@dataclass(frozen=True, kw_only=True)
class CombinedPart:
    """The likelihood or Fisher information of a region that is combined with others."""

    stage: str
    job: str
    group: str
    """The region or group."""


@dataclass(frozen=True, kw_only=True)
class OtherStudy:
    """The limits of another study that are combined with these."""

    name: str
    results: str
    """The file input with its results."""
    limits: str
    """The file input with the arrays of its limits."""
    file: str
    """The name of that file in its results."""


@dataclass(frozen=True, kw_only=True)
class CombinationSettings:
    """The limits, or the Fisher information, of several regions together."""

    limits: LimitSettings = field(metadata={**SHARED, **INLINE})
    directions: Mapping[str, Mapping[str, float]] = field(default_factory=dict, metadata=SHARED)
    """Combinations of parameters whose errors are given: the coefficients by parameter."""
    combination: str
    """The name in the study."""
    of: tuple[CombinedPart, ...]
    independent: bool = False
    """Whether the regions are of different data, so that simulated events may be in several of them."""
    floating: tuple[str, ...] = ()
    """The samples whose normalisations are fitted with the parameters."""
    others: tuple[OtherStudy, ...] = ()
