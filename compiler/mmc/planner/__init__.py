"""From a study to its plan: which stages, which jobs, what each reads, its seed and its fingerprint.

Everything that can be known before running is decided here, once for all targets.
"""

from collections.abc import Mapping

from mmc.plan import Plan, digest
from mmc.planner.builder import Builder, job_seed
from mmc.planner.learning import plan_learning
from mmc.planner.physics import plan_generation, plan_ingest
from mmc.study import EmbeddedGeneration, EventFile, Study

__all__ = ["job_seed", "make_plan"]


def make_plan(study: Study, file_digests: Mapping[str, str]) -> Plan:
    """The plan of a study. ``file_digests`` gives the SHA-256 of each file that the study names, by its text there."""
    study_digest = digest({"study": study.resolved, "files": dict(file_digests)})
    builder = Builder(study)
    if isinstance(study.source, EventFile):
        plan_ingest(builder, study, study.source, file_digests)
    elif isinstance(study.source, EmbeddedGeneration):
        plan_generation(builder, study, study.source)
    events = ("combine", "combine") if "combine" in builder.stages else ("ingest", "ingest")
    plan_learning(builder, study, events, study_digest)
    return Plan(
        study=study.name,
        title=study.title,
        digest=study_digest,
        stages=tuple(builder.stages.values()),
        resolved_study=study.resolved,
    )
