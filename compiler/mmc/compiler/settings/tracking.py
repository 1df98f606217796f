"""What the job of ``track`` is told."""

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
    """The address of the tracking server; None where the environment or nobody names one."""
    alone: bool = field(metadata=SHARED)
    """Whether there will be no report to end the run."""
    resolved: Mapping[str, Any] = field(metadata=SHARED)
    """The study as text would say it, defaults filled in."""
