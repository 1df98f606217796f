"""The settings of the job of ``report``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmc.compiler.settings.encoding import SHARED, from_json


@dataclass(frozen=True, kw_only=True)
class Named:
    """The label of a parameter or an observable in figures and tables; None for its name."""

    label: str | None


@dataclass(frozen=True, kw_only=True)
class Plots:
    """The style of figures."""

    level: float
    """The confidence level of contours."""
    formats: tuple[str, ...]
    colors: Mapping[str, str]
    """The colours by method or baseline."""


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """The report on a study."""

    study: str = field(metadata=SHARED)
    title: str = field(metadata=SHARED)
    digest: str = field(metadata=SHARED)
    version: str = field(metadata=SHARED)
    """The version of mmc that compiled the study."""
    parameters: Mapping[str, Named] = field(metadata=SHARED)
    observables: Mapping[str, Named] = field(metadata=SHARED)
    plots: Mapping[str, Any] = field(metadata=SHARED)
    """:attr:`style` as data, in the order of the study."""
    groups: tuple[str, ...] = field(default=(), metadata=SHARED)
    """The groups of samples that are combined, or the regions; empty without either."""
    luminosities_pb: Mapping[str, float] = field(default_factory=dict, metadata=SHARED)
    """The luminosities in pb^-1 of the regions that have their own."""

    @property
    def style(self) -> Plots:
        """How figures are drawn.

        :raises SettingsError: when ``plots`` does not have these fields
        """
        return from_json(Plots, self.plots)
