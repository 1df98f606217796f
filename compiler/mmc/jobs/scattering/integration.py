"""Cross sections from adaptive sampling of channels, and unweighted events from the same grids."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError
from mmc.jobs.scattering.collision import Differential
from mmc.jobs.scattering.grid import Grid
from mmc.jobs.scattering.phase_space import Points

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]

_ADAPTING = (1_000, 2_000, 2_000, 4_000, 4_000, 8_000)
"""The points of each round in which a grid adapts."""
_ROUND = 8_000
"""The points of each later round."""
_FEW = 2_000
"""The points of a channel that is negligible, after its grid is fixed."""
_FIRST_POINTS, _MOST_POINTS = 20_000, 20_000_000
"""After so many points for each channel, more points than the second number in all must not be needed."""
_NEGLIGIBLE = 0.1
"""A channel stops adapting when its error is this part of the error that the study asks for."""
_OVERFLOW = 1e-3
"""The part of a channel's cross section in events above the largest weight, which keep a weight above 1."""


@dataclass(eq=False)
class Part:
    """One channel of one subprocess, with its grid and all samples since the grid is fixed."""

    subprocess: int
    channel: int
    grid: Grid
    samples: list[Floats] = field(default_factory=list)

    @property
    def weights(self) -> Floats:
        """The weights in pb of all points: their mean is the cross section."""
        return np.concatenate(self.samples)

    @property
    def value(self) -> float:
        """The cross section in pb."""
        return float(self.weights.mean())

    @property
    def error(self) -> float:
        """The statistical error of the cross section in pb."""
        weights = self.weights
        return float(weights.std() / math.sqrt(len(weights)))

    def largest(self) -> float:
        """The weight that only :data:`_OVERFLOW` of the cross section exceeds."""
        weights = np.sort(self.weights)
        if not weights[-1] > 0.0:
            return 0.0
        above = np.cumsum(weights[::-1])[::-1] - weights * np.arange(len(weights), 0, -1)
        return float(weights[np.argmax(above <= _OVERFLOW * weights.sum())])


class Channelled(NamedTuple):
    """What sampling needs to know about a part."""

    subprocess: int
    channel: int
    edges: list[list[float]]
    largest_pb: float


def integrate(
    differentials: Sequence[Differential], precision: float, random: np.random.Generator
) -> tuple[float, float, list[Part]]:
    """The cross section, its error, both in pb, and the parts from which events are sampled.

    :param precision: the relative error that the study asks for
    :raises StepError: no point passes the cuts, or the error does not become as small in many rounds
    """
    parts = [
        Part(s, c, Grid.even(channel.dimension))
        for s, differential in enumerate(differentials)
        for c, channel in enumerate(differential.channels)
    ]
    _adapt(differentials, parts, precision, random)
    for _ in count():
        total, error = sum(part.value for part in parts), math.hypot(*(part.error for part in parts))
        n_points = sum(len(part.weights) for part in parts)
        if not total > 0.0:
            raise StepError("no point of phase space passes the cuts: check the cuts and the energy of the beams")
        if error <= precision * total:
            return total, error, [part for part in parts if part.value > 0.0]
        if n_points > _FIRST_POINTS * len(parts) and n_points * (error / (precision * total)) ** 2 > _MOST_POINTS:
            break
        part = max(parts, key=lambda part: part.error / math.sqrt(len(part.samples)))
        part.samples.append(_sample(differentials[part.subprocess], part, _ROUND, random)[0])
    raise StepError(
        f"the cross section does not converge: it is ({total:.4g} ± {error:.2g}) pb after {n_points:,} points; is "
        "there a cut on each pole, or does the study ask for too much `precision`?"
    )


def _adapt(
    differentials: Sequence[Differential], parts: Sequence[Part], precision: float, random: np.random.Generator
) -> None:
    """Adapt the grids of all channels, those of negligible channels with fewer points, and sample each once after that.

    :raises StepError: a cross section is not finite at some point
    """
    active = list(parts)
    for turn, size in enumerate(_ADAPTING):
        for part in active:
            weights, even, _ = _sample(differentials[part.subprocess], part, size, random)
            if not np.isfinite(weights).all():
                raise StepError(
                    f"{differentials[part.subprocess].element}: the cross section is not finite at some points"
                )
            part.samples, part.grid = [weights], part.grid.adapted(even, weights)
        if turn > 0:
            wanted = _NEGLIGIBLE * precision * sum(part.value for part in parts)
            active = [part for part in active if part.error > wanted]
    for part in parts:
        size = _ROUND if part in active else _FEW
        part.samples = [_sample(differentials[part.subprocess], part, size, random)[0]]


def _sample(
    differential: Differential, part: Part, size: int, random: np.random.Generator
) -> tuple[Floats, Floats, Points]:
    even = random.random((size, part.grid.edges.shape[0]))
    numbers, jacobian = part.grid.mapped(even)
    values, points = differential.sampled(part.channel, numbers)
    return values * jacobian, even, points


class Batch(NamedTuple):
    """Events of one channel of one subprocess."""

    subprocess: int
    channel: int
    weights: Floats
    """1, or larger above the largest weight of the channel."""
    points: Points


def accepted(
    differentials: Sequence[Differential], parts: Sequence[Channelled], random: np.random.Generator, tries: int
) -> list[Batch]:
    """The unweighted events among so many tries; all of them together are one sample of the process."""
    largest = np.array([part.largest_pb for part in parts])
    found = []
    for part, own in zip(parts, random.multinomial(tries, largest / largest.sum()).tolist(), strict=True):
        if own == 0:
            continue
        sampled = Part(part.subprocess, part.channel, Grid(np.array(part.edges)))
        weights, _, points = _sample(differentials[part.subprocess], sampled, own, random)
        relative = weights / part.largest_pb
        kept = np.flatnonzero(random.random(own) < relative)
        if len(kept):
            chosen = Points(points.momenta[kept], points.x[kept], points.volume[kept])
            found.append(Batch(part.subprocess, part.channel, np.maximum(relative[kept], 1.0), chosen))
    return found
