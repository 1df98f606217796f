"""What making events has in common, whichever generator there is: set-up, detector, reading, combining."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from mmc.compiler.plan import sizes
from mmc.compiler.plan.builder import Builder, Draft, slug
from mmc.compiler.plan.files import StageFiles
from mmc.compiler.plan.model import Flow, Input
from mmc.compiler.study.model import (
    Beams,
    EmbeddedSample,
    FileSample,
    MadGraphGeneration,
    MadGraphSample,
    Sample,
    Study,
)

CONFIGURED = ("configure", "configure")
SETUP = Input("setup", "configure", Flow.ONE)


@dataclass(frozen=True)
class EventJob:
    """The events of one job; ``n_events`` is None where only the file knows."""

    sample: Sample | FileSample
    slice: str | None
    benchmark: str
    part: int
    n_events: int | None

    @property
    def identity(self) -> tuple[str, ...]:
        """The names that make the job what it is."""
        return (self.sample.name, *(() if self.slice is None else (self.slice,)), self.benchmark, str(self.part))

    @property
    def label(self) -> str:
        """What its job makes, in words."""
        events = "" if self.n_events is None else f"{self.n_events:,} events of "
        return f"{events}{self.place}"

    @property
    def place(self) -> str:
        """What it is of, in words."""
        return f"{self.sample.name}{'' if self.slice is None else f', {self.slice},'} at {self.benchmark}"

    @property
    def systematics(self) -> tuple[str, ...]:
        """The systematic uncertainties of its events."""
        return self.sample.systematics if isinstance(self.sample, MadGraphSample | FileSample) else ()

    @property
    def settings(self) -> dict[str, Any]:
        """What every job along the way knows of it."""
        return {
            "sample": self.sample.name,
            "benchmark": self.benchmark,
            "background": self.sample.background,
            **({} if self.slice is None else {"slice": self.slice}),
        }


def split(sample: Sample, benchmark: str) -> Iterator[tuple[int, int]]:
    """Number of each job and its events: full jobs first, then one with what is left."""
    total = sample.events[benchmark]
    for k, start in enumerate(range(0, total, sample.events_per_job)):
        yield k, min(sample.events_per_job, total - start)


def beams_settings(beams: Beams, pdf: str) -> dict[str, Any]:
    """The beams as jobs read them; ``pdf`` is what the generator calls the parton distributions."""
    return {"energy_gev": beams.energy_gev, "particles": list(beams.particles), pdf: beams.pdf}


def parameter_settings(study: Study) -> dict[str, dict[str, Any]]:
    """Where each parameter stands in the param card, and how."""
    return {p.name: {"lha_block": p.lha_block, "lha_id": p.lha_id, "transform": p.transform} for p in study.parameters}


def systematics_settings(study: Study, event_job: EventJob) -> dict[str, Any]:
    """What the weights of events are to be of, besides the benchmarks."""
    return {name: dict(study.systematics[name]) for name in event_job.systematics}


def add_configure(builder: Builder, study: Study) -> None:
    """Add the stage that sets up the parameter space."""
    places = {
        p.name: {"coefficient": p.coefficient} if p.lha_block is None else parameter_settings(study)[p.name]
        for p in study.parameters
    }
    settings: dict[str, Any] = {
        "parameters": {
            p.name: {**places[p.name], "range": list(p.range), "max_power": p.max_power} for p in study.parameters
        },
        "benchmarks": study.benchmarks,
        "morphing": None if study.morphing is None else asdict(study.morphing),
    }
    if study.outside_basis:
        settings["outside_basis"] = list(study.outside_basis)
    if study.systematics:
        settings["systematics"] = dict(study.systematics)
    builder.add("configure", [Draft(())], settings=settings)


def add_detect(
    builder: Builder, study: Study, event_jobs: Sequence[EventJob], events: str, file_digests: Mapping[str, str]
) -> str:
    """Add the detector simulation of the events that the stage ``events`` makes; the name of the stage that did it."""
    delphes = study.reading.delphes
    if delphes is None:
        raise ValueError("the study has no Delphes")
    files = StageFiles(file_digests)
    settings = {
        "installation": study.installations.get("delphes"),
        "card": files.name(delphes.card),
        "shipped_card": delphes.shipped_card,
    }
    shower = study.source.shower if isinstance(study.source, MadGraphGeneration) else None
    drafts = []
    for event_job in event_jobs:
        upstream = slug(*event_job.identity)
        own = {**event_job.settings, "simulate_job": upstream}
        drafts.append(_draft(event_job, own, [(events, upstream)], sizes.detected(event_job.n_events or 0, shower)))
    builder.add(
        "detect",
        drafts,
        settings=settings,
        inputs=(Input("events", events, Flow.EACH),),
        files=files.inputs,
        scattered=True,
    )
    return "detect"


def add_analyse(
    builder: Builder, study: Study, event_jobs: Sequence[EventJob], events: str, detected: str | None = None
) -> None:
    """Add the reading of the events that the stage ``events`` makes, and of what the stage ``detected`` sees."""
    inputs: tuple[Input, ...] = (SETUP, Input("events", events, Flow.EACH))
    summary = None
    if detected is not None:
        inputs = (*inputs, Input("detected", detected, Flow.EACH))
        summary = "Read events: observables and cuts"
    n_observables = sizes.n_observables(study)
    drafts = []
    for event_job in event_jobs:
        upstream = slug(*event_job.identity)
        own = {**event_job.settings, "simulate_job": upstream}
        needs = [CONFIGURED, (events, upstream)]
        if detected is not None:
            own["detect_job"] = upstream
            needs += [(detected, upstream)] if detected != events else []
        if event_job.systematics:
            own["systematics"] = list(event_job.systematics)
        weights = sizes.n_weights(study, event_job.systematics)
        drafts.append(_draft(event_job, own, needs, sizes.analysed(event_job.n_events or 0, weights, n_observables)))
    builder.add(
        "analyse",
        drafts,
        summary=summary,
        settings=_reading_settings(study),
        inputs=inputs,
        scattered=True,
    )


def _draft(event_job: EventJob, own: Mapping[str, Any], needs: Sequence[tuple[str, str]], size: int) -> Draft:
    """The job of a later stage for the same events; its output has no known size where only the file knows."""
    known = event_job.n_events is not None
    return Draft(
        event_job.identity,
        own,
        tuple(needs),
        event_job.place,
        event_job.n_events or 0,
        event_job.part,
        size=size if known else 0,
    )


def _reading_settings(study: Study) -> dict[str, Any]:
    reading = study.reading
    settings: dict[str, Any] = {
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
    }
    if reading.delphes is None:
        return settings | {
            "smearing": [{**asdict(smearing), "pdgids": list(smearing.pdgids)} for smearing in reading.smearing],
            "met_noise": dict(reading.met_noise),
        }
    return settings | {
        "reader": "delphes",
        "acceptance": {key: dict(value) for key, value in reading.acceptance.items()},
        "generator_truth": reading.generator_truth,
    }


def add_combine(builder: Builder, study: Study, event_jobs: Sequence[EventJob]) -> None:
    """Add the one job that combines all events, or one for each group of samples."""
    groups = {
        name: [event_job for event_job in event_jobs if event_job.sample.name in samples]
        for name, samples in study.groups.items()
    }
    drafts = [
        replace(_combine_draft(study, members), identity=(name,), settings={"jobs": _combined(members)})
        for name, members in groups.items()
    ]
    builder.add(
        "combine",
        drafts or [_combine_draft(study, event_jobs)],
        summary="Combine and shuffle the events of each group" if groups else None,
        settings={} if groups else {"jobs": _combined(event_jobs)},
        inputs=(SETUP, Input("analysed", "analyse", Flow.ALL)),
        scattered=bool(groups),
    )


def _combined(event_jobs: Sequence[EventJob]) -> list[dict[str, Any]]:
    """What each analysed job contributes.

    Only the embedded generator is sure to make as many events as it is asked for: MadGraph may leave some out, and the
    shower may lose some.
    """
    return [
        {
            "job": slug(*event_job.identity),
            "sample": event_job.sample.name,
            **({} if event_job.slice is None else {"slice": event_job.slice}),
            "benchmark": event_job.benchmark,
            "n_events": event_job.n_events if isinstance(event_job.sample, EmbeddedSample) else None,
            "k_factor": event_job.sample.k_factor,
            "background": event_job.sample.background,
        }
        for event_job in event_jobs
    ]


def _combine_draft(study: Study, event_jobs: Sequence[EventJob]) -> Draft:
    """The job that combines event_jobs. A weight that one event has, all have in its file."""
    systematics = dict.fromkeys(name for event_job in event_jobs for name in event_job.systematics)
    events = sum(event_job.n_events or 0 for event_job in event_jobs)
    size = sizes.analysed(events, sizes.n_weights(study, systematics), sizes.n_observables(study))
    needs = (CONFIGURED, *(("analyse", slug(*event_job.identity)) for event_job in event_jobs))
    samples = ", ".join(dict.fromkeys(event_job.sample.name for event_job in event_jobs))
    return Draft((), {}, needs, samples if study.groups else "", events, size=size if events else 0)
