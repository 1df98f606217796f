"""A checked study as frozen dataclasses: every default filled in, every quantity in the units of the field's docstring.

Names of parameters, benchmarks, observables, samples and methods are as MadMiner writes them (blanks and ``-`` become
``_``); the checks have made sure that they stay distinct.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from mmc import default_observables
from mmc.quantities import parse_quantity
from mmc.resources import Resources

RATIO_METHODS = ("carl", "rolr", "cascal", "rascal", "alice", "alices")
SCORE_METHODS = ("sally", "sallino")
METHODS_WITH_ALPHA = ("cascal", "rascal", "alices")
"""The methods whose loss has a score term, weighted by ``alpha``."""

Point = Mapping[str, float]
"""A value for each parameter, by name."""


def madminer_name(name: str) -> str:
    """The name under which MadMiner stores a name of the study.

    >>> madminer_name("c-LL 1")
    'c_LL_1'
    """
    return name.replace(" ", "_").replace("-", "_")


def adaptive_bins(n_axes: int) -> int:
    """The number of adaptive bins that MadMiner gives each axis of a histogram."""
    return {1: 25, 2: 8}.get(n_axes, 5)


@dataclass(frozen=True)
class Parameter:
    """A parameter of the theory; ``coefficient`` in TeV^-2 names the contact interaction that it multiplies."""

    name: str
    range: tuple[float, float]
    max_power: int
    label: str
    coefficient: str | None


@dataclass(frozen=True)
class Morphing:
    """How MadMiner completes the morphing basis."""

    max_overall_power: int
    n_trials: int
    n_test_thetas: int


@dataclass(frozen=True)
class Beams:
    """The colliding beams; energy of each in GeV."""

    energy_gev: float
    particles: tuple[str, str]
    pdf_set: int


@dataclass(frozen=True)
class RunCard:
    """Phase space of the hard process in GeV; None where it is not restricted."""

    m_min_gev: float | None
    m_max_gev: float | None
    pt_min_gev: float | None


@dataclass(frozen=True)
class Sample:
    """One process; ``events`` are the events to generate by benchmark, in the order of the study's benchmarks."""

    name: str
    process: str
    background: bool
    events: Mapping[str, int]
    events_per_job: int
    k_factor: float
    run_card: RunCard


@dataclass(frozen=True)
class Generation:
    """Events that the study generates."""

    generator: str
    model: str
    order: str
    beams: Beams
    samples: tuple[Sample, ...]
    shower: str


@dataclass(frozen=True)
class EventFile:
    """A MadMiner event file beside the study that is used instead of generation."""

    file: str


@dataclass(frozen=True)
class Smearing:
    """Gaussian resolutions of one kind of particle: abs + rel × value. Energies in GeV, phi in radians."""

    pdgids: tuple[int, ...]
    energy_resolution_abs: float
    energy_resolution_rel: float
    pt_resolution_abs: float
    pt_resolution_rel: float
    eta_resolution_abs: float
    eta_resolution_rel: float
    phi_resolution_abs: float
    phi_resolution_rel: float
    on_shell: str | None


@dataclass(frozen=True)
class Observable:
    """One number per event; no definition where an event file brings it, no default where it may be undefined."""

    name: str
    definition: str | None
    required: bool
    default: float | None
    label: str


@dataclass(frozen=True)
class Reading:
    """How observables are computed from generated events. MET noise: abs in GeV, rel as a fraction of scalar sum pT."""

    smearing: tuple[Smearing, ...]
    met_noise: Mapping[str, float]
    default_observables: Mapping[str, Any] | None
    cuts: tuple[Mapping[str, Any], ...]
    efficiencies: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Method:
    """An estimator to train: ratio methods have ``theta0`` and ``theta1``, score methods ``theta``."""

    name: str
    method: str
    theta: Mapping[str, Any] | None
    theta0: Mapping[str, Any] | None
    theta1: Mapping[str, Any] | None
    samples: int
    validation_samples: int
    sample_only_from_closest_benchmark: bool
    features: tuple[str, ...] | None
    training: Mapping[str, Any]
    scan: Mapping[str, tuple[Any, ...]]

    def scan_points(self) -> list[dict[str, Any]]:
        """All combinations of the scanned hyperparameters; a single empty one where nothing is scanned."""
        return [dict(zip(self.scan, values, strict=True)) for values in product(*self.scan.values())]


@dataclass(frozen=True)
class Evaluation:
    """What is asked of estimators and baselines; luminosity in pb^-1."""

    luminosity_pb: float
    theta_true: Point
    grid: Mapping[str, Mapping[str, Any]]
    include_xsec: bool
    score_bins: int | None
    confidence_levels: tuple[float, ...]
    rate: bool
    histogram: Mapping[str, Any] | None
    fisher_information: Mapping[str, Any] | None


@dataclass(frozen=True)
class Study:
    """A whole checked study."""

    name: str
    title: str
    description: str
    seed: int
    parameters: tuple[Parameter, ...]
    benchmarks: Mapping[str, Point]
    morphing: Morphing
    source: Generation | EventFile
    reading: Reading
    observables: tuple[Observable, ...]
    test_split: float
    validation_split: float
    methods: tuple[Method, ...]
    evaluation: Evaluation | None
    plots: Mapping[str, Any]
    images: Mapping[str, str]
    resources: Mapping[str, Resources]
    resolved: Mapping[str, Any] = field(repr=False)
    """The study as text would say it, defaults filled in."""

    @property
    def reference_benchmark(self) -> str:
        """The first benchmark: MadMiner's reference."""
        return next(iter(self.benchmarks))

    @property
    def observable_names(self) -> tuple[str, ...]:
        """All columns of the event file that the study knows of: MadMiner's default ones first, then its own."""
        options = self.reading.default_observables
        defaults = () if options is None else default_observables.names(**options)
        return (*defaults, *(observable.name for observable in self.observables))


def build_study(data: Mapping[str, Any]) -> Study:
    """The study that checked data, with defaults filled in, stands for."""
    parameters = tuple(_parameter(name, entry) for name, entry in data["parameters"].items())
    benchmarks = {madminer_name(name): _point(values) for name, values in data["benchmarks"].items()}
    splits = data["sampling"]
    return Study(
        name=data["name"],
        title=data["title"],
        description=data["description"],
        seed=data["seed"],
        parameters=parameters,
        benchmarks=benchmarks,
        morphing=Morphing(**data["morphing"]),
        source=_source(data, tuple(benchmarks)),
        reading=_reading(data),
        observables=tuple(_observable(name, entry) for name, entry in data["observables"].items()),
        test_split=float(splits["test_split"]),
        validation_split=float(splits["validation_split"]),
        methods=tuple(_method(name, entry, parameters, splits) for name, entry in data["methods"].items()),
        evaluation=_evaluation(data["evaluation"], parameters, benchmarks) if "evaluation" in data else None,
        plots={**data["plots"], "colors": {madminer_name(k): v for k, v in data["plots"]["colors"].items()}},
        images=data["execution"]["images"],
        resources={stage: _resources(entry) for stage, entry in data["execution"]["resources"].items()},
        resolved=data,
    )


def _parameter(name: str, entry: Mapping[str, Any]) -> Parameter:
    low, high = entry["range"]
    return Parameter(
        name=madminer_name(name),
        range=(float(low), float(high)),
        max_power=entry["max_power"],
        label=entry.get("label", name),
        coefficient=entry.get("coefficient"),
    )


def _point(values: Mapping[str, Any]) -> dict[str, float]:
    return {madminer_name(name): float(value) for name, value in values.items()}


def _energy(text: str | None) -> float | None:
    return None if text is None else parse_quantity(text, "energy")


def _source(data: Mapping[str, Any], benchmarks: tuple[str, ...]) -> Generation | EventFile:
    if "events" in data:
        return EventFile(file=data["events"]["file"])
    entry = data["generation"]
    beams = entry["beams"]
    return Generation(
        generator=entry["generator"],
        model=entry["model"],
        order=entry["order"],
        beams=Beams(parse_quantity(beams["energy"], "energy"), tuple(beams["particles"]), beams["pdf_set"]),
        samples=tuple(_sample(name, sample, benchmarks) for name, sample in entry["samples"].items()),
        shower=entry["shower"],
    )


def _sample(name: str, entry: Mapping[str, Any], benchmarks: tuple[str, ...]) -> Sample:
    card = entry["run_card"]
    return Sample(
        name=madminer_name(name),
        process=entry["process"],
        background=entry["background"],
        events=_events(entry["events"], benchmarks[:1] if entry["background"] else benchmarks),
        events_per_job=entry["events_per_job"],
        k_factor=float(entry["k_factor"]),
        run_card=RunCard(_energy(card.get("m_min")), _energy(card.get("m_max")), _energy(card.get("pt_min"))),
    )


def _events(events: int | Mapping[str, int], benchmarks: tuple[str, ...]) -> dict[str, int]:
    """The number of events by benchmark to generate, without those that are reached by reweighting alone."""
    if isinstance(events, int):
        return dict.fromkeys(benchmarks, events)
    by_name = {madminer_name(name): n for name, n in events.items() if name != "default"}
    counts = {name: by_name.get(name, events.get("default")) for name in benchmarks}
    return {name: n for name, n in counts.items() if n is not None}


def _reading(data: Mapping[str, Any]) -> Reading:
    detector = data["detector"]
    noise = detector["met_noise"]
    return Reading(
        smearing=tuple(_smearing(entry) for entry in detector["smearing"]),
        met_noise={"abs": parse_quantity(noise["abs"], "energy"), "rel": float(noise["rel"])},
        default_observables=data.get("default_observables"),
        cuts=tuple(_expression(entry, required=False) for entry in data["cuts"]),
        efficiencies=tuple(_expression(entry, default=1.0) for entry in data["efficiencies"]),
    )


def _smearing(entry: Mapping[str, Any]) -> Smearing:
    widths = {key: value for key, value in entry.items() if key not in ("pdgids", "on_shell")}
    return Smearing(
        pdgids=tuple(entry["pdgids"]),
        on_shell=entry.get("on_shell"),
        **{key: parse_quantity(v, "energy") if isinstance(v, str) else float(v) for key, v in widths.items()},
    )


def _expression(entry: str | Mapping[str, Any], **defaults: Any) -> dict[str, Any]:
    return {"definition": entry, **defaults} if isinstance(entry, str) else {**defaults, **entry}


def _observable(name: str, entry: Mapping[str, Any]) -> Observable:
    return Observable(
        name=madminer_name(name),
        definition=entry.get("definition"),
        required=entry["required"],
        default=None if entry.get("default") is None else float(entry["default"]),
        label=entry.get("label", name),
    )


def _theta(entry: Mapping[str, Any] | None, parameters: tuple[Parameter, ...]) -> dict[str, Any] | None:
    if entry is None:
        return None
    (kind, value), *_ = entry.items()
    if kind == "benchmark":
        return {kind: madminer_name(value)}
    if kind == "benchmarks":
        return {kind: [madminer_name(name) for name in value]}
    if kind == "point":
        return {kind: _point(value)}
    if kind == "points":
        return {kind: [_point(values) for values in value]}
    named = {madminer_name(name): prior for name, prior in value["priors"].items()}
    priors = {p.name: named.get(p.name, {"flat": list(p.range)}) for p in parameters}
    return {kind: {"n": value["n"], "priors": priors}}


def _method(
    name: str, entry: Mapping[str, Any], parameters: tuple[Parameter, ...], splits: Mapping[str, float]
) -> Method:
    method = entry.get("method", name)
    features = entry.get("features")
    training_fraction = 1.0 - splits["test_split"] - splits["validation_split"]
    in_proportion = max(1, math.ceil(entry["samples"] * splits["validation_split"] / training_fraction))
    foreign = {
        *(() if method in METHODS_WITH_ALPHA else ("alpha",)),
        *(() if method in RATIO_METHODS else ("scale_parameters",)),
    }
    return Method(
        name=madminer_name(name),
        method=method,
        theta=_theta(entry.get("theta"), parameters),
        theta0=_theta(entry.get("theta0"), parameters),
        theta1=_theta(entry.get("theta1"), parameters),
        samples=entry["samples"],
        validation_samples=entry.get("validation_samples", in_proportion),
        sample_only_from_closest_benchmark=entry["sample_only_from_closest_benchmark"],
        features=None if features is None else tuple(madminer_name(feature) for feature in features),
        training={key: value for key, value in entry["training"].items() if key not in foreign},
        scan={key.removeprefix("training."): tuple(values) for key, values in entry["scan"].items()},
    )


def _evaluation(
    entry: Mapping[str, Any], parameters: tuple[Parameter, ...], benchmarks: Mapping[str, Point]
) -> Evaluation:
    truth = entry.get("theta_true", {})
    if "point" in truth:
        theta_true: Point = _point(truth["point"])
    else:
        theta_true = benchmarks[madminer_name(truth["benchmark"])] if truth else next(iter(benchmarks.values()))
    axes = {madminer_name(name): axis for name, axis in entry["grid"].items()}
    default_axis: dict[str, Any] = {"points": 25}
    grid = {p.name: {"range": list(p.range), **axes.get(p.name, default_axis)} for p in parameters}
    return Evaluation(
        luminosity_pb=parse_quantity(entry["luminosity"], "luminosity"),
        theta_true=theta_true,
        grid=grid,
        include_xsec=entry["include_xsec"],
        score_bins=entry.get("score_bins"),
        confidence_levels=tuple(float(level) for level in entry["confidence_levels"]),
        rate=entry["baselines"]["rate"],
        histogram=_histogram(entry["baselines"].get("histogram")),
        fisher_information=_fisher(entry.get("fisher_information")),
    )


def _histogram(entry: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    binnings = {madminer_name(name): binning for name, binning in entry["bins"].items()}
    observables = [madminer_name(name) for name in entry["observables"]]
    bins = [binnings.get(name, adaptive_bins(len(observables))) for name in observables]
    return {"observables": observables, "bins": bins}


def _fisher(entry: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    observable = entry.get("observable")
    return {"observable": None if observable is None else madminer_name(observable), "bins": entry["bins"]}


def _resources(entry: Mapping[str, Any]) -> Resources:
    memory, time = entry.get("memory"), entry.get("time")
    return Resources(
        cpus=entry["cpus"],
        memory_mib=None if memory is None else math.ceil(parse_quantity(memory, "memory")),
        time_s=None if time is None else math.ceil(parse_quantity(time, "time")),
    )
