"""Systematic uncertainties, as a study says them and as jobs are told of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class NormUncertainty:
    """Of the rate: ``variation`` is the factor on it at one standard deviation."""

    effect: Literal["norm"]
    variation: float


@dataclass(frozen=True, kw_only=True)
class ScaleUncertainty:
    """Of the renormalisation scale (``mur``), the factorisation scale (``muf``) or both together (``mu``)."""

    effect: Literal["scale"]
    scale: Literal["mu", "mur", "muf"]
    variations: tuple[float, ...]
    """The factors on the scale."""


@dataclass(frozen=True, kw_only=True)
class PdfUncertainty:
    """Of the parton distributions: ``variation`` names a set of LHAPDF."""

    effect: Literal["pdf"]
    variation: str


Uncertainty = NormUncertainty | ScaleUncertainty | PdfUncertainty
UNCERTAINTIES: Mapping[str, type[Uncertainty]] = {
    "norm": NormUncertainty,
    "scale": ScaleUncertainty,
    "pdf": PdfUncertainty,
}
"""By effect."""
