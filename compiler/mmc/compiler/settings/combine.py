"""The settings of jobs of ``combine`` and ``ingest``, which pass events on to the learning stages."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from mmc.compiler.settings.encoding import SHARED


@dataclass(frozen=True, kw_only=True)
class NumberedJobs:
    """A job, or several whose numbers follow each other."""

    job: str
    """The first job; the number of a part is the last word of its name."""
    parts: int = 1
    """The number of jobs."""

    @property
    def names(self) -> list[str]:
        """The names of the jobs."""
        if self.parts == 1:
            return [self.job]
        stem, _, first = self.job.rpartition(".")
        return [f"{stem}.{part}" for part in range(int(first), int(first) + self.parts)]


@dataclass(frozen=True, kw_only=True)
class AnalysedJob(NumberedJobs):
    """The events that a job of ``analyse`` contributes, or several with the same number of events each."""

    sample: str
    slice: str | None = None
    benchmark: str
    n_events: int | None
    """The number of events that it has read; None if the generator may make fewer than requested."""
    k_factor: float
    background: bool

    def each(self) -> Iterator["AnalysedJob"]:
        """The entries of its jobs."""
        if self.parts == 1:
            yield self
            return
        for name in self.names:
            yield replace(self, job=name, parts=1)


@dataclass(frozen=True, kw_only=True)
class GatherSettings:
    """The jobs of ``analyse`` whose outputs are gathered in one."""

    jobs: tuple[NumberedJobs, ...]

    @property
    def names(self) -> list[str]:
        """The names of the jobs."""
        return [name for entry in self.jobs for name in entry.names]


@dataclass(frozen=True, kw_only=True)
class CombineSettings:
    """Events that are combined in one file."""

    jobs: tuple[AnalysedJob, ...] = field(metadata=SHARED)

    @property
    def each(self) -> tuple[AnalysedJob, ...]:
        """The contribution of each job."""
        return tuple(job for entry in self.jobs for job in entry.each())


@dataclass(frozen=True, kw_only=True)
class CombineGroupSettings(CombineSettings):
    """The events of one group or region among several."""

    jobs: tuple[AnalysedJob, ...] = field()
    region: str | None = None
    """The region; None for a group."""
    floating: tuple[str, ...] = ()
    """The samples that combinations let float: the file records which events are theirs."""
    compared: bool = False
    """Whether a combination compares the events with those of other groups."""
    same_partitions: int | None = None
    """The seed of an order in which an event is in the same partition in all groups; None if no mixture needs it."""


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
