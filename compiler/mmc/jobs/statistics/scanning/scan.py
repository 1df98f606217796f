"""The best fit of a likelihood with many parameters, its covariance, and scans over one or two of them.

-2 ln λ is relative to the best fit and divided by 1 + f, as on grids. A scan with fitted others is the profile
likelihood, whose -2 ln λ follows a χ² distribution with as many degrees of freedom as parameters that are scanned. With
fixed others it is relative to the best point of the scan, as the slices of a grid are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtri

from mmc.compiler.settings.limits import LikelihoodScan
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.scanning.box import Box
from mmc.jobs.statistics.scanning.fit import Fitter
from mmc.jobs.statistics.scanning.minimum import STEP, Function, Gradient, Minimiser
from mmc.jobs.statistics.scanning.outcome import Curve, End, Fit, Scans

NEAR = np.array([0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
"""A scan over one parameter has more points at these distances from each minimum, in standard deviations."""
BELOW = -0.02
"""A scan that finds a smaller -2 ln λ has found a better fit."""
NOT_THERE = 0.1
"""With another -2 ln λ, the fit of the others at an end of an interval has ended elsewhere than that of the scan."""
ATTEMPTS = 3
"""The largest number of times that a better fit starts the scans anew."""


class _BetterError(Exception):
    """A scan has found a better fit than the best one."""

    def __init__(self, point: Array) -> None:
        super().__init__("a scan has found a better fit")
        self.point = point


def run_scans(
    minus_2_log: Function,
    widening: Function,
    box: Box,
    *,
    names: Sequence[str],
    scans: Sequence[LikelihoodScan],
    levels: Sequence[float],
    start: Array,
    dof: int,
    slope: Gradient | None = None,
    widening_slope: Gradient | None = None,
    with_ends: bool = False,
) -> Scans:
    """The best fit and the scans of a likelihood.

    :param minus_2_log: -2 ln L, without the statistical error of the simulation
    :param widening: 1 + f of :mod:`mmc.jobs.statistics.simulated`
    :param start: the true point, from which the first fit starts
    :param dof: the degrees of freedom of -2 ln λ of all parameters together
    :param slope: the derivatives of -2 ln L, if they are known
    :param widening_slope: those of 1 + f, if they are known
    :param with_ends: whether :attr:`Scans.ends` are needed, each of which takes a fit
    """
    starts = [start]
    for attempt in range(ATTEMPTS):
        fitter = Fitter(minus_2_log, widening, box, levels=levels, dof=dof, slope=slope, widening_slope=widening_slope)
        fit = fitter.fit(starts)
        try:
            scanner = _Scanner(fitter.relative(fit), box, names, fit, levels=levels, last=attempt == ATTEMPTS - 1)
            found = Scans(tuple(names), box, fit, tuple(scanner.curves(scans)))
            return replace(found, ends=scanner.ends(found)) if with_ends else found
        except _BetterError as better:
            starts.append(better.point)
    raise AssertionError("the last attempt raises nothing")


class _Scanner:
    def __init__(
        self, relative: Minimiser, box: Box, names: Sequence[str], fit: Fit, *, levels: Sequence[float], last: bool
    ) -> None:
        self._minimiser, self._box, self._names = relative, box, list(names)
        self._fit, self._levels, self._last = fit, levels, last

    def curves(self, scans: Sequence[LikelihoodScan]) -> Iterator[Curve]:
        for scan in scans:
            yield self._line_curve(scan) if len(scan.over) == 1 else self._plane_curve(scan)

    def ends(self, found: Scans) -> Mapping[str, Mapping[str, list[list[End | None]]]]:
        """:attr:`Scans.ends` of these scans."""
        return {
            name: {
                level: [[self._end(k, place, float(level)) for place in own] for own in each]
                for level, each in levels.items()
            }
            for k, (name, levels) in enumerate(found.intervals().items())
        }

    def _end(self, k: int, place: float, level: float) -> End | None:
        if not self._box.low[k] < place < self._box.high[k]:
            return None
        found = self._value([k], [place], None, self._fit.minima)
        step = STEP * self._box.half[k] * (np.arange(len(found.point)) == k)
        down, up = self._minimiser.value(np.stack([found.point - step, found.point + step]))
        is_there = abs(found.value - float(chdtri(1, 1.0 - level))) < NOT_THERE
        return End(found.point, float(up - down) / (2.0 * float(step[k])) if is_there else np.nan)

    def _others(self, scan: LikelihoodScan) -> Array | None:
        """The point at which others are fixed; None if they are fitted."""
        if scan.others is None:
            return None
        middle = dict(zip(self._names, self._fit.best, strict=True))
        return np.array([scan.others.get(name, middle[name]) for name in self._names])

    def _value(
        self, keep: Sequence[int], place: Sequence[float], others: Array | None, guesses: Sequence[Array]
    ) -> Any:
        """-2 ln λ with the parameters ``keep`` at a place, the point, and whether the fit of the others converged."""
        starts = [others] if others is not None else guesses
        best = None
        for guess in starts:
            point = np.array(guess)
            point[list(keep)] = place
            fixed = range(len(point)) if others is not None else keep
            found = self._minimiser.minimum(point, fixed)
            if best is None or found.value < best.value:
                best = found
        if best is not None and others is None and best.value < BELOW and not self._last:
            raise _BetterError(best.point)
        return best

    def _base(self, keep: Sequence[int], others: Array | None) -> float:
        """-2 ln λ of the best point of a scan."""
        if others is None:
            return 0.0
        fixed = [k for k in range(len(others)) if k not in keep]
        points = []
        for minimum in [self._box.middle, *self._fit.minima]:
            point = others.copy()
            point[list(keep)] = minimum[list(keep)]
            points.append(self._minimiser.minimum(point, fixed).value)
        return min(points)

    def _line_curve(self, scan: LikelihoodScan) -> Curve:
        k, others = self._names.index(scan.over[0]), self._others(scan)
        axis, values, failed, evaluate = self._line(k, others, scan.points)
        intervals = {str(level): _intervals(axis, values, level, evaluate) for level in self._levels}
        return Curve(scan, (axis,), values, intervals, failed)

    def _line(self, k: int, others: Array | None, n: int) -> tuple[Array, Array, int, Callable[[float], float]]:
        """The points of a scan over one parameter, -2 ln λ there, the number of failures, and -2 ln λ anywhere."""
        box, minima = self._box, self._fit.minima
        sigma = self._fit.errors[k]
        near = [m[k] + sign * sigma * NEAR for m in minima for sign in (-1.0, 1.0)] if np.isfinite(sigma) else []
        places = np.concatenate([np.linspace(box.low[k], box.high[k], n), *near, [m[k] for m in minima]])
        axis = np.unique(places[(places >= box.low[k]) & (places <= box.high[k])])
        base = self._base([k], others)
        middle = int(np.argmin(np.abs(axis - minima[0][k])))
        solved: dict[int, Array] = {}
        values, failed = np.zeros(len(axis)), 0
        for index in [*range(middle, len(axis)), *range(middle - 1, -1, -1)]:
            guesses = [solved[i] for i in (index - 1, index + 1) if i in solved] or [minima[0]]
            found = self._value([k], [axis[index]], others, [*guesses, *minima[1:]])
            solved[index], values[index] = found.point, found.value - base
            failed += not found.converged

        def evaluate(place: float) -> float:
            nearest = solved[int(np.argmin(np.abs(axis - place)))]
            return float(self._value([k], [place], others, [nearest, *minima[1:]]).value - base)

        return axis, np.maximum(values, 0.0), failed, evaluate

    def _plane_curve(self, scan: LikelihoodScan) -> Curve:
        """A scan over two parameters, in the part of their ranges where the region at the highest level is."""
        keep, others = [self._names.index(name) for name in scan.over], self._others(scan)
        limit = float(chdtri(2, 1.0 - max(self._levels)))
        axes, failed = [], 0
        for k in keep:
            fixed = None
            if others is not None:  # the other scanned parameter is free
                axes.append(np.linspace(self._box.low[k], self._box.high[k], scan.points))
                continue
            axis, values, lost, _ = self._line(k, fixed, scan.points)
            inside = np.flatnonzero(values <= limit)
            low, high = axis[max(inside[0] - 1, 0)], axis[min(inside[-1] + 1, len(axis) - 1)]
            axes.append(np.linspace(low, high, scan.points))
            failed += lost
        base = self._base(keep, others)
        values = np.zeros((len(axes[0]), len(axes[1])))
        best = [int(np.argmin(np.abs(axis - self._fit.best[k]))) for axis, k in zip(axes, keep, strict=True)]
        cells = sorted(np.ndindex(values.shape), key=lambda cell: (cell[0] - best[0]) ** 2 + (cell[1] - best[1]) ** 2)
        solved: dict[tuple[int, ...], Array] = {}
        for i, j in cells:
            around = [(i + a, j + b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (i + a, j + b) in solved]
            nearest = min(around, key=lambda cell: values[cell], default=None)
            guesses = [self._fit.best if nearest is None else solved[nearest], *self._fit.minima[1:]]
            found = self._value(keep, [float(axes[0][i]), float(axes[1][j])], others, guesses)
            solved[i, j], values[i, j] = found.point, found.value - base
            failed += not found.converged
        return Curve(scan, tuple(axes), np.maximum(values, 0.0), {}, failed)


def _intervals(axis: Array, values: Array, level: float, evaluate: Callable[[float], float]) -> list[list[float]]:
    """The ends of each interval where -2 ln λ is at most the quantile of χ² with one degree of freedom."""
    limit = float(chdtri(1, 1.0 - level))

    def excess(place: float) -> float:
        return float(np.sqrt(max(evaluate(place), 0.0)) - np.sqrt(limit))

    inside = values <= limit
    ends = [float(axis[0])] * bool(inside[0])
    for index in np.flatnonzero(np.diff(inside.astype(int))):
        low, high = float(axis[index]), float(axis[index + 1])
        if excess(low) * excess(high) < 0.0:
            ends.append(float(brentq(excess, low, high, xtol=1e-3 * (high - low), maxiter=30, disp=False)))
        else:  # the fits of the others end elsewhere now
            ends.append(low if inside[index] else high)
    ends += [float(axis[-1])] * bool(inside[-1])
    return [[low, high] for low, high in list(pairwise(ends))[::2]]
