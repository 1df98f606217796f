"""A Neyman construction: the critical values of -2 ln λ over the grid, from toy experiments.

The toys are drawn from the test events together with the events that make the likelihood, weighted by their effective
numbers n_t and n_s. Without the training events, they are the best estimate of *nature*. If d is the distance of the
templates from the test events, their distance from nature is expected to be d n_t / (n_t + n_s). Nature itself is known
to N / (n_t + n_s), in units of the variance of N events of data. So every toy has its own nature: the content of each
cell is multiplied by a random number with mean 1 and the variance of the simulated events in the cell (gamma
distributed, a Bayesian bootstrap). Bins then get the covariance of :mod:`mmc.jobs.statistics.simulated`: the numbers of
events of each sample that were generated are fixed, and the integration of its cross section changes all its bins
together, in all regions of a combination. Templates and test events share both, so nature has all of this error.
Contents fluctuate as Poisson numbers. Expected numbers of events are known better than the sum of the cells
(:mod:`mmc.jobs.madminer.cross_sections`), so the fluctuations of the number of events in the toys are scaled to their
variance.

For large numbers, averaged over simulations, the toys have the distribution of real data: the square of the distance
from nature has the mean N n_t / (n_s (n_t + n_s)), which with N / (n_t + n_s) adds up to N / n_s, as in asymptotic
limits. Toys from the test events alone would also contain the statistical error of the test events, which data do not
have, and their limits would include the true point more often than they claim.

A *cell* is a set of events that the likelihood does not tell apart: a bin, or one event for a likelihood without bins.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array, Events, Partition
from mmc.jobs.madminer.nuisance_effects import exponents
from mmc.jobs.statistics.binned_ratio import HistogramFigures
from mmc.jobs.statistics.closure.toys import MOST_LEFT_OUT, blocks, lowest, minus_2_log
from mmc.jobs.statistics.critical import CriticalValues
from mmc.jobs.statistics.histograms import Binning, Template
from mmc.jobs.statistics.limits import Grid, Limits, effective_size
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.simulated import TemplateSums
from mmc.jobs.statistics.toy_sums import Contents, EventSamples, ToySums, add_events

TOYS, PROBES, FEWEST_PROBES = 50_000, 50, 10
"""The number of all toys, and the numbers of points at which they are drawn."""
FEWEST = 20
"""The smallest number of toys at a point."""
BUDGET, DRAWS = 50_000_000, 500_000_000
"""The largest numbers of toy log likelihoods, and of events that are drawn."""
ROUNDING = 1e-12
"""The smallest relative variance of a bin from the simulation."""
FARTHEST = 5.0
"""Toys are drawn at points whose p-value is at least 1 - level over this number, for the highest level."""


@dataclass(frozen=True)
class Cells:
    """The cells of a likelihood, filled with the events of nature."""

    size: int
    blocks: Callable[[], Iterable[tuple[Array, Template]]]
    """Gives blocks of cells: log ratios at all points, shape (points, cells), and the events in the cells."""
    samples: EventSamples | None = None
    """Those of cells that are single events, whose ``products`` are empty, as they are those of the weights; else None.
    """

    @classmethod
    def binned(
        cls, problem: LimitProblem, table: Array, binning: Binning, values: Callable[[Events], Array]
    ) -> "Cells":
        """The bins of a histogram of ``values`` (events, variables), with its log ratios (points, bins)."""
        nature = nature_of(problem)
        template = Template.of(binning.index(values(nature)), nature, binning.size)
        return cls(binning.size, lambda: [(table, template)])

    @classmethod
    def of_histogram(
        cls, problem: LimitProblem, figures: HistogramFigures, values: Callable[[Events], Array]
    ) -> "Cells":
        """The bins of a histogram of ``values`` (events, variables).

        Single events if the bins differ from point to point.
        """
        if figures.binned is None or figures.binning is None:
            return cls.of_ratio(problem, lambda events: figures.log_ratio(values(events)))
        return cls.binned(problem, figures.binned.log, figures.binning, values)

    @classmethod
    def of_events(cls, problem: LimitProblem, logs: Callable[[], Iterable[Array]]) -> "Cells":
        """Single events; ``logs`` gives the log ratios of the events of :func:`nature_of` in blocks, in their order."""
        weights, file = nature_of(problem).weights, problem.file
        labels = np.concatenate([file.labels(partition) for partition in partitions_of_nature(problem)])
        samples = EventSamples(labels, file.cross_sections.common_of())

        def each() -> Iterator[tuple[Array, Template]]:
            start = 0
            for block in logs():
                rows = weights[start : start + block.shape[1]]
                yield block, Template(rows, np.zeros((0, 0, 0)))
                start += len(rows)

        return cls(len(weights), each, samples)

    @classmethod
    def of_ratio(cls, problem: LimitProblem, log_ratio: Callable[[Events], Array]) -> "Cells":
        """Single events; ``log_ratio`` gives the log ratios of events at all points."""
        nature = nature_of(problem)
        rows = list(blocks(len(nature.x), len(problem.points)))
        return cls.of_events(problem, lambda: (log_ratio(nature.take(block)) for block in rows))


def nature_of(problem: LimitProblem) -> Events:
    """The test events, then the events that make the likelihood, together scaled to the cross sections.

    If all events make the likelihood, as for the rate, they are nature alone.
    """
    parts = [problem.file.part(partition) for partition in partitions_of_nature(problem)]
    if len(parts) == 1:
        return parts[0]
    sizes = np.array([effective_size(part.weights @ problem.true_coefficients) for part in parts])
    shares = sizes / sizes.sum()
    weights = [share * part.weights for share, part in zip(shares, parts, strict=True)]
    return Events(np.concatenate([part.x for part in parts]), np.concatenate(weights))


def partitions_of_nature(problem: LimitProblem) -> list[Partition]:
    """The events of :func:`nature_of`, in their order."""
    return ["all"] if problem.simulation == "all" else [problem.partition, problem.simulation]


def effects_on_nature(problem: LimitProblem) -> tuple[Array, Array] | None:
    """MadMiner's a and b of the events of :func:`nature_of`, each (nuisance parameters, events).

    None if nuisance parameters are not fitted.
    """
    known = [problem.variations(partition) for partition in partitions_of_nature(problem)]
    sides = [np.stack(list(effects.values()), axis=1) for effects in known if effects is not None]
    return exponents(*np.concatenate(sides, axis=2)) if sides else None


def with_toys(
    problem: LimitProblem, limits: Mapping[str, Limits], cells: Cells, random: np.random.Generator
) -> dict[str, Limits]:
    """The limits of :meth:`LimitProblem.all_limits` with critical values from toys, if they fit no nuisance parameters.

    Toys with the rate have Poisson numbers of events around those expected at their point. Without the rate, they have
    as many events as the data, on average.

    :raises StepError: when too much of the cross section is in cells of negative weight
    """
    found: dict[str, Limits] = {}
    for kinds in (("", "observed"), ("without_rate", "observed_without_rate")):
        rate = bool(problem.include_xsec) and kinds[0] == ""
        named = {kind: limits[kind] for kind in kinds if kind in limits}
        sets = [named] if rate else [{kind: entry} for kind, entry in named.items()]
        for together in filter(None, sets):
            n = None if rate else problem.n_observed if "observed" in next(iter(together)) else problem.n_expected
            source = ToySource.of(problem, cells, n)
            critical = critical_values([source], list(together.values()), problem.levels, random)
            found |= {kind: replace(entry, critical=critical) for kind, entry in together.items()}
    return {kind: found.get(kind, entry) for kind, entry in limits.items()}


@dataclass(frozen=True)
class ToySource:
    """What the toys of a region are drawn from."""

    cells: Cells
    coefficients: Array
    """Morphing coefficients of all points, shape (points, benchmarks)."""
    totals: Array
    """The sums of the weights of nature, shape (benchmarks,)."""
    expected: Array
    """The expected numbers of events at all points, shape (points,)."""
    of_rate: Array
    """The relative variance of the expected numbers of events from the simulation, shape (points,)."""
    template: TemplateSums | None = None
    """The sums of each sample in each cell; None if they are not known, or cells are single events."""
    n: float | None = None
    """The number of events in each toy; None with the rate."""
    columns: npt.NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    """Which of all samples of a combination those of the template are; not used alone."""

    @classmethod
    def of(cls, problem: LimitProblem, cells: Cells, n: float | None = None) -> "ToySource":
        """The source of the toys of a problem."""
        totals, simulated = nature_of(problem).weights.sum(axis=0), problem.simulated_sums
        of_rate = simulated.of_rate(problem.coefficients)
        return cls(cells, problem.coefficients, totals, problem.expected, of_rate, simulated.template, n)

    def contents(self, probe: int, content: Template, members: csr_array | None = None) -> tuple[Contents, float]:
        """The events in some cells at a point, and the share that is left out because it is negative.

        :param members: of single events, as in :class:`mmc.jobs.statistics.toy_sums.Contents`
        """
        row, n = self.coefficients[probe], self.expected[probe] if self.n is None else self.n
        scale = n / float(row @ self.totals)
        means = scale * (content.sums @ row)
        squares = np.square(means)
        if members is None:
            squares = np.maximum(scale**2 * (content.products @ row @ row), ROUNDING * squares)
        of_samples, common = np.zeros((len(means), 0)), np.zeros(0)
        if self.template is not None:
            of_samples, common = scale * (self.template.of_samples @ row), self.template.common
        contents = Contents(means, squares, of_samples, common, members)
        return contents, -float(means[means < 0.0].sum()) / n

    def sizes(self, probes: npt.NDArray[np.intp]) -> Array:
        """The mean numbers of events of toys at some points, shape (probes,)."""
        return self.expected[probes] if self.n is None else np.full(len(probes), self.n)

    def draws(self, probes: npt.NDArray[np.intp]) -> float:
        """The largest mean number of cells, or of groups of the same event, that a toy at some points has; see
        :func:`mmc.jobs.statistics.toy_sums.draw_single`."""
        return float(self.cells.size * np.log1p(self.sizes(probes).max() / self.cells.size))

    def narrowing(self, probe: int, sizes: Array, contents: Contents) -> Array:
        """Factors on toys with these contents, and these numbers of events: then they fluctuate as the rate does."""
        if self.n is not None:
            return np.ones_like(sizes)
        mean, drawn = np.array([[contents.means.sum()], [contents.drawn]])
        of_rate = self.of_rate[[probe]][:, np.newaxis]
        return np.asarray(narrowing(sizes[np.newaxis], mean, drawn, contents.covariance([0]), of_rate)[0])


def narrowing(sizes: Array, means: Array, drawn: Array, covariance: Array, relative: Array) -> Array:
    """Factors on toys of several sources: then their numbers of events fluctuate, together, as the rates do.

    The rate may be known worse than the cells are, by its integration; numbers then end at 0.

    :param sizes: numbers of events, shape (sources, toys)
    :param means: what their means are to be, shape (sources,)
    :param drawn: their means, which lack the cells of negative content, shape (sources,)
    :param covariance: that of these numbers, shape (sources, sources)
    :param relative: the relative covariance of the rates, of the same shape
    """
    wanted = np.linalg.cholesky(np.diag(means) + relative * np.outer(means, means))
    independent = np.linalg.solve(np.linalg.cholesky(covariance), sizes - drawn[:, np.newaxis])
    moved = np.maximum(means[:, np.newaxis] + wanted @ independent, 0.0)
    return np.asarray(np.divide(moved, sizes, out=np.ones_like(sizes), where=sizes > 0.0))


def critical_values(
    sources: Sequence[ToySource],
    limits: Sequence[Limits],
    levels: Sequence[float],
    random: np.random.Generator,
    relative: Array | None = None,
) -> CriticalValues:
    """Critical values for limits with the same likelihood, the product of those of all sources.

    :param relative: the relative covariance of the rates of several sources, shape (sources, sources, points); by
        default they are independent
    :raises StepError: when too much of the cross section is in cells of negative weight
    """
    probes = probes_of(sources, limits, levels)
    if relative is None:
        relative = np.einsum("rp,rs->rsp", [source.of_rate for source in sources], np.eye(len(sources)))
    return smoothed(limits[0], levels, probes, _toys(sources, limits[0].grid, probes, random, relative))


def smoothed(limits: Limits, levels: Sequence[float], probes: npt.NDArray[np.intp], toys: Array) -> CriticalValues:
    """The critical values at all points from -2 ln λ of toys (probes, toys)."""
    ascending = sorted(levels)
    asymptotic = np.stack([limits.critical_values(level)[probes] for level in ascending])
    points = np.concatenate([limits.grid.points, np.array(limits.grid.center)[np.newaxis]])
    return CriticalValues.smoothed(points, probes, ascending, toys, asymptotic)


def probes_of(sources: Sequence[ToySource], limits: Sequence[Limits], levels: Sequence[float]) -> npt.NDArray[np.intp]:
    """Points of the grid that are spread over the asymptotic regions: each is the farthest from all before it."""
    grid, possible = limits[0].grid, np.all([source.expected[:-1] > 0.0 for source in sources], axis=0)
    p = np.max([entry.p_values for entry in limits], axis=0)
    possible &= (p > 0.0) | (p == p.max())  # not where a bin of no positive content excludes the point
    inside = p >= (1.0 - max(levels)) / FARTHEST
    inside[np.argsort(-p, kind="stable")[:FEWEST_PROBES]] = True
    inside &= possible
    candidates = np.flatnonzero(inside)
    places = np.stack(np.unravel_index(candidates, grid.shape), axis=1) / (np.array(grid.shape) - 1.0)
    start = np.array(grid.slice_point) / (np.array(grid.shape) - 1.0)
    chosen: list[int] = [int(np.argmin(np.square(places - start).sum(axis=1)))]
    distance = np.full(len(candidates), np.inf)
    most = max(FEWEST_PROBES, BUDGET // (len(sources[0].expected) * len(sources) * FEWEST))
    while len(chosen) < min(PROBES, most, len(candidates)):
        distance = np.minimum(distance, np.square(places - places[chosen[-1]]).sum(axis=1))
        chosen.append(int(np.argmax(distance)))
    return candidates[chosen]


def n_toys(sources: Sequence[ToySource], probes: npt.NDArray[np.intp]) -> int:
    """The number of toys at each point.

    :raises StepError: when it is too small
    """
    points, draws = len(sources[0].expected), sum(source.draws(probes) for source in sources)
    toys = min(TOYS, BUDGET // (points * len(sources)), max(int(DRAWS / draws), FEWEST * len(probes))) // len(probes)
    if toys < FEWEST:
        of_all = f" for {len(sources)} sets of events together" if len(sources) > 1 else ""
        raise StepError(f"the grid has too many points for toys{of_all}: {points:,}")
    return toys


def _toys(
    sources: Sequence[ToySource],
    grid: Grid,
    probes: npt.NDArray[np.intp],
    random: np.random.Generator,
    relative: Array,
) -> Array:
    """-2 ln λ of toys at their own points, shape (probes, toys)."""
    sums, drawn, covariance = _toys_of(sources, probes, n_toys(sources, probes), random)
    rates = [r for r, source in enumerate(sources) if source.n is None]
    found = []
    for k, probe in enumerate(probes):
        sizes = np.array([own.sizes[k] for own in sums])
        factors = np.ones_like(sizes)
        if rates:
            means, square = np.array([sources[r].expected[probe] for r in rates]), np.ix_(rates, rates)
            of_toys, of_rates = covariance[k][square], relative[:, :, probe][square]
            factors[rates] = narrowing(sizes[rates], means, drawn[k, rates], of_toys, of_rates)
        q = np.zeros((len(sources[0].expected), sizes.shape[1]))
        for source, own, size, factor in zip(sources, sums, sizes, factors, strict=True):
            q += minus_2_log(source.expected if source.n is None else None, own.at(k) * factor, size * factor)
        found.append(q[probe] - lowest(grid, q))
    return np.stack(found)


def _toys_of(
    sources: Sequence[ToySource], probes: npt.NDArray[np.intp], toys: int, random: np.random.Generator
) -> tuple[list[ToySums], Array, Array]:
    """The sums over toys; the means of their numbers of events (probes, sources), and the covariance of these numbers
    (probes, sources, sources). Several sources have all their bins in one block."""
    samples, members, start = sources[0].cells.samples, None, 0
    n_samples = 0 if samples is None else len(samples.common)
    sums = [ToySums(len(own.expected), len(probes), toys, float(own.sizes(probes).max()), n_samples) for own in sources]
    drawn, left_out = np.zeros((2, len(probes), len(sources)))
    covariance, columns = np.zeros((*drawn.shape, len(sources))), [source.columns for source in sources]
    for together in zip(*(source.cells.blocks() for source in sources), strict=True):
        logs, cells = zip(*together, strict=True)
        if samples is not None:
            members, start = samples.members(start, len(cells[0].sums)), start + len(cells[0].sums)
        each = [
            [own.contents(k, content, members) for k in probes] for own, content in zip(sources, cells, strict=True)
        ]
        contents = [[content for content, _ in own] for own in each]
        left_out += np.array([[negative for _, negative in own] for own in each]).T
        drawn += np.array([[content.drawn for content in own] for own in contents]).T
        share = 1.0 if len(sources) > 1 else len(cells[0].sums) / sources[0].cells.size
        covariance += add_events(sums, logs, contents, share, random, columns=columns)
    check_left_out(left_out.max())
    if samples is not None:
        covariance[:, 0, 0] += sums[0].correlate(samples.common)
    return sums, drawn, covariance


def check_left_out(share: float) -> None:
    """:raises StepError: when too much of the cross section is in cells of negative weight"""
    if share > MOST_LEFT_OUT:
        raise StepError(
            f"{share:.1%} of the cross section is in events of negative weight, which toys cannot contain: "
            "remove `confidence: toys`"
        )
