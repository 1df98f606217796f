"""The settings of jobs of ``generate``, ``simulate`` and ``import_events``, which depend on the generator."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mmc.compiler.settings.configure import CardEntry
from mmc.compiler.settings.encoding import SHARED
from mmc.compiler.settings.uncertainties import PdfUncertainty, ScaleUncertainty, Uncertainty


@dataclass(frozen=True, kw_only=True)
class Beams:
    """The colliding beams; energy of each in GeV."""

    energy_gev: float
    particles: tuple[str, str]
    """``p``, ``pbar``, or a lepton such as ``e-``."""


@dataclass(frozen=True, kw_only=True)
class Pythia8Beams(Beams):
    """Beams with a set of parton distributions, by Pythia's number."""

    pdf_set: int


@dataclass(frozen=True, kw_only=True)
class MadGraphBeams(Beams):
    """Beams with a set of parton distributions, by MadGraph's name or LHAPDF's number."""

    pdf: int | str
    second_gev: float | None = None
    """The energy of the second beam in GeV; None if it is that of the first."""


@dataclass(frozen=True, kw_only=True)
class RunCard:
    """Bounds on the invariant mass and transverse momentum of the hard process, in GeV; None without a bound."""

    m_min_gev: float | None
    m_max_gev: float | None
    pt_min_gev: float | None


@dataclass(frozen=True, kw_only=True)
class Shower:
    """Pythia 8 with the settings of a card, then those of the study."""

    card: str | None
    """In a study the path of the file; in a job the name of the file input."""
    settings: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Pythia8GenerateSettings:
    """A process whose cross section Pythia integrates at one benchmark."""

    parameters: Mapping[str, str] = field(metadata=SHARED)
    """The contact interaction that each parameter multiplies."""
    beams: Pythia8Beams = field(metadata=SHARED)
    sample: str
    benchmark: str
    process: str
    background: bool
    run_card: RunCard
    n_integration: int
    """The number of events from which the cross section is integrated."""


@dataclass(frozen=True, kw_only=True)
class Pythia8SimulateSettings:
    """Events of Pythia at one benchmark."""

    parameters: Mapping[str, str] = field(metadata=SHARED)
    """The contact interaction that each parameter multiplies."""
    beams: Pythia8Beams = field(metadata=SHARED)
    sample: str
    benchmark: str
    process_job: str
    """The job of ``generate`` that has prepared the process."""
    n_events: int


@dataclass(frozen=True, kw_only=True)
class MadGraphGenerateSettings:
    """A process whose code MadGraph generates."""

    generator: Literal["madgraph"] = field(metadata=SHARED)
    installation: str | None = field(metadata=SHARED)
    """The folder of MadGraph that the study names."""
    sample: str
    process: tuple[str, ...]
    """Process lines of MadGraph, the first without ``generate``."""
    definitions: Mapping[str, str]
    """Multiparticles by name."""
    model: str
    """The name of an installed model with its restriction, or a name for the one in ``model_file``."""
    order: str
    """``LO`` or ``NLO``."""
    model_file: str | None = None
    """The file input with the archive of the model; None for an installed one."""
    restriction_file: str | None = None
    """The file input with the restriction of the model in ``model_file``."""
    trust: tuple[str, ...] = ()
    """The file inputs that the study trusts."""


@dataclass(frozen=True, kw_only=True)
class MadSpin:
    """Decays of the final state."""

    decays: tuple[str, ...]
    spinmode: Literal["madspin", "onshell", "none"]
    definitions: Mapping[str, str]
    """Multiparticles by name."""
    bw_cut: float | None = None
    """How many widths a particle may be off its mass shell; None for that of the run card."""


@dataclass(frozen=True, kw_only=True)
class Merging:
    """Merging of processes with different numbers of jets; scales in GeV, None for those of the other scheme."""

    scheme: Literal["mlm", "ckkwl"]
    jets: int
    """The largest number of additional jets."""
    xqcut_gev: float | None = None
    qcut_gev: float | None = None
    ptlund_gev: float | None = None
    core: str | None = None
    """The process without additional jets, in Pythia's words."""


@dataclass(frozen=True, kw_only=True)
class MadGraphSimulateSettings:
    """Events of MadGraph at one benchmark, at parton level or showered."""

    generator: Literal["madgraph"] = field(metadata=SHARED)
    installation: str | None = field(metadata=SHARED)
    """The folder of MadGraph that the study names."""
    parameters: Mapping[str, CardEntry] = field(metadata=SHARED)
    beams: MadGraphBeams = field(metadata=SHARED)
    shower: Shower | None = field(metadata=SHARED)
    sample: str
    benchmark: str
    background: bool
    slice: str | None
    """The slice of the sample's phase space; None for the whole phase space."""
    systematics: Mapping[str, Uncertainty]
    process_job: str
    """The job of ``generate`` that has prepared the process."""
    order: str
    n_events: int
    run_card: Mapping[str, Any]
    run_card_file: str | None
    """The name of the file input with the run card; None for MadGraph's default. Likewise for the param card."""
    param_card: Mapping[str, float]
    """Entries by block and number, or ``all``."""
    param_card_file: str | None
    param_card_where_there: tuple[str, ...] = ()
    """Entries that are ignored if the card lacks them."""
    auto_widths: tuple[str, ...] = ()
    """Entries, as in ``decay 6``, of widths that MadGraph computes at each benchmark."""
    reweight_card: tuple[str, ...] = ()
    """Lines before those of the benchmarks."""
    madspin: MadSpin | None = None
    merging: Merging | None = None
    trust: tuple[str, ...] = ()
    """The settings, and the file inputs with cards, that the study trusts."""

    @property
    def needs_lhapdf(self) -> bool:
        """Whether the parton distributions are an LHAPDF set, or the scales or parton distributions are varied."""
        varied = any(isinstance(entry, ScaleUncertainty | PdfUncertainty) for entry in self.systematics.values())
        return varied or isinstance(self.beams.pdf, int)


@dataclass(frozen=True, kw_only=True)
class UfoBeams(Beams):
    """Beams with a set of parton distributions, by LHAPDF's name; leptons do not have any."""

    pdf: str


@dataclass(frozen=True, kw_only=True)
class UfoModel:
    """A UFO model: the name of an installed one, or the file input with its archive."""

    name: str | None
    file: str | None
    restriction: str | None


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The scale of factorisation and renormalisation."""

    fixed_gev: float | None
    factor: float
    choice: int = 3
    """MadGraph's ``dynamical_scale_choice``, without a fixed scale."""


@dataclass(frozen=True, kw_only=True)
class UfoProcess:
    """Everything on which the differential cross section of a process depends, except the parameters."""

    processes: tuple[str, ...]
    """In MadGraph's syntax; the cross sections add up."""
    definitions: Mapping[str, str]
    """Multiparticles by name."""
    cuts: Mapping[str, float]
    """By the names of MadGraph's run card."""
    param_card: Mapping[str, float]
    """Entries by block and number, or ``all``."""
    param_card_file: str | None
    """In a study the path of the file; in a job the name of the file input."""
    bwcutoff: float = 15.0
    """In widths: a particle with a mass so close to its own is on its mass shell."""
    cut_decays: bool = False
    """Whether cuts apply to the decay products of decay chains."""
    auto_widths: tuple[int, ...] = ()
    """The PDG ids of particles whose width follows from the model, at each benchmark."""


@dataclass(frozen=True, kw_only=True)
class UfoGenerateSettings:
    """A process of a UFO model whose cross section is integrated at one benchmark."""

    generator: Literal["ufo"] = field(metadata=SHARED)
    parameters: Mapping[str, CardEntry] = field(metadata=SHARED)
    beams: UfoBeams = field(metadata=SHARED)
    model: UfoModel = field(metadata=SHARED)
    scale: Scale = field(metadata=SHARED)
    precision: float = field(metadata=SHARED)
    """The relative error of the cross section."""
    sample: str
    benchmark: str
    background: bool
    process: UfoProcess
    powers: "Powers | None" = None
    """None for a background, or without morphing."""
    trust: tuple[str, ...] = ()
    """The file inputs that the study trusts."""
    error_sets: tuple[str, ...] = ()
    """The sets of parton distributions that the events will need; a missing one is reported before the integration."""


@dataclass(frozen=True, kw_only=True)
class UfoSimulateSettings:
    """Events of a process of a UFO model at one benchmark, at parton level or showered."""

    generator: Literal["ufo"] = field(metadata=SHARED)
    parameters: Mapping[str, CardEntry] = field(metadata=SHARED)
    beams: UfoBeams = field(metadata=SHARED)
    model: UfoModel = field(metadata=SHARED)
    scale: Scale = field(metadata=SHARED)
    shower: Shower | None = field(metadata=SHARED)
    sample: str
    benchmark: str
    background: bool
    process: UfoProcess
    process_job: str
    """The job of ``generate`` that has integrated the cross section."""
    n_events: int
    trust: tuple[str, ...] = ()
    """The settings and the file inputs that the study trusts."""
    systematics: Mapping[str, Uncertainty] = field(default_factory=dict)
    """The uncertainties for which events have weights of their own."""


@dataclass(frozen=True, kw_only=True)
class Powers:
    """The powers of the parameters in |M|², by which morphing is checked."""

    max_powers: Mapping[str, int]
    max_overall_power: int
    basis: int
    """The number of benchmarks in the morphing basis; they come before the others."""


@dataclass(frozen=True, kw_only=True)
class Reweighting:
    """The matrix elements from which events get their weights at the benchmarks."""

    model: UfoModel
    param_card: Mapping[str, float]
    """Entries by block and number, or ``all``."""
    param_card_file: str | None
    """In a study the path of the file; in a job the name of the file input."""
    orders: Mapping[str, int]
    """The largest power of each coupling order in a diagram."""
    without: tuple[str, ...]
    """Particles that do not occur inside diagrams, by the model's names."""
    undecayed: tuple[str, ...]
    """Particles whose decays are left out."""


@dataclass(frozen=True, kw_only=True)
class ImportEventsSettings:
    """A file of existing events, with the HepMC and Delphes files of the same events."""

    parameters: Mapping[str, CardEntry] = field(metadata=SHARED)
    """The entry of each parameter in the param card; empty unless the study gives the entries of all parameters."""
    sample: str
    benchmark: str
    background: bool
    systematics: Mapping[str, Uncertainty]
    lhe: str
    """The name of the file input with the Les Houches events. Likewise for the other two, which may be missing."""
    hepmc: str | None
    delphes: str | None
    filtered: bool = False
    """Whether events were removed from the file after its generation."""
    slice: str | None = None
    """The part of phase space that the file covers; None for the whole phase space."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """The names of benchmarks' weights in the file, where they differ."""
    reweight: Reweighting | None = None
    """None if the file has the weights at the benchmarks."""
    powers: Powers | None = None
    """None without morphing or reweighting."""
    compared: tuple[str, ...] = ()
    """The benchmarks at which weights of the file are compared with computed ones: those that the study names. Files
    have weights at other points under the names of the benchmarks that complete the basis."""
    trust: tuple[str, ...] = ()
    """The file inputs that the study trusts."""
