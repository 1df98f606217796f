"""Makes the plan of a study: its stages and jobs, with inputs, seeds and fingerprints.

Everything that is known before the run is decided here, once for all targets. Each origin of events has a module in
this package; its ``plan(builder, study, source, file_digests)`` adds the stages up to the combined events.
"""

from collections.abc import Collection, Iterator, Mapping
from importlib import import_module

from mmc.compiler.catalogue.stages import REMOVABLE
from mmc.compiler.plan.builder import Builder, job_seed
from mmc.compiler.plan.learning import plan_learning
from mmc.compiler.plan.model import Plan, digest
from mmc.compiler.study.model import Study

__all__ = ["job_seed", "make_plan"]


def make_plan(study: Study, file_digests: Mapping[str, str]) -> Plan:
    """The plan of a study; ``file_digests`` maps each path that the study names to the SHA-256 of the file."""
    study_digest = digest({"study": study.resolved, "files": dict(file_digests)})
    builder = Builder(study)
    import_module(f"mmc.compiler.plan.{study.source.origin.module}").plan(builder, study, study.source, file_digests)
    plan_learning(builder, study, file_digests, study_digest)
    return Plan(
        study=study.name,
        title=study.title,
        digest=study_digest,
        stages=tuple(builder.stages.values()),
        resolved_study=study.resolved,
        reana=study.reana,
        batch=study.batch,
        setup=study.setup,
        from_run=None if study.from_run is None else study.from_run[0],
        taken=() if study.from_run is None else _up_to(builder, study.from_run[1]),
        removed=() if study.keep is None else tuple(_removed(builder, study.keep)),
    )


def _up_to(builder: Builder, stage: str) -> tuple[str, ...]:
    """A stage, after those that it needs."""
    needed = {stage}
    for name, made in reversed(builder.stages.items()):
        needed |= {item.stage for item in made.inputs} if name in needed else set()
    return tuple(name for name in builder.stages if name in needed)


def _removed(builder: Builder, keep: Collection[str]) -> Iterator[str]:
    """The stages whose outputs are removed once they have been read; not if a job reads more than it waits for."""
    for stage in builder.stages:
        inputs = [item for other in builder.stages.values() for item in other.inputs if item.stage == stage]
        is_read = inputs and not any(item.ignored_in_fingerprint for item in inputs)
        if is_read and stage in REMOVABLE and stage not in keep:
            yield stage
