"""One plan of the plans of all variants of a study, in which a job that several variants have is there once.

Jobs with the same fingerprint make the same output, so fingerprints show which jobs are the same. A job keeps its name
if all variants that have a job of this name mean the same one; otherwise it is called after the first variant that has
it: ``alices+v2``. Its settings, its seed and its fingerprint are those that it has in a study of its own, so it makes
the same output. It reads the jobs of its variant, which the configuration names.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from mmc.compiler.catalogue.stages import MOST_JOBS, REPORT, VARIANTS
from mmc.compiler.plan.builder import Builder, Draft
from mmc.compiler.plan.model import FileInput, Flow, Input, Job, Plan, Stage, digest
from mmc.compiler.settings.variants import OF_VARIANT, VariantEntry, VariantsSettings
from mmc.compiler.study.model import Study
from mmc.compiler.study.variants import Variant
from mmc.errors import MmcError


def merge(study: Study, file_digests: Mapping[str, str], plans: Iterable[tuple[Variant, Plan]]) -> Plan:
    """The plan of a study with variants.

    :param study: the study itself, which does not run
    :param plans: the plan of each variant, as of a study of its own
    :raises MmcError: when stages of variants read other stages, there are too many jobs, or files have the same name
    """
    merged: _Merged | None = None
    entries: dict[str, tuple[Variant, str | None]] = {}
    for variant, plan in plans:
        merged = merged or _Merged(variant, plan)
        entries[variant.name] = variant, merged.add(variant, plan)
    if merged is None:
        raise ValueError("the study has no variants")
    named = merged.names()
    stages = merged.stages(named)
    builder = Builder(study)
    builder.take(stages)
    reports = {
        name: VariantEntry(values=variant.shown, report=named[REPORT.name, fingerprint])
        for name, (variant, fingerprint) in entries.items()
        if fingerprint is not None
    }
    if reports:
        flow = Flow.ALL if builder.stages[REPORT.name].scattered else Flow.ONE
        settings = VariantsSettings(study=study.name, title=study.title, variants=reports)
        needs = tuple((REPORT.name, job) for job in dict.fromkeys(entry.report for entry in reports.values()))
        read = Input(REPORT.output, REPORT.name, flow, named=flow is Flow.ALL)
        builder.add(VARIANTS.name, [Draft((), settings, needs)], inputs=(read,))
    return replace(
        merged.first,
        study=study.name,
        title=study.title,
        digest=digest({"study": study.resolved, "files": dict(file_digests)}),
        stages=tuple(builder.stages.values()),
        resolved_study=study.resolved,
        variants={name: variant.shown for name, (variant, _) in entries.items()},
        n_shared=sum(n > 1 for n in merged.members.values()),
    )


Key = tuple[str, str]
"""The stage and the fingerprint of a job."""


class _Merged:
    """The jobs of the variants that were added."""

    def __init__(self, variant: Variant, plan: Plan) -> None:
        self.variant = variant
        self.first = plan
        self.members: Counter[Key] = Counter()
        """The number of variants that have a job."""
        self._n = 0
        self._jobs: dict[Key, tuple[Variant, Mapping[str, Any], Job, tuple[Key, ...]]] = {}
        """The first variant that has a job, what its stage shares there, the job, and the jobs that it reads."""
        self._sizes: Counter[str] = Counter()
        """The number of jobs of each stage."""
        self._shared = {stage.name: dict(stage.settings) for stage in plan.stages}
        """The settings that the jobs of a stage share in all variants."""
        self._files: dict[str, dict[str, FileInput]] = {stage.name: {} for stage in plan.stages}

    def add(self, variant: Variant, plan: Plan) -> str | None:
        """Add the jobs of a variant; returns the fingerprint of its report, if it has one.

        :raises MmcError: when its stages read others than in the first variant, or there are too many jobs
        """
        self._check(variant, plan)
        self._n += 1
        keys = {(stage.name, job.name): (stage.name, job.fingerprint) for stage in plan.stages for job in stage.jobs}
        for stage in plan.stages:
            shared = self._shared[stage.name]
            for name in [name for name, value in shared.items() if stage.settings.get(name, shared) != value]:
                del shared[name]
            self._add_files(stage)
            for job in stage.jobs:
                key = stage.name, job.fingerprint
                if key not in self._jobs:
                    self._jobs[key] = variant, stage.settings, job, tuple(keys[need] for need in job.needs)
                    self._sizes[stage.name] += 1
        self.members.update(keys.values())
        name, n = max(self._sizes.items(), key=lambda item: item[1])
        if n > MOST_JOBS:
            raise MmcError(
                f"the first {self._n:,} variants have more than {MOST_JOBS:,} jobs of the stage {name}, the most that "
                "engines run: take fewer, or let each job generate more events"
            )
        last = plan.stages[-1]
        return last.jobs[0].fingerprint if last.name == REPORT.name else None

    def _check(self, variant: Variant, plan: Plan) -> None:
        """:raises MmcError: when a stage is there, as `gather`, or reads another one in only one of two variants"""
        for mine, other in ((self.first, plan), (plan, self.first)):
            links = {(stage.name, item.name, item.stage) for stage in other.stages for item in stage.inputs}
            names = {stage.name for stage in other.stages}
            for stage in mine.stages:
                new = [item.stage for item in stage.inputs if (stage.name, item.name, item.stage) not in links]
                if stage.name not in names or new:
                    what = f"reads {new[0]}" if stage.name in names else "is there"
                    raise MmcError(
                        f"the stage {stage.name} {what} in only one of the variants {self.variant.name} and "
                        f"{variant.name} ({variant.label}): variants are the same analysis with other values; write "
                        "two studies, of which one `extends` the other"
                    )

    def _add_files(self, stage: Stage) -> None:
        """:raises MmcError: when two files have the same name on the command line"""
        known = self._files[stage.name]
        for file in stage.files:
            if known.setdefault(file.name, file) != file:
                raise MmcError(f"the names of {known[file.name].path} and {file.path} are too similar: rename one")

    def names(self) -> dict[Key, str]:
        """The names of all jobs in the plan."""
        same = Counter((stage, job.name) for (stage, _), (_, _, job, _) in self._jobs.items())
        return {
            (stage, fingerprint): job.name if same[stage, job.name] == 1 else f"{job.name}{OF_VARIANT}{variant.name}"
            for (stage, fingerprint), (variant, _, job, _) in self._jobs.items()
        }

    def stages(self, named: Mapping[Key, str]) -> list[Stage]:
        """The stages with the jobs of all variants."""
        jobs: dict[str, list[Job]] = {stage.name: [] for stage in self.first.stages}
        rests: dict[tuple[int, int], dict[str, Any]] = {}  # jobs with the same settings mostly have the same object
        for (name, fingerprint), (variant, shared, job, needs) in self._jobs.items():
            rest = rests.get((id(shared), id(job.settings)))
            if rest is None:
                own = {key: value for key, value in shared.items() if key not in self._shared[name]}
                rest = rests[id(shared), id(job.settings)] = {**own, **job.settings}
            label = job.label
            if OF_VARIANT in named[name, fingerprint]:
                label = f"{label} in {variant.name}" if label else variant.label
            read = tuple((upstream, named[upstream, other]) for upstream, other in needs)
            mine = named[name, fingerprint]
            jobs[name].append(replace(job, name=mine, settings=rest, needs=read, label=label))
        common = {name for name in jobs if all(self.members[name, job.fingerprint] == self._n for job in jobs[name])}
        return [
            replace(
                stage,
                jobs=tuple(jobs[stage.name]),
                settings=self._shared[stage.name],
                inputs=tuple(_input(item, stage.name, common) for item in stage.inputs),
                files=tuple(self._files[stage.name].values()),
                scattered=stage.scattered or len(jobs[stage.name]) > 1,
            )
            for stage in self.first.stages
        ]


def _input(item: Input, stage: str, common: set[str]) -> Input:
    """An input of a stage whose jobs may read outputs of different variants.

    :param common: the stages whose jobs all variants have in common
    """
    if item.stage in common and (stage in common or item.flow in (Flow.ONE, Flow.ALL)):
        return item
    return replace(item, flow=Flow.ALL, ends=(), named=True)
