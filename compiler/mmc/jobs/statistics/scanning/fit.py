"""The best fit of a likelihood: all minima of -2 ln L, covariance, and intervals from MINOS."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import chdtri

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.scanning.box import Box
from mmc.jobs.statistics.scanning.minimum import Function, Gradient, Minimiser, Minimum
from mmc.jobs.statistics.scanning.outcome import Fit, Interval

STARTS = 8
"""The number of points all over the ranges from which fits start, besides the true point."""
BARRIER = 0.05
"""Two fits end in the same minimum if -2 ln L half-way between them is larger by at most this number."""


class Fitter:
    """Fits a likelihood."""

    def __init__(
        self,
        minus_2_log: Function,
        widening: Function,
        box: Box,
        *,
        levels: Sequence[float],
        dof: int,
        slope: Gradient | None = None,
        widening_slope: Gradient | None = None,
    ) -> None:
        self._raw, self._widening, self._box = Minimiser(minus_2_log, box, slope), widening, box
        self._slope, self._widening_slope = slope, widening_slope
        self._levels, self._dof = levels, dof

    def fit(self, starts: Sequence[Array]) -> Fit:
        """The best fit that is found from some points and from points all over the ranges."""
        found = [self._raw.curved(start).minimum(start) for start in [*starts, *self._box.spread(STARTS)]]
        deepest = sorted(found, key=lambda minimum: (minimum.value, not minimum.converged))
        distinct: list[Minimum] = []
        for minimum in deepest:
            if all(self._between(minimum, other) for other in distinct):
                distinct.append(minimum)
        best = deepest[0]
        heights = [float((m.value - best.value) / self._widening(m.point[np.newaxis])[0]) for m in distinct]
        limit = float(chdtri(self._dof, 1.0 - max(self._levels)))
        kept = [k for k, height in enumerate(heights) if height <= limit]
        determined = self._dof >= len(best.point)
        kept = kept if determined else kept[:1]
        covariance, minos = self._errors(best) if determined else (None, {})
        none: list[Interval] = [(None, None)] * len(best.point)
        return Fit(
            best=best.point,
            value=best.value,
            converged=best.converged,
            minima=tuple(distinct[k].point for k in kept),
            heights=tuple(heights[k] for k in kept),
            at_end=tuple(map(bool, self._box.at_end(best.point))),
            determined=determined,
            covariance=covariance,
            minos=minos or {str(level): none for level in self._levels},
        )

    def relative(self, fit: Fit) -> Minimiser:
        """Minimises -2 ln λ, which is 0 at the best fit, divided by 1 + f (:mod:`mmc.jobs.statistics.simulated`)."""
        return self._relative(fit.value).curved(fit.best)

    def _relative(self, best: float) -> Minimiser:
        def relative(points: Array) -> Array:
            return np.asarray((self._raw.value(points) - best) / self._widening(points))

        def slope(point: Array) -> Array:
            assert self._slope is not None
            widening, change = Minimiser(self._widening, self._box, self._widening_slope).with_slope(point)
            value = float(self._raw.value(point[np.newaxis])[0]) - best
            return np.asarray(self._slope(point) / widening - value / widening**2 * change)

        return Minimiser(relative, self._box, None if self._slope is None else slope)

    def _between(self, minimum: Minimum, other: Minimum) -> bool:
        """Whether -2 ln L is larger between two minima than at both."""
        half_way = 0.5 * (minimum.point + other.point)
        return float(self._raw.value(half_way[np.newaxis])[0]) > max(minimum.value, other.value) + BARRIER

    def _errors(self, best: Minimum) -> tuple[Array | None, dict[str, list[Interval]]]:
        """The covariance, and the intervals of MINOS by confidence level."""
        minuit = self._relative(best.value).curved(best.point).minuit(best.point)
        minuit.migrad()
        minuit.hesse()  # inverts the known second derivatives, which are those here, or finds them itself
        if not minuit.valid or minuit.covariance is None:
            return None, {}
        half = self._box.half
        covariance = np.array(minuit.covariance) * np.outer(half, half)
        if minuit.fmin is None or minuit.fmin.has_made_posdef_covar or not minuit.fmin.has_posdef_covar:
            return None, {}
        intervals = {}
        for level in self._levels:
            minuit.minos(cl=level)
            intervals[str(level)] = [
                self._interval(best.point[k], k, error) for k, error in enumerate(minuit.merrors.values())
            ]
        return covariance, intervals

    def _interval(self, place: float, k: int, error: Any) -> Interval:
        low, high = (float(place + self._box.half[k] * step) for step in (error.lower, error.upper))
        ends = float(self._box.low[k]), float(self._box.high[k])
        return (
            low if error.lower_valid else ends[0] if error.at_lower_limit else None,
            high if error.upper_valid else ends[1] if error.at_upper_limit else None,
        )
