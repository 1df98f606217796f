"""Limits on a grid in parameter space, from log likelihood ratios in the asymptotic approximation.

A likelihood that is made from n simulated events has their statistical error. If N events of data fluctuate around the
simulation, the derivatives of ln L by the parameters have the variance (1 + f) N I, with the information I of one
event: the data's own, and that of the simulation. So -2 ln λ at the true point follows a χ² distribution times 1 + f,
and the limits divide by this factor (in the limit of large numbers, the same as fitting the contents of the templates:
Barlow and Beeston, Comput. Phys. Commun. 77 (1993) 219). For a distribution of events of one sample with equal weights
f is N/n; otherwise, and for the rate: :mod:`mmc.jobs.statistics.simulated`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, chdtri

from mmc.compiler.settings.limits import GridAxis
from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.allowed_areas import allowed_areas
from mmc.jobs.statistics.between_points import highest, maximum
from mmc.jobs.statistics.critical import CriticalValues
from mmc.jobs.statistics.interval_errors import end_errors, interval_errors, standard_error_of
from mmc.jobs.statistics.projections import (
    Intervals,
    are_wide,
    each_intervals,
    intervals,
    profiles,
    projections,
    slice_through,
)
from mmc.jobs.statistics.scanning.box import Box
from mmc.jobs.statistics.scanning.outcome import Fitted, Scans

_NO_REGIONS: Mapping[str, Any] = {
    key: {} for key in ("allowed_fraction", "allowed_area", "allowed_area_error", "intervals", "interval_errors")
}
"""The regions of limits without a grid."""


@dataclass(frozen=True)
class Grid:
    """A rectangular grid: the values along the axis of each parameter, in the order of the event file."""

    axes: Mapping[str, Array]
    center: tuple[float, ...] | None = None
    """Slices go through the point of the grid that is closest to this point; None is the middle of the grid."""

    @classmethod
    def of(
        cls, axes: Mapping[str, GridAxis], parameters: Sequence[str], center: tuple[float, ...] | None = None
    ) -> "Grid":
        """The grid with these axes; ``parameters`` are the parameters of the event file.

        :raises StepError: when the axes belong to other parameters
        """
        if set(axes) != set(parameters):
            raise StepError(f"the grid is over {sorted(axes)}, the event file has {sorted(parameters)}")
        ordered = {name: axes[name] for name in parameters}
        return cls({name: np.linspace(*axis.range, axis.points) for name, axis in ordered.items()}, center)

    @cached_property
    def slice_point(self) -> tuple[int, ...]:
        """The point of the grid that slices go through, as its index along each axis."""
        center = self.center or tuple(0.5 * (axis[0] + axis[-1]) for axis in self.axes.values())
        return tuple(int(np.argmin(np.abs(axis - at))) for axis, at in zip(self.axes.values(), center, strict=True))

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of points along each axis."""
        return tuple(len(axis) for axis in self.axes.values())

    @cached_property
    def points(self) -> Array:
        """All points, shape (points, parameters); the last parameter varies fastest."""
        mesh = np.meshgrid(*self.axes.values(), indexing="ij")
        return np.stack([axis.ravel() for axis in mesh], axis=1)


@dataclass(frozen=True)
class Cloud(Grid):
    """Points in the confidence region, for closure tests of limits without a grid.

    The axes are the ends of the ranges of the parameters.
    """

    places: Array = field(default_factory=lambda: np.zeros((0, 0)))
    """Shape (points, parameters)."""
    n_ends: int = 0
    """So many of the points, the last ones, are ends of intervals."""

    @classmethod
    def among(
        cls,
        box: Box,
        parameters: Sequence[str],
        center: tuple[float, ...] | None,
        places: Array,
        ends: Array | None = None,
    ) -> "Cloud":
        """These points in a box, and ends of intervals."""
        axes = dict(zip(parameters, np.stack([box.low, box.high], axis=1), strict=True))
        every = places if ends is None else np.concatenate([places, ends])
        return cls(axes, center, every, len(every) - len(places))

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of points."""
        return (len(self.places),)

    @property
    def points(self) -> Array:
        """All points, shape (points, parameters)."""
        return self.places


def p_values(log_likelihood_ratio: Array, dof: int) -> Array:
    """The p-value of -2 ln λ, which follows a χ² distribution with ``dof`` degrees of freedom (Wilks' theorem)."""
    return np.asarray(chdtrc(dof, np.maximum(-2.0 * log_likelihood_ratio, 0.0)))


@dataclass(frozen=True)
class Limits:
    """Log likelihoods at all points of a grid and, as the last entry, at the true point: shape (points + 1,)."""

    grid: Grid
    log_likelihood: Array
    n_measured: int | None = None
    """How many independent numbers the data consist of; None if that is more than there are parameters."""
    per_simulated: Array | float = 0.0
    """f of :mod:`mmc.jobs.statistics.simulated` at each point: the variance from the simulated events over that from
    the data; 0 for infinitely many simulated events. If limits include the error of the training, its variance in units
    of that from the data is added."""
    replicas: Array | None = None
    """The log likelihoods without one group of the simulated events each, shape (groups, points + 1)."""
    varied: Array | None = None
    """The log likelihoods with each independent error of the numbers of events that pass, which changes the rates, and
    of the integrated cross sections, which changes the distributions too, shape (changes, points + 1)."""
    critical: CriticalValues | None = None
    """Critical values from toys, which include the statistical error of the simulation; None for those of χ²."""
    scans: Scans | None = None
    """The best fit that a minimiser has found, and scans; None if the study asks for none."""
    fitted: Fitted | None = None
    """The fits of simulated experiments; None if the study asks for none."""

    @property
    def has_grid(self) -> bool:
        """Whether the points are those of a grid, and not only points in the confidence region."""
        return not isinstance(self.grid, Cloud)

    @property
    def infinite_simulation(self) -> "Limits":
        """The limits as if the simulation had no statistical error."""
        return replace(self, per_simulated=0.0, critical=None)

    @property
    def dof(self) -> int:
        """The degrees of freedom of -2 ln λ: the number of parameters, or of measured numbers if that is smaller. A
        rate alone measures a single combination of the parameters."""
        n_parameters = len(self.grid.axes)
        return n_parameters if self.n_measured is None else min(n_parameters, self.n_measured)

    def is_resolved(self, level: float) -> bool:
        """Whether the confidence region has a point of the grid, and is at least half as wide as points are apart.

        Otherwise its ends are interpolated far from all points, and other regions between the points may be missing.
        """
        wide = not self.has_grid or are_wide(self.grid.axes, self.profiled_intervals([level]))
        return wide and bool(self.allowed(level).any())

    @cached_property
    def log_likelihood_ratio(self) -> Array:
        """ln λ: the log likelihood minus its maximum between the points or at the true point, divided by 1 + f.

        With critical values from toys, -2 ln λ is scaled such that the critical values are those of χ² instead.
        Shape (points + 1,).

        :raises StepError: when the likelihood is not finite at any point
        """
        return np.asarray(self._ratios(self.log_likelihood[np.newaxis], self.critical)[0])

    def _ratios(self, log_likelihoods: Array, critical: CriticalValues | None) -> Array:
        """The same of several likelihoods, and for these critical values; shape (sets, points + 1)."""
        values = _known(log_likelihoods)
        best = highest(values.T, self.grid.shape) if self.has_grid else values.max(axis=1)
        if not np.isfinite(best).all():
            raise StepError(
                "the likelihood is not finite at any point of the grid: check the range of the grid, or generate more "
                "events"
            )
        changes = values - best[:, np.newaxis]
        if critical is not None:
            return -0.5 * critical.scaled(-2.0 * changes, self.dof)
        return np.asarray(changes / (1.0 + self.per_simulated))

    def critical_values(self, level: float) -> Array:
        """The largest -2 ln λ inside the confidence region, before any division or scaling, shape (points + 1,)."""
        if self.critical is not None:
            return self.critical.at(level)
        widened = float(chdtri(self.dof, 1.0 - level)) * (1.0 + np.asarray(self.per_simulated))
        return np.broadcast_to(widened, self.log_likelihood.shape)

    @cached_property
    def p_values(self) -> Array:
        """The p-value of each point of the grid, shape (points,)."""
        return p_values(self.log_likelihood_ratio[:-1], self.dof)

    @property
    def p_true(self) -> float:
        """The p-value of the true point."""
        return float(p_values(self.log_likelihood_ratio[-1:], self.dof)[0])

    @property
    def best_fit(self) -> dict[str, float]:
        """The point with the largest likelihood, between the points of the grid; without a grid, of the minimiser."""
        if self.scans is not None and not self.has_grid:
            return self.scans.best_fit
        _, places = maximum(_known(self.log_likelihood)[:-1].reshape(self.grid.shape), len(self.grid.axes))
        return {
            name: float(np.interp(place, np.arange(len(axis)), axis))
            for (name, axis), place in zip(self.grid.axes.items(), places, strict=True)
        }

    def allowed(self, level: float) -> npt.NDArray[np.bool_]:
        """True at the points inside the confidence region, in the grid's shape; not at the ends of intervals."""
        inside = self.p_values >= 1.0 - level
        if isinstance(self.grid, Cloud):
            inside[len(inside) - self.grid.n_ends :] = False
        return inside.reshape(self.grid.shape)

    def touches_edge(self, level: float) -> bool:
        """Whether the confidence region reaches the edge of the grid, so that it may be open or larger.

        Without a grid, whether the interval of a parameter reaches an end of its range.
        """
        if not self.has_grid:
            return self.scans is not None and bool(self.scans.open_parameters)
        allowed = self.allowed(level)
        return any(bool(np.take(allowed, (0, -1), axis=k).any()) for k in range(len(self.grid.axes)))

    @property
    def on_grid(self) -> Array:
        """ln λ in the grid's shape."""
        return self.log_likelihood_ratio[:-1].reshape(self.grid.shape)

    def allowed_area(self, level: float) -> float:
        """The fraction of the grid's volume inside the confidence region, with -2 ln λ interpolated between the points.

        The fraction of the points in :meth:`allowed` is larger if they are few, as it counts the edges of the grid.
        Without a grid, the fraction of the points: the closure tests compare regions by it.
        """
        if isinstance(self.grid, Cloud):
            return float(self.allowed(level)[: len(self.grid.places) - self.grid.n_ends].mean())
        return float(allowed_areas(self.on_grid[np.newaxis], self.dof, [level])[0, 0])

    def summary(self, levels: Sequence[float]) -> dict[str, Any]:
        """Best fit, p-value of the true point, and the confidence regions and intervals of each parameter.

        ``intervals`` are profiled over all other parameters. With several parameters, ``slices`` holds the intervals
        with all other parameters fixed. ``infinite_simulation`` holds regions and intervals without the statistical
        error of the simulation.
        """
        axes, slice_point, ratio = self.grid.axes, self.grid.slice_point, self.on_grid
        found = {
            "best_fit": self.best_fit,
            "p_true": self.p_true,
            "confidence_levels": list(levels),
            "touches_edge": self.touches_edge(max(levels)),
            "degrees_of_freedom": self.dof,
            "events_per_simulated_event": float(np.broadcast_to(self.per_simulated, len(self.log_likelihood))[-1]),
            **self._regions(levels),
            "infinite_simulation": self.infinite_simulation._regions(levels) if self.has_grid else dict(_NO_REGIONS),
        }
        if self.critical is not None:
            found["toys"] = {"per_point": self.critical.toys, "map": self._coverage_map(self.critical)}
        if self.scans is not None:
            found["scans"] = self.scans.summary()
        if self.fitted is not None:
            found["pseudo_data"] = self.fitted.summary(levels)
        if len(axes) > 1 and self.has_grid:
            at = {name: float(axis[k]) for (name, axis), k in zip(axes.items(), slice_point, strict=True)}
            slices = [slice_through(ratio, [k], slice_point) for k in range(len(axes))]
            found["slices"] = {"at": at, "intervals": intervals(axes, slices, levels)}
        return found

    def _coverage_map(self, critical: CriticalValues) -> list[dict[str, Any]]:
        """The critical values at the points with toys, and the coverage of the limits without toys there."""
        return [
            {
                "theta": dict(zip(self.grid.axes, self.grid.points[probe].tolist(), strict=True)),
                "level": level,
                "critical_value": float(critical.at(level)[probe]),
                "error": float(critical.error_at(level)[probe]),
                "asymptotic": float(critical.asymptotic[i, k]),
                "coverage": float(critical.coverage[i, k]),
            }
            for k, probe in enumerate(critical.probes)
            for i, level in enumerate(critical.levels)
        ]

    def _regions(self, levels: Sequence[float]) -> dict[str, Any]:
        """Allowed fraction of the points, area and profiled intervals, the last two with statistical errors.

        Without a grid there are only the intervals of the scans.
        """
        if not self.has_grid:
            known = {} if self.scans is None else self.scans.intervals()
            errors: Intervals = {}
            if self.scans is not None and self._has_errors:
                own, none = self.log_likelihood, np.empty((0, len(self.log_likelihood)))
                changes = [none if each is None else each - own for each in (self.replicas, self.varied)]
                errors = end_errors(self.scans, self.grid.points, changes, self.per_simulated)
            return {**_NO_REGIONS, "intervals": known, "interval_errors": errors}
        own = allowed_areas(self.on_grid[np.newaxis], self.dof, levels)[:, 0]
        found: dict[str, Any] = {
            "allowed_fraction": {str(level): float(self.allowed(level).mean()) for level in levels},
            "allowed_area": {str(level): float(area) for level, area in zip(levels, own, strict=True)},
            "allowed_area_error": {},
            "intervals": self.profiled_intervals(levels),
            "interval_errors": {},
        }
        if self._has_errors:
            left_out, shifted = self._other_ratios
            areas = [allowed_areas(others, self.dof, levels) for others in (left_out, shifted)]
            for level, area, *others in zip(levels, own, *areas, strict=True):
                found["allowed_area_error"][str(level)] = float(standard_error_of(area, *others))
            each = [self._intervals_of(others, levels) for others in (left_out, shifted)]
            found["interval_errors"] = interval_errors(found["intervals"], *each)
        return found

    @property
    def _has_errors(self) -> bool:
        """Whether regions have statistical errors. Those of observed events have none if their likelihood does not
        depend on the simulated events."""
        others = [each for each in (self.replicas, self.varied) if each is not None]
        own = _known(self.log_likelihood)
        return self.critical is not None or any(bool((_known(each) != own).any()) for each in others)

    @property
    def _other_ratios(self) -> tuple[Array, Array]:
        """ln λ without one group of simulated events each, and with each other error added, shape (sets, \\*grid)."""
        none: Array = np.empty((0, len(self.log_likelihood)))
        left_out = none if self.replicas is None else self._ratios(self.replicas, self.critical)
        shifted = [] if self.varied is None else [self._ratios(self.varied, self.critical)]
        if self.critical is not None:
            shifted += [self._ratios(self.log_likelihood[np.newaxis], other) for other in self.critical.shifted()]
        return self._on_grid(left_out), self._on_grid(np.concatenate([none, *shifted]))

    def _on_grid(self, ratios: Array) -> Array:
        return ratios[:, :-1].reshape(-1, *self.grid.shape)

    def profiled_intervals(self, levels: Sequence[float]) -> Intervals:
        """The intervals of each parameter at each level, profiled over all others."""
        return self._intervals_of(self.on_grid[np.newaxis], levels)[0]

    def _intervals_of(self, ratios: Array, levels: Sequence[float]) -> list[Intervals]:
        """The same for each of several ln λ of shape (sets, \\*grid)."""
        curves = [profiles(ratios, [k]) for k in range(len(self.grid.axes))]
        return each_intervals(self.grid.axes, curves, levels)

    def arrays(self) -> dict[str, Array]:
        """The arrays of ``limits.npz``: ``axis_NAME``, and ``p_values`` and ``log_likelihood_ratio`` on the grid.

        With several parameters, the :func:`mmc.jobs.statistics.projections.projections` of the log likelihood ratio are
        added.
        """
        axes = {f"axis_{name}": axis for name, axis in self.grid.axes.items()} if self.has_grid else {}
        return {**axes, **self.values()}

    def values(self) -> dict[str, Array]:
        """The same arrays without the axes."""
        scanned = {} if self.scans is None else self.scans.arrays()
        if self.fitted is not None:
            scanned = scanned | self.fitted.arrays()
        if not self.has_grid:
            return scanned
        ratio = self.on_grid
        found = {"p_values": self.p_values.reshape(self.grid.shape), "log_likelihood_ratio": ratio}
        return found | projections(list(self.grid.axes), ratio, self.grid.slice_point) | scanned


def _known(log_likelihoods: Array) -> Array:
    """Log likelihoods; -inf where they are not known."""
    return np.where(np.isnan(log_likelihoods), -np.inf, log_likelihoods)


def effective_size(weights: Array) -> float:
    """The effective sample size of weighted events, (Σ w)² / Σ w² (Kish)."""
    return float(weights.sum() ** 2 / np.square(weights).sum())


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays as npz; the same arrays give the same bytes."""
    np.savez(path, **arrays)
