"""The stages of existing event files."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from mmc.compiler.plan.builder import Builder, Draft
from mmc.compiler.plan.combining import add_combine
from mmc.compiler.plan.files import StageFiles
from mmc.compiler.plan.physics import (
    BENCHMARKS,
    CONFIGURED,
    EventJob,
    add_analyse,
    add_configure,
    add_detect,
    card_entries,
    powers,
    uncertainties,
)
from mmc.compiler.settings.generation import ImportEventsSettings, Reweighting
from mmc.compiler.study.event_samples import EventSamples
from mmc.compiler.study.model import Study


def plan(builder: Builder, study: Study, source: EventSamples, file_digests: Mapping[str, str]) -> None:
    """Add one job that checks each file; the later stages are those of generated events."""
    add_configure(builder, study)
    event_jobs, drafts = [], []
    entries = card_entries(study)
    parameters = entries if len(entries) == len(study.parameters) else {}
    files = StageFiles(file_digests)
    for sample in source.samples:
        reweight: Reweighting | None = None
        trusted: tuple[str, ...] = ()
        if sample.reweight is not None:
            reweight = _reweighting(sample.reweight, files)
            trusted = files.trusted_cards(study.trust, sample.reweight.model.file)
        parts: Counter[tuple[str | None, str]] = Counter()
        for file in sample.files:
            event_job = EventJob(sample, file.slice, file.benchmark, parts[file.slice, file.benchmark], None)
            parts[file.slice, file.benchmark] += 1
            settings = ImportEventsSettings(
                parameters=parameters,
                sample=sample.name,
                benchmark=file.benchmark,
                background=sample.background,
                systematics=uncertainties(study, event_job),
                lhe=files.name(file.lhe),
                hepmc=files.optional(file.hepmc),
                delphes=files.optional(file.delphes),
                filtered=file.filtered,
                slice=file.slice,
                weights=file.weights,
                reweight=reweight,
                powers=None if reweight is None else powers(study),
                compared=() if reweight is None else tuple(study.benchmarks),
                trust=trusted,
            )
            named = [settings.lhe, settings.hepmc, settings.delphes]
            if reweight is not None:
                named += [reweight.model.file, reweight.param_card_file]
            read = tuple(name for name in named if name is not None)
            event_jobs.append(event_job)
            drafts.append(Draft(event_job.identity, settings, (CONFIGURED,), event_job.label, files=read))
    builder.add(
        "import_events",
        drafts,
        inputs=(BENCHMARKS,),
        files=files.inputs,
        scattered=True,
    )
    detected = None
    if study.reading.delphes is not None:
        detected = "import_events"
        if builder.has("detect"):
            detected = add_detect(builder, study, event_jobs, "import_events", file_digests)
    add_analyse(builder, study, event_jobs, "import_events", file_digests=file_digests, detected=detected)
    add_combine(builder, study, event_jobs)


def _reweighting(reweight: Reweighting, files: StageFiles) -> Reweighting:
    """The same with the names of file inputs."""
    return replace(
        reweight,
        model=replace(reweight.model, file=files.optional(reweight.model.file)),
        param_card_file=files.optional(reweight.param_card_file),
    )
