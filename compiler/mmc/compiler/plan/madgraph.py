"""The stages of MadGraph: the process once, then events, shower and detector job by job."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmc.compiler.plan import sizes
from mmc.compiler.plan.builder import Builder, Draft, slug
from mmc.compiler.plan.files import StageFiles
from mmc.compiler.plan.model import Flow, Input
from mmc.compiler.plan.physics import (
    CONFIGURED,
    SETUP,
    EventJob,
    add_analyse,
    add_combine,
    add_configure,
    add_detect,
    beams_settings,
    parameter_settings,
    split,
    systematics_settings,
)
from mmc.compiler.study.model import MadGraphGeneration, MadGraphSample, Slice, Study


def plan_madgraph(
    builder: Builder, study: Study, generation: MadGraphGeneration, file_digests: Mapping[str, str]
) -> None:
    """From the processes on."""
    add_configure(builder, study)
    program = {"generator": "madgraph", "installation": study.installations.get("madgraph")}
    builder.add(
        "generate",
        [
            Draft((sample.name,), _process_settings(sample), (), sample.name, size=sizes.PROCESS)
            for sample in generation.samples
        ],
        summary="Generate the code of each process",
        settings=program,
        scattered=True,
    )
    _add_simulate(builder, study, generation, program, file_digests)
    event_jobs = [event_job for event_job, _, _ in _pieces(generation)]
    detected = None
    if builder.has("detect"):
        detected = add_detect(builder, study, event_jobs, "simulate", file_digests)
    add_analyse(builder, study, event_jobs, "simulate", detected)
    add_combine(builder, study, event_jobs)


def _process_settings(sample: MadGraphSample) -> dict[str, Any]:
    return {
        "sample": sample.name,
        "process": list(sample.process),
        "definitions": dict(sample.definitions),
        "model": sample.model,
        "order": sample.order,
    }


def _pieces(generation: MadGraphGeneration) -> Iterator[tuple[EventJob, MadGraphSample, Slice]]:
    for sample in generation.samples:
        for part_of in sample.slices:
            for benchmark in sample.events:
                for k, n in split(sample, benchmark):
                    yield EventJob(sample, part_of.name, benchmark, k, n), sample, part_of


def _add_simulate(
    builder: Builder,
    study: Study,
    generation: MadGraphGeneration,
    program: Mapping[str, Any],
    file_digests: Mapping[str, str],
) -> None:
    files = StageFiles(file_digests)
    shower = generation.shower
    shower_card = None if shower is None else files.name(shower.card)
    settings = {
        **program,
        "parameters": parameter_settings(study),
        "beams": beams_settings(generation.beams, "pdf"),
        "shower": None if shower is None else {"card": shower_card, "settings": dict(shower.settings)},
    }
    drafts = []
    for event_job, sample, part_of in _pieces(generation):
        own = {
            **event_job.settings,
            "slice": part_of.name,
            "systematics": systematics_settings(study, event_job),
            "process_job": slug(sample.name),
            "order": sample.order,
            "n_events": event_job.n_events,
            "run_card": dict(part_of.run_card),
            "run_card_file": files.name(part_of.run_card_file),
            "param_card": dict(sample.param_card),
            "param_card_file": files.name(sample.param_card_file),
        }
        if sample.param_card_where_there:
            own["param_card_where_there"] = list(sample.param_card_where_there)
        cards = (shower_card, own["run_card_file"], own["param_card_file"])
        n_events = event_job.n_events or 0
        benchmarks = 0 if sample.background else len(study.all_benchmarks)
        weights = benchmarks + sizes.n_variations(study, sample.systematics)
        drafts.append(
            Draft(
                event_job.identity,
                own,
                (CONFIGURED, ("generate", slug(sample.name))),
                event_job.label,
                n_events,
                event_job.part,
                files=tuple(card for card in cards if card is not None),
                size=sizes.generated(n_events, weights, shower),
            )
        )
    builder.add(
        "simulate",
        drafts,
        summary="Generate events, weight each at every benchmark" + ("" if shower is None else ", and shower them"),
        settings=settings,
        inputs=(SETUP, Input("process", "generate", Flow.ALL)),
        files=files.inputs,
        scattered=True,
    )
