"""The settings of the job of ``variants``, and the names of jobs of variants."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmc.compiler.settings.encoding import SHARED

OF_VARIANT = "+"
"""Stands between the name of a job and that of its variant, where jobs of several variants have the same name."""


def own_name(job: str) -> str:
    """The name of a job in its variant: what its settings, and those of other jobs of the variant, call it.

    >>> own_name("alices+v2"), own_name("alices")
    ('alices', 'alices')
    """
    return job.partition(OF_VARIANT)[0]


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
