"""The stages of UFO models: one job for each cross section, then jobs for events, shower and detector."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mmc.compiler.plan import sizes
from mmc.compiler.plan.builder import Builder, Draft, slug
from mmc.compiler.plan.combining import add_combine
from mmc.compiler.plan.files import StageFiles
from mmc.compiler.plan.physics import (
    BENCHMARKS,
    CONFIGURED,
    EventJob,
    add_analyse,
    add_configure,
    add_detect,
    add_simulate,
    card_entries,
    kinds,
    powers,
    split,
    uncertainties,
)
from mmc.compiler.settings.generation import UfoGenerateSettings, UfoModel, UfoProcess, UfoSimulateSettings
from mmc.compiler.settings.uncertainties import PdfUncertainty, ScaleUncertainty, Uncertainty
from mmc.compiler.study.model import Study
from mmc.compiler.study.ufo import UfoGeneration, UfoSample


def plan(builder: Builder, study: Study, generation: UfoGeneration, file_digests: Mapping[str, str]) -> None:
    """Add the stages from the cross sections to the combined events."""
    add_configure(builder, study)
    _add_generate(builder, study, generation, file_digests)
    _add_simulate(builder, study, generation, file_digests)
    event_jobs = [event_job for kind, _ in _event_kinds(generation) for event_job in kind]
    detected = None
    if builder.has("detect"):
        detected = add_detect(builder, study, event_jobs, "simulate", file_digests)
    add_analyse(builder, study, event_jobs, "simulate", file_digests=file_digests, detected=detected)
    add_combine(builder, study, event_jobs)


def _add_generate(builder: Builder, study: Study, generation: UfoGeneration, file_digests: Mapping[str, str]) -> None:
    files = StageFiles(file_digests)
    drafts = []
    for sample in generation.samples:
        for benchmark in sample.events:
            settings = UfoGenerateSettings(
                generator="ufo",
                parameters=card_entries(study),
                beams=generation.beams,
                model=_model(generation, files),
                scale=generation.scale,
                precision=generation.precision,
                sample=sample.name,
                benchmark=benchmark,
                background=sample.background,
                process=_process(sample, files),
                powers=None if sample.background else powers(study),
                trust=files.trusted_cards(study.trust, generation.model.file),
                error_sets=_error_sets(study, sample),
            )
            named = (settings.model.file, settings.process.param_card_file)
            drafts.append(
                Draft(
                    (sample.name, benchmark),
                    settings,
                    (CONFIGURED,),
                    f"{sample.name} at {benchmark}",
                    files=tuple(name for name in named if name is not None),
                    size=sizes.GRIDS,
                )
            )
    builder.add(
        "generate",
        drafts,
        summary="Integrate the cross section of each process at each sampled benchmark",
        inputs=(BENCHMARKS,),
        files=files.inputs,
        scattered=True,
    )


def _add_simulate(builder: Builder, study: Study, generation: UfoGeneration, file_digests: Mapping[str, str]) -> None:
    files = StageFiles(file_digests)
    shower = generation.shower
    job_shower = None if shower is None else replace(shower, card=files.optional(shower.card))
    trusted = files.trusted_settings(study.trust)
    drafts: list[Draft] = []
    for kind, sample in _event_kinds(generation):
        benchmark, n_events = kind[0].benchmark, kind[0].n_events or 0
        process_job = slug(sample.name, benchmark)
        settings = UfoSimulateSettings(
            generator="ufo",
            parameters=card_entries(study),
            beams=generation.beams,
            model=_model(generation, files),
            scale=generation.scale,
            shower=job_shower,
            sample=sample.name,
            benchmark=benchmark,
            background=sample.background,
            process=_process(sample, files),
            process_job=process_job,
            n_events=n_events,
            trust=trusted
            + files.trusted_cards(study.trust, None if shower is None else shower.card, generation.model.file),
            systematics=_varied(study, kind[0]),
        )
        card = None if job_shower is None else job_shower.card
        named = (card, settings.model.file, settings.process.param_card_file)
        weights = (1 if sample.background else len(study.all_benchmarks)) + sizes.n_variations(
            study, settings.systematics
        )
        needs, label, size = (
            (CONFIGURED, ("generate", process_job)),
            kind[0].label,
            sizes.generated(n_events, weights, shower),
        )
        read = tuple(name for name in named if name is not None)
        drafts += [Draft(e.identity, settings, needs, label, n_events, e.part, files=read, size=size) for e in kind]
    add_simulate(builder, drafts, files, showered=shower is not None)


def _varied(study: Study, event_job: EventJob) -> dict[str, Uncertainty]:
    """The uncertainties that change the weight of each event differently."""
    every = uncertainties(study, event_job)
    return {name: one for name, one in every.items() if isinstance(one, ScaleUncertainty | PdfUncertainty)}


def _error_sets(study: Study, sample: UfoSample) -> tuple[str, ...]:
    every = (study.systematics[name] for name in sample.systematics)
    return tuple(dict.fromkeys(one.variation for one in every if isinstance(one, PdfUncertainty)))


def _model(generation: UfoGeneration, files: StageFiles) -> UfoModel:
    return replace(generation.model, file=files.optional(generation.model.file))


def _process(sample: UfoSample, files: StageFiles) -> UfoProcess:
    return replace(sample.process, param_card_file=files.optional(sample.process.param_card_file))


def _event_kinds(generation: UfoGeneration) -> Iterator[tuple[list[EventJob], UfoSample]]:
    for sample in generation.samples:
        event_jobs = (EventJob(sample, None, b, k, n) for b in sample.events for k, n in split(sample, b))
        for kind in kinds(event_jobs):
            yield kind, sample
