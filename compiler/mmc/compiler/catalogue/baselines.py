"""What is reached without machine learning, each declared once: limits to compare with, and Fisher information.

The name of a baseline is that of its jobs and results. So no method can have it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Baseline:
    """One kind of baseline."""

    name: str
    section: tuple[str, ...]
    """Where the section ``evaluation`` of a study asks for it."""
    named_section: tuple[str, ...] = ()
    """Where it asks for further ones, by name."""
    has_limits: bool = True
    without_rate: bool = False
    """Whether it has limits without the rate."""
    reads_observed: bool = False
    """Whether it has limits from observed events."""
    knows_nuisance: bool = False
    """Whether its likelihood has the nuisance parameters."""
    colors: tuple[str, ...] = ()
    """Of its lines in figures, for one group of samples after the other."""

    def asked(self, evaluation: Any) -> dict[str | None, Any]:
        """What the section ``evaluation`` of a study says of it, by name; under None without a name."""
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
    colors=("#A0A0A0", "#B5A16A", "#8FAFC9", "#C2A0BD"),
)
HISTOGRAM = Baseline(
    "histogram",
    ("baselines", "histogram"),
    ("baselines", "histograms"),
    without_rate=True,
    reads_observed=True,
    knows_nuisance=True,
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
"""All of them by name, in the order of their jobs."""


def names_of_limits() -> tuple[str, ...]:
    """The baselines that have limits."""
    return tuple(kind.name for kind in BASELINES.values() if kind.has_limits)
