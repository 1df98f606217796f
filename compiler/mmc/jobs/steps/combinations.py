"""``combinations``: limits and Fisher information of several regions together."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmc.compiler.catalogue.stages import BASELINES_STAGE, COMBINATIONS, COMBINE, EVALUATE
from mmc.compiler.settings.combinations import CombinationSettings, CombinedPart
from mmc.errors import StepError
from mmc.jobs.arrays import read_npz
from mmc.jobs.job import StepJob, read_json, write_json
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.combination import LIKELIHOOD, RegionLikelihood, combine, combine_floating
from mmc.jobs.statistics.combined_verdict import Part, judge, shared_events
from mmc.jobs.statistics.fisher import Information
from mmc.jobs.statistics.floating import Normalisations
from mmc.jobs.statistics.limits import Grid, Limits, save_arrays

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
    overlaps = [] if settings.independent else shared_events(parts)
    found: dict[str, Any] = {
        "combination": settings.combination,
        "of": [_described(part, record) for part, record in zip(settings.of, parts, strict=True)],
        "overlaps": overlaps,
        "n_expected": sum(part.limits["n_expected"] for part in parts),
        "theta_true": parts[0].limits["theta_true"],
    }
    paths = [folder / LIKELIHOOD for folder in folders]
    if all(path.is_file() for path in paths):
        parameters = settings.limits.parameters
        truth = tuple(settings.limits.theta_true[name] for name in parameters)
        grid = Grid.of(settings.limits.grid, parameters, truth)
        regions = [RegionLikelihood.read(read_npz(path), grid) for path in paths]
        fits: Mapping[str, Normalisations] = {}
        if settings.floating:
            limits, fits = combine_floating(regions, settings.floating)
            found["floating"] = list(settings.floating)
        else:
            limits = combine(regions)
        expected, levels = limits.pop(""), settings.limits.confidence_levels
        arrays = expected.arrays()
        found |= expected.summary(levels) | judge(parts, expected, overlaps) | _fitted(settings, fits, "", expected)
        for kind, variant in limits.items():
            arrays |= {f"{kind}_{key}": array for key, array in variant.values().items()}
            found[kind] = variant.summary(levels) | judge(parts, variant, overlaps, kind)
            found[kind] |= _fitted(settings, fits, kind, variant)
        save_arrays(job.out / "limits.npz", arrays)
    paths = [folder / "fisher.npz" for folder in folders]
    if not settings.floating and all(path.is_file() for path in paths) and _at_one_point(parts):
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


def _fitted(
    settings: CombinationSettings, fits: Mapping[str, Normalisations], kind: str, limits: Limits
) -> dict[str, Any]:
    """The normalisations that are fitted, if any."""
    return {"normalisations": fits[kind].summary(settings.floating, limits)} if kind in fits else {}


def _described(part: CombinedPart, record: Part) -> dict[str, Any]:
    return {
        "name": part.job,
        "group": part.group,
        **{key: record.limits[key] for key in ("n_expected", "luminosity_pb")},
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
