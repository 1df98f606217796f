"""Put the events of all jobs into one file, in a random order."""

import logging
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmc.compiler.catalogue.stages import ANALYSE, COMBINE
from mmc.compiler.settings.combine import AnalysedJob, CombineGroupSettings
from mmc.errors import StepError
from mmc.jobs.formats import event_sketch
from mmc.jobs.job import StepJob, read_json, write_json
from mmc.jobs.madminer import workarounds
from mmc.jobs.madminer.declarations import Content, read_agreeing
from mmc.jobs.madminer.event_summary import EVENTS, event_record
from mmc.jobs.madminer.morphing_check import check_morphing
from mmc.jobs.madminer.setup_file import Setup
from mmc.jobs.readers.regions import events_file

SAME_CROSS_SECTION = 0.05
"""The largest relative difference between cross sections of one process, in addition to their errors."""
SIGNIFICANT = 5.0
"""The largest difference between two cross sections, in standard errors."""

log = logging.getLogger(__name__)


def run(job: StepJob) -> None:
    """Write ``events.h5`` and ``events.json``.

    The weights of a job sum up to the cross section of its slice of phase space. Jobs with the same sample, slice and
    benchmark are averaged: their weights are multiplied by the job's share of the events that were read. The cross
    sections of several slices are added. The events of a region are those of its files.
    """
    settings = job.read(CombineGroupSettings)
    jobs, region = settings.jobs, settings.region
    _check_benchmarks(jobs)
    directories = job.pick_all("analysed", [entry.job for entry in jobs])
    records = [read_json(directory / ANALYSE.record) for directory in directories]
    _check_cross_sections(jobs, records)
    _check_different(jobs, records)
    factors = _factors(jobs, records)
    passed = [bool(record["n_passed"] and selection(record, region)["n_passed"]) for record in records]
    where = "the cuts" if region is None else f"the cuts of the region {region}"
    for entry, some in zip(jobs, passed, strict=True):
        if not some:
            log.warning("no event of %s passes %s", entry.job, where)
    if not any(passed):
        raise StepError(f"no event passes {where} in any job: loosen the cuts, or generate more events")
    paths = [directory / events_file(region) for directory, some in zip(directories, passed, strict=True) if some]
    contents = read_agreeing(Setup.read(job.one("setup")).path, paths)
    _combine(contents, [factor for factor, some in zip(factors, passed, strict=True) if some], job.out / EVENTS)
    record = event_record(job.out / EVENTS)
    record["warnings"] = [*(text for entry in records for text in entry.get("warnings", ())), *record["warnings"]]
    record["integration_errors"] = integration_errors(jobs, records)
    if region is not None:
        record["overlaps"] = overlaps(jobs, records, factors, region)
    deviations, warnings = check_morphing(job.out / EVENTS)
    record |= {"morphing_deviations": deviations} if deviations else {}
    record["warnings"] += warnings
    log.info("%d events, %d of them background", record["n_events"], record["n_background"])
    for text in record["warnings"]:
        log.warning("%s", text)
    write_json(job.out / COMBINE.record, record)


def _factors(jobs: Sequence[AnalysedJob], records: Sequence[Mapping[str, Any]]) -> list[float]:
    """The factor on the weights of each job.

    :raises StepError: when the number of a job's events differs from the plan
    """
    totals: defaultdict[tuple[Any, ...], int] = defaultdict(int)
    for entry, record in zip(jobs, records, strict=True):
        if entry.n_events not in (None, record["n_read"]):
            raise StepError(f"{entry.job} has {record['n_read']} events where {entry.n_events} are expected")
        totals[_averaged(entry)] += record["n_read"]
    return [
        float(entry.k_factor * record["n_read"] / max(totals[_averaged(entry)], 1))
        for entry, record in zip(jobs, records, strict=True)
    ]


def integration_errors(jobs: Sequence[AnalysedJob], records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The relative errors of the cross sections from their integration, which more events do not reduce.

    ``benchmarks``: for the signal events of each sampled benchmark; ``background``: for all backgrounds together. Jobs
    that are averaged and have the same cross section share one integration; other integrations are independent.
    """
    events: defaultdict[tuple[Any, ...], int] = defaultdict(int)
    for entry, record in zip(jobs, records, strict=True):
        events[_averaged(entry)] += record["n_read"]
    shares: defaultdict[tuple[Any, ...], float] = defaultdict(float)
    totals: defaultdict[str | None, float] = defaultdict(float)
    for entry, record in zip(jobs, records, strict=True):
        origin = None if entry.background else entry.benchmark
        share = entry.k_factor * record["n_read"] / max(events[_averaged(entry)], 1)
        value, error = record["integrated_pb"]
        shares[origin, _averaged(entry), value] += share * error
        totals[origin] += share * value
    squares: defaultdict[str | None, float] = defaultdict(float)
    for (origin, *_), error in shares.items():
        squares[origin] += error**2
    found = {origin: squares[origin] ** 0.5 / total if total else 0.0 for origin, total in totals.items()}
    background = found.pop(None, 0.0)
    return {"benchmarks": found, "background": background}


def selection(record: Mapping[str, Any], region: str | None) -> Mapping[str, Any]:
    """The entry of a job's record for the events of a region; that for all events without regions."""
    return record if region is None else record["regions"][region]


def overlaps(
    jobs: Sequence[AnalysedJob], records: Sequence[Mapping[str, Any]], factors: Sequence[float], region: str
) -> dict[str, Any]:
    """The simulated events of a region that are in other regions too: their number, and their share of its cross
    section, averaged over the benchmarks at which events were generated."""
    n_benchmarks = max(len({entry.benchmark for entry in jobs if not entry.background}), 1)
    events: defaultdict[str, int] = defaultdict(int)
    shared: defaultdict[str, float] = defaultdict(float)
    total = 0.0
    for entry, record, factor in zip(jobs, records, factors, strict=True):
        if not record["n_passed"]:
            continue
        found, weight = record["regions"][region], factor / (1 if entry.background else n_benchmarks)
        total += weight * found["weight_pb"]
        for other, both in found["shared"].items():
            events[other] += both["n_passed"]
            shared[other] += weight * both["weight_pb"]
    return {other: {"n_events": n, "share": shared[other] / total if total else 0.0} for other, n in events.items()}


def _averaged(entry: AnalysedJob) -> tuple[Any, ...]:
    """The key of the jobs whose cross sections are averaged."""
    return entry.sample, entry.slice, entry.benchmark


def _check_cross_sections(jobs: Sequence[AnalysedJob], records: Sequence[Mapping[str, Any]]) -> None:
    """:raises StepError: when jobs whose cross sections are averaged have different cross sections"""
    first: dict[tuple[Any, ...], tuple[str, float, float]] = {}
    for entry, record in zip(jobs, records, strict=True):
        value, error = record["cross_section_pb"]
        name, other, other_error = first.setdefault(_averaged(entry), (entry.job, value, error))
        if abs(value - other) > SAME_CROSS_SECTION * abs(other) + SIGNIFICANT * (error + other_error):
            raise StepError(
                f"the events of {name} have a cross section of {other:.4g} pb, and those of {entry.job} one of "
                f"{value:.4g} pb: they are not parts of one generation, so they cannot be averaged; for parts of phase "
                "space that add up, give each file a `slice`"
            )


def _check_different(jobs: Sequence[AnalysedJob], records: Sequence[Mapping[str, Any]]) -> None:
    """:raises StepError: when files of several jobs hold the same events"""
    event_sketch.check_different(
        {
            f"{file} ({entry.job})": event_sketch.read(text)
            for entry, record in zip(jobs, records, strict=True)
            for file, text in record.get("events_of_files", {}).items()
        }
    )


def _combine(contents: Sequence[Content], factors: Sequence[float], out: Path) -> None:
    """MadMiner's ``combine_and_shuffle``, in a time that is linear in the number of files.

    A sample without a systematic uncertainty gets its nominal weights at the nuisance benchmarks of that uncertainty,
    as in MadMiner's readers. All nuisance benchmarks get the parameters of one reference benchmark.
    """
    workarounds.apply()
    from madminer.models import NuisanceParameter
    from madminer.utils.interfaces import hdf5

    first = contents[0]
    nuisance = {name: pair for content in contents for name, pair in content.nuisance.items()}
    added = sorted({benchmark for _, *pair in nuisance.values() for benchmark in pair if benchmark is not None})
    names = [*first.physical, *added]
    parts = [hdf5._load_samples(str(content.path)) for content in contents]
    reference = _reference(contents, [weights for _, weights, _ in parts])
    order = np.random.permutation(sum(len(ids) for _, _, ids in parts))
    observations = np.concatenate([values for values, _, _ in parts])[order]
    weights = np.concatenate(
        [
            factor * _at_reference(values[:, content.columns(names)], names, content, reference)
            for factor, content, (_, values, _) in zip(factors, contents, parts, strict=True)
        ]
    )[order]
    ids = np.concatenate([values for _, _, values in parts])[order]
    per_benchmark = np.bincount(ids[ids >= 0], minlength=first.n_physical)
    shutil.copyfile(first.path, out)
    if nuisance:
        points = [*first.points[: first.n_physical], *np.zeros((len(added), first.points.shape[1]))]
        are_nuisance = [name in added for name in names]
        hdf5._save_benchmarks(str(out), True, names, points, are_nuisance, [name == reference for name in names])
        parameters = {name: NuisanceParameter(name, *definition) for name, definition in nuisance.items()}
        hdf5._save_nuisance_params(str(out), True, parameters)
    hdf5._save_samples(str(out), True, observations, weights, ids)
    hdf5._save_samples_summary(str(out), True, per_benchmark, int(np.sum(ids < 0)))


def _reference(contents: Sequence[Content], weights: Sequence[Any]) -> str:
    """The physical benchmark with the fewest events that have weight 0 there but not everywhere; the first of equals.

    The effect of a nuisance parameter on such events cannot be stored.
    """
    n, counts = contents[0].n_physical, np.zeros(contents[0].n_physical)
    for values in weights:
        is_zero = values[:, :n] == 0.0
        counts += (is_zero & ~is_zero.all(axis=1, keepdims=True)).sum(axis=0)
    return contents[0].physical[int(np.argmin(counts))]


def _at_reference(weights: Any, names: Sequence[str], content: Content, reference: str) -> Any:
    """Take the weights of the nuisance benchmarks from a file's own reference benchmark to another one."""
    if content.reference in (None, reference):
        return weights
    own, other = (weights[:, names.index(name)] for name in (content.reference, reference))
    n = content.n_physical
    ratios = np.divide(
        weights[:, n:], own[:, np.newaxis], out=np.ones_like(weights[:, n:]), where=own[:, np.newaxis] != 0.0
    )
    return np.hstack([weights[:, :n], ratios * other[:, np.newaxis]])


def _check_benchmarks(jobs: Sequence[AnalysedJob]) -> None:
    """Check the sampled benchmarks: MadMiner averages over them, so a sample that lacks one would count too little.

    :raises StepError: unless all signal samples are generated at the same benchmarks
    """
    sampled = defaultdict(set)
    for entry in jobs:
        if not entry.background:
            part = "" if entry.slice is None else f", slice {entry.slice},"
            sampled[f"{entry.sample}{part}"].add(entry.benchmark)
    everywhere = set().union(*sampled.values())
    for sample, benchmarks in sampled.items():
        if benchmarks != everywhere:
            missing = ", ".join(sorted(everywhere - benchmarks))
            raise StepError(f"all signal samples must be generated at the same benchmarks: {sample} lacks {missing}")
