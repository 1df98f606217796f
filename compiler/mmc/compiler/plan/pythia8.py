"""The stages of Pythia 8, the embedded generator."""

from collections.abc import Iterable, Iterator, Mapping

from mmc.compiler.plan import sizes
from mmc.compiler.plan.builder import Builder, Draft, slug
from mmc.compiler.plan.combining import add_combine
from mmc.compiler.plan.model import Flow, Input
from mmc.compiler.plan.physics import (
    BENCHMARKS,
    CONFIGURED,
    EventJob,
    add_analyse,
    add_configure,
    kinds,
    split,
)
from mmc.compiler.settings.generation import Pythia8GenerateSettings, Pythia8SimulateSettings
from mmc.compiler.study.model import Study
from mmc.compiler.study.pythia8 import Pythia8Generation, Pythia8Sample

N_INTEGRATION = (2_000, 200_000)
"""Least and largest number of events from which ``generate`` integrates a cross section; in between, the number of
events of the study."""


def plan(builder: Builder, study: Study, generation: Pythia8Generation, file_digests: Mapping[str, str]) -> None:
    """Add the stages from the cross sections to the combined events."""
    add_configure(builder, study)
    runs = [(sample, benchmark) for sample in generation.samples for benchmark in sample.events]
    coefficients = {p.name: p.coefficient for p in study.parameters if p.coefficient is not None}
    builder.add(
        "generate",
        [
            Draft(
                (sample.name, benchmark),
                _generate_settings(generation, coefficients, sample, benchmark),
                (CONFIGURED,),
                f"{sample.name} at {benchmark}",
            )
            for sample, benchmark in runs
        ],
        summary="Integrate the cross section of each process at each sampled benchmark",
        inputs=(BENCHMARKS,),
        scattered=True,
    )
    event_jobs = list(_event_jobs(generation))
    builder.add(
        "simulate",
        list(_simulated(study, generation, coefficients, event_jobs)),
        inputs=(BENCHMARKS, Input("process", "generate", Flow.ALL)),
        scattered=True,
    )
    add_analyse(builder, study, event_jobs, "simulate", file_digests=file_digests)
    add_combine(builder, study, event_jobs)


def _simulated(
    study: Study, generation: Pythia8Generation, coefficients: Mapping[str, str], event_jobs: Iterable[EventJob]
) -> Iterator[Draft]:
    for kind in kinds(event_jobs):
        sample, benchmark, n_events = kind[0].sample.name, kind[0].benchmark, kind[0].n_events or 0
        process_job = slug(sample, benchmark)
        settings = Pythia8SimulateSettings(
            parameters=coefficients,
            beams=generation.beams,
            sample=sample,
            benchmark=benchmark,
            process_job=process_job,
            n_events=n_events,
        )
        needs, label = (CONFIGURED, ("generate", process_job)), kind[0].label
        size = sizes.generated(n_events, len(study.all_benchmarks))
        for event_job in kind:
            yield Draft(event_job.identity, settings, needs, label, n_events, event_job.part, size=size)


def _event_jobs(generation: Pythia8Generation) -> Iterator[EventJob]:
    for sample in generation.samples:
        for benchmark in sample.events:
            for k, n in split(sample, benchmark):
                yield EventJob(sample, None, benchmark, k, n)


def _generate_settings(
    generation: Pythia8Generation, coefficients: Mapping[str, str], sample: Pythia8Sample, benchmark: str
) -> Pythia8GenerateSettings:
    fewest, most = N_INTEGRATION
    return Pythia8GenerateSettings(
        parameters=coefficients,
        beams=generation.beams,
        sample=sample.name,
        benchmark=benchmark,
        process=sample.process,
        background=sample.background,
        run_card=sample.run_card,
        n_integration=min(max(sample.events[benchmark], fewest), most),
    )
