"""What a set-up or event file of MadMiner says of a study, as plain values."""

from pathlib import Path
from typing import Any, NamedTuple

from mmc.jobs.madminer import layout

_NONE = "None"


class FileContent(NamedTuple):
    """The declarations of a file."""

    parameters: dict[str, dict[str, Any]]
    """``lha_block``, ``lha_id``, ``max_power``, ``range`` and, if it is not ``theta``, ``transform`` by parameter."""
    benchmarks: dict[str, dict[str, float]]
    """The value of each parameter at each benchmark that is not one of a nuisance parameter."""
    n_basis: int | None
    """How many of the benchmarks, from the first, are the morphing basis; None without morphing."""
    max_overall_power: int | None
    observables: dict[str, str]
    """The definition of each observable; empty where the file has none."""
    systematics: dict[str, dict[str, Any]]
    """As a study says them."""
    n_events: int


def read_content(path: Path) -> FileContent:
    """Read a file.

    :raises StepError: when it is not a file of MadMiner
    """
    with layout.opened(path) as file:
        names = _texts(file, "parameters/names")
        columns = {key: file[f"parameters/{key}"][()].tolist() for key in ("lha_ids", "max_power", "val_ranges")}
        blocks, transforms = _texts(file, "parameters/lha_blocks"), _texts(file, "parameters/transforms")
        parameters: dict[str, dict[str, Any]] = {}
        for index, name in enumerate(names):
            parameters[name] = {
                "lha_block": blocks[index],
                "lha_id": columns["lha_ids"][index],
                "range": columns["val_ranges"][index],
                "max_power": columns["max_power"][index],
            }
            if transforms[index] not in (_NONE, "", "theta"):
                parameters[name]["transform"] = transforms[index]
        values = file["benchmarks/values"][()].tolist()
        is_nuisance = file["benchmarks/is_nuisance"][()].tolist() if "benchmarks/is_nuisance" in file else []
        points = dict(zip(_texts(file, "benchmarks/names"), values, strict=True))
        physical = [name for index, name in enumerate(points) if not (is_nuisance and is_nuisance[index])]
        components = file["morphing/components"][()] if "morphing/components" in file else None
        return FileContent(
            parameters,
            {name: dict(zip(names, points[name], strict=True)) for name in physical},
            None if components is None else int(file["morphing/morphing_matrix"].shape[1]),
            None if components is None else int(components.sum(axis=1).max()),
            dict(zip(_texts(file, "observables/names"), _texts(file, "observables/definitions"), strict=True)),
            {entry[0]: _systematic(*entry[1:]) for entry in zip(*_systematics(file), strict=True)},
            int(file["samples/observations"].shape[0]) if "samples/observations" in file else 0,
        )


def _texts(file: Any, place: str) -> list[str]:
    return [text.decode("ascii") for text in file[place][()].tolist()] if place in file else []


def _systematics(file: Any) -> list[list[str]]:
    return [_texts(file, f"systematics/{key}") for key in ("names", "types", "values", "scales")]


def _systematic(effect: str, value: str, scale: str) -> dict[str, Any]:
    if effect == "norm":
        return {"effect": effect, "variation": float(value)}
    if effect == "pdf":
        return {"effect": effect, "variation": value}
    return {"effect": effect, "scale": scale, "variations": [float(word) for word in value.split(",")]}
