"""Systematic uncertainties in studies and in the settings of jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class NormUncertainty:
    """An uncertainty of the rate: ``variation`` is the factor at one standard deviation."""

    effect: Literal["norm"]
    variation: float


@dataclass(frozen=True, kw_only=True)
class ScaleUncertainty:
    """An uncertainty of the renormalisation scale (``mur``), the factorisation scale (``muf``) or both (``mu``)."""

    effect: Literal["scale"]
    scale: Literal["mu", "mur", "muf"]
    variations: tuple[float, ...]
    """The factors on the scale."""


@dataclass(frozen=True, kw_only=True)
class PdfUncertainty:
    """An uncertainty of the parton distributions: ``variation`` names an LHAPDF set."""

    effect: Literal["pdf"]
    variation: str


@dataclass(frozen=True, kw_only=True)
class WeightsUncertainty:
    """An uncertainty with the columns of its weights in tables, at one standard deviation up and down."""

    effect: Literal["weights"]
    up: str
    down: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, that of ``up`` first."""
        return (self.up,) if self.down is None else (self.up, self.down)


Uncertainty = NormUncertainty | ScaleUncertainty | PdfUncertainty | WeightsUncertainty
UNCERTAINTIES: Mapping[str, type[Uncertainty]] = {
    "norm": NormUncertainty,
    "scale": ScaleUncertainty,
    "pdf": PdfUncertainty,
    "weights": WeightsUncertainty,
}
"""The classes by effect."""
