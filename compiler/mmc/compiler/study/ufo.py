"""Events of a UFO model, at parton level or showered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmc.compiler.catalogue import parton_sets
from mmc.compiler.catalogue.generators import UFO
from mmc.compiler.language.quantities import parse_quantity
from mmc.compiler.settings.generation import Scale, Shower, UfoBeams, UfoModel, UfoProcess
from mmc.compiler.study.events import AUTO, EventsOfStudy, GeneratedSample, beams, generated


@dataclass(frozen=True)
class UfoSample(GeneratedSample):
    """A process of a UFO model; files have the names of the study."""

    process: UfoProcess


@dataclass(frozen=True)
class UfoGeneration(EventsOfStudy):
    """Events of a UFO model."""

    origin = UFO
    beams: UfoBeams
    model: UfoModel
    scale: Scale
    precision: float
    samples: tuple[UfoSample, ...]
    shower: Shower | None


def read(section: Mapping[str, Any], benchmarks: tuple[str, ...]) -> UfoGeneration:
    """The events that the section ``generation`` asks for."""
    shower, scale, model = section["shower"], section["scale"], section["model"]
    fixed = scale.get("fixed")
    return UfoGeneration(
        beams=UfoBeams(**beams(section["beams"]), pdf=parton_sets.name_of(section["beams"]["pdf"]) or ""),
        model=UfoModel(
            name=model if isinstance(model, str) else None,
            file=None if isinstance(model, str) else model["file"],
            restriction=section.get("restriction"),
        ),
        scale=Scale(
            fixed_gev=None if fixed is None else parse_quantity(fixed, "energy"),
            factor=float(scale["factor"]),
            choice=scale.get("dynamical_scale_choice", Scale.choice),
        ),
        precision=float(section["precision"]),
        samples=tuple(_sample(name, entry, section, benchmarks) for name, entry in section["samples"].items()),
        shower=None if shower == "none" else Shower(card=shower.get("card"), settings=shower["settings"]),
    )


def _sample(name: str, entry: Mapping[str, Any], shared: Mapping[str, Any], benchmarks: tuple[str, ...]) -> UfoSample:
    process, card = entry["process"], {**shared["param_card"], **entry["param_card"]}
    cuts = {**shared["run_card"], **entry["run_card"]}
    decays = {key: cuts.pop(key) for key in ("bwcutoff", "cut_decays") if key in cuts}
    file = card.pop("file", None)
    return UfoSample(
        **generated(name, entry, benchmarks, entry.get("events_per_job", shared["events_per_job"])),
        process=UfoProcess(
            processes=(process,) if isinstance(process, str) else tuple(process),
            definitions={**shared["definitions"], **entry["definitions"]},
            cuts={key: float(value) for key, value in cuts.items()},
            param_card={key.lower(): float(value) for key, value in card.items() if value != AUTO},
            param_card_file=file,
            bwcutoff=float(decays.get("bwcutoff", UfoProcess.bwcutoff)),
            cut_decays=decays.get("cut_decays", UfoProcess.cut_decays),
            auto_widths=tuple(int(key.split()[1]) for key, value in card.items() if value == AUTO),
        ),
    )
