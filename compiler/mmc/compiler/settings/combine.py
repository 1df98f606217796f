"""The settings of jobs of ``combine`` and ``ingest``, which pass events on to the learning stages."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmc.compiler.settings.encoding import SHARED


@dataclass(frozen=True, kw_only=True)
class AnalysedJob:
    """The events that a job of ``analyse`` contributes."""

    job: str
    sample: str
    slice: str | None = None
    benchmark: str
    n_events: int | None
    """The number of events that it has read; None if the generator may make fewer than requested."""
    k_factor: float
    background: bool


@dataclass(frozen=True, kw_only=True)
class CombineSettings:
    """Events that are combined in one file."""

    jobs: tuple[AnalysedJob, ...] = field(metadata=SHARED)


@dataclass(frozen=True, kw_only=True)
class CombineGroupSettings(CombineSettings):
    """The events of one group or region among several."""

    jobs: tuple[AnalysedJob, ...] = field()
    region: str | None = None
    """The region; None for a group."""
    floating: tuple[str, ...] = ()
    """The samples that combinations let float: the file tells which events are theirs."""


@dataclass(frozen=True, kw_only=True)
class ParameterRange:
    """The range of a parameter in the study."""

    range: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class IngestSettings:
    """An existing event file, and the study's description of it."""

    sha256: str = field(metadata=SHARED)
    parameters: Mapping[str, ParameterRange] = field(metadata=SHARED)
    benchmarks: Mapping[str, Mapping[str, float]] = field(metadata=SHARED)
    """The value of each parameter at each benchmark."""
    observables: tuple[str, ...] = field(metadata=SHARED)
    morphing: bool = field(default=True, metadata=SHARED)
    """Whether the file has a morphing basis."""
