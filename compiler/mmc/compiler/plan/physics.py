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
class Piece:
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


def systematics_settings(study: Study, piece: Piece) -> dict[str, Any]:
    """What the weights of events are to be of, besides the benchmarks."""
    return {name: dict(study.systematics[name]) for name in piece.systematics}


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
    builder.add(
        "configure", "Set up parameters, benchmarks and the morphing basis", "setup", [Draft(())], settings=settings
    )


def add_detect(
    builder: Builder, study: Study, pieces: Sequence[Piece], events: str, file_digests: Mapping[str, str]
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
    for piece in pieces:
        upstream = slug(*piece.identity)
        own = {**piece.settings, "simulate_job": upstream}
        drafts.append(_draft(piece, own, [(events, upstream)], sizes.detected(piece.n_events or 0, shower)))
    builder.add(
        "detect",
        "Simulate the detector",
        "detected",
        drafts,
        settings=settings,
        inputs=(Input("events", events, Flow.EACH),),
        files=files.inputs,
        scattered=True,
    )
    return "detect"


def add_analyse(
    builder: Builder, study: Study, pieces: Sequence[Piece], events: str, detected: str | None = None
) -> None:
    """Add the reading of the events that the stage ``events`` makes, and of what the stage ``detected`` sees."""
    inputs: tuple[Input, ...] = (SETUP, Input("events", events, Flow.EACH))
    summary = "Read events: detector resolution, observables, cuts, efficiencies"
    if detected is not None:
        inputs = (*inputs, Input("detected", detected, Flow.EACH))
        summary = "Read events: observables and cuts"
    n_observables = sizes.n_observables(study)
    drafts = []
    for piece in pieces:
        upstream = slug(*piece.identity)
        own = {**piece.settings, "simulate_job": upstream}
        needs = [CONFIGURED, (events, upstream)]
        if detected is not None:
            own["detect_job"] = upstream
            needs += [(detected, upstream)] if detected != events else []
        if piece.systematics:
            own["systematics"] = list(piece.systematics)
        weights = sizes.n_weights(study, piece.systematics)
        drafts.append(_draft(piece, own, needs, sizes.analysed(piece.n_events or 0, weights, n_observables)))
    builder.add(
        "analyse",
        summary,
        "analysed",
        drafts,
        settings=_reading_settings(study),
        inputs=inputs,
        scattered=True,
    )


def _draft(piece: Piece, own: Mapping[str, Any], needs: Sequence[tuple[str, str]], size: int) -> Draft:
    """The job of a later stage for the events of a piece; its output has no known size where only the file knows."""
    known = piece.n_events is not None
    return Draft(
        piece.identity, own, tuple(needs), piece.place, piece.n_events or 0, piece.part, size=size if known else 0
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


def add_combine(builder: Builder, study: Study, pieces: Sequence[Piece]) -> None:
    """Add the one job that combines all events, or one for each group of samples."""
    groups = {
        name: [piece for piece in pieces if piece.sample.name in samples] for name, samples in study.groups.items()
    }
    drafts = [
        replace(_combine_draft(study, members), identity=(name,), settings={"jobs": _combined(members)})
        for name, members in groups.items()
    ]
    builder.add(
        "combine",
        "Combine and shuffle the events of each group" if groups else "Combine and shuffle all events",
        "events",
        drafts or [_combine_draft(study, pieces)],
        settings={} if groups else {"jobs": _combined(pieces)},
        inputs=(SETUP, Input("analysed", "analyse", Flow.ALL)),
        scattered=bool(groups),
    )


def _combined(pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    """What each analysed job contributes.

    Only the embedded generator is sure to make as many events as it is asked for: MadGraph may leave some out, and the
    shower may lose some.
    """
    return [
        {
            "job": slug(*piece.identity),
            "sample": piece.sample.name,
            **({} if piece.slice is None else {"slice": piece.slice}),
            "benchmark": piece.benchmark,
            "n_events": piece.n_events if isinstance(piece.sample, EmbeddedSample) else None,
            "k_factor": piece.sample.k_factor,
            "background": piece.sample.background,
        }
        for piece in pieces
    ]


def _combine_draft(study: Study, pieces: Sequence[Piece]) -> Draft:
    """The job that combines pieces. A weight that one event has, all have in its file."""
    systematics = dict.fromkeys(name for piece in pieces for name in piece.systematics)
    events = sum(piece.n_events or 0 for piece in pieces)
    size = sizes.analysed(events, sizes.n_weights(study, systematics), sizes.n_observables(study))
    needs = (CONFIGURED, *(("analyse", slug(*piece.identity)) for piece in pieces))
    samples = ", ".join(dict.fromkeys(piece.sample.name for piece in pieces))
    return Draft((), {}, needs, samples if study.groups else "", events, size=size if events else 0)
