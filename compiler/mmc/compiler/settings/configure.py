"""The settings of the job of ``configure``: the parameter space."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmc.compiler.settings.encoding import SHARED
from mmc.compiler.settings.uncertainties import Uncertainty


@dataclass(frozen=True, kw_only=True)
class CardEntry:
    """The entry of a parameter in MadGraph's param card, and the expression in ``theta`` for its value there."""

    lha_block: str
    lha_id: int | tuple[int, int]
    """The number of the entry in its block; two numbers in a matrix."""
    transform: str

    @property
    def place(self) -> str:
        """Block and number, as in ``dim6 2``."""
        numbers = (self.lha_id,) if isinstance(self.lha_id, int) else self.lha_id
        return f"{self.lha_block.lower()} {' '.join(map(str, numbers))}"


@dataclass(frozen=True, kw_only=True)
class CardParameter(CardEntry):
    """A parameter with an entry in a param card."""

    range: tuple[float, float]
    max_power: int
    """Its highest power in the squared matrix element."""


@dataclass(frozen=True, kw_only=True)
class CoefficientParameter:
    """A parameter without an entry in a param card."""

    coefficient: str | None
    """The contact interaction that it multiplies; None for existing events."""
    range: tuple[float, float]
    max_power: int


@dataclass(frozen=True, kw_only=True)
class Morphing:
    """The morphing basis: the largest sum of powers, whether MadMiner completes the basis, with how many trials and
    test points, and how components follow from weights."""

    max_overall_power: int
    n_trials: int
    n_test_thetas: int
    complete: bool
    fit: str = "exact"


@dataclass(frozen=True, kw_only=True)
class ConfigureSettings:
    """Parameters, benchmarks, morphing and systematic uncertainties."""

    parameters: Mapping[str, CardParameter | CoefficientParameter] = field(metadata=SHARED)
    benchmarks: Mapping[str, Mapping[str, float]] = field(metadata=SHARED)
    """The value of each parameter at each benchmark."""
    morphing: Morphing | None = field(metadata=SHARED)
    """None without morphing."""
    outside_basis: tuple[str, ...] = field(default=(), metadata=SHARED)
    """The benchmarks that are not elements of the morphing basis."""
    systematics: Mapping[str, Uncertainty] = field(default_factory=dict, metadata=SHARED)
