"""A checked study as frozen dataclasses: every default filled in, every quantity in the units of the field's docstring.

Names of parameters, benchmarks, observables, samples and methods are as MadMiner writes them (blanks and ``-`` become
``_``); the checks have made sure that they stay distinct.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmc.compiler.catalogue.reana import Reana
from mmc.compiler.catalogue.resources import Resources
from mmc.compiler.settings.configure import CardEntry, Morphing
from mmc.compiler.settings.generation import MadGraphBeams, Pythia8Beams, RunCard, Shower
from mmc.compiler.settings.reading import (
    Cut,
    DefaultObservables,
    DelphesAcceptance,
    Efficiency,
    MetNoise,
    Smearing,
)
from mmc.compiler.settings.uncertainties import Uncertainty
from mmc.compiler.study.scans import Scan, Tuning

RATIO_METHODS = ("carl", "rolr", "cascal", "rascal", "alice", "alices")
SCORE_METHODS = ("sally", "sallino")
LIKELIHOOD_METHODS = ("nde", "scandal")
METHODS = (*RATIO_METHODS, *SCORE_METHODS, *LIKELIHOOD_METHODS)
METHODS_WITH_ALPHA = ("cascal", "rascal", "alices", "scandal")
"""The methods whose loss has a score term, weighted by ``alpha``."""
FLOW_DEFAULTS: Mapping[str, Any] = {"n_components": 1, "n_mades": 5, "batch_norm": None}
"""Hyperparameters of likelihood methods alone, with MadMiner's defaults."""
DOUBLE, MORPHING_AWARE, QUADRATIC = (
    "double_parameterized_ratio",
    "morphing_aware_ratio",
    "quadratic_morphing_aware_ratio",
)
IN_BASIS = "in_basis"
"""The key of a benchmark that is no parameter."""

Point = Mapping[str, float]
"""A value for each parameter, by name."""


def madminer_name(name: str) -> str:
    """The name under which MadMiner stores a name of the study.

    >>> madminer_name("c-LL 1")
    'c_LL_1'
    """
    return name.replace(" ", "_").replace("-", "_")


def default_estimator(method: str) -> str:
    """MadMiner's type of estimator that learns a method, unless the study names another one."""
    if method in SCORE_METHODS:
        return "score"
    return "likelihood" if method in LIKELIHOOD_METHODS else "parameterized_ratio"


def scales_no_parameters(method: str, estimator: str) -> bool:
    """Whether a network has no parameters among its inputs, or needs them as they are."""
    return method in SCORE_METHODS or estimator in (MORPHING_AWARE, QUADRATIC)


def adaptive_bins(n_axes: int) -> int:
    """The number of adaptive bins that MadMiner gives each axis of a histogram."""
    return {1: 25, 2: 8}.get(n_axes, 5)


def score_axes(likelihood: str, n_parameters: int) -> tuple[int, ...]:
    """The number of adaptive bins that MadMiner gives each axis of a histogram of the score.

    The likelihood is ``sally``, ``sallino`` or ``adaptive-sally``.
    """
    if likelihood == "sallino" or n_parameters == 1:
        return (adaptive_bins(1),)
    if likelihood == "sally":
        return (adaptive_bins(n_parameters),) * n_parameters
    return (15, 5) if n_parameters == 2 else (12, *(5,) * n_parameters)


@dataclass(frozen=True)
class Parameter:
    """A parameter of the theory.

    With the embedded generator ``coefficient``, in TeV^-2, names the contact interaction that it multiplies; with
    MadGraph ``card_entry`` says where its value, transformed, stands in the param card.
    """

    name: str
    range: tuple[float, float]
    max_power: int
    label: str
    coefficient: str | None
    card_entry: CardEntry | None


@dataclass(frozen=True)
class Sample:
    """One process; ``events`` are the events to generate by benchmark, in the order of the benchmarks."""

    name: str
    background: bool
    events: Mapping[str, int]
    events_per_job: int
    k_factor: float


@dataclass(frozen=True)
class EmbeddedSample(Sample):
    """A process of the embedded generator."""

    process: str
    run_card: RunCard


@dataclass(frozen=True)
class Slice:
    """A part of the phase space of a sample: what its run card says. The only one of a sample has no name."""

    name: str | None
    run_card_file: str | None
    run_card: Mapping[str, Any]


@dataclass(frozen=True)
class MadGraphSample(Sample):
    """A process of MadGraph; files are named as the study does, entries of its param card as MadGraph's `set` does."""

    process: tuple[str, ...]
    definitions: Mapping[str, str]
    model: str
    order: str
    param_card_file: str | None
    param_card: Mapping[str, float]
    param_card_where_there: tuple[str, ...]
    """Those of its entries that are said for samples of another model, whose card may have more."""
    slices: tuple[Slice, ...]
    systematics: tuple[str, ...]


@dataclass(frozen=True)
class EmbeddedGeneration:
    """Events of the embedded generator, on parton level."""

    beams: Pythia8Beams
    samples: tuple[EmbeddedSample, ...]


@dataclass(frozen=True)
class MadGraphGeneration:
    """Events of MadGraph, on parton level or showered."""

    beams: MadGraphBeams
    samples: tuple[MadGraphSample, ...]
    shower: Shower | None


@dataclass(frozen=True)
class EventFile:
    """A MadMiner event file beside the study that is used instead of generation."""

    file: str


@dataclass(frozen=True)
class SampledFile:
    """An LHE file with the benchmark that it was sampled at, and what was made of its events."""

    lhe: str
    benchmark: str
    hepmc: str | None
    delphes: str | None


@dataclass(frozen=True)
class FileSample:
    """A process whose events exist already."""

    name: str
    background: bool
    k_factor: float
    systematics: tuple[str, ...]
    files: tuple[SampledFile, ...]


@dataclass(frozen=True)
class FileGeneration:
    """Events that a generator made before."""

    samples: tuple[FileSample, ...]


@dataclass(frozen=True)
class Delphes:
    """The detector simulation: a card file of the study, or one that Delphes ships."""

    card: str | None
    shipped_card: str | None


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
    """How observables are computed: from generated particles, or from what Delphes makes of them."""

    delphes: Delphes | None
    smearing: tuple[Smearing, ...]
    met_noise: MetNoise
    acceptance: DelphesAcceptance
    """Empty without Delphes."""
    generator_truth: bool
    default_observables: DefaultObservables | None
    cuts: tuple[Cut, ...]
    efficiencies: tuple[Efficiency, ...]


@dataclass(frozen=True)
class Method:
    """An estimator to train: ratio methods have ``theta0`` and ``theta1``, score and likelihood methods ``theta``."""

    name: str
    method: str
    estimator: str
    group: str | None
    theta: Mapping[str, Any] | None
    theta0: Mapping[str, Any] | None
    theta1: Mapping[str, Any] | None
    samples: int
    validation_samples: int
    sample_only_from_closest_benchmark: bool
    sampling: Mapping[str, Any]
    """``n_eff_forced`` and ``double_precision``, where the study asks for them."""
    features: tuple[str, ...] | None
    nuisance_mode: str
    """``project`` or ``profile``: whether nuisance parameters are left out, or learned."""
    training: Mapping[str, Any]
    calibration: str
    ensemble: int
    """How many networks are trained, from different starts; 1 where there is no ensemble."""
    scan: Scan
    tuning: Tuning | None


@dataclass(frozen=True)
class Observed:
    """Observed events: a file, and their number where it is not that of the file's rows."""

    file: str
    n_observed: int | None


@dataclass(frozen=True)
class Evaluation:
    """What is asked of estimators and baselines; luminosity in pb^-1.

    ``include_xsec`` is True, False or "both". ``histograms`` are by name, that without one first, under None.
    """

    luminosity_pb: float
    theta_true: Point
    grid: Mapping[str, Mapping[str, Any]]
    include_xsec: bool | str
    event_weights: str
    observed: Observed | None
    score_bins: int | None
    score_likelihood: str
    systematics: str
    """``nominal`` or ``profile``."""
    confidence_levels: tuple[float, ...]
    rate: bool
    truth: bool
    histograms: Mapping[str | None, Mapping[str, Any]]
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
    outside_basis: tuple[str, ...]
    """The benchmarks that are no elements of the morphing basis."""
    all_benchmarks: tuple[str, ...]
    """The names of all benchmarks in the order of an event's weights: basis, what completes it, outside."""
    morphing: Morphing | None
    source: EmbeddedGeneration | MadGraphGeneration | FileGeneration | EventFile
    reading: Reading
    systematics: Mapping[str, Uncertainty]
    groups: Mapping[str, tuple[str, ...]]
    """The samples of each group that is combined on its own; empty where all samples are combined."""
    observables: tuple[Observable, ...]
    test_split: float
    validation_split: float
    methods: tuple[Method, ...]
    evaluation: Evaluation | None
    plots: Mapping[str, Any]
    tracking: Mapping[str, str] | None
    """``experiment``, and ``uri`` where the study names a store; None where nothing is tracked."""
    images: Mapping[str, str]
    installations: Mapping[str, str]
    resources: Mapping[str, Resources]
    reana: Reana
    resolved: Mapping[str, Any] = field(repr=False)
    """The study as text would say it, defaults filled in."""
