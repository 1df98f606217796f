"""The stages of workflows, each declared once: its output, its group, and the studies that have it.

To add a stage, declare it here, write its step, and add it in the planner.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from mmc.compiler.catalogue.baselines import BASELINES
from mmc.compiler.catalogue.generators import ORIGINS, origin_of, runs_delphes

GROUPS: Mapping[str, str] = {"physics": "Physics", "learning": "Learning"}
"""The sub-workflows in the order in which they run, with their titles."""


GATHERED_AT_ONCE = 1000
"""The largest number of outputs of one stage that a job reads by itself. More are gathered first, this many at a time,
as engines and Linux bound the length of a command."""


MOST_JOBS = 100_000
"""Workflow engines cannot run more jobs of one stage."""


class TrackedAs(Enum):
    """How the jobs of a stage are recorded in MLflow."""

    JOB = "job"
    """Each job has its own run."""
    ESTIMATOR = "estimator"
    """All jobs that train, choose and evaluate one estimator share a run."""
    WHOLE = "whole"
    """The job ends the run of the study and logs what other jobs could not log."""


@dataclass(frozen=True)
class DeclaredStage:
    """The properties of a stage that are the same in every study."""

    name: str
    group: Literal["physics", "learning"]
    summary: str
    """What its jobs do, in words. The planner may replace it by a more precise text."""
    output: str
    """The name of each job's output directory in downstream inputs and published results."""
    record: str
    """The JSON file in that directory that describes the output."""
    version: int
    """Increased when the output for the same input changes, so that finished jobs of an older mmc run again."""
    hours: int
    """The time limit of a job in hours. A job that takes longer hangs, so the limit is far beyond any real job."""
    is_in: Callable[[Mapping[str, Any]], bool]
    """Whether a study has the stage, given its data with all defaults filled in."""
    tracked_as: TrackedAs | None = None
    """How its jobs are recorded in MLflow if the study asks for tracking; None if they are not recorded."""
    program: str | None = None
    """The program that its jobs call, independent of the origin of the events."""
    package: str | None = None
    """The package that its jobs need in addition to the packages of all steps."""
    packages: tuple[str, ...] = ("numpy", "madminer")
    """The packages on whose versions its output depends, if its jobs import them."""
    changing: tuple[str, ...] = ()
    """How the names of those files and folders of its output begin that later jobs change. They stay when its job runs
    again: only the files that the job itself writes are replaced."""

    @property
    def step(self) -> str:
        """The module of its step program, which has ``run(job: StepJob) -> None``."""
        return f"mmc.jobs.steps.{self.name}"


def _makes_events(name: str) -> Callable[[Mapping[str, Any]], bool]:
    """The condition that the origin of a study's events needs the stage of that name."""

    def is_in(study: Mapping[str, Any]) -> bool:
        origin = origin_of(study)
        return origin is not None and name in origin.stages

    return is_in


def _detects(study: Mapping[str, Any]) -> bool:
    return _makes_events("detect")(study) and runs_delphes(study)


def _learns(study: Mapping[str, Any]) -> bool:
    return bool(study["methods"])


def _trains(study: Mapping[str, Any]) -> bool:
    """False if all methods are searched by Optuna, which trains within its own job."""
    return any(entry.get("tuning", {}).get("search") != "optuna" for entry in study["methods"].values())


def _tunes(study: Mapping[str, Any]) -> bool:
    return any("tuning" in entry for entry in study["methods"].values())


def _evaluates(study: Mapping[str, Any]) -> bool:
    return _learns(study) and "evaluation" in study


def _compares(study: Mapping[str, Any]) -> bool:
    return any(baseline.asked(study.get("evaluation")) for baseline in BASELINES.values())


def _combines(study: Mapping[str, Any]) -> bool:
    return "combinations" in study and _reports(study)


def _reports(study: Mapping[str, Any]) -> bool:
    return _evaluates(study) or _compares(study)


def _tracks(study: Mapping[str, Any]) -> bool:
    return "tracking" in study and (_learns(study) or _compares(study))


CONFIGURE = DeclaredStage(
    name="configure",
    group="physics",
    summary="Set up parameters, benchmarks and the morphing basis",
    output="setup",
    record="setup.json",
    version=2,
    hours=12,
    is_in=_makes_events("configure"),
)
GENERATE = DeclaredStage(
    name="generate",
    group="physics",
    summary="Prepare each process",
    output="process",
    record="process.json",
    version=1,
    hours=24,
    is_in=_makes_events("generate"),
    packages=("numpy", "madminer", "pythia8mc", "ufoamp", "madspace"),
)
SIMULATE = DeclaredStage(
    name="simulate",
    group="physics",
    summary="Generate events and weight each at every benchmark",
    output="events",
    record="simulate.json",
    version=3,
    hours=96,
    is_in=_makes_events("simulate"),
    packages=("numpy", "madminer", "pythia8mc", "ufoamp", "madspace"),
)
IMPORT_EVENTS = DeclaredStage(
    name="import_events",
    group="physics",
    summary="Check event files, and what their weights are of",
    output="events",
    record="simulate.json",
    version=9,
    hours=24,
    is_in=_makes_events("import_events"),
    packages=("numpy", "madminer", "ufoamp"),
)
DETECT = DeclaredStage(
    name="detect",
    group="physics",
    summary="Simulate the detector",
    output="detected",
    record="detect.json",
    version=1,
    hours=96,
    is_in=_detects,
    program="Delphes",
    packages=(),
)
ANALYSE = DeclaredStage(
    name="analyse",
    group="physics",
    summary="Read events: detector resolution, observables, cuts, efficiencies",
    output="analysed",
    record="analyse.json",
    version=10,
    hours=48,
    is_in=_makes_events("analyse"),
)
GATHER = DeclaredStage(
    name="gather",
    group="physics",
    summary=f"Gather the outputs of up to {GATHERED_AT_ONCE:,} jobs each",
    output="gathered",
    record="gather.json",
    version=1,
    hours=24,
    is_in=lambda _: False,  # that depends on the number of jobs, not on the sections of a study
    packages=(),
)
COMBINE = DeclaredStage(
    name="combine",
    group="physics",
    summary="Combine and shuffle all events",
    output="events",
    record="events.json",
    version=8,
    hours=48,
    is_in=_makes_events("combine"),
)
INGEST = DeclaredStage(
    name="ingest",
    group="physics",
    summary="Check the event file against the study",
    output="events",
    record="events.json",
    version=6,
    hours=24,
    is_in=_makes_events("ingest"),
)
TRACK = DeclaredStage(
    name="track",
    group="learning",
    summary="Open the MLflow run of the study",
    output="tracking",
    record="tracking.json",
    version=1,
    hours=2,
    is_in=_tracks,
    package="mlflow",
    packages=(),
    changing=("mlflow.db", "artifacts"),
)
SAMPLE = DeclaredStage(
    name="sample",
    group="learning",
    summary="Draw training and validation samples",
    output="samples",
    record="sample.json",
    version=3,
    hours=48,
    is_in=_learns,
    tracked_as=TrackedAs.JOB,
)
TRAIN = DeclaredStage(
    name="train",
    group="learning",
    summary="Train the estimators",
    output="model",
    record="train.json",
    version=5,
    hours=336,
    is_in=_trains,
    tracked_as=TrackedAs.ESTIMATOR,
    packages=("numpy", "madminer", "torch"),
)
TUNE = DeclaredStage(
    name="tune",
    group="learning",
    summary="Choose the best hyperparameters",
    output="model",
    record="tuning.json",
    version=6,
    hours=672,
    is_in=_tunes,
    tracked_as=TrackedAs.ESTIMATOR,
    packages=("numpy", "madminer", "torch", "optuna"),
)
EVALUATE = DeclaredStage(
    name="evaluate",
    group="learning",
    summary="Closure tests and limits of the estimators",
    output="limits",
    record="evaluate.json",
    version=16,
    hours=336,
    is_in=_evaluates,
    tracked_as=TrackedAs.ESTIMATOR,
    packages=("numpy", "madminer", "torch"),
)
BASELINES_STAGE = DeclaredStage(
    name="baselines",
    group="learning",
    summary="Limits without machine learning",
    output="baseline",
    record="baseline.json",
    version=16,
    hours=336,
    is_in=_compares,
    tracked_as=TrackedAs.JOB,
)
COMBINATIONS = DeclaredStage(
    name="combinations",
    group="learning",
    summary="Limits of several regions together",
    output="combination",
    record="combination.json",
    version=10,
    hours=48,
    is_in=_combines,
    tracked_as=TrackedAs.JOB,
)
REPORT = DeclaredStage(
    name="report",
    group="learning",
    summary="Tables and pictures of the results",
    output="report",
    record="results.json",
    version=8,
    hours=24,
    is_in=_reports,
    tracked_as=TrackedAs.WHOLE,
)
VARIANTS = DeclaredStage(
    name="variants",
    group="learning",
    summary="Table of the results of all variants",
    output="variants",
    record="variants.json",
    version=2,
    hours=24,
    is_in=lambda study: "variants" in study and _reports(study),
    packages=(),
)
_PHYSICS = (CONFIGURE, GENERATE, SIMULATE, IMPORT_EVENTS, DETECT, ANALYSE, GATHER, COMBINE, INGEST)
_LEARNING = (TRACK, SAMPLE, TRAIN, TUNE, EVALUATE, BASELINES_STAGE, COMBINATIONS, REPORT, VARIANTS)
STAGES: Mapping[str, DeclaredStage] = {stage.name: stage for stage in (*_PHYSICS, *_LEARNING)}
"""All stages by their names, in an order in which they can run."""
READ_BY_REPORT = tuple(
    stage.name for stage in (COMBINE, INGEST, TRAIN, TUNE, EVALUATE, BASELINES_STAGE, COMBINATIONS, REPORT)
)
"""The stages whose outputs ``mmc report`` reads."""

REMOVABLE = tuple(
    stage.name for stage in (CONFIGURE, GENERATE, SIMULATE, IMPORT_EVENTS, DETECT, ANALYSE, GATHER, SAMPLE)
)
"""The stages whose outputs may be removed when they have been read: neither reports nor people need them."""

ON_GPUS = tuple(stage.name for stage in (TRAIN, TUNE, EVALUATE))
"""The stages whose jobs run networks, each on one GPU if it sees one."""

PROGRAMS: Mapping[str, str] = {
    program.lower(): program
    for program in (*(origin.program for origin in ORIGINS), *(stage.program for stage in STAGES.values()))
    if program is not None
}
"""The programs that jobs may need, by their keys in ``execution.installations``."""

SECTIONS = ("generation", "events", "detector", "methods", "evaluation", "tracking", "combinations", "variants")
"""The sections of a study that decide which stages it has."""


def stages_of(study: Mapping[str, Any]) -> tuple[str, ...]:
    """The stages of a study, in the order in which they run, given its data with all defaults filled in.

    The planner adds exactly these, and ``gather`` if there are many jobs; the checks use them too.
    """
    return tuple(name for name, stage in STAGES.items() if stage.is_in(study))


def programs_of(study: Mapping[str, Any]) -> tuple[str, ...]:
    """The programs that generate and detect the events of a study, given its data, of which parts may be missing."""
    origin = origin_of(study)
    found = [None if origin is None else origin.program]
    found += [stage.program for stage in STAGES.values() if stage.program is not None and stage.is_in(study)]
    return tuple(program for program in found if program is not None)
