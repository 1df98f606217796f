"""The folder of a run: which jobs are done, how long they took, and what was to be done.

Any layout will do, as every finished job left ``job.json`` in its output: that of ``mmc run``, of the engines, and of
results that came from REANA. What was to be done says the bundle, in the folder or one or two above it.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mmc.compiler.catalogue.stages import STAGES
from mmc.errors import UsageError
from mmc.jobs.job import RECORD

MANIFEST = "manifest.json"
RESOLVED = "study.resolved.json"
PLOTS = {"level": 0.95, "formats": ["png", "svg"], "colors": {}}
"""How figures are drawn where no study says it; the study language has the same defaults."""


@dataclass(frozen=True)
class Output:
    """What a finished job left."""

    path: Path
    record: Mapping[str, Any]

    @property
    def seconds(self) -> float:
        """How long the job took."""
        return float(self.record["seconds"])


@dataclass(frozen=True)
class StageRun:
    """The jobs of a stage."""

    name: str
    group: str
    summary: str
    reads: tuple[str, ...]
    """The stages whose outputs its jobs read."""
    jobs: Mapping[str, Output | None]
    """All jobs of the stage; None where one is not done, or was done before the study changed."""

    @property
    def done(self) -> dict[str, Output]:
        """The finished jobs."""
        return {name: output for name, output in self.jobs.items() if output is not None}

    @property
    def seconds(self) -> float:
        """What all finished jobs took together."""
        return sum(output.seconds for output in self.done.values())


@dataclass(frozen=True)
class Run:
    """What is known of a run."""

    folder: Path
    study: Mapping[str, Any] | None
    """The study with every default filled in; None where there is no bundle."""
    manifest: Mapping[str, Any]
    """Of the bundle; empty where there is none."""
    stages: tuple[StageRun, ...]
    report: Mapping[str, Any] | None
    """The settings of the stage ``report``, where the bundle has one."""

    def outputs(self, stage: str) -> dict[str, Path]:
        """The outputs of a stage's finished jobs by the name of the job."""
        return {name: job.path for found in self.stages if found.name == stage for name, job in found.done.items()}

    @cached_property
    def complete(self) -> set[str]:
        """The stages whose jobs were all done, even where the engine has not kept their outputs: others came after."""
        found: set[str] = set()
        for stage in reversed(self.stages):
            if stage.name in found or len(stage.done) == len(stage.jobs):
                found |= {stage.name, *stage.reads}
        return found

    @property
    def missing(self) -> list[str]:
        """The jobs that are not done, as ``stage[job]``."""
        unfinished = [stage for stage in self.stages if stage.name not in self.complete]
        return [f"{stage.name}[{name}]" for stage in unfinished for name, job in stage.jobs.items() if job is None]

    @property
    def n_jobs(self) -> int:
        """All jobs of all stages."""
        return sum(len(stage.jobs) for stage in self.stages)

    @cached_property
    def made_by(self) -> list[str]:
        """The versions of mmc that ran the jobs."""
        found = {job.record.get("mmc", "unknown") for stage in self.stages for job in stage.done.values()}
        return sorted(found)


def open_run(folder: Path) -> Run:
    """What a folder holds of a run.

    :raises UsageError: when that is no finished job, or the jobs of several runs
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not the folder of a run")
    found = _outputs(folder)
    bundle = _bundle(folder)
    if not found and bundle is None:
        raise UsageError(f"{folder} is not the folder of a run: it holds no finished job")
    manifest = {} if bundle is None else _json(bundle / MANIFEST)
    study = None if bundle is None else _json(bundle / RESOLVED)
    configurations = {} if bundle is None else _configurations(bundle)
    run = Run(
        folder=folder,
        study=study,
        manifest=manifest,
        stages=tuple(_stages(found, configurations, manifest.get("stages", {}))),
        report=configurations.get("report", {}).get("shared"),
    )
    if not any(stage.done for stage in run.stages):
        raise UsageError(f"{folder} has nothing to report yet: no job of its study is done")
    return run


def _outputs(folder: Path) -> dict[tuple[str, str], Output]:
    """All outputs of finished jobs below a folder, by stage and job."""
    found: dict[tuple[str, str], Output] = {}
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))  # parts of unfinished jobs
        if RECORD not in files:
            continue
        folders.clear()  # outputs hold no other outputs
        record = _json(Path(place, RECORD))
        key = (record["stage"], record["job"])
        if key in found:
            raise UsageError(f"{folder} holds several runs: {found[key].path} and {place} are of the same job")
        found[key] = Output(Path(place), record)
    return found


def _bundle(folder: Path) -> Path | None:
    """The folder of the bundle that a run is of."""
    above = folder.resolve()
    for place in (above / "bundle", above, *above.parents[:2], above.parent / "bundle"):
        if (place / MANIFEST).is_file() and (place / RESOLVED).is_file():
            return place
    return None


def _configurations(bundle: Path) -> dict[str, Any]:
    """The configuration of every stage by its name."""
    read = [_json(path) for path in sorted((bundle / "config").glob("*.json"))]
    return {configuration["stage"]: configuration for configuration in read}


def _stages(
    found: Mapping[tuple[str, str], Output], configurations: Mapping[str, Any], planned: Mapping[str, Any]
) -> Iterator[StageRun]:
    """In the order in which they run."""
    known = [*planned, *STAGES]
    names = {stage for stage, _ in found} if not configurations else set(configurations)
    for name in sorted(names, key=lambda name: known.index(name) if name in known else len(known)):
        jobs: dict[str, Output | None]
        if name in configurations:
            entries = configurations[name]["jobs"].items()
            jobs = {job: _current(found.get((name, job)), entry["fingerprint"]) for job, entry in entries}
        else:
            jobs = {job: output for (stage, job), output in found.items() if stage == name}
        plan = planned.get(name, {"group": "", "summary": "", "reads": ()})
        yield StageRun(name, plan["group"], plan["summary"], tuple(plan["reads"]), jobs)


def _current(output: Output | None, fingerprint: str) -> Output | None:
    return output if output is not None and output.record["fingerprint"] == fingerprint else None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}") from error
