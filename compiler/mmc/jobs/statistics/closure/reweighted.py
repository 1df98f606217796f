"""Events of the denominator that an estimated ratio reweights to another point, beside the same events with the weights
that they have there.

Both samples have the same events, so the difference of each event, d = p (r(x, z | θ) - r(x | θ)) with its probability
p at the denominator, has the mean 0 at every x: E[r(x, z | θ) | x] = r(x | θ) (arXiv:1805.00020). The statistical error
of a sum of differences is the root of the sum of their squares, which is smaller than that of two independent samples.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.declaration import DOUBTFUL, FAILED, PASSED, SIGNIFICANCE
from mmc.jobs.statistics.closure.evidence import Compared
from mmc.jobs.statistics.histograms import quantiles

OFF = 0.1
"""The largest harmless relative difference between a reweighted and a simulated number of events."""
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

    @classmethod
    def each(cls, compared: Compared) -> Iterator["Reweighted"]:
        """The events at each point at which ratios are compared; points where ratios are not positive are left out."""
        for label, joint, ratio in zip(compared.labels, compared.joint, compared.estimated, strict=True):
            estimated, simulated = compared.probabilities * ratio, compared.probabilities * joint
            if estimated.sum() > 0.0 and simulated.sum() > 0.0 and np.ptp(ratio) > ROUNDING * ratio.mean():
                yield cls(label, ratio, estimated / estimated.sum(), simulated / simulated.sum())

    @property
    def difference(self) -> Array:
        """Simulated minus estimated probabilities."""
        return self.simulated - self.estimated

    def in_bins(self, values: Array, bins: int) -> tuple[Array, Array, Array]:
        """The indices of the events' bins, and for each bin the relative difference and its error, shape (bins,).

        Bins of the values, shape (events,), have equal probabilities in the mean of both samples. The difference is
        (simulated - estimated) / estimated.
        """
        mean = np.maximum(self.estimated + self.simulated, 0.0)
        edges = np.unique(quantiles(values, mean, np.arange(1, bins) / bins))
        index = np.searchsorted(edges, values, side="right")

        def sums(weights: Array) -> Array:
            return np.asarray(np.bincount(index, weights=weights, minlength=len(edges) + 1))

        expected = sums(self.estimated)
        safe = np.where(expected > 0.0, expected, np.inf)
        return index, sums(self.difference) / safe, np.sqrt(sums(np.square(self.difference))) / safe


def worst(differences: Array, errors: Array) -> tuple[int, dict[str, float]]:
    """The bin whose difference exceeds :data:`OFF` by most errors (or comes nearest to it), and its figures."""
    k = int(np.argmax((np.abs(differences) - OFF) / np.maximum(errors, 1e-12)))
    return k, {"difference": float(differences[k]), "error": float(errors[k])}


def verdict_on(entries: list[Mapping[str, Any]]) -> tuple[str, Mapping[str, Any] | None]:
    """The verdict on figures of :func:`worst`, and the entry that it is about; None if it is 'passed'."""
    for verdict, (k, _) in SIGNIFICANCE.items():
        for entry in entries:
            if abs(entry["difference"]) > OFF + k * entry["error"]:
                return verdict, entry
    noisy = max(entries, key=lambda entry: float(entry["error"]))
    return (DOUBTFUL, noisy) if SIGNIFICANCE[FAILED][0] * noisy["error"] > 1.0 else (PASSED, None)
