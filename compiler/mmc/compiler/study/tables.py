"""Tables of events: ROOT trees, Parquet, HDF5 and npz."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mmc.compiler.catalogue.generators import TABLES
from mmc.compiler.catalogue.names import madminer_name
from mmc.compiler.catalogue.particles import particles_of, used
from mmc.compiler.expressions.naming import names_in
from mmc.compiler.language.quantities import parse_quantity
from mmc.compiler.settings.reading import ParticleColumns, TagColumn
from mmc.compiler.settings.sampling import SimulatedEvents
from mmc.compiler.study.events import EventsOfStudy, Sample, sample


@dataclass(frozen=True)
class SampledTables:
    """Tables whose events were sampled at one benchmark; their weights are normalised together."""

    paths: tuple[str, ...]
    benchmark: str
    cross_section_pb: float | None
    """None if the sum of the weights is the cross section."""
    sum_of_weights: float | None
    """None for the sum over the tables."""
    slice: str | None
    """The part of phase space that they cover; None for the whole phase space."""


@dataclass(frozen=True)
class TableSample(Sample):
    """A process with tables."""

    files: tuple[SampledTables, ...]
    tree: str | None
    columns: Mapping[str, str]
    """Quantity → column, where the names differ."""
    particles: Mapping[str, ParticleColumns]
    """The columns of lists of particles, by list."""
    weight: str | None
    """The column of the nominal weight; None for weights of 1."""
    weights: Mapping[str, str]
    """Benchmark → column, where the names differ."""
    only_sampled: bool
    """Whether events have a weight only at the benchmark at which they were sampled."""
    simulated: SimulatedEvents | None
    """Events with a point of their own each."""

    def particles_in(self, expressions: Iterable[str]) -> dict[str, ParticleColumns]:
        """The columns of the lists of particles that expressions use."""
        names = [name for text in expressions for name in names_in(text)]
        return {name: self.particles[name] for name in used(self.particles, names)}


@dataclass(frozen=True)
class EventTables(EventsOfStudy):
    """Events in tables."""

    origin = TABLES
    samples: tuple[TableSample, ...]

    @property
    def by_name(self) -> dict[str, TableSample]:
        """The samples by name."""
        return {sample.name: sample for sample in self.samples}

    def columns_of(self, sample: TableSample, observables: Iterable[str]) -> dict[str, str]:
        """The column of each quantity of a sample.

        :param observables: those without a definition
        """
        names = dict.fromkeys((*(name for other in self.samples for name in other.columns), *observables))
        return {name: sample.columns.get(name, name) for name in names}


def read(section: Mapping[str, Any], _benchmarks: tuple[str, ...]) -> EventTables:
    """The tables that the section ``events`` names."""
    return EventTables(tuple(_sample(name, entry) for name, entry in section["tables"].items()))


def _sample(name: str, entry: Mapping[str, Any]) -> TableSample:
    weights = entry.get("weights", {})
    return TableSample(
        **sample(name, entry),
        files=tuple(_tables(file) for file in entry["files"]),
        tree=entry.get("tree"),
        columns=_named(entry.get("columns", {})),
        particles={name: _particles(own) for name, own in particles_of(entry.get("particles")).items()},
        weight=entry.get("weight"),
        weights=_named(weights) if isinstance(weights, Mapping) else {},
        only_sampled=not isinstance(weights, Mapping),
        simulated=_simulated(entry["simulated"], entry.get("tree")) if "simulated" in entry else None,
    )


def _particles(said: Mapping[str, Any]) -> ParticleColumns:
    tags = {
        name: TagColumn(column=tag) if isinstance(tag, str) else TagColumn(**tag)
        for name, tag in said.items()
        if name in ("b_tag", "tau_tag")
    }
    return ParticleColumns(**{**said, **tags})


def _simulated(entry: Mapping[str, Any], tree: str | None) -> SimulatedEvents:
    return SimulatedEvents(
        tables=tuple(entry["paths"]),
        tree=tree,
        theta=_named(entry["theta"]),
        denominator=madminer_name(entry["denominator"]),
        label=entry["label"],
        ratio=entry.get("ratio"),
        score=_named(entry.get("score", {})),
    )


def _named(columns: Mapping[str, str]) -> dict[str, str]:
    return {madminer_name(name): column for name, column in columns.items()}


def _tables(entry: Mapping[str, Any]) -> SampledTables:
    cross_section, total = entry.get("cross_section"), entry.get("sum_of_weights")
    return SampledTables(
        paths=tuple(entry["paths"]),
        benchmark=madminer_name(entry["benchmark"]),
        cross_section_pb=None if cross_section is None else parse_quantity(cross_section, "cross section"),
        sum_of_weights=None if total is None else float(total),
        slice=entry.get("slice"),
    )
