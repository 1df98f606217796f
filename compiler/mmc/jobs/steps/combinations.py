"""``combinations``: limits and Fisher information of several regions together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from mmc.compiler.catalogue.stages import BASELINES_STAGE, COMBINATIONS, COMBINE, EVALUATE
from mmc.compiler.settings.combinations import CombinationSettings
from mmc.errors import StepError
from mmc.jobs.arrays import read_npz
from mmc.jobs.formats import event_sketch
from mmc.jobs.job import StepJob, read_json, write_json
from mmc.jobs.madminer.cross_sections import CrossSections
from mmc.jobs.madminer.event_file import Array, EventFile
from mmc.jobs.madminer.shared_events import SharedEvents
from mmc.jobs.statistics.closure.verdict import unresolved
from mmc.jobs.statistics.combined_limits import combined_limits, grid_of
from mmc.jobs.statistics.combined_verdict import Integration, Part, judge, shared_events
from mmc.jobs.statistics.fisher import Information
from mmc.jobs.statistics.limits import save_arrays
from mmc.jobs.statistics.other_study import likelihood_of, part_of, record_of
from mmc.jobs.statistics.region_likelihood import LIKELIHOOD, RegionLikelihood

ROUNDING = 1e-12
"""The variance of a cross section in units of its square that rounding may leave."""
_STAGES = {stage.name: stage for stage in (EVALUATE, BASELINES_STAGE)}


def run(job: StepJob) -> None:
    """Write ``combination.json``, and ``limits.npz`` and ``fisher.npz`` as far as the regions have both.

    :raises StepError: when the regions have nothing in common
    """
    settings = job.read(CombinationSettings)
    folders = [job.pick(_STAGES[part.stage].output, part.job) for part in settings.of]
    parts = [
        Part(
            part.job,
            part.group,
            read_json(folder / _STAGES[part.stage].record),
            read_json(job.pick("events", part.group) / COMBINE.record),
        )
        for part, folder in zip(settings.of, folders, strict=True)
    ]
    independent = settings.independent
    files = {part.group: EventFile.of(job.events(part.group), settings.limits) for part in parts}
    file = files[parts[0].group]
    true_row = file.coefficients(file.coordinates(settings.limits.theta_true)[np.newaxis])[0]
    shared = _shared(parts, files, independent=independent)
    overlaps = _overlaps(parts, files, shared, true_row, independent=independent)
    results = {
        other.name: record_of(read_json(job.one(other.results)), other.file, other.name) for other in settings.others
    }
    parts += [part_of(record, name, settings.limits.theta_true) for name, record in results.items()]
    found: dict[str, Any] = {
        "combination": settings.combination,
        "of": [_described(part) for part in parts],
        "overlaps": overlaps,
        "n_expected": sum(part.limits["n_expected"] for part in parts),
        "theta_true": parts[0].limits["theta_true"],
    }
    paths = [folder / LIKELIHOOD for folder in folders]
    if all(path.is_file() for path in paths):
        grid = grid_of(settings.limits)
        regions = _regions([RegionLikelihood.read(read_npz(path), grid) for path in paths], parts, shared)
        sums = [
            region.cross_sections or files[part.group].cross_sections.times(part.limits["luminosity_pb"])
            for region, part in zip(regions, parts, strict=False)  # other studies come last
        ]
        integration = _integration(sums, true_row, in_limits=file.is_balanced)
        for other in settings.others:
            arrays = read_npz(job.one(other.limits))
            regions.append(likelihood_of(results[other.name], arrays, grid, other.name))
        limits, fits, f_shared = combined_limits(
            regions, settings.limits, settings.floating, file.coefficients, np.random.default_rng(job.seed)
        )
        found |= {"floating": list(settings.floating)} if settings.floating else {}
        levels, summaries = settings.limits.confidence_levels, dict[str, dict[str, Any]]()
        for kind, own in limits.items():
            shared_f = f_shared.get(kind, 0.0)
            verdict = judge(
                parts, own, overlaps, kind, independent=independent, f_shared=shared_f, integration=integration
            )
            verdict["warnings"] = unresolved(own, levels)
            summaries[kind] = own.summary(levels) | verdict | _fitted(fits, kind)
        expected = limits.pop("")
        found |= summaries.pop("") | summaries
        arrays = expected.arrays()
        for kind, own in limits.items():
            arrays |= {f"{kind}_{key}": array for key, array in own.values().items()}
        save_arrays(job.out / "limits.npz", arrays)
    paths = [folder / "fisher.npz" for folder in folders]
    if not (settings.floating or settings.others) and all(path.is_file() for path in paths) and _at_one_point(parts):
        information = _sums([read_npz(path) for path in paths])
        names, arrays = settings.limits.parameters, {}
        for name, item in information.items():
            arrays |= item.arrays(name, names)
        save_arrays(job.out / "fisher.npz", arrays)
        found["parameters"] = list(names)
        found["information"] = {name: item.figures(names, settings.directions) for name, item in information.items()}
    if not {"best_fit", "information"} & set(found):
        raise StepError(f"{', '.join(part.job for part in settings.of)} have neither limits nor Fisher information")
    write_json(job.out / COMBINATIONS.record, found)


def _shared(
    parts: Sequence[Part], files: Mapping[str, EventFile], *, independent: bool
) -> dict[tuple[int, int], SharedEvents]:
    """The simulated events that two regions or groups share, by their indices.

    :raises StepError: when groups hold the same events under different names
    """
    if independent and not any("overlaps" in part.events for part in parts):
        sketches: dict[str, str] = {}
        for part in parts:
            sketches |= part.events.get("events_of_files", {})
        digests = {name: event_sketch.read(text) for name, text in sketches.items()}
        event_sketch.check_different(digests, "Let groups that share events name the same sample")
    found: dict[tuple[int, int], SharedEvents] = {}
    for (j, first), (k, second) in combinations(enumerate(parts), 2):
        if second.group in first.events.get("overlaps", [second.group]):
            shared = SharedEvents.of(files[first.group], files[second.group])
            found |= {} if shared is None else {(j, k): shared}
    return found


def _overlaps(
    parts: Sequence[Part],
    files: Mapping[str, EventFile],
    shared: Mapping[tuple[int, int], SharedEvents],
    row: Array,
    *,
    independent: bool,
) -> list[dict[str, Any]]:
    """The pairs that share simulated events, and the correlation of the errors of their cross sections.

    :param row: the morphing coefficients of the true point
    """
    groups = [part.group for part in parts]
    found = [] if independent else shared_events(parts)
    for (j, k), both in shared.items() if independent else ():
        totals = [files[groups[i]].cross_sections.of_samples.sum(axis=0) @ row for i in (j, k)]
        found.append(
            {"of": [groups[j], groups[k]], "n_events": both.n, "share": min(float(max(both.sums @ row / totals)), 1.0)}
        )
    for pair in found:
        first, second = (files[name].cross_sections for name in pair["of"])
        common = shared.get((groups.index(pair["of"][0]), groups.index(pair["of"][1])))
        products = 0.0 if common is None else common.products
        size = _error(first, row) * _error(second, row)
        pair["correlation"] = float(row @ first.covariance(second, products) @ row) / size if size else 0.0
    return found


def _error(own: CrossSections, row: Array) -> float:
    """The error of the cross section at a point.

    It is 0 where only rounding is left of it, as for equal weights of all events that were generated.
    """
    variance, total = float(row @ own.covariance() @ row), float(own.of_samples.sum(axis=0) @ row)
    return variance**0.5 if variance > ROUNDING * total**2 else 0.0


def _integration(own: Sequence[CrossSections], row: Array, *, in_limits: bool) -> Integration | None:
    """The integration error of the expected events of all regions; None if it is not known."""
    error = own[0].integration_error(row, own[1:])
    return None if error is None else Integration(error, in_limits)


def _regions(
    regions: Sequence[RegionLikelihood], parts: Sequence[Part], shared: Mapping[tuple[int, int], SharedEvents]
) -> list[RegionLikelihood]:
    """The likelihoods with the simulated events that they share."""
    luminosities = [part.limits["luminosity_pb"] for part in parts]
    found = list(regions)
    for (j, k), events in shared.items():
        both = luminosities[j] * luminosities[k] * events.products
        found[j] = replace(found[j], both={**found[j].both, k: both})
        found[k] = replace(found[k], both={**found[k].both, j: both.T})
    return found


def _fitted(fits: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The normalisations that are fitted, if any."""
    return {"normalisations": fits[kind]} if kind in fits else {}


def _described(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "group": part.group,
        **{key: part.limits[key] for key in ("n_expected", "luminosity_pb")},
        **({"other": True} if part.other else {}),
    }


def _at_one_point(parts: Sequence[Part]) -> bool:
    """Whether the information matrices are those at the same point."""
    points = [part.limits.get("fisher_information", {}).get("at", part.limits["theta_true"]) for part in parts]
    return all(point == points[0] for point in points)


def _sums(regions: list[dict[str, Array]]) -> dict[str, Information]:
    """The sums of the matrices that all regions have, and of their covariances, as the regions are independent."""
    names = [
        name.removesuffix("_covariance")
        for name in regions[0]
        if name.endswith("_covariance") and "_pair_" not in name and all(name in arrays for arrays in regions)
    ]
    return {
        name: Information(
            np.sum([arrays[name] for arrays in regions], axis=0),
            np.sum([arrays[f"{name}_covariance"] for arrays in regions], axis=0),
        )
        for name in names
    }
