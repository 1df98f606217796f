"""The engine-neutral workflow: :mod:`mmc.compiler.plan.make` makes it from a study, and every target translates it.

A plan is a tuple of stages. A stage is a list of jobs that run one step program over the same named inputs. Every job
writes one directory, its output; the directories flow along links from stage to stage. A target renders the tokens of
a stage's ``argv`` in its own language and decides nothing.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any, Literal, TypeVar

from mmc.compiler.catalogue.batch import Batch
from mmc.compiler.catalogue.reana import Reana
from mmc.compiler.catalogue.resources import Resources
from mmc.compiler.settings.configuration import Row, configuration
from mmc.compiler.settings.encoding import from_json

T = TypeVar("T")

FINGERPRINT_DIGITS = 24
"""Hexadecimal digits of a fingerprint: two of a million jobs have the same one in one of 10^17 studies."""


class Flow(Enum):
    """How the outputs of an upstream stage reach the jobs of a stage."""

    ONE = "one"
    """The upstream stage has a single job; every job gets its directory."""
    EACH = "each"
    """Both stages have the same number of jobs; the i-th job gets the i-th directory."""
    ALL = "all"
    """Every job gets all directories, in the order of the upstream jobs, and reads the ones that it needs."""
    PART = "part"
    """Each job gets its share of the directories, as :attr:`Input.ends` says; both stages are in the same group."""


@dataclass(frozen=True)
class Input:
    """A named input of a stage: ``--name DIRECTORY…`` on the command line of its step program."""

    name: str
    stage: str
    flow: Flow
    ignored_in_fingerprint: bool = False
    """Whether the output of the jobs is independent of this input, so that a change of it does not run them again."""
    part: str = ""
    """The part of the upstream output that the jobs read, so that only a change of it runs them again; empty for the
    whole output."""
    ends: tuple[int, ...] = ()
    """With :attr:`Flow.PART`, for each job the number of directories that it and the jobs before it get."""
    named: bool = False
    """With :attr:`Flow.ALL`, whether the configuration names which outputs each job reads: those of its ``needs``. So a
    target may also give it the folder of all outputs of the stage, or only these."""

    def shares(self, jobs: Sequence[T]) -> list[Sequence[T]]:
        """What each job gets of something that there is for every upstream job, with :attr:`Flow.PART`."""
        return [jobs[start:end] for start, end in pairwise((0, *self.ends))]


@dataclass(frozen=True)
class FileInput:
    """A file beside the study that every job of a stage reads: ``--name FILE`` on the command line.

    ``path`` is its POSIX path within the bundle; ``sha256`` is the digest of its content when the study was compiled.
    """

    name: str
    path: PurePosixPath
    sha256: str


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a step program.

    ``settings`` are the values of this job only. ``needs`` are the jobs whose output it reads, as (stage, job).
    ``fingerprint`` is a digest of everything on which the output depends: jobs with the same fingerprint make the
    same output.
    """

    name: str
    settings: Mapping[str, Any]
    needs: tuple[tuple[str, str], ...]
    seed: int
    fingerprint: str
    label: str = ""
    events: int = 0
    """The number of events or training samples that the job makes; 0 if it is not known before the run."""
    size: int = 0
    """Estimated size of the job's output in bytes; 0 if it is small or not known before the run."""


TokenKind = Literal["text", "config", "job", "input", "file", "out"]


@dataclass(frozen=True)
class Token:
    """One word of a command line.

    ``text`` stands for itself; ``config`` is the path of the stage's configuration file; ``job`` the name of the job;
    ``input`` the directories of the named input (one word each); ``file`` the path of the named file input; ``out``
    the directory that the job writes.
    """

    kind: TokenKind
    value: str = ""


@dataclass(frozen=True)
class Stage:
    """Jobs that run the same step program (``mmc step NAME``)."""

    name: str
    group: str
    summary: str
    output: str
    """The name of each job's output directory in downstream inputs and published results."""
    jobs: tuple[Job, ...]
    settings: Mapping[str, Any]
    """The settings that all jobs of the stage share."""
    inputs: tuple[Input, ...] = ()
    files: tuple[FileInput, ...] = ()
    image: str | None = None
    resources: Resources = field(default_factory=Resources)
    scattered: bool = False
    """Whether the number of jobs depends on the study (even if it is one)."""

    @property
    def argv(self) -> tuple[Token, ...]:
        """The command line of every job of the stage, as tokens."""
        words = [Token("text", word) for word in ("mmc", "step", self.name)]
        words += [Token("text", "--config"), Token("config"), Token("text", "--job"), Token("job")]
        for item in self.inputs:
            words += [Token("text", f"--{item.name}"), Token("input", item.name)]
        for file in self.files:
            words += [Token("text", f"--{file.name}"), Token("file", file.name)]
        return (*words, Token("text", "--out"), Token("out"))

    def read(self, job: Job, cls: type[T]) -> T:
        """The settings of one of its jobs as a dataclass, as the job itself reads them.

        :raises SettingsError: when they are of another class
        """
        return from_json(cls, {**self.settings, **job.settings})

    def configuration(self) -> dict[str, Any]:
        """The content of the stage's configuration file. Threads and time limit change no output."""
        numbers: dict[str, int] = {}
        different: list[Mapping[str, Any]] = []
        known: dict[int, int] = {}  # jobs with the same settings mostly have the same object
        rows: dict[str, Row] = {}
        for job in self.jobs:
            number = known.get(id(job.settings))
            if number is None:
                number = known[id(job.settings)] = numbers.setdefault(canonical_json(job.settings), len(different))
                if number == len(different):
                    different.append(job.settings)
            rows[job.name] = number, job.seed, job.fingerprint
        asked = self.resources
        content = configuration(self.name, self.settings, different, rows, threads=asked.cpus, time_s=asked.time_s)
        named = [item for item in self.inputs if item.named]
        return content | ({"reads": {job.name: _read(job, named) for job in self.jobs}} if named else {})


def _read(job: Job, named: Sequence[Input]) -> dict[str, list[str]]:
    """The names of the jobs whose outputs a job reads, by input."""
    return {item.name: [name for stage, name in job.needs if stage == item.stage] for item in named}


@dataclass(frozen=True)
class Plan:
    """A study's whole workflow, stages in an order in which they can run."""

    study: str
    title: str
    digest: str
    """SHA-256 of the resolved study and the files it names."""
    stages: tuple[Stage, ...]
    resolved_study: Mapping[str, Any]
    """The data of the study with every default filled in, as written into the bundle."""
    reana: Reana = field(default_factory=Reana)
    """The study's settings for REANA."""
    batch: Batch = field(default_factory=Batch)
    """The study's settings for a batch system."""
    setup: str | None = None
    """The command that prepares a machine of a batch system for jobs."""
    from_run: str | None = None
    """The folder of another run, relative to the study, from which outputs are taken."""
    taken: tuple[str, ...] = ()
    """The stages whose outputs are taken from it; those of the last one must be there."""
    removed: tuple[str, ...] = ()
    """The stages whose outputs are removed when all jobs that read them are done."""
    changes: tuple[str, ...] = ()
    """The values that the command line has set, ``KEY=VALUE``."""
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What each variant of the study sets, by the path in the study; empty without variants."""
    n_shared: int = 0
    """The number of jobs that belong to several of them."""

    def stage(self, name: str) -> Stage:
        """The stage of that name; KeyError when the plan has none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    def group(self, name: str) -> tuple[Stage, ...]:
        """The stages of one sub-workflow; empty when the study does not ask for it."""
        return tuple(stage for stage in self.stages if stage.group == name)

    @property
    def n_jobs(self) -> int:
        """The number of jobs of all stages."""
        return sum(len(stage.jobs) for stage in self.stages)

    @property
    def files(self) -> tuple[FileInput, ...]:
        """The files beside the study that the bundle contains, each once."""
        return tuple({file.path: file for stage in self.stages for file in stage.files}.values())


def canonical_json(value: Any) -> str:
    """The JSON text of a value for digests; it does not depend on the order of keys.

    >>> canonical_json({"b": 1, "a": [1.0, None]})
    '{"a":[1.0,null],"b":1}'
    """
    return _CANONICAL(value)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def digest(value: Any) -> str:
    """SHA-256, in hexadecimal, of a JSON-able value's canonical text."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
