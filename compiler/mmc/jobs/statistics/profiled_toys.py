"""Toy experiments in which nuisance parameters are fitted, for critical values of limits with systematic uncertainties.

In the toys at a point, the nuisance parameters have the values ν̂ that fit the data best there (the profile
construction: Chuang and Lai, Statistica Sinica 10 (2000) 1; ATL-PHYS-PUB-2011-11). The contents of the bins change as
the templates do between ν = 0 and ν̂. The auxiliary measurements, the centres of the constraints, are normal numbers of
width 1 around ν̂. With the auxiliary measurements a,

    ln L(θ, ν) - ln L(θ, 0) = [as in mmc.jobs.statistics.profiling, without the constraint] - ½ Σ_k (ν_k - a_k)²

is maximised in each toy. At all points of the grid this is one Newton step from ν = 0, which is exact for a Gaussian
likelihood. At the point of the toy, and at the best point and those beside it, from which the best fit between the
points follows, the fit goes on until it converges.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.toys import lowest, minus_2_log
from mmc.jobs.statistics.critical import CriticalValues
from mmc.jobs.statistics.limits import Grid, Limits
from mmc.jobs.statistics.neyman import Cells, ToySource, check_left_out, n_toys, probes_of, smoothed
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.profiling import FilledHistogram, Likelihood, ShapeLikelihood, VariedHistogram

PROFILED = "with_systematics"
"""The end of the name of limits with fitted nuisance parameters."""
MOST_MOVES = 20
"""The best point may move so many times after further fits."""
BLOCK = 4_000_000
"""The largest number of gradients of toys, and of responses of bins, in memory at once."""


def with_profiled_toys(
    problem: LimitProblem,
    limits: Mapping[str, Limits],
    shapes: Mapping[str, ShapeLikelihood],
    cells: Cells,
    random: np.random.Generator,
) -> dict[str, Limits]:
    """The limits of :meth:`LimitProblem.all_limits` with critical values from toys, if they fit nuisance parameters.

    :param shapes: the likelihoods of expected events (an empty name) and of ``observed`` events
    :raises StepError: when the likelihood has no bins that all points share
    """
    found = dict(limits)
    for kind in filter(lambda name: name.endswith(PROFILED), limits):
        data = "observed" if kind.startswith("observed") else ""
        n, gain = problem.n_observed if data else problem.n_expected, shapes[data].gain
        if not isinstance(gain, FilledHistogram):
            raise StepError(
                "nuisance parameters are fitted to toys in bins that all points share; this likelihood has none: "
                "remove `confidence: toys`, or write `systematics: nominal`"
            )
        rate = bool(problem.include_xsec) and "without_rate" not in kind
        source = ToySource.of(problem, cells, None if rate else n)
        critical = _critical_values(source, limits[kind], gain, n, levels=problem.levels, random=random)
        found[kind] = replace(limits[kind], critical=critical)
    return found


def _critical_values(
    source: ToySource,
    limits: Limits,
    data: FilledHistogram,
    n: float,
    *,
    levels: Sequence[float],
    random: np.random.Generator,
) -> CriticalValues:
    ((table, content),) = source.cells.blocks()
    probes = probes_of([source], [limits], levels)
    size = n_toys([source], probes)
    toys = ProfiledToys(limits.grid, data.histogram, table, source.expected if source.n is None else None)
    found = []
    for probe, nu, factors in zip(probes, *toys.effects(data, n, probes), strict=True):
        nominal, left_out = source.contents(probe, content)
        check_left_out(left_out)
        own = nominal.times(factors)
        counts = own.draw_bins(size, random).T
        counts *= source.narrowing(probe, counts.sum(axis=0), own)
        found.append(toys.statistic(int(probe), counts, nu + random.standard_normal((size, len(nu)))))
    return smoothed(limits, levels, probes, np.stack(found))


@dataclass(frozen=True)
class ProfiledToys:
    """What the toys of a likelihood with fitted nuisance parameters are compared with."""

    grid: Grid
    histogram: VariedHistogram
    table: Array
    """The log ratio of each bin at all points, shape (points, bins)."""
    expected: Array | None
    """The expected numbers of events at all points, shape (points,); None without the rate."""

    def effects(self, data: FilledHistogram, n: float, probes: npt.NDArray[np.intp]) -> tuple[Array, Array]:
        """ν̂ at some points, and the factors on the contents of the bins: (probes, nuisance) and (probes, bins)."""
        nu = data.fit(n, self.expected)[1][probes]
        return nu, np.exp(self.histogram.response(probes).exponent(nu))

    def statistic(self, probe: int, counts: Array, auxiliary: Array) -> Array:
        """-2 ln λ of a point, for the events in the bins (bins, toys) and the auxiliary measurements (toys, nuisance).

        Shape (toys,).
        """
        sizes, toys = counts.sum(axis=0), np.arange(counts.shape[1])
        nominal = minus_2_log(self.expected, self.table @ counts, sizes)
        q = nominal - 2.0 * self._first_steps(counts, auxiliary)
        fitted = np.zeros(q.shape, dtype=bool)

        def fit(points: npt.NDArray[np.intp]) -> None:
            """Let the fit of each toy at its own one of these points go on until it converges."""
            those = np.flatnonzero(~fitted[points, toys])
            if not len(those):
                return
            here = points[those]
            mu = None if self.expected is None else self.expected[here]
            response = self.histogram.response(here)
            likelihood = Likelihood(response, counts.T[those], sizes[those], mu, auxiliary[those])
            q[here, those] = nominal[here, those] - 2.0 * likelihood.gain()
            fitted[here, those] = True

        for point in (probe, len(q) - 1):  # the last is the true point, where the best fit may be
            fit(np.full(len(toys), point))
        for _ in range(MOST_MOVES):
            before = np.count_nonzero(fitted)
            for points in _beside(self.grid, np.argmin(q[:-1], axis=0)):
                fit(points)
            if np.count_nonzero(fitted) == before:
                break
        return np.asarray(q[probe] - lowest(self.grid, q))

    def _blocks(self, toys: int) -> Iterator[slice]:
        nuisance, bins, _ = self.histogram.up.shape
        size = max(1, BLOCK // (max(toys, bins) * nuisance))
        return (slice(start, start + size) for start in range(0, len(self.table), size))

    def _first_steps(self, counts: Array, auxiliary: Array) -> Array:
        """The gain of the first Newton step at all points, shape (points, toys)."""
        found, nominal, sizes = [], 0.5 * np.square(auxiliary).sum(axis=1), counts.sum(axis=0)
        for rows in self._blocks(len(auxiliary)):
            response = self.histogram.response(rows)
            n = np.full(len(response.shares), sizes.mean()) if self.expected is None else self.expected[rows]
            events = np.maximum(n, 0.0)[:, np.newaxis] * response.shares
            drift = np.einsum("pb,pbk->pk", events, response.linear)[:, np.newaxis, :]
            gradient = np.einsum("pbk,bt->ptk", response.linear, counts, optimize=True) + auxiliary
            hessian = np.einsum("pb,pbk,pbl->pkl", events, response.linear, response.linear, optimize=True)
            if self.expected is None:
                hessian -= np.einsum("pik,pil->pkl", drift, drift) / sizes.mean()
                drift = drift * (sizes / sizes.mean())[np.newaxis, :, np.newaxis]
            gradient -= drift
            inverse = np.linalg.inv(np.eye(auxiliary.shape[1]) + hessian)
            found.append(0.5 * np.einsum("ptk,pkl,ptl->pt", gradient, inverse, gradient, optimize=True) - nominal)
        return np.concatenate(found)


def _beside(grid: Grid, points: npt.NDArray[np.intp]) -> Iterator[npt.NDArray[np.intp]]:
    """Points of the grid and those around each that decide the best fit between the points
    (:func:`mmc.jobs.statistics.between_points.maximum`), one direction after the other; none is beyond an edge."""
    places = np.stack(np.unravel_index(points, grid.shape))
    corners, twice = product((0, -1, 1), repeat=len(grid.shape)), 2 * np.eye(len(grid.shape), dtype=int)
    for steps in [*corners, *twice, *-twice]:
        moved = np.clip(places + np.array(steps)[:, np.newaxis], 0, np.array(grid.shape)[:, np.newaxis] - 1)
        yield np.ravel_multi_index(tuple(moved), grid.shape)
