"""The weights of events at a benchmark beside the nominal ones, and whether they are factors on these."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmc.errors import StepError
from mmc.jobs.formats.les_houches_cross_section import SIGNIFICANT
from mmc.reading import shown

Floats = NDArray[np.float64]

_FEW, _RARE = 10, 0.01
"""So many events with negative nominal weights, and this part of all, tell whether other weights have their signs."""
_FEWEST = 3
"""So many such events tell it where the other weights are positive in all events."""
_MOSTLY = 0.8
_FAR = 20.0
"""The smallest ratio of weights to the nominal ones, in nearly all events, that is suspicious; or one over it the
largest."""
_NEARLY_ALL = 0.8
"""At least in this part of the events: a factor may vanish, where an interference cancels the rest."""
_MOST_VARIED = 100.0
"""Factors are on average at most so much larger or smaller than 1."""
_CONSTANT = 1e-3
"""Ratios that vary less than this are those of two cross sections."""


@dataclass
class BenchmarkWeights:
    """The weights at a benchmark, added up event by event."""

    n_events: int = 0
    n_positive: int = 0
    n_negative: int = 0
    """The number of events with a negative nominal weight."""
    n_flipped: int = 0
    """The number of these with a positive weight."""
    total: float = 0.0
    squares: float = 0.0
    size: float = 0.0
    """Σ |w|."""
    apart: float = 0.0
    """Σ |w - w₀| with the nominal weights w₀."""
    least: float = math.inf
    """The smallest and the largest |w| over the nominal one."""
    largest: float = 0.0
    n_above: int = 0
    """The number of events in which this is larger than :data:`_FAR`, and smaller than one over it."""
    n_below: int = 0

    def add(self, nominal: float, weight: float) -> None:
        """Add an event."""
        self.n_events += 1
        self.n_positive += weight > 0.0
        if nominal < 0.0:
            self.n_negative += 1
            self.n_flipped += weight > 0.0
        self.total, self.squares = self.total + weight, self.squares + weight**2
        self.size, self.apart = self.size + abs(weight), self.apart + abs(weight - nominal)
        if nominal:
            ratio = abs(weight / nominal)
            self.least, self.largest = min(self.least, ratio), max(self.largest, ratio)
            self.n_above, self.n_below = self.n_above + (ratio > _FAR), self.n_below + (ratio < 1.0 / _FAR)

    @classmethod
    def of(cls, nominal: Floats, weights: Floats) -> "BenchmarkWeights":
        """That of all events at once."""
        ratios = np.abs(weights[nominal != 0.0] / nominal[nominal != 0.0])
        return cls(
            len(nominal),
            int((weights > 0.0).sum()),
            int((nominal < 0.0).sum()),
            int((weights[nominal < 0.0] > 0.0).sum()),
            float(weights.sum()),
            float(np.square(weights).sum()),
            float(np.abs(weights).sum()),
            float(np.abs(weights - nominal).sum()),
            float(ratios.min(initial=math.inf)),
            float(ratios.max(initial=0.0)),
            int((ratios > _FAR).sum()),
            int((ratios < 1.0 / _FAR).sum()),
        )

    @property
    def has_other_signs(self) -> bool:
        """Whether the weights are mostly positive, also where the nominal ones are negative."""
        enough = self.n_negative >= max(_FEW, _RARE * self.n_events)
        return enough and self.n_positive > _MOSTLY * self.n_events and self.n_flipped > _MOSTLY * self.n_negative

    @property
    def has_no_signs(self) -> bool:
        """Whether the weights are positive in all events, also where a few nominal ones are negative."""
        return self.n_negative >= max(_FEWEST, _RARE * self.n_events) and self.n_positive == self.n_events

    @property
    def is_suspicious(self) -> bool:
        """Whether the weights have the size of factors, and in hardly any event that of the nominal weights."""
        varies = self.largest > (1.0 + _CONSTANT) * self.least
        is_far = max(self.n_above, self.n_below) >= _NEARLY_ALL * max(self.n_events, 1)
        return varies and is_far and 1.0 / _MOST_VARIED < self.size / self.n_events < _MOST_VARIED


def check_told(
    told: Mapping[str, float],
    weights: Mapping[str, BenchmarkWeights],
    factor: float,
    file: str,
    *,
    allowed: float,
    n_told: int,
) -> None:
    """Compare the mean weights with the cross sections that a file tells for them (``<xsecinfo>``, arXiv:1405.1067).

    :param told: in pb, by the benchmark
    :param factor: what makes the mean of the weights a cross section in pb
    :param allowed: the largest relative difference, in addition to the statistical error
    :param n_told: the number of events of which the file tells them: of merged runs, those of the first
    :raises StepError: when they differ by more
    """
    for name in told.keys() & weights.keys():
        own = weights[name]
        mean = own.total / own.n_events
        error = math.sqrt(max(own.squares / own.n_events - mean**2, 0.0) / n_told)
        if abs(factor * mean - told[name]) > allowed * abs(told[name]) + SIGNIFICANT * factor * error:
            raise StepError(
                f"the weights at {shown(name)} in {file} give a cross section of {factor * mean:.4g} pb, and "
                f"<xsecinfo> of this weight says {told[name]:.4g} pb: were the weights, or their names, changed?"
            )


def check_absolute(weights: Mapping[str, BenchmarkWeights], file: str, advice: str) -> list[str]:
    """Refuse weights that are factors on the nominal weights.

    An interference may have the other sign at another point, so signs alone do not show that weights are factors.

    :param weights: by the benchmark, without that of the nominal weights
    :param advice: what to do, as the end of a sentence
    :returns: a warning where weights have other signs, or those at all benchmarks the size of factors
    :raises StepError: when the weights at all benchmarks have both, and are positive in all events
    """
    all_far = bool(weights) and all(own.is_suspicious for own in weights.values())
    if flipped := {name: own for name, own in weights.items() if own.has_other_signs}:
        name, own = next(iter(flipped.items()))
        what = (
            f"the weights at {shown(name)} in {file} are positive in {own.n_flipped:,} of the {own.n_negative:,} "
            "events with a negative nominal weight"
        )
        if all_far and len(flipped) == len(weights) and all(one.n_positive == one.n_events for one in weights.values()):
            raise StepError(f"{what}: they are factors on these; {advice}")
        return [f"{what}, as with an interference that has another sign there: if they are factors on these, {advice}"]
    if not all_far:
        return []
    name, own = next(iter(weights.items()))
    return [
        f"the weights at {shown(name)} in {file} are {own.least:.3g} to {own.largest:.3g} times the nominal "
        f"weights, and those at all other benchmarks as far from them: if they are factors on these, {advice}"
    ]
