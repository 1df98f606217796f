"""Existing event files of a generator."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmc.compiler.catalogue.generators import EVENT_SAMPLES
from mmc.compiler.catalogue.names import madminer_name
from mmc.compiler.settings.generation import Reweighting, UfoModel
from mmc.compiler.study.events import EventsOfStudy, Sample, sample


@dataclass(frozen=True)
class SampledFile:
    """An LHE file, the benchmark at which it was generated, and the HepMC and Delphes files of the same events."""

    lhe: str
    benchmark: str
    hepmc: str | None
    delphes: str | None
    filtered: bool
    """Whether events were removed after the generation."""
    slice: str | None
    """The part of phase space that it covers; None for the whole phase space."""
    weights: Mapping[str, str]
    """The names of benchmarks' weights in the LHE file, where they differ."""


@dataclass(frozen=True)
class FileSample(Sample):
    """A process with existing events."""

    files: tuple[SampledFile, ...]
    reweight: Reweighting | None


@dataclass(frozen=True)
class EventSamples(EventsOfStudy):
    """Events in files."""

    origin = EVENT_SAMPLES
    samples: tuple[FileSample, ...]


def read(section: Mapping[str, Any], _benchmarks: tuple[str, ...]) -> EventSamples:
    """The files that the section ``events`` names."""
    return EventSamples(tuple(_sample(name, entry) for name, entry in section["samples"].items()))


def _sample(name: str, entry: Mapping[str, Any]) -> FileSample:
    return FileSample(
        **sample(name, entry),
        files=tuple(
            SampledFile(
                lhe=file["lhe"],
                benchmark=madminer_name(file["benchmark"]),
                hepmc=file.get("hepmc"),
                delphes=file.get("delphes"),
                filtered=file.get("filtered", False),
                slice=file.get("slice"),
                weights={madminer_name(name): there for name, there in file.get("weights", {}).items()},
            )
            for file in entry["files"]
        ),
        reweight=_reweighting(entry["reweight"]) if "reweight" in entry else None,
    )


def _reweighting(entry: Mapping[str, Any]) -> Reweighting:
    model, card = entry["model"], dict(entry["param_card"])
    file = card.pop("file", None)
    return Reweighting(
        model=UfoModel(
            name=model if isinstance(model, str) else None,
            file=None if isinstance(model, str) else model["file"],
            restriction=entry.get("restriction"),
        ),
        param_card={key.lower(): float(value) for key, value in card.items()},
        param_card_file=file,
        orders=entry["orders"],
        without=tuple(entry["without"]),
        undecayed=tuple(entry["undecayed"]),
    )
