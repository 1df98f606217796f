"""Limits on a grid in parameter space, from log likelihood ratios in the asymptotic approximation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from mmc.compiler.settings.limits import GridAxis
from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.projections import intervals, profile, projections, slice_through


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

    @property
    def dof(self) -> int:
        """The degrees of freedom of -2 ln λ: the number of parameters, or of measured numbers if that is smaller. A
        rate alone measures a single combination of the parameters."""
        n_parameters = len(self.grid.axes)
        return n_parameters if self.n_measured is None else min(n_parameters, self.n_measured)

    def is_resolved(self, level: float) -> bool:
        """Whether a point of the grid is in the confidence region, which otherwise lies between the points."""
        return bool(self.allowed(level).any())

    @cached_property
    def log_likelihood_ratio(self) -> Array:
        """ln λ: the log likelihood minus its maximum over the grid and the true point; shape (points + 1,).

        :raises StepError: when the likelihood is not finite at any point
        """
        values = np.where(np.isnan(self.log_likelihood), -np.inf, self.log_likelihood)
        best = values.max()
        if not np.isfinite(best):
            raise StepError(
                "the likelihood is not finite at any point of the grid: check the range of the grid, or generate more "
                "events"
            )
        return np.asarray(values - best)

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
        """The point of the grid with the largest likelihood."""
        best = self.grid.points[int(np.argmax(self.log_likelihood_ratio[:-1]))]
        return {name: float(value) for name, value in zip(self.grid.axes, best, strict=True)}

    def allowed(self, level: float) -> npt.NDArray[np.bool_]:
        """True at the points inside the confidence region, in the grid's shape."""
        return (self.p_values >= 1.0 - level).reshape(self.grid.shape)

    def touches_edge(self, level: float) -> bool:
        """Whether the confidence region reaches the edge of the grid, so that it may be open or larger."""
        allowed = self.allowed(level)
        return any(bool(np.take(allowed, (0, -1), axis=k).any()) for k in range(len(self.grid.axes)))

    @property
    def on_grid(self) -> Array:
        """ln λ in the grid's shape."""
        return self.log_likelihood_ratio[:-1].reshape(self.grid.shape)

    def summary(self, levels: Sequence[float]) -> dict[str, Any]:
        """Best fit, p-value of the true point, and the allowed fraction of the grid at each confidence level.

        ``intervals`` holds the intervals of each parameter, profiled over all other parameters. With several
        parameters, ``slices`` holds the intervals with all other parameters fixed.
        """
        axes, slice_point, ratio = self.grid.axes, self.grid.slice_point, self.on_grid
        found = {
            "best_fit": self.best_fit,
            "p_true": self.p_true,
            "confidence_levels": list(levels),
            "allowed_fraction": {str(level): float(self.allowed(level).mean()) for level in levels},
            "touches_edge": self.touches_edge(max(levels)),
            "degrees_of_freedom": self.dof,
            "intervals": intervals(axes, [profile(ratio, [k]) for k in range(len(axes))], levels),
        }
        if len(axes) > 1:
            at = {name: float(axis[k]) for (name, axis), k in zip(axes.items(), slice_point, strict=True)}
            slices = [slice_through(ratio, [k], slice_point) for k in range(len(axes))]
            found["slices"] = {"at": at, "intervals": intervals(axes, slices, levels)}
        return found

    def arrays(self) -> dict[str, Array]:
        """The arrays of ``limits.npz``: ``axis_NAME``, and ``p_values`` and ``log_likelihood_ratio`` on the grid.

        With several parameters, the :func:`mmc.jobs.statistics.projections.projections` of the log likelihood ratio are
        added.
        """
        axes = {f"axis_{name}": axis for name, axis in self.grid.axes.items()}
        return {**axes, **self.values()}

    def values(self) -> dict[str, Array]:
        """The same arrays without the axes."""
        ratio = self.on_grid
        found = {"p_values": self.p_values.reshape(self.grid.shape), "log_likelihood_ratio": ratio}
        return found | projections(list(self.grid.axes), ratio, self.grid.slice_point)


def effective_size(weights: Array) -> float:
    """The effective sample size of weighted events, (Σ w)² / Σ w² (Kish)."""
    return float(weights.sum() ** 2 / np.square(weights).sum())


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays as npz; the same arrays give the same bytes."""
    np.savez(path, **arrays)
