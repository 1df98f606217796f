"""Builds stages: every job gets its seed and a fingerprint of everything on which its output depends."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mmc.compiler.catalogue.resources import Resources
from mmc.compiler.catalogue.stages import STAGES, TRACK, TrackedAs, stages_of
from mmc.compiler.plan.model import FINGERPRINT_DIGITS, FileInput, Flow, Input, Job, Stage, digest
from mmc.compiler.settings.encoding import split_shared
from mmc.compiler.study.model import Study

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9_-]")
"""Characters that are replaced in file names."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A job before its stage gives it a seed and a fingerprint."""

    identity: tuple[str, ...]
    """The names that identify the job. With the study's seed and the stage, they determine its seed."""
    settings: "DataclassInstance"
    """A dataclass of :mod:`mmc.compiler.settings`; the fields that all jobs of the stage share are marked as shared."""
    needs: tuple[tuple[str, str], ...] = ()
    label: str = ""
    events: int = 0
    part: int | None = None
    """The job's number among the jobs that differ only in the last name: their seeds never collide."""
    files: tuple[str, ...] | None = None
    """The names of the file inputs that it reads; None if it reads all file inputs of its stage."""
    size: int = 0
    """Estimated size of its output in bytes."""


def job_seed(study_seed: int, stage: str, identity: Iterable[str], part: int = 0) -> int:
    """The seed of a job, 1 to 900,000,000 (Pythia's range), from the study's seed, the stage and the job's names.

    It does not depend on other jobs, so a new benchmark does not change the seeds of the others. The parts of a sample
    have consecutive seeds: independent seeds would collide in one of twenty studies with 10,000 parts.
    """
    return 1 + (_number("\0".join((str(study_seed), stage, *identity))) + part) % 900_000_000


@lru_cache(1)  # parts of a sample come one after the other
def _number(text: str) -> int:
    """A number of 64 bits that belongs to a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def slug(*names: str) -> str:
    """A name for files and command lines from names of the study, of ASCII letters, digits, ``_``, ``-`` and ``.``.

    >>> slug("signal", "c LL", "0")
    'signal.c_LL.0'
    """
    return ".".join(map(_tame, names))


@lru_cache(100_000)
def _tame(name: str) -> str:
    return _NOT_IN_FILE_NAMES.sub("_", name)


class Builder:
    """Collects stages; gives every job its seed and a fingerprint of everything on which its output depends."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.stages: dict[str, Stage] = {}
        self._planned = stages_of(study.resolved)
        self._fingerprints: dict[tuple[str, str], str] = {}
        self._parts: dict[tuple[str, str], str] = {}
        """The fingerprint of each part of a stage's output, by stage and part."""

    def take(self, stages: Iterable[Stage]) -> None:
        """Take stages that are planned already, before what reads them is added."""
        for stage in stages:
            self.stages[stage.name] = stage
            self._fingerprints |= {(stage.name, job.name): job.fingerprint for job in stage.jobs}

    def has(self, name: str) -> bool:
        """Whether the study has the stage of that name, even if it is not added yet."""
        return name in self._planned

    def add(
        self,
        name: str,
        drafts: Sequence[Draft],
        *,
        summary: str | None = None,
        inputs: tuple[Input, ...] = (),
        files: tuple[FileInput, ...] = (),
        scattered: bool = False,
        parts: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a stage with its jobs, after its upstream stages.

        With tracking, a tracked stage reads the output of ``track``; only the report's fingerprint depends on it.

        :param summary: what the jobs do, if it is more precise than the summary of the declaration
        :param parts: parts of the output of a stage with a single job that depend on less than the whole output: for
            each, everything on which it depends
        :raises ValueError: when the shared settings differ between the jobs of the stage
        """
        declared = STAGES[name]
        if declared.tracked_as is not None and self.has(TRACK.name):
            ignored = declared.tracked_as is not TrackedAs.WHOLE
            inputs = (*inputs, Input(TRACK.output, TRACK.name, Flow.ONE, ignored_in_fingerprint=ignored))
            drafts = [replace(draft, needs=(*draft.needs, (TRACK.name, TRACK.name))) for draft in drafts]
        resources = self.study.resources.get(name, Resources())
        shared, own = split_shared([draft.settings for draft in drafts])
        stage = Stage(
            name=name,
            group=declared.group,
            summary=summary or declared.summary,
            output=declared.output,
            jobs=(),
            settings=shared,
            inputs=inputs,
            files=files,
            image=self.study.images.get(declared.group),
            resources=resources,
            scattered=scattered,
        )
        relevant = replace(stage, files=(), inputs=tuple(item for item in inputs if not item.ignored_in_fingerprint))
        base = digest(
            {
                "argv": [(token.kind, token.value) for token in relevant.argv],
                "settings": stage.settings,
                "image": stage.image,
                "threads": resources.cpus,
                "version": declared.version,
            }
        )
        unread = {item.stage for item in inputs if item.ignored_in_fingerprint}
        read = {item.stage: self._parts.get((item.stage, item.part)) for item in inputs}
        contents: dict[tuple[int, tuple[str, ...] | None], str] = {}
        jobs = []
        for draft, values in zip(drafts, own, strict=True):
            upstream = [read.get(need[0]) or self._fingerprints[need] for need in draft.needs if need[0] not in unread]
            key = (id(values), draft.files)
            if key not in contents:  # jobs with the same settings mostly have the same object
                sha256 = {f.name: f.sha256 for f in files if draft.files is None or f.name in draft.files}
                contents[key] = digest([base, values, sha256])
            jobs.append(self._job(name, contents[key], draft, values, upstream))
        self.stages[name] = replace(stage, jobs=tuple(jobs))
        version = [name, declared.version]
        self._parts |= {(name, part): digest([*version, part, content]) for part, content in (parts or {}).items()}

    def _job(self, stage: str, content: str, draft: Draft, settings: dict[str, Any], upstream: list[str]) -> Job:
        """The job with its seed and fingerprint; ``content`` is the digest of its settings and files."""
        name = slug(*draft.identity) or stage
        identity = draft.identity if draft.part is None else draft.identity[:-1]
        seed = job_seed(self.study.seed, stage, identity, draft.part or 0)
        text = "\0".join((content, name, str(seed), *upstream))  # none of these words holds a zero
        fingerprint = hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_DIGITS]
        self._fingerprints[stage, name] = fingerprint
        return Job(name, settings, draft.needs, seed, fingerprint, draft.label, draft.events, draft.size)
