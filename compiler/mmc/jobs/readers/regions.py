"""The regions of a study: which of the events that a reader has read are in each of them."""

from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mmc.compiler.settings.reading import Selection
from mmc.jobs.madminer.event_rows import NUMBERS
from mmc.jobs.readers.values import Mask


def events_file(region: str | None) -> str:
    """The name of the file with the events of a region, in the output of ``analyse``; None without regions."""
    return "events.h5" if region is None else f"events_{region}.h5"


def define_cuts(reader: Any, regions: Mapping[str, Selection]) -> None:
    """Let a reader compute the cuts of regions as observables, whose names no expression can contain."""
    for name, region in regions.items():
        for k, cut in enumerate(region.cuts):
            reader.add_observable(_column(name, k), cut.definition, False, 1.0 if cut.required else 0.0)


def take_regions(reader: Any, regions: Mapping[str, Selection]) -> dict[str, Mask]:
    """The events in each region, shape (events,). The values of their cuts are removed from the reader."""
    found = {}
    for name, region in regions.items():
        cuts = [reader.observations.pop(_column(name, k)) for k in range(len(region.cuts))]
        passed = [np.asarray(values, dtype=float) != 0.0 for values in cuts]
        passed += [np.isfinite(np.asarray(reader.observations[key], dtype=float)) for key in region.required]
        everywhere = np.ones(len(reader.events_sampling_benchmark_ids), dtype=bool)
        found[name] = np.logical_and.reduce([everywhere, *passed])
        for k in range(len(cuts)):
            del reader.observables[_column(name, k)]
    return found


def with_observable(name: str, regions: Mapping[str, Selection], inside: Mapping[str, Mask]) -> Mask | bool:
    """The events that are in a region with the observable; True without regions."""
    if not regions:
        return True
    masks = [mask for region, mask in inside.items() if name in regions[region].observables]
    return np.logical_or.reduce(masks) if masks else False


def save_region(reader: Any, region: Selection, inside: Mask, path: Path) -> None:
    """Write the events of a region, in their order, with its observables and their numbers among all events."""
    part = copy(reader)
    part.observables = {name: item for name, item in reader.observables.items() if name in region.observables}
    part.observations = {
        name: values[inside] for name, values in reader.observations.items() if name in part.observables
    }
    part.weights = {name: values[inside] for name, values in reader.weights.items()}
    part.events_sampling_benchmark_ids = reader.events_sampling_benchmark_ids[inside]
    n_passed = int(inside.sum())
    part.signal_events_per_benchmark = [n_passed if n else 0 for n in reader.signal_events_per_benchmark]
    part.background_events = n_passed if reader.background_events else 0
    part.save(str(path), shuffle=False)
    with h5py.File(path, "r+") as file:
        file[f"samples/{NUMBERS}"] = np.flatnonzero(inside)


def count_events(regions: Mapping[str, Mask], weights: Any) -> dict[str, Any]:
    """The events of each region and those that it shares with others: their numbers, and the sums of their weights."""
    return {
        name: _counted(inside, weights)
        | {
            "shared": {
                other: _counted(inside & also, weights)
                for other, also in regions.items()
                if other != name and (inside & also).any()
            }
        }
        for name, inside in regions.items()
    }


def _counted(inside: Mask, weights: Any) -> dict[str, Any]:
    here = weights[inside]
    return {"n_passed": len(here), "weight_pb": float(here.sum())}


def _column(region: str, number: int) -> str:
    return f"region {region}: {number}"
