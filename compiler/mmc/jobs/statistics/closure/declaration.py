"""The declaration of a closure test: verdicts, result files, reports and the documentation read everything from it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scipy.special import ndtri

from mmc.jobs.statistics.closure.evidence import Evidence

PASSED, DOUBTFUL, FAILED = VERDICTS = ("passed", "doubtful", "failed")
"""The verdicts, from good to bad."""
OBSERVED = "observed"
"""The family of all limits from observed events."""
SIGNIFICANCE = {FAILED: (3.0, 0.0027), DOUBTFUL: (2.0, 0.0455)}
"""For each verdict, a number of standard errors and the two-sided probability of a larger deviation."""


def significance(n: int) -> dict[str, tuple[float, float]]:
    """:data:`SIGNIFICANCE` of the most significant of ``n`` deviations: the chance that any of them is larger is that
    of a single deviation (Šidák 1967, doi:10.1080/01621459.1967.10482935), or less if they are correlated.

    >>> [round(k, 2) for k, _ in significance(10).values()]
    [3.64, 2.83]
    """
    each = {verdict: 1.0 - (1.0 - p_value) ** (1.0 / n) for verdict, (_, p_value) in SIGNIFICANCE.items()}
    return {verdict: (float(ndtri(1.0 - 0.5 * p_value)), p_value) for verdict, p_value in each.items()}


WIDTH = 0.1
"""-2 ln λ may be too large by this fraction. In two dimensions the area of a region is then a tenth too small."""

Figures = Mapping[str, Any]
"""The figures of closure tests in a result file, by the keys of :attr:`ClosureTest.schema`."""


@dataclass(frozen=True)
class Column:
    """A column of the table of closure tests."""

    title: str
    value: Callable[[Figures], float]
    """The number that rows are sorted by."""
    text: Callable[[Figures], str]
    """The text that the table shows."""


@dataclass(frozen=True)
class ClosureTest:
    """A closure test. The test was made if at least one of its figures is neither null nor empty."""

    name: str
    place: int
    """The position of the test in verdicts, tables and the documentation."""
    families: tuple[str, ...]
    """The likelihoods that the test applies to: baselines, and families of methods; estimated likelihoods and
    polynomials count as ratios. Those of observed events are a family of their own."""
    demand: str
    """The statement that must hold."""
    tolerance: str
    """The deviation that does no harm."""
    explanation: str
    """How the test is calculated and graded: a paragraph in Markdown."""
    schema: Mapping[str, Any]
    """The JSON schema of each figure of the test, with meaning and unit."""
    measure: Callable[[Evidence], dict[str, Any]]
    """Calculates the figures; they are null or empty where the evidence for the test is missing."""
    grade: Callable[[Figures, Evidence], tuple[str, str]]
    """Gives the verdict of a test that was made, and the reason if the verdict is not 'passed'."""
    notes: Callable[[Figures, Evidence], Iterable[str]] = lambda _, __: ()
    """Warnings that do not change the verdict."""
    columns: tuple[Column, ...] = ()
    note: str = ""
    """Explains the columns, below the table."""
    caption: Callable[[Figures], str] | None = None
    """The figures in words, for the caption of a picture."""
    distance: Callable[[Figures], tuple[float, float | None]] | None = None
    """The distance of an estimator from closure (0 is perfect), with its statistical error where that is known. Tuning
    compares trials by this number."""

    @property
    def title(self) -> str:
        """The name, as texts show it."""
        return self.name.replace("_", " ")

    def is_made(self, figures: Figures) -> bool:
        """Whether the figures contain results of this test."""
        return any(figures.get(key) not in (None, []) for key in self.schema)


def figures_or_null(properties: Mapping[str, Any], description: str = "") -> dict[str, Any]:
    """The JSON schema of an object with these figures, all required, or null where the test was not made."""
    text = {"description": description} if description else {}
    return text | {
        "oneOf": [{"type": "null"}, {"type": "object", "required": list(properties), "properties": dict(properties)}]
    }
