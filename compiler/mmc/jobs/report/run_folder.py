"""The folder of a run: the planned jobs, the finished jobs, and the time they took.

Finished jobs are found by the ``job.json`` in their outputs, so every layout of folders works: those of ``mmc run``, of
the engines, and of results from REANA. Planned jobs are read from the bundle, in the folder or one or two levels above.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from mmc.compiler.catalogue.stages import BASELINES_STAGE, EVALUATE, REPORT, STAGES
from mmc.compiler.settings.limits import LimitSettings
from mmc.compiler.settings.variants import OF_VARIANT
from mmc.errors import UsageError
from mmc.jobs.record import MAKE_AGAIN, RECORD, Record
from mmc.jobs.report import records

MANIFEST = "manifest.json"
RESOLVED = "study.resolved.json"
PLOTS = {"level": 0.95, "formats": ["png", "svg"], "colors": {}}
"""The style of figures if the study is not known; these are the defaults of the study language."""


@dataclass(frozen=True)
class Output:
    """The output of a finished job."""

    path: Path
    record: Mapping[str, Any]

    @property
    def seconds(self) -> float:
        """The time of the job."""
        return float(self.record["seconds"])

    @cached_property
    def full_record(self) -> Record | None:
        """The record with the digests of files; None if an older mmc made it."""
        return Record.of(self.record, self.path) if "outputs" in self.record else None

    @property
    def maker(self) -> str:
        """The job, as people call it."""
        return f"{self.record['stage']}[{self.record['job']}]"


@dataclass(frozen=True)
class StageRun:
    """The jobs of a stage."""

    name: str
    group: str
    summary: str
    reads: tuple[str, ...]
    """The stages whose outputs the jobs of this stage read."""
    jobs: Mapping[str, Output | None]
    """All jobs of the stage; None for a job that is not finished, or was finished before the study changed."""

    @property
    def done(self) -> dict[str, Output]:
        """The finished jobs."""
        return {name: output for name, output in self.jobs.items() if output is not None}

    @property
    def seconds(self) -> float:
        """The total time of all finished jobs."""
        return sum(output.seconds for output in self.done.values())


@dataclass(frozen=True)
class Run:
    """A run, as far as its folder shows."""

    folder: Path
    bundle: Path | None
    """The folder of the bundle; None if it is neither in the folder nor near it."""
    study: Mapping[str, Any] | None
    """The study with every default filled in; None without a bundle."""
    manifest: Mapping[str, Any]
    """The manifest of the bundle; empty without a bundle."""
    stages: tuple[StageRun, ...]
    report: Mapping[str, Any] | None
    """The settings of the stage ``report``; None if the bundle lacks this stage."""
    limits: Mapping[str, Any] | None
    """The settings that all limits share; None if the bundle has no limits."""
    left_out: tuple[str, ...]
    """Without a bundle: the outputs, as ``stage[job]``, from which the report in the folder was not made."""

    def outputs(self, stage: str) -> dict[str, Path]:
        """The output folders of a stage's finished jobs, by the name of the job."""
        return {name: job.path for found in self.stages if found.name == stage for name, job in found.done.items()}

    def check(self, stages: Iterable[str]) -> None:
        """Compare the outputs of stages with their records, as far as an older mmc did not leave out the files.

        :raises StepError: when an output is damaged
        """
        for output in [output for stage in self.stages if stage.name in stages for output in stage.done.values()]:
            if (record := output.full_record) is not None:
                record.check(output.path, whole=True)

    @property
    def has_variants(self) -> bool:
        """Whether jobs belong to variants of the study."""
        return any(OF_VARIANT in name for stage in self.stages for name in stage.jobs)

    @cached_property
    def complete(self) -> set[str]:
        """The stages with all jobs finished. A stage that a complete stage reads is complete, even without outputs."""
        found: set[str] = set()
        for stage in reversed(self.stages):
            if stage.name in found or len(stage.done) == len(stage.jobs):
                found |= {stage.name, *stage.reads}
        return found

    @property
    def missing(self) -> list[str]:
        """The unfinished jobs, as ``stage[job]``."""
        unfinished = [stage for stage in self.stages if stage.name not in self.complete]
        return [f"{stage.name}[{name}]" for stage in unfinished for name, job in stage.jobs.items() if job is None]

    @property
    def n_jobs(self) -> int:
        """The number of jobs of all stages."""
        return sum(len(stage.jobs) for stage in self.stages)

    @cached_property
    def made_by(self) -> list[str]:
        """The versions of mmc that ran the jobs."""
        found = {job.record.get("mmc", "unknown") for stage in self.stages for job in stage.done.values()}
        return sorted(found)


def open_run(folder: Path) -> Run:
    """The run in a folder.

    :raises UsageError: when the folder has no finished job, or jobs of several runs, or a record that mmc did not write
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not the folder of a run")
    found = _outputs(folder)
    left_out: list[Output] = []
    bundle = _bundle(folder)
    if not found and bundle is None:
        raise UsageError(f"{folder} is not the folder of a run: it contains no finished job")
    manifest = {} if bundle is None else records.read(bundle / MANIFEST, records.MANIFEST)
    study = None if bundle is None else records.read(bundle / RESOLVED, records.STUDY)
    configurations = {} if bundle is None else _configurations(bundle)
    if not configurations:
        left_out = _left_out(found)
        found = [output for output in found if output not in left_out]
    run = Run(
        folder=folder,
        bundle=bundle,
        study=study,
        manifest=manifest,
        stages=tuple(_stages(found, configurations, manifest.get("stages", {}))),
        report=configurations.get("report", {}).get("shared"),
        limits=_limits(configurations),
        left_out=tuple(output.maker for output in left_out),
    )
    if not any(stage.done for stage in run.stages):
        raise UsageError(f"{folder} has nothing to report yet: no job of its study is finished")
    return run


def _outputs(folder: Path) -> list[Output]:
    """All outputs of finished jobs inside a folder."""
    found: list[Output] = []
    elsewhere = [folder / "out"] if (folder / "out").is_symlink() else []  # on another disk
    for place, folders, files in chain.from_iterable(map(os.walk, [folder, *elsewhere])):
        folders[:] = sorted(name for name in folders if not name.startswith("."))  # hidden folders are unfinished jobs
        if RECORD not in files:
            continue
        folders.clear()  # an output contains no other outputs
        try:
            found.append(Output(Path(place), records.read(Path(place, RECORD), records.JOB)))
        except UsageError as error:
            raise UsageError(f"{error}; {MAKE_AGAIN}") from error
    return list(_without_copies(folder, found))


def _without_copies(folder: Path, found: Iterable[Output]) -> Iterator[Output]:
    """The outputs, without those that equal an earlier one: an engine that runs again puts them in other places.

    Two subfolders of the run's folder are two runs.
    """
    seen = set()
    for output in found:
        inside = output.path.relative_to(folder).parts[:1]
        record = output.full_record
        key = (inside, output.maker, output.record["fingerprint"], None if record is None else record.digest)
        if record is None or key not in seen:
            yield output
        seen.add(key)


def _left_out(found: Sequence[Output]) -> list[Output]:
    """The outputs from which the report among them was not made, of the stages that it has read.

    An engine may have run two studies into one folder.
    """
    reports = [output for output in found if output.record["stage"] == REPORT.name]
    record = reports[0].full_record if len(reports) == 1 else None
    if record is None:
        return []
    stages = {maker.partition("[")[0] for maker in record.inputs}
    return [
        output
        for output in found
        if output.record["stage"] in stages
        and (output.full_record is None or record.inputs.get(output.maker) != output.full_record.digest)
    ]


def _limits(configurations: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The settings that all limits of a bundle share."""
    names = {item.name for item in fields(LimitSettings)}
    for stage in (EVALUATE.name, BASELINES_STAGE.name):
        shared = configurations.get(stage, {}).get("shared", {})
        if "luminosity_pb" in shared:
            return {name: value for name, value in shared.items() if name in names}
    return None


def _bundle(folder: Path) -> Path | None:
    """The folder of the run's bundle, if there is one."""
    above, as_named = folder.resolve(), folder.absolute().parent / "bundle"  # the folder may be a link to another disk
    for place in (above / "bundle", above, *above.parents[:2], above.parent / "bundle", as_named):
        if (place / MANIFEST).is_file() and (place / RESOLVED).is_file():
            return place
    return None


def _configurations(bundle: Path) -> dict[str, Any]:
    """The configuration of every stage by its name."""
    read = [records.read(path, records.CONFIGURATION) for path in sorted((bundle / "config").glob("*.json"))]
    return {configuration["stage"]: configuration for configuration in read}


def _stages(
    found: Sequence[Output], configurations: Mapping[str, Any], planned: Mapping[str, Any]
) -> Iterator[StageRun]:
    """The stages with their jobs, in the order in which they run.

    :raises UsageError: when a stage reads a later one
    """
    known = [*planned, *STAGES]
    for name, plan in planned.items():
        if later := [read for read in plan["reads"] if read in planned and known.index(read) >= known.index(name)]:
            raise UsageError(f"the manifest of the bundle lets the stage {name} read {later[0]}, which comes later")
    made: dict[tuple[str, str], list[Output]] = {}
    for output in found:
        made.setdefault((output.record["stage"], output.record["job"]), []).append(output)
    names = {stage for stage, _ in made} if not configurations else set(configurations)
    for name in sorted(names, key=lambda name: known.index(name) if name in known else len(known)):
        jobs: dict[str, Output | None]
        if name in configurations:
            rows = configurations[name]["jobs"].items()
            jobs = {job: _current(made.get((name, job), ()), fingerprint) for job, (_, _, fingerprint) in rows}
        else:
            jobs = {job: _current(outputs) for (stage, job), outputs in made.items() if stage == name}
        plan = planned.get(name, {"group": "", "summary": "", "reads": ()})
        yield StageRun(name, plan["group"], plan["summary"], tuple(plan["reads"]), jobs)


def _current(outputs: Iterable[Output], fingerprint: str | None = None) -> Output | None:
    """The output of a job: that with the fingerprint of the plan, if there is a plan.

    :raises UsageError: when there are several
    """
    found = [output for output in outputs if fingerprint in (None, output.record["fingerprint"])]
    if len(found) > 1:
        both = f"{found[0].path} and {found[1].path}"
        raise UsageError(f"the folder contains several runs: {both} belong to the same job")
    return found[0] if found else None
