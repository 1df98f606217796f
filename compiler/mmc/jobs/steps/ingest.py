"""Import an existing MadMiner event file: check that it fits the study, then copy it."""

import hashlib
import math
from pathlib import Path
from typing import Any

from mmc.compiler.catalogue.stages import INGEST
from mmc.compiler.settings.combine import IngestSettings
from mmc.errors import StepError
from mmc.jobs.formats import event_sketch
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.madminer import layout
from mmc.jobs.madminer.event_order import copy_shuffled
from mmc.jobs.madminer.event_rows import blocks_of
from mmc.jobs.madminer.event_summary import EVENTS, event_record
from mmc.jobs.madminer.morphing_check import check_morphing

_TOLERANCE = 1e-6
"""Tolerance between the benchmarks of the study and of the file, relative to a parameter's largest value there."""


def run(job: StepJob) -> None:
    """Write ``events.h5``, a copy of the file, and ``events.json``."""
    path = job.one("file")
    settings = job.read(IngestSettings)
    _check_digest(path, settings.sha256)
    others = _check_content(path, settings)
    event_sketch.check_rows_once((event_sketch.of_rows(weights, x) for x, weights, _ in blocks_of(path)), path.name)
    reason = copy_shuffled(path, job.out / EVENTS, job.seed)
    record = event_record(job.out / EVENTS)
    deviations, warnings = check_morphing(job.out / EVENTS)
    record |= {"morphing_deviations": deviations} if deviations else {}
    record["warnings"] += warnings
    if others:
        record["warnings"].append(
            f"{path.name} has observables that the study does not list ({', '.join(others)}): methods without "
            "`features` learn from them too, and observed events need them"
        )
    if reason:
        record["warnings"].append(f"the events are shuffled, because they were not in random order: {reason}")
    write_json(job.out / INGEST.record, record)


def _check_digest(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise StepError(f"{path.name} is not the file that the study was compiled with: compile the study again")


def _check_content(path: Path, settings: IngestSettings) -> list[str]:
    """:returns: the observables of the file that the study does not list
    :raises StepError: unless the file has the parameters, benchmarks and observables of the study
    """
    with layout.opened(path) as file:
        for key, what in (
            ("parameters/names", "parameters"),
            ("benchmarks/values", "benchmarks"),
            ("observables/names", "observables"),
            ("samples/weights", "events"),
            ("samples/sampling_benchmarks", "record of the benchmark that each event was generated at"),
            ("sample_summary/signal_events", "number of events per benchmark"),
        ):
            if key not in file:
                raise StepError(f"{path.name} is not a MadMiner event file: it has no {what}")
        has_basis = "morphing/morphing_matrix" in file
        parameters = _names(file["parameters/names"])
        points = zip(_names(file["benchmarks/names"]), file["benchmarks/values"][()].tolist(), strict=True)
        benchmarks = {name: dict(zip(parameters, values, strict=True)) for name, values in points}
        observables = _names(file["observables/names"])
    if has_basis != settings.morphing:
        told = "has a morphing basis: remove" if has_basis else "has no morphing basis: write"
        raise StepError(f"{path.name} {told} `morphing: none`")
    if list(settings.parameters) != parameters:
        wanted = ", ".join(settings.parameters)
        raise StepError(f"the parameters of {path.name} are {', '.join(parameters)}; the study has {wanted}")
    largest = {name: max(abs(point[name]) for point in benchmarks.values()) for name in parameters}
    for name, point in settings.benchmarks.items():
        if name not in benchmarks:
            raise StepError(f"{path.name} has no benchmark {name!r}; it has {', '.join(benchmarks)}")
        for parameter, value in point.items():
            found = benchmarks[name][parameter]
            if not math.isclose(value, found, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE * largest[parameter]):
                raise StepError(
                    f"benchmark {name!r} is at {parameter} = {found:g} in {path.name}, {value:g} in the study"
                )
    for name in settings.observables:
        if name not in observables:
            raise StepError(f"{path.name} has no observable {name!r}; it has {', '.join(observables)}")
    return [name for name in observables if name not in settings.observables]


def _names(dataset: Any) -> list[str]:
    return [name.decode("ascii") for name in dataset[()].tolist()]
