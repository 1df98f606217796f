"""Put the events of all jobs into one file, in a random order."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmc.compiler.catalogue.stages import ANALYSE, COMBINE
from mmc.compiler.settings.combine import AnalysedJob, CombineGroupSettings
from mmc.errors import StepError
from mmc.jobs.formats import event_sketch
from mmc.jobs.job import StepJob, read_json, write_json
from mmc.jobs.madminer.cross_sections import names_of
from mmc.jobs.madminer.declarations import Content, read_agreeing
from mmc.jobs.madminer.event_combination import combine
from mmc.jobs.madminer.event_summary import EVENTS, event_record
from mmc.jobs.madminer.event_writer import places_of
from mmc.jobs.madminer.files_alike import check_alike
from mmc.jobs.madminer.morphing_check import check_morphing
from mmc.jobs.madminer.setup_file import Setup
from mmc.jobs.readers.regions import events_file

Array = npt.NDArray[np.float64]
SAME_CROSS_SECTION = 0.05
"""The largest relative difference between cross sections of one process, in addition to their errors."""
COMPARED = 200
"""So many digests of a file's events are kept for combinations, which compare the files of different groups."""
SAME_BEAMS = 1e-3
"""The largest relative difference between energies of the same beam."""
SIGNIFICANT = 5.0
"""The largest difference between two cross sections, in standard errors."""
_NOT_AVERAGED = (
    "they are not parts of one generation with one selection, so they cannot be averaged; for parts of phase space "
    "that add up, give each file a `slice`"
)

log = logging.getLogger(__name__)


def run(job: StepJob) -> None:
    """Write ``events.h5`` and ``events.json``.

    The weights of a job sum up to the cross section of its slice of phase space. Jobs with the same sample, slice and
    benchmark are averaged: their weights are multiplied by the job's share of the events that were generated, filtered
    ones included. The cross sections of several slices are added. The events of a region are those of its files.
    """
    settings = job.read(CombineGroupSettings)
    jobs, region = settings.each, settings.region
    _check_benchmarks(jobs)
    directories = job.pick_all("analysed", [entry.job for entry in jobs])
    records = [read_json(directory / ANALYSE.record) for directory in directories]
    _check_cross_sections(jobs, records)
    check_cuts(jobs, records)
    check_beams(jobs, records)
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
    used = [(factor, entry) for factor, entry, some in zip(factors, jobs, passed, strict=True) if some]
    _check_alike([entry for _, entry in used], contents, integration_error_of_each(jobs, records))
    places = {sample: k for k, sample in enumerate(dict.fromkeys(map(_averaged, jobs)))}
    labels, starts = [places[_averaged(entry)] for _, entry in used], _starts(jobs, records)
    known, seed = samples(jobs, records), settings.same_partitions
    combine(
        contents,
        [factor for factor, _ in used],
        job.out / EVENTS,
        labels,
        [starts[entry.job] for _, entry in used],
        places=None if seed is None else places_of(names_of(known).tolist(), seed),
    )
    record = event_record(
        job.out / EVENTS,
        only_background=all(entry.background for entry in jobs),
        integration=_largest_integration_errors(jobs, records),
        samples=known,
    )
    record |= {"samples": known}
    record |= {"floating": list(settings.floating)} if settings.floating else {}
    record["warnings"] = [*(text for entry in records for text in entry.get("warnings", ())), *record["warnings"]]
    if settings.compared:
        record["events_of_files"] = _sketches(jobs, records, COMPARED)
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
    for entry, record in zip(jobs, records, strict=True):
        if entry.n_events not in (None, record["n_read"]):
            raise StepError(f"{entry.job} has {record['n_read']} events where {entry.n_events} are expected")
    return [float(entry.k_factor * share) for entry, share in zip(jobs, shares(jobs, records), strict=True)]


def shares(jobs: Sequence[AnalysedJob], records: Sequence[Mapping[str, Any]]) -> list[float]:
    """The share of each job in the events that are averaged.

    Of the events that were generated: a share of those that a filter has left would favour jobs with more of them.
    """
    totals: defaultdict[tuple[Any, ...], float] = defaultdict(float)
    for entry, record in zip(jobs, records, strict=True):
        totals[_averaged(entry)] += record["size"]
    return [
        record["size"] / totals[_averaged(entry)] if record["size"] else 0.0
        for entry, record in zip(jobs, records, strict=True)
    ]


def _starts(jobs: Sequence[AnalysedJob], records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many events of its sample come before those of each job: the same in all regions and groups."""
    found, before = {}, defaultdict[tuple[Any, ...], int](int)
    for entry, record in zip(jobs, records, strict=True):
        found[entry.job] = before[_averaged(entry)]
        before[_averaged(entry)] += record["n_passed"]
    return found


def samples(jobs: Sequence[AnalysedJob], records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The samples of one slice and benchmark, in the order of the labels of the events; how many events were generated,
    None if that is not known; and the relative error of the cross section from its integration."""
    numbers: dict[tuple[Any, ...], int | None] = {}
    for entry, record in zip(jobs, records, strict=True):
        before, more = numbers.get(_averaged(entry), 0), record["n_generated"]
        numbers[_averaged(entry)] = None if before is None or more is None else before + more
    errors = integration_errors(jobs, records)
    return [
        {
            "sample": sample,
            "slice": part,
            "benchmark": benchmark,
            "n_generated": n,
            "integration_error": errors[sample, part, benchmark],
        }
        for (sample, part, benchmark), n in numbers.items()
    ]


def integration_errors(
    jobs: Sequence[AnalysedJob], records: Sequence[Mapping[str, Any]]
) -> dict[tuple[Any, ...], float]:
    """The relative error of the cross section of each sample from its integration, which more events do not reduce.

    Jobs that are averaged and have the same cross section share one integration; other integrations are independent.
    """
    totals: defaultdict[tuple[Any, ...], float] = defaultdict(float)
    errors: defaultdict[tuple[Any, ...], defaultdict[float, float]] = defaultdict(lambda: defaultdict(float))
    for entry, record, share in zip(jobs, records, shares(jobs, records), strict=True):
        value, error = record["integrated_pb"]
        totals[_averaged(entry)] += share * value
        errors[_averaged(entry)][value] += share * error
    return {
        sample: float(np.linalg.norm(list(each.values()))) / abs(totals[sample]) if totals[sample] else 0.0
        for sample, each in errors.items()
    }


def integration_error_of_each(jobs: Sequence[AnalysedJob], records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The relative error of the cross section of each job from its integration."""
    found = {entry.job: record["integrated_pb"] for entry, record in zip(jobs, records, strict=True)}
    return {job: abs(error / value) if value else 0.0 for job, (value, error) in found.items()}


def _largest_integration_errors(jobs: Sequence[AnalysedJob], records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """At each benchmark the largest relative error of the signal's samples, which that of their sum does not exceed."""
    signal = {_averaged(entry) for entry in jobs if not entry.background}
    found: defaultdict[str, float] = defaultdict(float)
    for sample, error in integration_errors(jobs, records).items():
        if sample in signal:
            found[sample[-1]] = max(found[sample[-1]], error)
    return found


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
    return {
        other: {"n_events": n, "share": float(shared[other] / total) if total else 0.0} for other, n in events.items()
    }


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
                f"{value:.4g} pb: {_NOT_AVERAGED}"
            )


def _check_alike(jobs: Sequence[AnalysedJob], contents: Sequence[Content], integration: Mapping[str, float]) -> None:
    """:raises StepError: when the events of jobs that are averaged have different distributions"""
    averaged: defaultdict[tuple[Any, ...], dict[str, Path]] = defaultdict(dict)
    for entry, content in zip(jobs, contents, strict=True):
        averaged[(*_averaged(entry), entry.background)][entry.job] = content.path
    for (_, _, sampled, background), files in averaged.items():
        advice = _NOT_AVERAGED if background else f"{_NOT_AVERAGED}, and check the names of the weights of both"
        check_alike(files, contents[0].physical, sampled, advice, background=background, integration=integration)


def check_cuts(jobs: Sequence[AnalysedJob], records: Sequence[Mapping[str, Any]]) -> None:
    """:raises StepError: when events of one sample were generated with different cuts, as far as their files say: a
    cut that one of them does not contain says nothing
    """
    told: defaultdict[tuple[str, str | None], dict[str, tuple[str, str]]] = defaultdict(dict)
    for entry, record in zip(jobs, records, strict=True):
        for cut, own in sorted(record.get("cuts", {}).items()):
            name, other = told[entry.sample, entry.slice].setdefault(cut, (entry.job, own))
            if own != other:
                raise StepError(
                    f"the events of {name} were generated with {cut} = {other}, and those of {entry.job} with "
                    f"{cut} = {own}: {_NOT_AVERAGED}"
                )


def check_beams(jobs: Sequence[AnalysedJob], records: Sequence[Mapping[str, Any]]) -> None:
    """:raises StepError: when events are of different colliders, as far as their files say: a 0 says nothing"""
    told: dict[tuple[float, ...], str] = {}
    for entry, record in zip(jobs, records, strict=True):
        if any(record.get("beams", ())):
            told.setdefault(tuple(record["beams"]), entry.job)
    for (others, first), (beams, name) in combinations(told.items(), 2):
        if _same_beams(beams, others):
            continue
        both = f"the events of {first} have {_beams(others)}, and those of {name} {_beams(beams)}"
        if _same_beams([beams[k] for k in (1, 0, 3, 2)], others):
            raise StepError(
                f"{both}: the beams are exchanged, and with them the sign of every pz; write the events of both with "
                "the same beam along z"
            )
        raise StepError(
            f"{both}: samples of one group are of one collider; give those of another `regions` of their own, with "
            "`samples`, or combine studies with `others` in `combinations`"
        )


def _same_beams(beams: Sequence[float], others: Sequence[float]) -> bool:
    """Whether two pairs of beams have the same codes and energies, as far as both are known."""
    return all(
        np.isclose(own, other, rtol=SAME_BEAMS, atol=0.0)
        for own, other in zip(beams, others, strict=True)
        if own and other
    )


def _beams(beams: Sequence[float]) -> str:
    """The codes and energies of two beams in words."""
    return f"beams of {beams[2]:g} and {beams[3]:g} GeV (PDG codes {beams[0]:g} and {beams[1]:g})"


def _check_different(jobs: Sequence[AnalysedJob], records: Sequence[Mapping[str, Any]]) -> None:
    """:raises StepError: when files of several jobs hold the same events"""
    sketches = _sketches(jobs, records)
    event_sketch.check_different({name: event_sketch.read(text) for name, text in sketches.items()})


def _sketches(
    jobs: Sequence[AnalysedJob], records: Sequence[Mapping[str, Any]], most: int = event_sketch.KEPT
) -> dict[str, str]:
    """Digests that identify the events of each file, by its name and job, at most so many."""
    return {
        f"{file} ({entry.job})": event_sketch.shortened(text, most)
        for entry, record in zip(jobs, records, strict=True)
        for file, text in record.get("events_of_files", {}).items()
    }


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
