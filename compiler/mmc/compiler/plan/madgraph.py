"""The stages of MadGraph: one job for each process, then jobs for events, shower and detector."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mmc.compiler.catalogue.generators import MADGRAPH
from mmc.compiler.plan import sizes
from mmc.compiler.plan.builder import Builder, Draft, slug
from mmc.compiler.plan.combining import add_combine
from mmc.compiler.plan.files import StageFiles
from mmc.compiler.plan.physics import (
    CONFIGURED,
    EventJob,
    add_analyse,
    add_configure,
    add_detect,
    add_simulate,
    card_entries,
    kinds,
    split,
    uncertainties,
)
from mmc.compiler.settings.generation import MadGraphGenerateSettings, MadGraphSimulateSettings
from mmc.compiler.study.madgraph import MadGraphGeneration, MadGraphSample, Slice
from mmc.compiler.study.model import Study


def plan(builder: Builder, study: Study, generation: MadGraphGeneration, file_digests: Mapping[str, str]) -> None:
    """Add the stages from the processes to the combined events."""
    add_configure(builder, study)
    installation = study.installations.get(MADGRAPH.name)
    files = StageFiles(file_digests)
    drafts = []
    for sample in generation.samples:
        settings = _process_settings(study, sample, installation, files)
        named = tuple(name for name in (settings.model_file, settings.restriction_file) if name is not None)
        drafts.append(Draft((sample.name,), settings, (), sample.name, files=named, size=sizes.PROCESS))
    summary = "Generate the code of each process"
    builder.add("generate", drafts, summary=summary, files=files.inputs, scattered=True)
    _add_simulate(builder, study, generation, file_digests)
    event_jobs = [event_job for kind, _, _ in _event_kinds(generation) for event_job in kind]
    detected = None
    if builder.has("detect"):
        detected = add_detect(builder, study, event_jobs, "simulate", file_digests)
    add_analyse(builder, study, event_jobs, "simulate", file_digests=file_digests, detected=detected)
    add_combine(builder, study, event_jobs)


def _process_settings(
    study: Study, sample: MadGraphSample, installation: str | None, files: StageFiles
) -> MadGraphGenerateSettings:
    model = sample.model
    return MadGraphGenerateSettings(
        generator="madgraph",
        installation=installation,
        sample=sample.name,
        process=sample.process,
        definitions=sample.definitions,
        model=model.name,
        order=sample.order,
        model_file=files.optional(model.file),
        restriction_file=files.optional(model.restriction_file),
        trust=files.trusted_cards(study.trust, model.file, model.restriction_file),
    )


def _event_kinds(generation: MadGraphGeneration) -> Iterator[tuple[list[EventJob], MadGraphSample, Slice]]:
    for sample in generation.samples:
        for part in sample.slices:
            event_jobs = (EventJob(sample, part.name, b, k, n) for b in sample.events for k, n in split(sample, b))
            for kind in kinds(event_jobs):
                yield kind, sample, part


def _add_simulate(
    builder: Builder,
    study: Study,
    generation: MadGraphGeneration,
    file_digests: Mapping[str, str],
) -> None:
    files = StageFiles(file_digests)
    shower = generation.shower
    job_shower = None if shower is None else replace(shower, card=files.optional(shower.card))
    parameters, trusted = card_entries(study), files.trusted_settings(study.trust)
    drafts: list[Draft] = []
    for kind, sample, part in _event_kinds(generation):
        first, n_events = kind[0], kind[0].n_events or 0
        named = (None if shower is None else shower.card, part.run_card_file, sample.param_card_file)
        settings = MadGraphSimulateSettings(
            generator="madgraph",
            installation=study.installations.get(MADGRAPH.name),
            parameters=parameters,
            beams=generation.beams,
            shower=job_shower,
            sample=sample.name,
            benchmark=first.benchmark,
            background=sample.background,
            slice=part.name,
            systematics=uncertainties(study, first),
            process_job=slug(sample.name),
            order=sample.order,
            n_events=n_events,
            run_card=part.run_card,
            run_card_file=files.optional(part.run_card_file),
            param_card=sample.param_card,
            param_card_file=files.optional(sample.param_card_file),
            param_card_where_there=sample.param_card_where_there,
            auto_widths=sample.auto_widths,
            reweight_card=() if sample.background else sample.reweight_card,
            madspin=sample.madspin,
            merging=sample.merging,
            trust=trusted + files.trusted_cards(study.trust, *named),
        )
        shower_card = None if job_shower is None else job_shower.card
        cards = (shower_card, settings.run_card_file, settings.param_card_file)
        benchmarks = 0 if sample.background else len(study.all_benchmarks)
        weights = benchmarks + sizes.n_variations(study, sample.systematics)
        needs, label, size = (
            (CONFIGURED, ("generate", slug(sample.name))),
            first.label,
            sizes.generated(n_events, weights, shower),
        )
        read = tuple(card for card in cards if card is not None)
        drafts += [Draft(e.identity, settings, needs, label, n_events, e.part, files=read, size=size) for e in kind]
    add_simulate(builder, drafts, files, showered=shower is not None)
