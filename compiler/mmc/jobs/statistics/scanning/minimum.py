"""Minima of a smooth function of many parameters in a box, found by Minuit (James and Roos, CPC 10 (1975) 343).

Inside, parameters are in units of half their range, so that all have the same size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.scanning.box import EDGE, Box

if TYPE_CHECKING:  # most jobs fit nothing, and Minuit takes a third of a second to import
    from iminuit import Minuit

Function = Callable[[Array], Array]
"""The values at points (points, parameters); shape (points,)."""
Gradient = Callable[[Array], Array]
"""The derivatives of a function at a point (parameters,); shape (parameters,)."""
HIGHEST = 1e9
"""Larger values, and those that are not finite, are replaced by this one: Minuit needs finite numbers."""
CALLS = 20_000
"""The largest number of evaluations in one minimisation."""
PRECISION = 1e-8
"""The relative precision of the function, for Minuit: networks have single precision, averaged over many events."""
STEP = 1e-3
"""The step to each side for derivatives, in units of half the range."""


@dataclass(frozen=True)
class Minimum:
    """What a minimisation has found."""

    point: Array
    value: float
    converged: bool


class Minimiser:
    """Minimises a function in a box; without its derivatives, these are differences of its values."""

    def __init__(
        self, function: Function, box: Box, slope: Gradient | None = None, curvature: Array | None = None
    ) -> None:
        """``curvature`` holds second derivatives, in units of half the ranges, with which fits and MINOS begin."""
        self.box = box
        self._function, self._slope, self._curvature = function, slope, curvature

    def curved(self, point: Array) -> "Minimiser":
        """The same with the second derivatives at a point.

        With them Minuit needs a tenth of the values: it does not look for them itself. They are differences of the
        first derivatives; if these are not known, or if the function does not grow in all directions, nothing changes.
        """
        if self._slope is None:
            return self
        units = (point - self.box.middle) / self.box.half
        up, down = (np.array([self._gradient(units + d) for d in side * STEP * np.eye(len(units))]) for side in (1, -1))
        matrix = (up - down) / (2.0 * STEP)
        matrix = 0.5 * (matrix + matrix.T)
        grows = bool(np.isfinite(matrix).all()) and bool((np.linalg.eigvalsh(matrix) > 0.0).all())
        return Minimiser(self._function, self.box, self._slope, matrix if grows else None)

    def value(self, points: Array) -> Array:
        """The function with finite values at points (points, parameters)."""
        values = np.asarray(self._function(points), dtype=float)
        return np.where(np.isfinite(values), np.minimum(values, HIGHEST), HIGHEST)

    def with_slope(self, point: Array) -> tuple[float, Array]:
        """The function and its derivatives at a point."""
        units = (point - self.box.middle) / self.box.half
        return float(self.value(point[np.newaxis])[0]), self._gradient(units) / self.box.half

    def minimum(self, start: Array, fixed: Sequence[int] = ()) -> Minimum:
        """The minimum that MIGRAD finds from a start, with the parameters ``fixed`` at their values there."""
        if len(fixed) == len(start):
            return Minimum(start, float(self.value(start[np.newaxis])[0]), True)
        minuit = self.minuit(start, fixed)
        minuit.migrad(ncall=CALLS)
        if not minuit.valid:  # a second attempt from where the first has ended, with second derivatives of its own
            minuit = Minimiser(self._function, self.box, self._slope).minuit(self.point_of(minuit), fixed)
            minuit.strategy = 2
            minuit.migrad(ncall=CALLS)
        return Minimum(self.point_of(minuit), float(minuit.fval), bool(minuit.valid))

    def minuit(self, start: Array, fixed: Sequence[int] = ()) -> "Minuit":
        """Minuit at a start inside the box, for a function that grows by 1 within one standard deviation."""
        from iminuit import Minuit

        inside = np.clip((start - self.box.middle) / self.box.half, -1.0 + EDGE, 1.0 - EDGE)
        inside[list(fixed)] = ((start - self.box.middle) / self.box.half)[list(fixed)]
        curvature = self._curvature
        known = None if curvature is None else lambda _: curvature
        minuit = Minuit(self._at, inside, grad=self._gradient, hessian=known)
        minuit.errordef = Minuit.LEAST_SQUARES
        minuit.strategy, minuit.print_level, minuit.precision = 0, 0, PRECISION
        for k in range(len(start)):
            minuit.fixed[k] = k in fixed
            if k not in fixed:
                minuit.limits[k] = (-1.0, 1.0)
            minuit.errors[k] = 0.1
        return minuit

    def point_of(self, minuit: "Minuit") -> Array:
        """The point at which Minuit is."""
        return np.asarray(self.box.middle + self.box.half * np.array(minuit.values))

    def _places(self, units: Any) -> Array:
        return np.asarray(self.box.middle + self.box.half * np.asarray(units))

    def _at(self, units: Any) -> float:
        return float(self.value(self._places(units)[np.newaxis])[0])

    def _gradient(self, units: Any) -> Array:
        """The derivatives, or differences from one evaluation of the function at all points that they need."""
        if self._slope is not None:
            return np.asarray(self.box.half * self._slope(self._places(units)))
        steps = STEP * np.eye(len(units))
        values = self.value(self._places(np.concatenate([units + steps, units - steps])))
        up, down = np.split(values, 2)
        return np.asarray((up - down) / (2.0 * STEP))
