"""The stages that all origins of events share: set-up, detector, reading, combining."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

from mmc.compiler.plan import sizes
from mmc.compiler.plan.builder import Builder, Draft, slug
from mmc.compiler.plan.files import StageFiles
from mmc.compiler.plan.model import Flow, Input
from mmc.compiler.settings.configure import CardEntry, CardParameter, CoefficientParameter, ConfigureSettings
from mmc.compiler.settings.generation import Powers
from mmc.compiler.settings.reading import (
    AnalyseSettings,
    DelphesAnalyseSettings,
    DetectSettings,
    LesHouchesAnalyseSettings,
    ObservableDefinition,
    ObservableFunction,
    Selection,
)
from mmc.compiler.settings.uncertainties import Uncertainty
from mmc.compiler.study.events import GeneratedSample, Sample
from mmc.compiler.study.model import Parameter, Reading, Region, Study

CONFIGURED = ("configure", "configure")
SETUP = Input("setup", "configure", Flow.ONE)
BENCHMARKS = replace(SETUP, part="benchmarks")
"""The set-up, of which the jobs read only the benchmarks."""


@dataclass(frozen=True)
class EventJob:
    """The events of one job; ``n_events`` is None for an existing file, whose number of events is not known."""

    sample: Sample
    slice: str | None
    benchmark: str
    part: int
    n_events: int | None

    @property
    def identity(self) -> tuple[str, ...]:
        """The names that identify the job."""
        return (self.sample.name, *(() if self.slice is None else (self.slice,)), self.benchmark, str(self.part))

    @cached_property
    def name(self) -> str:
        """The name of the job of these events, the same in all stages."""
        return slug(*self.identity)

    @property
    def kind(self) -> tuple[str, str | None, str, int | None]:
        """What it has in common with the jobs that differ from it only in the part, which have the same settings."""
        return self.sample.name, self.slice, self.benchmark, self.n_events

    @property
    def label(self) -> str:
        """The output of its job, in words."""
        events = "" if self.n_events is None else f"{self.n_events:,} events of "
        return f"{events}{self.place}"

    @property
    def place(self) -> str:
        """The sample, slice and benchmark, in words."""
        return f"{self.sample.name}{'' if self.slice is None else f', {self.slice},'} at {self.benchmark}"


def split(sample: GeneratedSample, benchmark: str) -> Iterator[tuple[int, int]]:
    """The number of each job and its number of events: full jobs first, then the rest."""
    total = sample.events[benchmark]
    for k, start in enumerate(range(0, total, sample.events_per_job)):
        yield k, min(sample.events_per_job, total - start)


def card_entries(study: Study) -> dict[str, CardEntry]:
    """The entries of the parameters in the param card, for the parameters that have one."""
    return {p.name: p.card_entry for p in study.parameters if p.card_entry is not None}


def uncertainties(study: Study, event_job: EventJob) -> dict[str, Uncertainty]:
    """The systematic uncertainties for which the events get weights, in addition to the benchmarks."""
    return {name: study.systematics[name] for name in event_job.sample.systematics}


def powers(study: Study) -> Powers | None:
    """The powers of the parameters by which jobs check morphing; None without morphing."""
    if study.morphing is None:
        return None
    return Powers(
        max_powers={p.name: p.max_power for p in study.parameters},
        max_overall_power=study.morphing.max_overall_power,
        basis=len(study.all_benchmarks) - len(study.outside_basis),
    )


def add_configure(builder: Builder, study: Study) -> None:
    """Add the stage that sets up the parameter space."""
    settings = ConfigureSettings(
        parameters={p.name: _parameter(p) for p in study.parameters},
        benchmarks=study.benchmarks,
        morphing=study.morphing,
        outside_basis=study.outside_basis,
        systematics=study.systematics,
    )
    parts = {}
    if set(study.all_benchmarks) <= set(study.benchmarks):  # otherwise MadMiner adds benchmarks within the ranges
        parts = {BENCHMARKS.part: [(name, study.benchmarks[name]) for name in study.all_benchmarks]}
    builder.add("configure", [Draft((), settings)], parts=parts)


def _parameter(parameter: Parameter) -> CardParameter | CoefficientParameter:
    entry = parameter.card_entry
    if entry is None:
        return CoefficientParameter(
            coefficient=parameter.coefficient, range=parameter.range, max_power=parameter.max_power
        )
    return CardParameter(
        lha_block=entry.lha_block,
        lha_id=entry.lha_id,
        transform=entry.transform,
        range=parameter.range,
        max_power=parameter.max_power,
    )


def add_simulate(builder: Builder, drafts: Sequence[Draft], files: StageFiles, *, showered: bool) -> None:
    """Add the stage whose jobs generate the events of the processes of ``generate``."""
    builder.add(
        "simulate",
        drafts,
        summary="Generate events, weight each at every benchmark" + (", and shower them" if showered else ""),
        inputs=(BENCHMARKS, Input("process", "generate", Flow.ALL)),
        files=files.inputs,
        scattered=True,
    )


def add_detect(
    builder: Builder, study: Study, event_jobs: Sequence[EventJob], events: str, file_digests: Mapping[str, str]
) -> str:
    """Add the detector simulation of the events of the stage ``events``; returns the name of the added stage."""
    delphes = study.reading.delphes
    if delphes is None:
        raise ValueError("the study has no Delphes")
    files = StageFiles(file_digests)
    card = files.optional(delphes.card)
    shower = study.source.shower
    drafts: list[Draft] = []
    for kind in kinds(event_jobs):
        first = kind[0]
        settings = DetectSettings(
            installation=study.installations.get("delphes"),
            card=card,
            shipped_card=delphes.shipped_card,
            sample=first.sample.name,
            benchmark=first.benchmark,
            background=first.sample.background,
            slice=first.slice,
            trust=files.trusted_cards(study.trust, delphes.card),
        )
        size = sizes.detected(first.n_events or 0, shower)
        drafts += _drafts(kind, settings, (), [events], size)
    builder.add(
        "detect",
        drafts,
        inputs=(Input("events", events, Flow.EACH),),
        files=files.inputs,
        scattered=True,
    )
    return "detect"


def add_analyse(
    builder: Builder,
    study: Study,
    event_jobs: Sequence[EventJob],
    events: str,
    *,
    file_digests: Mapping[str, str],
    detected: str | None = None,
) -> None:
    """Add the reading of the events of the stage ``events``, and of the detector's output of the stage ``detected``."""
    inputs: tuple[Input, ...] = (SETUP, Input("events", events, Flow.EACH))
    summary = None
    if detected is not None:
        inputs = (*inputs, Input("detected", detected, Flow.EACH))
        summary = "Read events: observables and cuts"
    n_observables = sizes.n_observables(study)
    observables = observable_definitions(study)
    files = StageFiles(file_digests)
    functions = {
        o.name: ObservableFunction(file=files.name(file), name=function)
        for o in study.observables
        if o.function is not None
        for file, _, function in [o.function.rpartition(":")]
    }
    paths = [o.function.rpartition(":")[0] for o in study.observables if o.function is not None]
    trust = files.trusted_cards(study.trust, *dict.fromkeys(paths))
    regions = selections(study)
    read = [events] if detected in (None, events) else [events, detected]
    drafts: list[Draft] = []
    for kind in kinds(event_jobs):
        settings = replace(
            _analyse_settings(study.reading, observables, kind[0]), functions=functions, trust=trust, regions=regions
        )
        weights = sizes.n_weights(study, kind[0].sample.systematics)
        size = sizes.analysed(kind[0].n_events or 0, weights, n_observables)
        drafts += _drafts(kind, settings, (CONFIGURED,), read, size)
    builder.add("analyse", drafts, summary=summary, inputs=inputs, files=files.inputs, scattered=True)


def expressions(study: Study) -> tuple[str, ...]:
    """All expressions of a study over the particles of its events."""
    cuts = [*study.reading.cuts, *(cut for region in study.regions.values() for cut in region.cuts)]
    return (
        *(o.definition for o in study.observables if o.definition is not None),
        *study.reading.names.values(),
        *(cut.definition for cut in cuts),
        *(efficiency.definition for efficiency in study.reading.efficiencies),
    )


def without_definition(study: Study) -> tuple[str, ...]:
    """The observables that are columns."""
    return tuple(o.name for o in study.observables if o.definition is None)


def observable_definitions(study: Study) -> dict[str, ObservableDefinition]:
    """The observables of a study, as jobs define them; one that only some regions have is required there alone."""
    return {
        o.name: ObservableDefinition(
            definition=o.definition, required=o.required and _is_everywhere(study, o.name), default=o.default
        )
        for o in study.observables
    }


def _is_everywhere(study: Study, observable: str) -> bool:
    """Whether all regions have an observable; true in a study without regions."""
    return all(observable in region.observables for region in study.regions.values())


def selections(study: Study) -> dict[str, Selection]:
    """The regions of a study, as jobs select their events."""
    return {name: _selection(study, region) for name, region in study.regions.items()}


def _selection(study: Study, region: Region) -> Selection:
    required = (o.name for o in study.observables if o.required and not _is_everywhere(study, o.name))
    return Selection(
        cuts=region.cuts,
        observables=region.observables,
        required=tuple(name for name in required if name in region.observables),
    )


def _analyse_settings(
    reading: Reading, observables: Mapping[str, ObservableDefinition], event_job: EventJob
) -> AnalyseSettings:
    if reading.delphes is None:
        return LesHouchesAnalyseSettings(
            observables=observables,
            default_observables=reading.default_observables,
            cuts=reading.cuts,
            efficiencies=reading.efficiencies,
            names=reading.names,
            smearing=reading.smearing,
            met_noise=reading.met_noise,
            sample=event_job.sample.name,
            benchmark=event_job.benchmark,
            background=event_job.sample.background,
            slice=event_job.slice,
            systematics=event_job.sample.systematics,
        )
    return DelphesAnalyseSettings(
        observables=observables,
        default_observables=reading.default_observables,
        cuts=reading.cuts,
        efficiencies=reading.efficiencies,
        names=reading.names,
        reader="delphes",
        acceptance=reading.acceptance,
        generator_truth=reading.generator_truth,
        b_tag_bits=reading.b_tag_bits,
        sample=event_job.sample.name,
        benchmark=event_job.benchmark,
        background=event_job.sample.background,
        slice=event_job.slice,
        systematics=event_job.sample.systematics,
    )


def kinds(event_jobs: Iterable[EventJob]) -> Iterator[list[EventJob]]:
    """The jobs that follow each other and differ only in the part."""
    for _, members in groupby(event_jobs, key=lambda event_job: event_job.kind):
        yield list(members)


def _drafts(
    kind: Sequence[EventJob],
    settings: DetectSettings | AnalyseSettings,
    needs: tuple[tuple[str, str], ...],
    read: Sequence[str],
    size: int,
) -> Iterator[Draft]:
    """The jobs of a later stage for events of one kind; the size is 0 if the number of events is not known.

    :param needs: the jobs whose output all of them read
    :param read: the stages of which each reads the output of the job of the same name
    """
    place, n_events = kind[0].place, kind[0].n_events
    for event_job in kind:
        own = tuple((stage, event_job.name) for stage in read)
        size_known = 0 if n_events is None else size
        yield Draft(event_job.identity, settings, needs + own, place, n_events or 0, event_job.part, size=size_known)
