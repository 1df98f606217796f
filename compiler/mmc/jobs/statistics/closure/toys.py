"""Test events as a population: Asimov data and toy experiments of several points, as sums over blocks of events.

Toys come from the events of all benchmarks (:meth:`mmc.jobs.madminer.event_file.EventFile.balanced`): at other points
than the true one those generated next to that, of which the Asimov data of the limits consist, have too few in the
tails.

A toy experiment at θ has a Poisson number N of events, with the density of the events at θ. Drawn from weighted events,
that is an independent Poisson number N p_i of copies of each event i, so toys can be drawn block by block of events,
and the log likelihood of every toy at every point is one matrix product: log ratios times counts.

Toys come from a finite population of n effective test events, with replacement. The population as a whole is itself one
draw from nature, so what is drawn from it scatters around a point that is off the true one by the statistical error of
n events. In units of the toys' own variance that is ν = N / n per parameter: -2 ln λ of the true point then follows a
non-central χ² instead of a χ², and its non-centrality is by Wilks' theorem the -2 ln λ on the Asimov data, which are
that population (arXiv:1007.1727, section 3.1). For an exact ratio it is ν times a χ² variable. So a coverage below the
confidence level does not by itself speak against an estimator; :mod:`mmc.jobs.statistics.closure.tests.coverage` takes
that into account.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.limits import Limits, effective_size
from mmc.jobs.statistics.problem import LimitProblem

TOYS, FEWEST = 400, 100
"""Toys for each point, and how few there may be where the grid is large."""
BUDGET = 50_000_000
"""Log likelihoods of toys that are held at once."""
GROUPS = 20
"""Groups of events for the jackknife."""
BLOCK = 4_000_000
"""Log ratios that are held at once."""


def blocks(n_events: int, n_points: int) -> Iterator[slice]:
    """Events, few enough at a time that their log ratios at all points can be held."""
    size = int(np.clip(BLOCK // n_points, 256, 4096))
    return (slice(start, min(start + size, n_events)) for start in range(0, n_events, size))


class Totals:
    """The mean log ratio of the Asimov data at all points, in groups of events for the jackknife."""

    def __init__(self, problem: LimitProblem) -> None:
        self.problem = problem
        events = len(problem.asimov_shares)
        group = np.arange(events) % GROUPS  # a file's events are in random order
        self._shares = np.zeros((events, GROUPS))
        self._shares[np.arange(events), group] = problem.asimov_shares
        self._sums = np.zeros((len(problem.points), GROUPS))

    def add(self, logs: Array, events: slice = slice(None), points: slice = slice(None)) -> None:
        """Add the log ratios of some events of the population at some points, shape (points, events)."""
        self._sums[points] += logs @ self._shares[events]

    @property
    def mean(self) -> Array:
        """Over all events, shape (points,)."""
        return np.asarray(self._sums.sum(axis=1))

    def jackknife(self) -> Iterator[Array]:
        """The mean without each of the groups."""
        for sums, share in zip(self._sums.T, self._shares.sum(axis=0), strict=True):
            yield (self.mean - sums) / (1.0 - share)


@dataclass(frozen=True)
class Pool:
    """The test events, as a population that toys are drawn from."""

    problem: LimitProblem
    probes: npt.NDArray[np.intp]
    """The points that toys are drawn at, as positions in ``LimitProblem.points``; the true point is the first."""
    probabilities: Array
    """Of the events of ``LimitProblem.population`` at the probes, shape (events, probes)."""
    toys: int
    """At each probe."""

    @classmethod
    def of(cls, problem: LimitProblem, limits: Limits) -> "Pool":
        """For toys at the true point and where a parameter is smallest or largest in the confidence region.

        These are the points that decide the contour. On large grids there is room for the first of them only.
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

    def draw(self, events: slice, random: np.random.Generator) -> Array:
        """How often each of some events is in each toy, shape (events, probes, toys)."""
        means = self.problem.expected[self.probes] * np.maximum(self.probabilities[events], 0.0)
        return random.poisson(means[:, :, np.newaxis], (*means.shape, self.toys)).astype(np.float32)


class Toys:
    """Log ratios summed over the events of toy experiments, and over the Asimov data of the same points."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        n, probes = len(pool.problem.points), len(pool.probes)
        self._sums = np.zeros((n, probes * pool.toys), dtype=np.float32)
        self._sizes = np.zeros((probes, pool.toys))
        self._asimov = np.zeros((n, probes))

    def add(self, logs: Array, events: slice, counts: Array) -> None:
        """Add the log ratios of some events, shape (points, events); ``counts`` are from :meth:`Pool.draw`."""
        self._sums += logs.astype(np.float32) @ counts.reshape(len(counts), -1)
        self._sizes += counts.sum(axis=0)
        self._asimov += logs @ self.pool.probabilities[events]

    def minus_2_log(self, k: int, *, rate: bool = True) -> tuple[Array, Array]:
        """-2 ln L at all points, of the toys at a probe, shape (points, toys), and of its Asimov data, shape (points,).

        The rate is part of the likelihood if the problem says so and ``rate`` is true.
        """
        sums = self._sums[:, k * self.pool.toys : (k + 1) * self.pool.toys].astype(float)
        n = self.pool.problem.expected[self.pool.probes[k]]
        asimov = self._minus_2_log(n * self._asimov[:, [k]], np.array([n]), rate)[:, 0]
        return self._minus_2_log(sums, self._sizes[k], rate), asimov

    def _minus_2_log(self, sums: Array, sizes: Array, rate: bool) -> Array:
        """-2 ln L at all points, of data sets with sums of log ratios (points, sets) and numbers of events (sets,)."""
        problem = self.pool.problem
        if rate and problem.include_xsec:
            mu = problem.expected[:, np.newaxis]
            positive = mu > 0.0
            sums = np.where(positive, sums + sizes * np.log(np.where(positive, mu, 1.0)) - mu, -np.inf)
        return np.asarray(-2.0 * sums)
