"""Points of parameter space, as in the study: the points of samples, and the denominators of ratios."""

from collections.abc import Mapping
from dataclasses import dataclass

Prior = Mapping[str, tuple[float, ...]]
"""The shape of a prior and its numbers: ``{"flat": (low, high)}`` or ``{"gaussian": (mean, width)}``."""


@dataclass(frozen=True)
class AtBenchmark:
    """The point of a benchmark."""

    benchmark: str


@dataclass(frozen=True)
class AtPoint:
    """The point with these values of the parameters."""

    point: Mapping[str, float]


@dataclass(frozen=True)
class AtBenchmarks:
    """The points of several benchmarks."""

    benchmarks: tuple[str, ...]


@dataclass(frozen=True)
class AtPoints:
    """Several points."""

    points: tuple[Mapping[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class RandomPoints:
    """The number of points to draw, and the prior of each parameter."""

    n: int
    priors: Mapping[str, Prior]


@dataclass(frozen=True)
class AtRandom:
    """Points drawn from priors."""

    random: RandomPoints


@dataclass(frozen=True)
class AtSimulated:
    """The points of the simulated events of a sample, each of which has a point of its own."""

    simulated: str


SinglePoint = AtBenchmark | AtPoint
AnyPoints = AtBenchmark | AtPoint | AtBenchmarks | AtPoints | AtRandom | AtSimulated
