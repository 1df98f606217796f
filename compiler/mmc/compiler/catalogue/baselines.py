"""The baselines, each declared once: limits without machine learning, to compare with, and Fisher information.

Jobs and results are named after their baseline, so a method cannot have the name of a baseline.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Baseline:
    """One kind of baseline."""

    name: str
    section: tuple[str, ...]
    """The path in the section ``evaluation`` of a study that asks for the baseline."""
    named_section: tuple[str, ...] = ()
    """The path of further baselines of this kind, by name."""
    has_limits: bool = True
    without_rate: bool = False
    """Whether it can give limits without the rate."""
    reads_observed: bool = False
    """Whether it gives limits from observed events."""
    knows_nuisance: bool = False
    """Whether its likelihood has nuisance parameters."""
    has_bins: bool = False
    """Whether its likelihood is that of a histogram."""
    colors: tuple[str, ...] = ()
    """The colours of its lines in figures, one for each group of samples."""

    def asked(self, evaluation: Any) -> dict[str | None, Any]:
        """The entries for this baseline in the section ``evaluation`` of a study, by name; None is the unnamed one."""
        entry, named = _at(evaluation, self.section), _at(evaluation, self.named_section)
        found: dict[str | None, Any] = {} if entry is None or entry is False else {None: entry}
        return found | dict(named) if self.named_section and isinstance(named, Mapping) else found


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


RATE = Baseline(
    "rate",
    ("baselines", "rate"),
    reads_observed=True,
    knows_nuisance=True,
    has_bins=True,
    colors=("#A0A0A0", "#B5A16A", "#8FAFC9", "#C2A0BD"),
)
HISTOGRAM = Baseline(
    "histogram",
    ("baselines", "histogram"),
    ("baselines", "histograms"),
    without_rate=True,
    reads_observed=True,
    knows_nuisance=True,
    has_bins=True,
    colors=("#555555", "#6E5B1E", "#2F5675", "#6B3F66"),
)
TRUTH = Baseline(
    "truth",
    ("baselines", "truth"),
    without_rate=True,
    colors=("#7A4EAB", "#A47FD0", "#5B3A80", "#C3A9E0"),
)
FISHER = Baseline("fisher", ("fisher_information",), has_limits=False)
BASELINES: Mapping[str, Baseline] = {kind.name: kind for kind in (RATE, HISTOGRAM, TRUTH, FISHER)}
"""All baselines by name, in the order of their jobs."""


def names_of_limits() -> tuple[str, ...]:
    """The baselines that have limits."""
    return tuple(kind.name for kind in BASELINES.values() if kind.has_limits)
