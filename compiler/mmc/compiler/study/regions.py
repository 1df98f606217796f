"""Regions of a checked study: selections of its events."""

from collections.abc import Iterable, Mapping
from typing import Any

from mmc.compiler.catalogue import default_observables
from mmc.compiler.catalogue.baselines import HISTOGRAM, names_of_limits
from mmc.compiler.catalogue.generators import origin_of
from mmc.compiler.catalogue.names import madminer_name
from mmc.compiler.expressions.observed import conditions
from mmc.compiler.language.quantities import parse_quantity
from mmc.compiler.settings.reading import Cut
from mmc.compiler.study.events import names
from mmc.compiler.study.model import Combination, Observed, OtherResults, Region, Study


def regions_of(data: Mapping[str, Any]) -> dict[str, Region]:
    """The regions of a study by name, from its data with defaults filled in."""
    samples = all_samples(data)
    options = data.get("default_observables")
    added = () if options is None else default_observables.names(**options)
    every = (*added, *names(data["observables"]))
    return {madminer_name(name): _region(entry, samples, every) for name, entry in data.get("regions", {}).items()}


def all_samples(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of all samples of a study, from wherever its events are; empty if events have no samples."""
    origin = origin_of(data)
    return () if origin is None else names(data[origin.section].get(origin.samples, {}))


def _region(entry: Mapping[str, Any], samples: tuple[str, ...], observables: tuple[str, ...]) -> Region:
    luminosity = entry.get("luminosity")
    return Region(
        samples=samples if entry["samples"] == "all" else names(entry["samples"]),
        cuts=cuts_of(entry["cuts"]),
        observables=names(entry["observables"]) if "observables" in entry else observables,
        luminosity_pb=None if luminosity is None else parse_quantity(luminosity, "luminosity"),
        observed=observed_events(entry.get("observed")),
    )


def chosen(said: Iterable[str] | None, observables: Iterable[str], regions: Mapping[str, Region]) -> tuple[str, ...]:
    """The regions that a study names, or all regions with these observables."""
    if said is not None:
        return names(said)
    return tuple(name for name, region in regions.items() if set(observables) <= set(region.observables))


def combinations_of(data: Mapping[str, Any]) -> tuple[Combination, ...]:
    """The combinations of a study."""
    methods = names([*data["methods"], *data.get("mixtures", {})])
    return tuple(
        Combination(
            name=madminer_name(name),
            of={
                madminer_name(region): None if isinstance(entry["of"], list) else _of(entry["of"][region], methods)
                for region in entry["of"]
            },
            independent=entry["independent"],
            floating=names(entry.get("floating", ())),
            others=tuple(
                OtherResults(madminer_name(other), **files) for other, files in entry.get("others", {}).items()
            ),
        )
        for name, entry in data.get("combinations", {}).items()
    )


def _of(name: str, methods: tuple[str, ...]) -> tuple[str, ...]:
    """The names of a method or baseline, without its region."""
    stored = madminer_name(name)
    return (stored,) if stored in methods or stored in names_of_limits() else (HISTOGRAM.name, stored)


def cuts_of(entries: Iterable[str | Mapping[str, Any]]) -> tuple[Cut, ...]:
    """The cuts of a study or a region."""
    return tuple(
        Cut(definition=entry, required=False)
        if isinstance(entry, str)
        else Cut(definition=entry["definition"], required=entry.get("passed_if_undefined", False))
        for entry in entries
    )


def observed_events(entry: Mapping[str, Any] | None) -> Observed | None:
    """The observed events of the study or of a region."""
    return None if entry is None or "file" not in entry else Observed(entry["file"], entry.get("n_observed"))


def observed_cuts(study: Study, more: Iterable[Cut] = ()) -> tuple[str, ...]:
    """The cuts of the study and some more, in terms of observables as far as that is possible.

    A cut that events pass where it is undefined stays as it is: there an observable has its default, which may fail it.
    """
    definitions = {entry.name: entry.definition for entry in study.observables if entry.definition is not None}
    cuts = (*study.reading.cuts, *more)
    needed = conditions((cut.definition for cut in cuts if not cut.required), definitions, study.reading.names)
    return (*needed, *(cut.definition for cut in cuts if cut.required))
