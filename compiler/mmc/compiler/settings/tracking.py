"""The settings of the job of ``track``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmc.compiler.settings.encoding import SHARED


@dataclass(frozen=True, kw_only=True)
class TrackSettings:
    """The MLflow run of a study."""

    study: str = field(metadata=SHARED)
    digest: str = field(metadata=SHARED)
    seed: int = field(metadata=SHARED)
    experiment: str = field(metadata=SHARED)
    uri: str | None = field(default=None, metadata=SHARED)
    """The address of the tracking server; None if the study names none."""
    alone: bool = field(metadata=SHARED)
    """Whether the study has no report, which would end the run."""
    resolved: Mapping[str, Any] = field(metadata=SHARED)
    """The data of the study with defaults filled in."""
