"""What the job of ``report`` is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmc.compiler.settings.encoding import SHARED, from_json


@dataclass(frozen=True, kw_only=True)
class Named:
    """How figures and tables call a parameter or an observable; None for its name."""

    label: str | None


@dataclass(frozen=True, kw_only=True)
class Plots:
    """How figures are drawn."""

    level: float
    """The confidence level of contours."""
    formats: tuple[str, ...]
    colors: Mapping[str, str]
    """By the name of a method or baseline."""


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
    """:attr:`style` as the study has it, in its order."""
    groups: tuple[str, ...] = field(default=(), metadata=SHARED)
    """The groups of samples that are combined; empty where all samples are."""

    @property
    def style(self) -> Plots:
        """How figures are drawn.

        :raises SettingsError: when the study has something else
        """
        return from_json(Plots, self.plots)
