"""``combinations``: limits and Fisher information of several regions together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mmc.compiler.catalogue.stages import BASELINES_STAGE, COMBINATIONS, COMBINE, EVALUATE
from mmc.compiler.settings.combinations import CombinationSettings
from mmc.errors import StepError
from mmc.jobs.arrays import read_npz
from mmc.jobs.formats import event_sketch
from mmc.jobs.job import StepJob, read_json, write_json
from mmc.jobs.madminer.event_file import Array, EventFile
from mmc.jobs.statistics.combined_limits import combined_limits, grid_of
from mmc.jobs.statistics.combined_verdict import Part, judge, samples_in_common, shared_events, shares
from mmc.jobs.statistics.fisher import Information
from mmc.jobs.statistics.histograms import bin_sums
from mmc.jobs.statistics.limits import save_arrays
from mmc.jobs.statistics.other_study import likelihood_of, part_of, record_of
from mmc.jobs.statistics.region_likelihood import LIKELIHOOD, RegionLikelihood

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
    of_same_samples = len(parts) > 1 and all("overlaps" in part.events for part in parts)
    if independent:
        parts = _with_common_samples(job, settings, parts)
    overlaps = shared_events(parts)
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
        file = EventFile.of(job.events(settings.of[0].group), settings.limits)
        grid = grid_of(settings.limits)
        regions = [RegionLikelihood.read(read_npz(path), grid) for path in paths]
        if of_same_samples:
            regions = [region.of_a_part for region in regions]
        for other in settings.others:
            arrays = read_npz(job.one(other.limits))
            regions.append(likelihood_of(results[other.name], arrays, grid, other.name))
        if independent and overlaps:
            shared = shares(parts, overlaps)
            regions = [replace(region, shared=row) for region, row in zip(regions, shared, strict=True)]
        limits, fits = combined_limits(
            regions, settings.limits, settings.floating, file.coefficients, np.random.default_rng(job.seed)
        )
        found |= {"floating": list(settings.floating)} if settings.floating else {}
        expected, levels = limits.pop(""), settings.limits.confidence_levels
        arrays = expected.arrays()
        found |= (
            expected.summary(levels) | judge(parts, expected, overlaps, independent=independent) | _fitted(fits, "")
        )
        for kind, variant in limits.items():
            arrays |= {f"{kind}_{key}": array for key, array in variant.values().items()}
            found[kind] = variant.summary(levels) | judge(parts, variant, overlaps, kind, independent=independent)
            found[kind] |= _fitted(fits, kind)
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


def _with_common_samples(job: StepJob, settings: CombinationSettings, parts: Sequence[Part]) -> list[Part]:
    """Groups of samples with the events that they share, as the record of a region tells it.

    :raises StepError: when groups hold the same events under different names
    """
    if any("overlaps" in part.events for part in parts):
        return list(parts)
    sketches: dict[str, str] = {}
    for part in parts:
        sketches |= part.events.get("events_of_files", {})
    digests = {name: event_sketch.read(text) for name, text in sketches.items()}
    event_sketch.check_different(digests, "Let groups that share events name the same sample")
    common = samples_in_common({part.group: _samples(job, settings, part.group) for part in parts})
    return [replace(part, events={**part.events, "overlaps": common[part.group]}) for part in parts]


def _samples(job: StepJob, settings: CombinationSettings, group: str) -> dict[Any, tuple[int, float, float]]:
    """The samples of a group, with the number of their events, and the sums of their weights at the true point and of
    the squares of these; empty if the samples are not known."""
    file = EventFile.of(job.events(group), settings.limits)
    row = file.coefficients(file.coordinates(settings.limits.theta_true)[np.newaxis])[0]
    sums = np.zeros((len(file.samples), 3))
    for block in file.blocks("all", balanced=True) if file.samples else ():
        powers = (block.events.weights @ row)[:, np.newaxis] ** np.arange(3)
        sums += bin_sums(block.labels(), powers, len(sums))
    names = [(entry["sample"], entry["slice"], entry["benchmark"]) for entry in file.samples]
    return {name: (int(n), float(sigma), float(squares)) for name, (n, sigma, squares) in zip(names, sums, strict=True)}


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
