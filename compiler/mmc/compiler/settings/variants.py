"""The settings of the job of ``variants``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmc.compiler.settings.encoding import SHARED


@dataclass(frozen=True, kw_only=True)
class VariantEntry:
    """A variant of the study."""

    values: Mapping[str, Any]
    """What it sets, by the path in the study."""
    report: str
    """The job of its report."""


@dataclass(frozen=True, kw_only=True)
class VariantsSettings:
    """The table of all variants of a study."""

    study: str = field(metadata=SHARED)
    title: str = field(metadata=SHARED)
    variants: Mapping[str, VariantEntry] = field(metadata=SHARED)
    """By name, in order."""
