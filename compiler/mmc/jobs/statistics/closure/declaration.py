"""What a closure test declares: everything that verdicts, results, reports and the documentation say of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mmc.jobs.statistics.closure.evidence import Evidence

PASSED, DOUBTFUL, FAILED = VERDICTS = ("passed", "doubtful", "failed")
"""From good to bad."""
SIGNIFICANCE = {FAILED: (3.0, 0.0027), DOUBTFUL: (2.0, 0.0455)}
"""Standard errors, and the two-sided probability of a deviation that is larger."""
WIDTH = 0.1
"""By how much -2 ln λ may be too large: in two dimensions the area of a region is then a tenth too small."""

Figures = Mapping[str, Any]
"""What a record says of closure tests, by the keys of :attr:`ClosureTest.schema`."""


@dataclass(frozen=True)
class Column:
    """A column of the table of closure tests."""

    title: str
    value: Callable[[Figures], float]
    """What rows are sorted by."""
    text: Callable[[Figures], str]
    """What the table shows."""


@dataclass(frozen=True)
class ClosureTest:
    """A closure test. It was made where one of its figures is neither null nor empty."""

    name: str
    place: int
    """Tests stand in this order, in verdicts, tables and the documentation."""
    families: tuple[str, ...]
    """The likelihoods that the test is made of: baselines and families of methods, estimated likelihoods as ratios."""
    demand: str
    """What must be."""
    tolerance: str
    """What may be off without harm."""
    explanation: str
    """How it is calculated and graded: a paragraph in Markdown."""
    schema: Mapping[str, Any]
    """The JSON schema of each of its figures, with their meaning and unit."""
    measure: Callable[[Evidence], dict[str, Any]]
    """The figures; null or empty where there is no evidence for the test."""
    grade: Callable[[Figures, Evidence], tuple[str, str]]
    """The verdict on the figures of a test that was made, and the reason where it is not passed."""
    columns: tuple[Column, ...] = ()
    note: str = ""
    """What the columns show, for below the table."""
    caption: Callable[[Figures], str] | None = None
    """The figures in words, for the caption of a picture."""
    distance: Callable[[Figures], tuple[float, float | None]] | None = None
    """How far from closure an estimator is, 0 for none, with its statistical error where it is known. Trials of a
    tuning are compared by it."""

    @property
    def title(self) -> str:
        """The name as texts have it."""
        return self.name.replace("_", " ")

    def is_made(self, figures: Figures) -> bool:
        """Whether the figures have those of this test."""
        return any(figures.get(key) not in (None, []) for key in self.schema)


def percent(part: float) -> str:
    """A threshold as texts have it.

    >>> percent(0.25)
    '25 %'
    """
    return f"{100.0 * part:g} %"
