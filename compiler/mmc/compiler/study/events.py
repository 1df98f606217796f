"""The events of a study, for all origins.

Each origin of the catalogue has a module in this package with the dataclasses of its events and a function
``read(section, benchmarks)``, which builds them from the checked section of the study.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from mmc.compiler.catalogue.generators import EventOrigin
from mmc.compiler.catalogue.names import madminer_name
from mmc.compiler.language.quantities import parse_quantity
from mmc.compiler.settings.generation import Shower

AUTO = "auto"
"""The value of a width that the generator computes."""


@dataclass(frozen=True)
class Sample:
    """One process."""

    name: str
    background: bool
    k_factor: float
    systematics: tuple[str, ...]


@dataclass(frozen=True)
class GeneratedSample(Sample):
    """A process to generate; ``events`` are the numbers of events by benchmark, in the order of the benchmarks."""

    events: Mapping[str, int]
    events_per_job: int


class EventsOfStudy:
    """Events that a study generates or reads."""

    origin: ClassVar[EventOrigin]
    shower: Shower | None = None


def sample(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """The common fields of samples of all origins."""
    return {
        "name": madminer_name(name),
        "background": entry["background"],
        "k_factor": float(entry["k_factor"]),
        "systematics": names(entry.get("systematics", ())),
    }


def generated(name: str, entry: Mapping[str, Any], benchmarks: tuple[str, ...], events_per_job: int) -> dict[str, Any]:
    """The common fields of samples of all generators."""
    sampled = benchmarks[:1] if entry["background"] else benchmarks
    return {**sample(name, entry), "events": _events(entry["events"], sampled), "events_per_job": events_per_job}


def beams(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The common fields of beams of all generators; the energy is that of the first beam."""
    energy = entry["energy"][0] if isinstance(entry["energy"], list) else entry["energy"]
    return {"energy_gev": parse_quantity(energy, "energy"), "particles": tuple(entry["particles"])}


def names(given: Iterable[str]) -> tuple[str, ...]:
    """Names as MadMiner writes them."""
    return tuple(madminer_name(name) for name in given)


def _events(events: int | Mapping[str, int], benchmarks: tuple[str, ...]) -> dict[str, int]:
    """The number of events to generate by benchmark, without the benchmarks that only have weights."""
    if isinstance(events, int):
        return dict.fromkeys(benchmarks, events)
    by_name = {madminer_name(name): n for name, n in events.items() if name != "default"}
    counts = {name: by_name.get(name, events.get("default")) for name in benchmarks}
    return {name: n for name, n in counts.items() if n is not None}
