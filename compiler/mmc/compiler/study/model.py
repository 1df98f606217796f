"""A checked study as frozen dataclasses: every default filled in, every quantity in the units of the field's docstring.

Names of parameters, benchmarks, observables, samples and methods are as MadMiner writes them (blanks and ``-`` become
``_``); the checks have made sure that they stay distinct.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mmc.compiler.catalogue.baselines import Baseline
from mmc.compiler.catalogue.methods import ESTIMATORS, METHODS, EstimatorType, LearningMethod
from mmc.compiler.catalogue.reana import Reana
from mmc.compiler.catalogue.resources import Resources
from mmc.compiler.settings.baselines import FisherSettings, HistogramSettings
from mmc.compiler.settings.configure import CardEntry, Morphing
from mmc.compiler.settings.points import AnyPoints
from mmc.compiler.settings.reading import (
    Cut,
    DefaultObservables,
    DelphesAcceptance,
    Efficiency,
    MetNoise,
    Smearing,
)
from mmc.compiler.settings.uncertainties import Uncertainty
from mmc.compiler.study.events import EventsOfStudy
from mmc.compiler.study.scans import Scan, Tuning

Point = Mapping[str, float]
"""A value for each parameter, by name."""


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
    theta: AnyPoints | None
    theta0: AnyPoints | None
    theta1: AnyPoints | None
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

    @property
    def declared(self) -> LearningMethod:
        """The declaration of the method."""
        return METHODS[self.method]

    @property
    def estimator_type(self) -> EstimatorType:
        """The declaration of the estimator."""
        return ESTIMATORS[self.estimator]


@dataclass(frozen=True)
class Observed:
    """Observed events: a file, and their number where it is not that of the file's rows."""

    file: str
    n_observed: int | None


@dataclass(frozen=True)
class AskedBaseline:
    """A baseline that the study asks for; ``name`` is None but for further ones of a kind."""

    kind: Baseline
    name: str | None
    settings: HistogramSettings | FisherSettings | None
    """None for a kind that needs none."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its job."""
        return (self.kind.name,) if self.name is None else (self.kind.name, self.name)


@dataclass(frozen=True)
class Evaluation:
    """What is asked of estimators and baselines; luminosity in pb^-1."""

    luminosity_pb: float
    theta_true: Point
    grid: Mapping[str, Mapping[str, Any]]
    include_xsec: bool | Literal["both"]
    event_weights: str
    observed: Observed | None
    score_bins: int | None
    score_likelihood: str
    systematics: str
    """``nominal`` or ``profile``."""
    confidence_levels: tuple[float, ...]
    baselines: tuple[AskedBaseline, ...]


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
    source: EventsOfStudy
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
