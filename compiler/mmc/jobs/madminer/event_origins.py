"""Whether the events that were sampled at several benchmarks agree on the cross sections at these benchmarks.

The cross section σ_i at benchmark i is known twice: from the events that were sampled there, and from those of another
benchmark j, reweighted to i. Reweighted events lack what j rarely makes, so they often give too little, and they never
give too much by chance without a large error. So events of i and j contradict each other where reweighted events give
too much; and where those of i are too large at both benchmarks, which no missing events explain.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array

DIFFERENT = 0.05
"""The smallest relative difference between two cross sections that counts, in addition to :data:`SIGNIFICANT`."""
LACKING = 0.2
"""Reweighted events that give less than the cross section by this part of it are named in a warning."""
SIGNIFICANT = 5.0
"""The smallest difference that counts, in standard errors, if two benchmarks are compared. Of more pairs, the largest
difference by chance exceeds that of :func:`significant` as rarely."""
FEWEST = 25.0
"""The smallest effective number of events of a cross section that is compared."""


class OriginSums:
    """The sums of the weights of signal events by the benchmark at which they were sampled."""

    def __init__(self, n_benchmarks: int) -> None:
        self._sums: dict[int, npt.NDArray[np.float64]] = {}
        self._n_benchmarks = n_benchmarks

    def add(self, weights: Array, origin: npt.NDArray[np.intp]) -> None:
        """Add events.

        :param weights: those of events from one benchmark add up to its cross section, shape (events, benchmarks)
        """
        for source in np.unique(origin[origin >= 0]).tolist():
            own = weights[origin == source]
            added = np.stack([own.sum(axis=0), np.square(own).sum(axis=0)])
            self._sums[source] = self._sums.get(source, np.zeros((2, self._n_benchmarks))) + added

    def check(self, names: Sequence[str], integration: Mapping[str, float] | None = None) -> list[str]:
        """Compare the cross sections.

        :param integration: the relative errors of the cross sections from their integration, by the names of benchmarks
        :returns: warnings
        :raises StepError: when events of two benchmarks contradict each other
        """
        errors = np.array([(integration or {}).get(name, 0.0) for name in names])
        pairs = list(combinations(sorted(self._sums), 2))
        least = significant(len(pairs))
        return [text for pair in pairs for text in self._compared(pair, names, errors, least)]

    def _compared(self, pair: tuple[int, int], names: Sequence[str], errors: Array, least: float) -> Iterator[str]:
        """The warnings on a pair of benchmarks, where differences count from so many standard errors."""
        both = (pair, pair[::-1])
        found = [self._relative(one, other, errors) for one, other in both]
        known = [(*of, *values) for of, values in zip(both, found, strict=True) if values is not None]
        too_much = next((entry for entry in known if entry[2] > DIFFERENT and entry[2] > least * entry[3]), None)
        contradict = len(known) == len(found) and all(
            np.sign(known[0][2]) != np.sign(known[1][2]) and abs(excess) > max(DIFFERENT, least * error)
            for *_, excess, error in known
        )
        for at, source, excess, error in known:
            text = (
                f"at benchmark {names[at]!r}, the events that were sampled there give a cross section of "
                f"{self._sums[at][0, at]:.4g} pb, and those of {names[source]!r}, reweighted, "
                f"{self._sums[source][0, at]:.4g} pb"
            )
            if contradict or (too_much is not None and too_much[:2] == (at, source)):
                raise StepError(
                    f"{text}: the files have another normalisation, or weights at other points or under other names"
                )
            if -excess > max(LACKING, least * error):
                yield f"{text}: they hardly reach what makes the cross section there"

    def _relative(self, at: int, source: int, errors: Array) -> tuple[float, float] | None:
        """By how much the cross section from reweighted events exceeds that of the benchmark's own, relative to the
        latter, and the error; None if there are too few events.

        :param errors: from the integration, relative, shape (benchmarks,)
        """
        (own, own_square), (other, other_square) = self._sums[at][:, at], self._sums[source][:, at]
        if own <= 0.0 or other == 0.0 or min(own**2 / own_square, other**2 / other_square) < FEWEST:
            return None
        ratio = other / own
        parts = [other_square**0.5 / other, own_square**0.5 / own, errors[at], errors[source]]
        return ratio - 1.0, abs(ratio) * float(np.linalg.norm(parts))


def significant(n: int) -> float:
    """The standard errors that the largest of n differences exceeds as rarely as one exceeds :data:`SIGNIFICANT`."""
    return float(-ndtri(ndtr(-SIGNIFICANT) / max(n, 1)))
