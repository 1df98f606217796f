"""Makes the plan of a study: its stages and jobs, with inputs, seeds and fingerprints.

Everything that is known before the run is decided here, once for all targets. Each origin of events has a module in
this package; its ``plan(builder, study, source, file_digests)`` adds the stages up to the combined events.
"""

from collections.abc import Mapping
from importlib import import_module

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
    )
