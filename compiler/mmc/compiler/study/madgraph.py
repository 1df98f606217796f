"""Events of MadGraph, at parton level or showered."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from mmc.compiler.catalogue import parton_sets
from mmc.compiler.catalogue.generators import MADGRAPH
from mmc.compiler.catalogue.names import madminer_name
from mmc.compiler.language.quantities import parse_quantity
from mmc.compiler.settings.generation import MadGraphBeams, MadSpin, Merging, Shower
from mmc.compiler.study.events import AUTO, EventsOfStudy, GeneratedSample, beams, generated


@dataclass(frozen=True)
class Slice:
    """A part of the phase space of a sample, defined by its run card; None is the name of the only slice."""

    name: str | None
    run_card_file: str | None
    run_card: Mapping[str, Any]


@dataclass(frozen=True)
class MadGraphModel:
    """A model; files have the names of the study."""

    name: str
    """Of an installed model, or of the one in ``file``, with the name of a restriction that it brings."""
    file: str | None = None
    restriction_file: str | None = None


@dataclass(frozen=True)
class MadGraphSample(GeneratedSample):
    """A process of MadGraph; files have the names of the study, entries of the param card those of MadGraph's `set`."""

    process: tuple[str, ...]
    definitions: Mapping[str, str]
    model: MadGraphModel
    order: str
    param_card_file: str | None
    param_card: Mapping[str, float]
    param_card_where_there: tuple[str, ...]
    """Shared entries inherited from samples of another model; ignored where this model's card lacks them."""
    auto_widths: tuple[str, ...]
    reweight_card: tuple[str, ...]
    madspin: MadSpin | None
    merging: Merging | None
    slices: tuple[Slice, ...]


@dataclass(frozen=True)
class MadGraphGeneration(EventsOfStudy):
    """Events of MadGraph."""

    origin = MADGRAPH
    beams: MadGraphBeams
    samples: tuple[MadGraphSample, ...]
    shower: Shower | None


def read(section: Mapping[str, Any], benchmarks: tuple[str, ...]) -> MadGraphGeneration:
    """The events that the section ``generation`` asks for."""
    shower = section["shower"]
    return MadGraphGeneration(
        beams=_beams(section["beams"]),
        samples=tuple(_sample(name, entry, section, benchmarks) for name, entry in section["samples"].items()),
        shower=None if shower == "none" else Shower(card=shower.get("card"), settings=shower["settings"]),
    )


def _beams(entry: Mapping[str, Any]) -> MadGraphBeams:
    common, energy = beams(entry), entry["energy"]
    second = parse_quantity(energy[1], "energy") if isinstance(energy, list) else common["energy_gev"]
    different = None if second == common["energy_gev"] else second
    return MadGraphBeams(**common, pdf=_pdf(entry["pdf"]), second_gev=different)


def _pdf(named: str | int) -> str | int:
    """MadGraph's name of its own set, or LHAPDF's number."""
    number = None if named in parton_sets.MADGRAPHS_OWN else parton_sets.number_of(named)
    return named if number is None else number


def _sample(
    name: str, entry: Mapping[str, Any], shared: Mapping[str, Any], benchmarks: tuple[str, ...]
) -> MadGraphSample:
    own = {key: entry.get(key, shared.get(key)) for key in ("model", "order", "events_per_job")}
    model = own.pop("model")
    process = entry["process"]
    definitions = {**shared["definitions"], **entry["definitions"]}
    card = {**shared["run_card"], **entry["run_card"]}
    common, special = _lower(shared["param_card"]), _lower(entry["param_card"])
    param_card = {**common, **special}
    inherited = [key for key in common if key not in {"file", *special}]
    slices = [_slice(madminer_name(key), {**card, **settings}) for key, settings in entry.get("slices", {}).items()]
    return MadGraphSample(
        **generated(name, entry, benchmarks, own.pop("events_per_job")),
        **own,
        model=_model(model),
        process=(process,) if isinstance(process, str) else tuple(process),
        definitions=definitions,
        param_card_file=param_card.pop("file", None),
        param_card={key: float(value) for key, value in param_card.items() if value != AUTO},
        auto_widths=tuple(key for key, value in param_card.items() if value == AUTO),
        reweight_card=tuple(entry.get("reweight_card", ())),
        madspin=_madspin(entry.get("madspin"), definitions),
        merging=_merging(entry.get("merging")),
        param_card_where_there=tuple(inherited if model != shared["model"] else ()),
        slices=tuple(slices or [_slice(None, card)]),
    )


def _madspin(entry: Mapping[str, Any] | None, definitions: Mapping[str, str]) -> MadSpin | None:
    if entry is None:
        return None
    cut = entry.get("bw_cut")
    return MadSpin(
        decays=tuple(entry["decays"]),
        spinmode=entry["spinmode"],
        definitions=definitions,
        bw_cut=None if cut is None else float(cut),
    )


_MATCHING_SCALE = 1.5
"""MadGraph's matching scale, in units of ``xqcut``."""


def _merging(entry: Mapping[str, Any] | None) -> Merging | None:
    if entry is None:
        return None
    scales = {f"{key}_gev": parse_quantity(entry[key], "energy") for key in ("xqcut", "qcut", "ptlund") if key in entry}
    if entry["scheme"] == "mlm":
        scales.setdefault("qcut_gev", _MATCHING_SCALE * scales["xqcut_gev"])
    return Merging(scheme=entry["scheme"], jets=entry["jets"], core=entry.get("core"), **scales)


def _model(entry: str | Mapping[str, str]) -> MadGraphModel:
    if isinstance(entry, str):
        return MadGraphModel(entry)
    name = re.sub(r"[^A-Za-z0-9_]", "_", re.sub(r"(\.tar)?\.\w+$", "", PurePosixPath(entry["ufo"]).name))
    restriction = entry.get("restrict")
    if restriction is None or restriction.endswith(".dat"):
        return MadGraphModel(name, entry["ufo"], restriction)
    return MadGraphModel(f"{name}-{restriction}", entry["ufo"])


def _lower(card: Mapping[str, Any]) -> dict[str, Any]:
    return {key.lower(): value for key, value in card.items()}


def _slice(name: str | None, card: Mapping[str, Any]) -> Slice:
    return Slice(name, card.get("file"), {key: value for key, value in card.items() if key != "file"})
