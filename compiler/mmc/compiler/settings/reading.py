"""The settings of jobs of ``detect`` and ``analyse``: the detector, observables, cuts and efficiencies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mmc.compiler.settings.encoding import SHARED
from mmc.compiler.settings.uncertainties import Uncertainty


@dataclass(frozen=True, kw_only=True)
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
    on_shell: Literal["energy", "pt"] | None
    """The quantity that follows from the others and the mass."""


@dataclass(frozen=True, kw_only=True)
class MetNoise:
    """Gaussian noise of the missing transverse momentum: abs in GeV, rel as a fraction of the scalar sum of pT."""

    abs: float
    rel: float


@dataclass(frozen=True, kw_only=True)
class DelphesAcceptance:
    """The least pT in GeV and the largest \\|eta\\| of Delphes' objects, by kind."""

    pt_min: Mapping[str, float]
    eta_max: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class DefaultObservables:
    """MadMiner's default observables: the number of objects of each kind, and which other observables."""

    n_leptons_max: int
    n_photons_max: int
    n_jets_max: int
    include_met: bool
    include_visible_sum: bool
    include_numbers: bool


@dataclass(frozen=True, kw_only=True)
class ObservableDefinition:
    """The definition of an observable, and what happens to events for which it is undefined."""

    definition: str | None
    required: bool
    default: float | None


@dataclass(frozen=True, kw_only=True)
class ObservableFunction:
    """A Python function of an event, which the study trusts."""

    file: str
    """The name of the file input."""
    name: str


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A condition on events. If ``required`` (MadMiner's name), events for which it is undefined pass."""

    definition: str
    required: bool


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The events of a region, and its observables."""

    cuts: tuple[Cut, ...]
    """The cuts in addition to those of all events."""
    observables: tuple[str, ...]
    required: tuple[str, ...]
    """The observables that its events must have and other events may lack."""


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """A factor on the weight of an event, and its value for events for which it is undefined."""

    definition: str
    default: float


@dataclass(frozen=True, kw_only=True)
class DetectSettings:
    """Events that are passed through Delphes."""

    installation: str | None = field(metadata=SHARED)
    """The folder of Delphes that the study names."""
    card: str | None = field(metadata=SHARED)
    """The name of the file input with the card; None for a card that Delphes ships."""
    shipped_card: str | None = field(metadata=SHARED)
    sample: str
    benchmark: str
    background: bool
    slice: str | None = None
    trust: tuple[str, ...] = field(default=(), metadata=SHARED)
    """The file input with the card, if the study trusts it."""


@dataclass(frozen=True, kw_only=True)
class AnalyseSettings:
    """Events to read, and the quantities to compute for each."""

    observables: Mapping[str, ObservableDefinition] = field(metadata=SHARED)
    default_observables: DefaultObservables | None = field(metadata=SHARED)
    cuts: tuple[Cut, ...] = field(metadata=SHARED)
    efficiencies: tuple[Efficiency, ...] = field(metadata=SHARED)
    names: Mapping[str, str] = field(default_factory=dict, metadata=SHARED)
    """The expressions of objects and definitions that other expressions use, by name."""
    functions: Mapping[str, ObservableFunction] = field(default_factory=dict, metadata=SHARED)
    """The observables that are functions, by name; the definition of such an observable is its name."""
    trust: tuple[str, ...] = field(default=(), metadata=SHARED)
    """The file inputs with functions that the study trusts."""
    regions: Mapping[str, Selection] = field(default_factory=dict, metadata=SHARED)
    """The regions whose events are written to separate files; empty if all events are written to one file."""
    sample: str
    benchmark: str
    background: bool
    slice: str | None = None


@dataclass(frozen=True, kw_only=True)
class LesHouchesAnalyseSettings(AnalyseSettings):
    """Events read at generator level, with parametrised resolutions."""

    smearing: tuple[Smearing, ...] = field(metadata=SHARED)
    met_noise: MetNoise = field(metadata=SHARED)
    systematics: tuple[str, ...] = ()
    """The names of the events' systematic uncertainties."""


@dataclass(frozen=True, kw_only=True)
class DelphesAnalyseSettings(AnalyseSettings):
    """Events read from the output of Delphes."""

    reader: Literal["delphes"] = field(metadata=SHARED)
    acceptance: DelphesAcceptance = field(metadata=SHARED)
    generator_truth: bool = field(metadata=SHARED)
    """Whether the objects are those of the generator instead of the detector."""
    systematics: tuple[str, ...] = ()
    """The names of the events' systematic uncertainties."""
    b_tag_bits: tuple[int, ...] = field(default=(), metadata=SHARED)
    """The bits of Delphes' ``BTag`` that make a b-tag; any bit if there are none here."""


@dataclass(frozen=True, kw_only=True)
class TagColumn:
    """A tag of particles."""

    column: str
    above: float | None = None
    """The working point of a discriminator; None if the column is not 0 for tagged particles."""


@dataclass(frozen=True, kw_only=True)
class ParticleColumns:
    """The columns of a list of particles."""

    pt: str
    eta: str | None = None
    """None for missing momentum."""
    phi: str
    mass: str | None = None
    """None for the mass of the particle."""
    e: str | None = None
    """The energy, instead of the mass."""
    charge: str | None = None
    """None for neutral particles and jets."""
    b_tag: TagColumn | None = None
    tau_tag: TagColumn | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns with a number for each particle."""
        tags = (tag.column for tag in (self.b_tag, self.tau_tag) if tag is not None)
        own = (self.pt, self.eta, self.phi, self.mass, self.e, self.charge)
        return (*(text for text in own if text is not None), *tags)


@dataclass(frozen=True, kw_only=True)
class TableAnalyseSettings(AnalyseSettings):
    """Events of tables, which were sampled at one benchmark."""

    reader: Literal["table"] = field(metadata=SHARED)
    tables: tuple[str, ...]
    """The names of the file inputs."""
    tree: str | None
    """The tree of ROOT files, or the group of HDF5 files."""
    columns: Mapping[str, str]
    """Quantity → column. Expressions use the quantities; an observable without a definition is one."""
    particles: Mapping[str, ParticleColumns] = field(default_factory=dict)
    """The columns of the lists of particles that expressions use, by list; ``met`` is not a list."""
    weight: str | None
    """The column of the nominal weight; None for weights of 1."""
    weights: Mapping[str, str]
    """Benchmark → column, where the names differ."""
    only_sampled: bool = False
    """Whether events have a weight only at the benchmark at which they were sampled, and 0 at the others."""
    cross_section_pb: float | None
    """None if the sum of the weights is the cross section."""
    sum_of_weights: float | None
    """The sum of the nominal weights of the events that have the cross section; None for those of the tables."""
    systematics: Mapping[str, Uncertainty]
    """The systematic uncertainties of the events."""
