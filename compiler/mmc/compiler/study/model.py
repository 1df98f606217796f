"""A checked study as frozen dataclasses: defaults are filled in, and quantities are in the units of the docstrings.

Names of parameters, benchmarks, observables, samples and methods are as MadMiner writes them (blanks and ``-`` become
``_``); the checks make sure that they stay distinct.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mmc.compiler.catalogue.baselines import Baseline
from mmc.compiler.catalogue.batch import Batch
from mmc.compiler.catalogue.methods import ESTIMATORS, METHODS, EstimatorType, LearningMethod
from mmc.compiler.catalogue.reana import Reana
from mmc.compiler.catalogue.resources import Resources
from mmc.compiler.settings.baselines import Bins, FisherSettings, HistogramSettings
from mmc.compiler.settings.configure import CardEntry, Morphing
from mmc.compiler.settings.limits import Experiments, LikelihoodScan
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

    With the embedded generator, ``coefficient`` names the contact interaction that the parameter, in TeV^-2,
    multiplies. With MadGraph, ``card_entry`` is the entry of the param card that holds its transformed value.
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
    """One number per event. ``definition`` is None if an event file contains it, ``default`` if it may be undefined."""

    name: str
    definition: str | None
    function: str | None
    """A file and a function in it, ``observables.py:mt2``, instead of a definition."""
    required: bool
    default: float | None
    label: str


@dataclass(frozen=True)
class Reading:
    """How observables are computed: from generated particles, or from the output of Delphes."""

    delphes: Delphes | None
    smearing: tuple[Smearing, ...]
    met_noise: MetNoise
    acceptance: DelphesAcceptance
    """Empty without Delphes."""
    generator_truth: bool
    b_tag_bits: tuple[int, ...]
    """The bits of Delphes' ``BTag`` that make a b-tag; empty for any bit."""
    default_observables: DefaultObservables | None
    names: Mapping[str, str]
    """The expressions of objects and definitions, by name."""
    cuts: tuple[Cut, ...]
    efficiencies: tuple[Efficiency, ...]


@dataclass(frozen=True)
class Observed:
    """Observed events: a file, and their number; None if it is the number of rows of the file."""

    file: str
    n_observed: int | None


@dataclass(frozen=True)
class Region:
    """A selection of events; luminosity in pb^-1."""

    samples: tuple[str, ...]
    cuts: tuple[Cut, ...]
    """The cuts in addition to those of the study."""
    observables: tuple[str, ...]
    """Default observables included."""
    luminosity_pb: float | None
    """None for the luminosity of the evaluation."""
    observed: Observed | None


@dataclass(frozen=True)
class OtherResults:
    """The limits of another study: the files of its results and of one of its likelihoods."""

    name: str
    results: str
    limits: str


@dataclass(frozen=True)
class Combination:
    """Regions or groups whose likelihoods are multiplied."""

    name: str
    of: Mapping[str, tuple[str, ...] | None]
    """For each region or group, the names of its method or baseline; None for each that all of them have."""
    independent: bool
    """Whether the regions are of different data."""
    floating: tuple[str, ...]
    """The samples whose normalisations are fitted with the parameters."""
    others: tuple[OtherResults, ...]
    """The results of other studies that are combined with these."""


@dataclass(frozen=True)
class Method:
    """An estimator to train: ratio methods have ``theta0`` and ``theta1``, score and likelihood methods ``theta``."""

    name: str
    method: str
    estimator: str
    group: str | None
    over: str | None
    """The group of its denominator; None if it is that of its numerator."""
    region: str | None
    """The region in which it is trained and evaluated; None in a study without regions."""
    theta: AnyPoints | None
    theta0: AnyPoints | None
    theta1: AnyPoints | None
    samples: int
    validation_samples: int
    sample_only_from_closest_benchmark: bool
    sampling: Mapping[str, Any]
    """``n_eff_forced`` and ``double_precision``, if the study sets them."""
    features: tuple[str, ...] | None
    nuisance_mode: str
    """``project`` (nuisance parameters are left out) or ``profile`` (they are learned)."""
    training: Mapping[str, Any]
    calibration: str
    score_bins: Bins | None
    """The bins of each component of the score; None for those of the evaluation."""
    ensemble: int
    """The number of networks to train, from different initial weights; 1 without an ensemble."""
    bootstrap: bool
    """Whether each network of the ensemble learns from bootstrap samples of its own."""
    training_error: bool
    """Whether limits include the error of the training, from the spread of the ensemble."""
    scan: Scan
    tuning: Tuning | None

    @property
    def identity(self) -> tuple[str, ...]:
        """The names of its jobs."""
        return (self.name,) if self.region is None else (self.name, self.region)

    @property
    def declared(self) -> LearningMethod:
        """The declaration of the method."""
        return METHODS[self.method]

    @property
    def estimator_type(self) -> EstimatorType:
        """The declaration of the estimator."""
        return ESTIMATORS[self.estimator]


@dataclass(frozen=True)
class Mixture:
    """A ratio of several groups of samples together, from ratios of each."""

    name: str
    group: str
    """The group with the samples of all of them."""
    of: Mapping[str, tuple[str, ...]]
    """For each group, the methods whose ratios are multiplied; empty for the group whose density is the reference."""
    calibration: str


@dataclass(frozen=True)
class AskedBaseline:
    """A baseline that the study asks for; only the named histograms have a ``name``."""

    kind: Baseline
    name: str | None
    settings: HistogramSettings | FisherSettings | None
    """None for a kind without settings."""
    regions: tuple[str, ...]
    """The regions in which it is computed; empty in a study without regions."""
    group: str | None = None
    """The group of samples for which it is computed; None for those from which methods learn."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its job."""
        return (self.kind.name,) if self.name is None else (self.kind.name, self.name)


POINTS_OF_AXIS = 25
"""The default number of points of a grid along a parameter."""


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of estimators and baselines; luminosity in pb^-1."""

    luminosity_pb: float
    more_luminosities_pb: Mapping[str, float]
    """Further luminosities at which limits are computed, by name."""
    theta_true: Point
    grid: Mapping[str, Mapping[str, Any]]
    """Empty without a grid."""
    scans: tuple[LikelihoodScan, ...]
    ranges: Mapping[str, tuple[float, float]]
    """The range of each parameter in which minimisers look for the best fit: that of the grid, or its own."""
    experiments: Experiments | None
    include_xsec: bool | Literal["both"]
    event_weights: str
    observed: Observed | None
    score_bins: int | None
    score_likelihood: str
    systematics: str
    """``nominal`` or ``profile``."""
    confidence_levels: tuple[float, ...]
    confidence: str
    """``asymptotic`` or ``toys``."""
    baselines: tuple[AskedBaseline, ...]
    directions: Mapping[str, Mapping[str, float]]
    """Combinations of parameters whose errors are given: the coefficients by parameter."""


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
    """The benchmarks that are not elements of the morphing basis."""
    all_benchmarks: tuple[str, ...]
    """The names of all benchmarks in the order of an event's weights: basis, completed basis, outside the basis."""
    morphing: Morphing | None
    source: EventsOfStudy
    reading: Reading
    systematics: Mapping[str, Uncertainty]
    groups: Mapping[str, tuple[str, ...]]
    """The samples of each group or region, which are combined separately; empty if all samples are combined."""
    regions: Mapping[str, Region]
    """Empty in a study without regions."""
    observables: tuple[Observable, ...]
    test_split: float
    validation_split: float
    methods: tuple[Method, ...]
    mixtures: tuple[Mixture, ...]
    evaluation: Evaluation | None
    combinations: tuple[Combination, ...]
    plots: Mapping[str, Any]
    tracking: Mapping[str, str] | None
    """``experiment``, and ``uri`` if the study names a store; None without tracking."""
    images: Mapping[str, str]
    installations: Mapping[str, str]
    resources: Mapping[str, Resources]
    reana: Reana
    batch: Batch
    setup: str | None
    """The command that prepares a machine of a batch system for jobs."""
    from_run: tuple[str, str] | None
    """The folder of another run and the last stage whose outputs are taken from it."""
    keep: tuple[str, ...] | None
    """The stages whose outputs stay; None for all."""
    trust: tuple[str, ...]
    """The settings and the cards that may reach other programs although mmc does not know them as harmless."""
    resolved: Mapping[str, Any] = field(repr=False)
    """The data of the study with defaults filled in."""

    @property
    def floating(self) -> tuple[str, ...]:
        """The samples whose normalisations any combination fits."""
        return tuple(dict.fromkeys(name for combination in self.combinations for name in combination.floating))
