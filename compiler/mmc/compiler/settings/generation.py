"""What the jobs of ``generate``, ``simulate`` and ``import_events`` are told, which differs by generator."""

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
    """``p`` or ``pbar``."""


@dataclass(frozen=True, kw_only=True)
class Pythia8Beams(Beams):
    """Beams with Pythia's number of a set of parton distributions."""

    pdf_set: int


@dataclass(frozen=True, kw_only=True)
class MadGraphBeams(Beams):
    """Beams with MadGraph's name of a set of parton distributions, or LHAPDF's number."""

    pdf: int | str


@dataclass(frozen=True, kw_only=True)
class RunCard:
    """Phase space of the hard process, its invariant mass and transverse momentum, in GeV; None is no limit."""

    m_min_gev: float | None
    m_max_gev: float | None
    pt_min_gev: float | None


@dataclass(frozen=True, kw_only=True)
class Shower:
    """Pythia 8 with the settings of a card, then those of the study."""

    card: str | None
    """The path of the file in a study; the name of the input that it is in a job."""
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
    """Events from which the cross section is integrated."""


@dataclass(frozen=True, kw_only=True)
class Pythia8SimulateSettings:
    """Events of Pythia's at one benchmark."""

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
    """A process whose code MadGraph makes."""

    generator: Literal["madgraph"] = field(metadata=SHARED)
    installation: str | None = field(metadata=SHARED)
    """The folder of MadGraph that the study names."""
    sample: str
    process: tuple[str, ...]
    """Lines as MadGraph takes them, the first without ``generate``."""
    definitions: Mapping[str, str]
    """Multiparticles by name."""
    model: str
    order: str
    """``LO`` or ``NLO``."""


@dataclass(frozen=True, kw_only=True)
class MadGraphSimulateSettings:
    """Events of MadGraph's at one benchmark, on parton level or showered."""

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
    """The part of the sample's phase space; None where it is whole."""
    systematics: Mapping[str, Uncertainty]
    process_job: str
    """The job of ``generate`` that has prepared the process."""
    order: str
    n_events: int
    run_card: Mapping[str, Any]
    run_card_file: str | None
    """The name of the input that the run card is; None for MadGraph's own. So of the param card."""
    param_card: Mapping[str, float]
    """Entries by block and number, or ``all``."""
    param_card_file: str | None
    param_card_where_there: tuple[str, ...] = ()
    """Entries that are ignored where the card lacks them."""

    @property
    def needs_lhapdf(self) -> bool:
        """Whether the parton distributions are a set of LHAPDF, or they or the scales are varied."""
        varied = any(isinstance(entry, ScaleUncertainty | PdfUncertainty) for entry in self.systematics.values())
        return varied or isinstance(self.beams.pdf, int)


@dataclass(frozen=True, kw_only=True)
class ImportEventsSettings:
    """A file of events that exist already, and what was made of them."""

    parameters: Mapping[str, CardEntry] = field(metadata=SHARED)
    """Where each parameter stands in the param card; empty where the study does not say so of all."""
    sample: str
    benchmark: str
    background: bool
    systematics: Mapping[str, Uncertainty]
    lhe: str
    """The name of the input that the Les Houches file is. So of the others, which may be missing."""
    hepmc: str | None
    delphes: str | None
