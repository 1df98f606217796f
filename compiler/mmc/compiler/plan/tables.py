"""The stages of tables of events."""

from collections import Counter
from collections.abc import Mapping

from mmc.compiler.plan.builder import Builder, Draft
from mmc.compiler.plan.combining import add_combine
from mmc.compiler.plan.files import StageFiles
from mmc.compiler.plan.physics import (
    CONFIGURED,
    SETUP,
    EventJob,
    add_configure,
    expressions,
    observable_definitions,
    selections,
    uncertainties,
    without_definition,
)
from mmc.compiler.settings.reading import TableAnalyseSettings
from mmc.compiler.study.model import Study
from mmc.compiler.study.tables import EventTables


def plan(builder: Builder, study: Study, source: EventTables, file_digests: Mapping[str, str]) -> None:
    """Add one job for each entry of `files`; each reads its tables."""
    add_configure(builder, study)
    said = expressions(study)
    event_jobs, drafts, files = [], [], StageFiles(file_digests)
    for sample in source.samples:
        particles = sample.particles_in(said)
        parts: Counter[tuple[str | None, str]] = Counter()
        for entry in sample.files:
            event_job = EventJob(sample, entry.slice, entry.benchmark, parts[entry.slice, entry.benchmark], None)
            parts[entry.slice, entry.benchmark] += 1
            settings = TableAnalyseSettings(
                observables=observable_definitions(study),
                default_observables=None,
                cuts=study.reading.cuts,
                efficiencies=study.reading.efficiencies,
                names=study.reading.names,
                reader="table",
                sample=sample.name,
                benchmark=entry.benchmark,
                background=sample.background,
                slice=entry.slice,
                tables=tuple(files.name(path) for path in entry.paths),
                tree=sample.tree,
                columns=source.columns_of(sample, without_definition(study)),
                particles=particles,
                weight=sample.weight,
                weights=sample.weights,
                only_sampled=sample.only_sampled,
                cross_section_pb=entry.cross_section_pb,
                sum_of_weights=entry.sum_of_weights,
                systematics=uncertainties(study, event_job),
                regions=selections(study),
            )
            event_jobs.append(event_job)
            drafts.append(Draft(event_job.identity, settings, (CONFIGURED,), event_job.label, files=settings.tables))
    builder.add(
        "analyse",
        drafts,
        summary="Read tables: observables, cuts, efficiencies, weights",
        inputs=(SETUP,),
        files=files.inputs,
        scattered=True,
    )
    add_combine(builder, study, event_jobs)
