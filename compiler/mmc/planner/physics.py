"""The stages that make events: generation from the process on, or an event file that exists already."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from mmc.plan import FileInput, Flow, Input
from mmc.planner.builder import Builder, Draft, slug
from mmc.study import EmbeddedGeneration, EmbeddedSample, EventFile, Sample, Study

N_INTEGRATION = (2_000, 200_000)
"""Fewest and most events from which ``generate`` integrates a cross section; in between, as many as are wanted."""


def plan_ingest(builder: Builder, study: Study, source: EventFile, file_digests: Mapping[str, str]) -> None:
    sha256 = file_digests[source.file]
    file = FileInput("file", PurePosixPath("inputs") / PurePosixPath(source.file).name, sha256)
    settings = {
        "sha256": sha256,
        "parameters": {p.name: {"range": list(p.range)} for p in study.parameters},
        "benchmarks": study.benchmarks,
        "observables": [observable.name for observable in study.observables],
    }
    builder.add(
        "ingest", "Check the event file against the study", "events", [Draft(())], settings=settings, files=(file,)
    )


def plan_generation(builder: Builder, study: Study, generation: EmbeddedGeneration) -> None:
    _add_configure(builder, study)
    runs = [(sample, benchmark) for sample in generation.samples for benchmark in sample.events]
    beams = {
        "energy_gev": generation.beams.energy_gev,
        "particles": list(generation.beams.particles),
        "pdf_set": generation.beams.pdf,
    }
    shared = {"parameters": {p.name: p.coefficient for p in study.parameters}, "beams": beams}
    setup = Input("setup", "configure", Flow.ONE)
    configured = ("configure", "configure")
    builder.add(
        "generate",
        "Integrate the cross section of each process at each sampled benchmark",
        "process",
        [
            Draft(
                (sample.name, benchmark),
                _generate_settings(sample, benchmark),
                (configured,),
                f"{sample.name} at {benchmark}",
            )
            for sample, benchmark in runs
        ],
        settings=shared,
        inputs=(setup,),
        scattered=True,
    )
    pieces = [(sample, benchmark, k, n) for sample, benchmark in runs for k, n in _split(sample, benchmark)]
    builder.add(
        "simulate",
        "Generate events and weight each at every benchmark",
        "events",
        [
            Draft(
                (sample.name, benchmark, str(k)),
                {
                    "sample": sample.name,
                    "benchmark": benchmark,
                    "process_job": slug(sample.name, benchmark),
                    "n_events": n,
                },
                (configured, ("generate", slug(sample.name, benchmark))),
                f"{n:,} events of {sample.name} at {benchmark}",
                n,
                k,
            )
            for sample, benchmark, k, n in pieces
        ],
        settings=shared,
        inputs=(setup, Input("process", "generate", Flow.ALL)),
        scattered=True,
    )
    _add_analyse(builder, study, pieces)
    _add_combine(builder, pieces)


def _add_configure(builder: Builder, study: Study) -> None:
    parameters = {
        p.name: {"coefficient": p.coefficient, "range": list(p.range), "max_power": p.max_power}
        for p in study.parameters
    }
    settings = {
        "parameters": parameters,
        "benchmarks": study.benchmarks,
        "morphing": None if study.morphing is None else asdict(study.morphing),
    }
    builder.add(
        "configure", "Set up parameters, benchmarks and the morphing basis", "setup", [Draft(())], settings=settings
    )


def _generate_settings(sample: EmbeddedSample, benchmark: str) -> dict[str, Any]:
    fewest, most = N_INTEGRATION
    return {
        "sample": sample.name,
        "benchmark": benchmark,
        "process": sample.process,
        "background": sample.background,
        "run_card": asdict(sample.run_card),
        "n_integration": min(max(sample.events[benchmark], fewest), most),
    }


def _split(sample: Sample, benchmark: str) -> Iterator[tuple[int, int]]:
    """Number of each job and its events: full jobs first, then one with what is left."""
    total = sample.events[benchmark]
    for k, start in enumerate(range(0, total, sample.events_per_job)):
        yield k, min(sample.events_per_job, total - start)


def _add_analyse(builder: Builder, study: Study, pieces: Sequence[tuple[Sample, str, int, int]]) -> None:
    reading = study.reading
    settings = {
        "observables": {
            o.name: {"definition": o.definition, "required": o.required, "default": o.default}
            for o in study.observables
        },
        "default_observables": reading.default_observables,
        "cuts": [
            {"definition": cut["definition"], "required": cut["passed_if_undefined"]}  # as MadMiner calls it
            for cut in reading.cuts
        ],
        "efficiencies": list(reading.efficiencies),
        "smearing": [{**asdict(smearing), "pdgids": list(smearing.pdgids)} for smearing in reading.smearing],
        "met_noise": dict(reading.met_noise),
    }
    drafts = []
    for sample, benchmark, k, n in pieces:
        upstream = slug(sample.name, benchmark, str(k))
        own = {
            "sample": sample.name,
            "benchmark": benchmark,
            "background": sample.background,
            "simulate_job": upstream,
        }
        needs = (("configure", "configure"), ("simulate", upstream))
        drafts.append(Draft((sample.name, benchmark, str(k)), own, needs, f"{sample.name} at {benchmark}", n, k))
    builder.add(
        "analyse",
        "Read events: detector resolution, observables, cuts, efficiencies",
        "analysed",
        drafts,
        settings=settings,
        inputs=(Input("setup", "configure", Flow.ONE), Input("events", "simulate", Flow.EACH)),
        scattered=True,
    )


def _add_combine(builder: Builder, pieces: Sequence[tuple[Sample, str, int, int]]) -> None:
    jobs = [
        {
            "job": slug(sample.name, benchmark, str(k)),
            "sample": sample.name,
            "benchmark": benchmark,
            "n_events": n,
            "n_events_total": sample.events[benchmark],
            "k_factor": sample.k_factor,
            "background": sample.background,
        }
        for sample, benchmark, k, n in pieces
    ]
    needs = (("configure", "configure"), *(("analyse", str(job["job"])) for job in jobs))
    builder.add(
        "combine",
        "Combine and shuffle all events",
        "events",
        [Draft((), {}, needs, "", sum(n for *_, n in pieces))],
        settings={"jobs": jobs},
        inputs=(Input("setup", "configure", Flow.ONE), Input("analysed", "analyse", Flow.ALL)),
    )
