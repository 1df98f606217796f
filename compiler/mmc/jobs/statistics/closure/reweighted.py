"""Events of the denominator that an estimated ratio reweights to another point, beside the same events with the weights
that they have there.

Both samples have the same events, so the difference of each event, d = p (r(x, z | θ) - r(x | θ)) with its probability
p at the denominator, has the mean 0 at every x: E[r(x, z | θ) | x] = r(x | θ) (arXiv:1805.00020). The statistical error
of a sum of differences is the root of the sum of their squares, which is smaller than that of two independent samples.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.declaration import DOUBTFUL, FAILED, PASSED, SIGNIFICANCE, significance
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.histograms import quantiles

VISIBLE = 0.25
"""The largest harmless deviation, as a difference in χ²: the expected events would show it with half a standard
deviation."""
ROUNDING = 1e-9
"""A ratio that differs less between events is the same for all."""


@dataclass(frozen=True)
class Reweighted:
    """The events at one point; all arrays have shape (events,)."""

    label: Mapping[str, Any]
    ratio: Array
    """Estimated ratios."""
    estimated: Array
    """Probabilities at the denominator times estimated ratios, with sum 1."""
    simulated: Array
    """Probabilities at the point, with sum 1."""
    denominator: Array
    """Probabilities at the denominator, over the mean estimated ratio."""
    n_events: float
    """How many events must not show the difference."""

    @classmethod
    def each(cls, evidence: Evidence) -> Iterator["Reweighted"]:
        """The events at each point at which ratios are compared; none for scores.

        Points where ratios are not positive, or the same for all events, are left out.
        """
        compared = evidence.compared
        if compared is None or compared.of != "ratio":
            return
        p, simulated = compared.probabilities, compared.simulated
        if simulated is None:
            assert compared.joint is not None, "without joint ratios, the probabilities at the points are known"
            simulated = p * compared.joint
        n_events = compared.n_events or [evidence.problem.n_expected] * len(simulated)
        for label, there, ratio, n in zip(compared.labels, simulated, compared.estimated, n_events, strict=True):
            estimated = p * ratio
            if estimated.sum() > 0.0 and there.sum() > 0.0 and np.ptp(ratio) > ROUNDING * ratio.mean():
                own = p / estimated.sum()
                yield cls(label, ratio, estimated / estimated.sum(), there / there.sum(), own, n)

    @property
    def difference(self) -> Array:
        """Simulated minus estimated probabilities."""
        return self.simulated - self.estimated

    def in_bins(self, values: Array, bins: int) -> "Binned":
        """The difference in bins of values, shape (events,), with equal probabilities in the mean of both samples."""
        mean = np.maximum(self.estimated + self.simulated, 0.0)
        edges = np.unique(quantiles(values, mean, np.arange(1, bins) / bins))
        index = np.searchsorted(edges, values, side="right")

        def sums(weights: Array) -> Array:
            return np.asarray(np.bincount(index, weights=weights, minlength=len(edges) + 1), dtype=float)

        expected = sums(self.estimated)
        safe = np.where(expected > 0.0, expected, np.inf)
        errors = np.sqrt(sums(np.square(self.difference)))
        return Binned(index, expected, sums(self.difference) / safe, errors / safe)


@dataclass(frozen=True)
class Binned:
    """Reweighted events in bins, beside the same events with the weights that they have at the point."""

    index: npt.NDArray[np.intp]
    """The bin of each event."""
    expected: Array
    """Probabilities of the bins from reweighted events, shape (bins,)."""
    differences: Array
    """(simulated - reweighted) / reweighted, shape (bins,)."""
    errors: Array
    """Standard errors of the differences, shape (bins,)."""

    def chi_squares(self, n: float) -> Array:
        """What each bin would add to χ² between both samples in n events, without what the errors add on average."""
        return np.asarray(n * self.expected * (np.square(self.differences) - np.square(self.errors)))

    def figures(self, n: float) -> dict[str, float]:
        """The difference in χ² for n events with its error, and the difference in the bin that adds most."""
        squares = np.square(self.errors)
        deviations = np.maximum(np.square(self.differences) - squares, 0.0)
        variance = np.square(n * self.expected) @ (2.0 * np.square(squares) + 4.0 * deviations * squares)
        k = self.worst(n)
        return {
            "chi_square": float(self.chi_squares(n).sum()),
            "error": float(np.sqrt(variance)),
            "difference": float(self.differences[k]),
        }

    def worst(self, n: float) -> int:
        """The bin with events that adds most to χ²; where many events have the least value, none is below it."""
        has_events = np.bincount(self.index, minlength=len(self.expected)) > 0
        return int(np.argmax(np.where(has_events, self.chi_squares(n), -np.inf)))


def point_words(entry: Mapping[str, Any]) -> str:
    """The point of an entry, as texts show it.

    >>> point_words({"theta": {"c1": 0.12345, "c2": 0}})
    'c1 = 0.123, c2 = 0'
    """
    return ", ".join(f"{name} = {value:.3g}" for name, value in entry["theta"].items())


def verdict_on(entries: Sequence[Mapping[str, Any]], threshold: float) -> tuple[str, Mapping[str, Any] | None]:
    """The verdict on :meth:`Binned.figures`, and the entry that it is about; None if it is 'passed'.

    :param threshold: -2 ln λ on the contour; the verdict is doubtful if the errors cannot show such a difference
    """
    for verdict, (k, _) in significance(len(entries)).items():
        for entry in entries:
            if entry["chi_square"] > VISIBLE + k * entry["error"]:
                return verdict, entry
    noisy = max(entries, key=lambda entry: float(entry["error"]))
    return (DOUBTFUL, noisy) if SIGNIFICANCE[FAILED][0] * noisy["error"] > threshold else (PASSED, None)
