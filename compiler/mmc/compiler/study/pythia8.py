"""Events of Pythia 8, at parton level."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmc.compiler.catalogue.generators import PYTHIA8
from mmc.compiler.language.quantities import parse_quantity
from mmc.compiler.settings.generation import Pythia8Beams, RunCard
from mmc.compiler.study.events import EventsOfStudy, GeneratedSample, beams, generated


@dataclass(frozen=True)
class Pythia8Sample(GeneratedSample):
    """A process of Pythia."""

    process: str
    run_card: RunCard


@dataclass(frozen=True)
class Pythia8Generation(EventsOfStudy):
    """Events of Pythia 8."""

    origin = PYTHIA8
    beams: Pythia8Beams
    samples: tuple[Pythia8Sample, ...]


def read(section: Mapping[str, Any], benchmarks: tuple[str, ...]) -> Pythia8Generation:
    """The events that the section ``generation`` asks for."""
    return Pythia8Generation(
        beams=Pythia8Beams(**beams(section["beams"]), pdf_set=section["beams"]["pdf_set"]),
        samples=tuple(_sample(name, entry, benchmarks) for name, entry in section["samples"].items()),
    )


def _sample(name: str, entry: Mapping[str, Any], benchmarks: tuple[str, ...]) -> Pythia8Sample:
    card = entry["run_card"]
    return Pythia8Sample(
        **generated(name, entry, benchmarks, entry["events_per_job"]),
        process=entry["process"],
        run_card=RunCard(
            m_min_gev=_energy(card.get("m_min")),
            m_max_gev=_energy(card.get("m_max")),
            pt_min_gev=_energy(card.get("pt_min")),
        ),
    )


def _energy(text: str | None) -> float | None:
    return None if text is None else parse_quantity(text, "energy")
