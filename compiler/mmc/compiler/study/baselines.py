"""Baselines of a checked study: histograms, their bins, and Fisher information."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from mmc.compiler.catalogue.baselines import BASELINES, FISHER, HISTOGRAM
from mmc.compiler.catalogue.histograms import adaptive_bins
from mmc.compiler.catalogue.names import madminer_name
from mmc.compiler.settings.baselines import Bins, EqualBins, FisherSettings, HistogramSettings
from mmc.compiler.study.events import names
from mmc.compiler.study.model import AskedBaseline, Region
from mmc.compiler.study.regions import chosen


def baselines(evaluation: Mapping[str, Any], regions: Mapping[str, Region]) -> tuple[AskedBaseline, ...]:
    """The baselines that an evaluation asks for."""
    settings: Mapping[str, Callable[[Any], HistogramSettings | FisherSettings]]
    settings = {HISTOGRAM.name: _histogram, FISHER.name: _fisher}
    found = []
    for kind in BASELINES.values():
        for name, entry in kind.asked(evaluation).items():
            own = settings[kind.name](entry) if kind.name in settings else None
            said = entry if isinstance(entry, Mapping) else {}
            where = chosen(said.get("regions"), () if own is None else own.needs, regions)
            group = madminer_name(said["group"]) if "group" in said else None
            found.append(AskedBaseline(kind, None if name is None else madminer_name(name), own, where, group))
    return tuple(found)


def _histogram(entry: Mapping[str, Any]) -> HistogramSettings:
    binnings = {madminer_name(name): bins_of(bins) for name, bins in entry["bins"].items()}
    observables = names(entry["observables"])
    default = adaptive_bins(len(observables))
    return HistogramSettings(observables=observables, bins=tuple(binnings.get(name, default) for name in observables))


def _fisher(entry: Mapping[str, Any]) -> FisherSettings:
    observable = entry.get("observable")
    return FisherSettings(
        observable=None if observable is None else madminer_name(observable),
        bins=bins_of(entry["bins"]),
        histograms={madminer_name(name): _histogram(item) for name, item in entry.get("histograms", {}).items()},
        directions=directions(entry),
        per_bin={madminer_name(name): bins_of(bins) for name, bins in entry.get("per_bin", {}).items()},
    )


def directions(entry: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """The combinations of parameters of the Fisher information: the coefficients by parameter."""
    return {
        madminer_name(name): {madminer_name(parameter): float(value) for parameter, value in values.items()}
        for name, values in entry.get("directions", {}).items()
    }


def bins_of(entry: Any) -> Bins:
    """The bins of a variable."""
    if isinstance(entry, Mapping):
        low, high = entry["range"]
        return EqualBins(n=entry["n"], range=(low, high), scale=entry["scale"])
    return entry if isinstance(entry, int) else tuple(_OUTERMOST.get(edge, edge) for edge in entry)


_OUTERMOST = {"-inf": -sys.float_info.max, "inf": sys.float_info.max}
"""Edges beyond every value: JSON has no infinite numbers."""
