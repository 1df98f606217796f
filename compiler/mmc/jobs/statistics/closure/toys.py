"""Test events as a population: Asimov data and toy experiments at several points, as sums over blocks of events.

Toys are drawn from the events of all benchmarks (:meth:`mmc.jobs.madminer.event_file.EventFile.balanced`). The Asimov
data of the limits are the events generated next to the true point. At other points, these events have too few in the
tails.

A toy experiment at θ has a Poisson-distributed number of events with mean N, and the events follow the density at θ.
Drawn from weighted events with probabilities p_i, each event i occurs k_i times, where the k_i are independent Poisson
numbers with means N p_i. So toys can be drawn block by block, and the log likelihood of every toy at every point is one
matrix product: log ratios times counts.

Toys are drawn with replacement from a finite population of n effective test events. The population is itself one draw
from nature: its toys scatter around a point that differs from the true point by the statistical error of n events. In
units of the variance of the toys, the squared difference is ν = N / n per parameter. So -2 ln λ of the true point
follows a non-central χ² distribution. By Wilks' theorem the non-centrality is -2 ln λ on the Asimov data, which are the
population itself (arXiv:1007.1727, section 3.1); for an exact ratio it is ν times a χ² variable. So coverage below the
confidence level is not by itself a fault of the estimator: :mod:`mmc.jobs.statistics.closure.tests.coverage` takes the
non-centrality into account.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.between_points import highest
from mmc.jobs.statistics.jackknife import GROUPS, by_group, group_sums
from mmc.jobs.statistics.limits import Grid, Limits, effective_size
from mmc.jobs.statistics.problem import LimitProblem

TOYS, FEWEST = 400, 100
"""The number of toys at each point, and the smallest number for large grids."""
MOST_LEFT_OUT = 0.01
"""The largest part of the cross section in events or cells of negative weight, which toys cannot contain."""
BUDGET = 50_000_000
"""The largest number of toy log likelihoods in memory at once."""
BLOCK = 4_000_000
"""The largest number of log ratios in memory at once, if a block has more than FEWEST_EVENTS."""
FEWEST_EVENTS, LARGEST_BLOCK = 256, 25_600_000
"""A block has at least so many events, as matrix products with fewer are slow, but not so many log ratios."""


def blocks(n_events: int, n_points: int) -> Iterator[slice]:
    """Blocks of events, so small that the log ratios of a block at all points fit into memory."""
    fewest = int(np.clip(LARGEST_BLOCK // n_points, 1, FEWEST_EVENTS))
    size = int(np.clip(BLOCK // n_points, fewest, 4096))
    return (slice(start, min(start + size, n_events)) for start in range(0, n_events, size))


class AsimovLogRatio:
    """The mean log ratio of the Asimov data at all points, with groups of events for the jackknife."""

    def __init__(self, problem: LimitProblem) -> None:
        self.problem = problem
        self._shares = problem.tested_shares
        self._sums = np.zeros((len(problem.points), GROUPS))

    def add(self, logs: Array, events: slice = slice(0, None), points: slice = slice(None)) -> None:
        """Add the log ratios of some events of the population at some points, shape (points, events)."""
        self._sums[points] += logs @ by_group(self._shares[events], events.start)

    @property
    def mean(self) -> Array:
        """The mean over all events, shape (points,)."""
        return np.asarray(self._sums.sum(axis=1))

    def jackknife(self) -> Iterator[Array]:
        """The means with one group left out, for each group."""
        for sums, share in zip(self._sums.T, group_sums(self._shares), strict=True):
            yield (self.mean - sums) / (1.0 - share)


@dataclass(frozen=True)
class ToyPopulation:
    """The test events as the population of toys."""

    problem: LimitProblem
    probes: npt.NDArray[np.intp]
    """The points of the toys, as indices into ``LimitProblem.points``; the true point is the first."""
    probabilities: Array
    """Probabilities of the events of ``LimitProblem.population`` at the probes, shape (events, probes)."""
    toys: int
    """The number of toys at each probe."""

    @classmethod
    def of(cls, problem: LimitProblem, limits: Limits) -> "ToyPopulation":
        """The population for toys at the true point and at the extremes of each parameter in the confidence region.

        These points decide the contour. On large grids only the first of them fit into memory.
        """
        n = len(problem.points)
        inside = np.flatnonzero(limits.allowed(max(problem.levels)).ravel())
        chosen = [n - 1]
        for values in problem.grid.points[inside].T if len(inside) else ():
            chosen += [int(inside[np.argmin(values)]), int(inside[np.argmax(values)])]
        probes = np.array(list(dict.fromkeys(chosen))[: max(1, BUDGET // (FEWEST * n))], dtype=np.intp)
        at_probes = [problem.population.probabilities(row) for row in problem.coefficients[probes]]
        return cls(
            problem=problem,
            probes=probes,
            probabilities=np.stack(at_probes, axis=1),
            toys=max(1, min(TOYS, BUDGET // (len(probes) * n))),
        )

    def effective(self, probe: int) -> float:
        """The effective number of events at one of the probes."""
        return effective_size(self.probabilities[:, probe])

    def left_out(self, probe: int) -> float:
        """The part of the cross section at one of the probes in events with negative weights, which no toy contains."""
        return -float(np.minimum(self.probabilities[:, probe], 0.0).sum())

    def draw(self, events: slice, random: np.random.Generator) -> Array:
        """The number of times that each of the given events is in each toy, shape (events, probes, toys)."""
        means = self.problem.expected[self.probes] * np.maximum(self.probabilities[events], 0.0)
        return random.poisson(means[:, :, np.newaxis], (*means.shape, self.toys)).astype(np.float32)


class Toys:
    """Log ratios summed over the events of toy experiments, and over the Asimov data at the same points."""

    def __init__(self, population: ToyPopulation) -> None:
        self.population = population
        n, probes = len(population.problem.points), len(population.probes)
        self._sums = np.zeros((n, probes * population.toys), dtype=np.float32)
        self._sizes = np.zeros((probes, population.toys))
        self._asimov = np.zeros((n, probes))

    def add(self, logs: Array, events: slice, counts: Array) -> None:
        """Add the log ratios of some events, shape (points, events); ``counts`` are from :meth:`ToyPopulation.draw`."""
        self._sums += logs.astype(np.float32) @ counts.reshape(len(counts), -1)
        self._sizes += counts.sum(axis=0)
        self._asimov += logs @ self.population.probabilities[events]

    def minus_2_log(self, k: int, *, rate: bool = True) -> tuple[Array, Array]:
        """-2 ln L at all points, for the toys at probe ``k``, shape (points, toys), and its Asimov data, (points,).

        The rate is part of the likelihood if the problem includes it and ``rate`` is true.
        """
        sums = self._sums[:, k * self.population.toys : (k + 1) * self.population.toys].astype(float)
        problem = self.population.problem
        n, expected = problem.expected[self.population.probes[k]], problem.expected
        mu = expected if rate and problem.include_xsec else None
        asimov = minus_2_log(mu, n * self._asimov[:, [k]], np.array([n]))[:, 0]
        return minus_2_log(mu, sums, self._sizes[k]), asimov


def minus_2_log(expected: Array | None, sums: Array, sizes: Array) -> Array:
    """-2 ln L at all points, for data sets with sums of log ratios (points, sets) and numbers of events (sets,).

    :param expected: the expected numbers of events, shape (points,); None without the rate
    """
    if expected is not None:
        mu = expected[:, np.newaxis]
        positive = mu > 0.0
        sums = np.where(positive, sums + sizes * np.log(np.where(positive, mu, 1.0)) - mu, -np.inf)
    return np.asarray(-2.0 * sums)


def lowest(grid: Grid, minus_2_log: Array) -> Array:
    """The smallest -2 ln L of each data set, between the points of the grid as in limits: (points, sets) to (sets,)."""
    return -2.0 * highest(-0.5 * minus_2_log, grid.shape)
