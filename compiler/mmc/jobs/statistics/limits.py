"""Limits on a grid in parameter space from log-likelihood ratios in the asymptotic approximation."""

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
from mmc.jobs.statistics.projections import cut, intervals, profile, projections


@dataclass(frozen=True)
class Grid:
    """A rectangular grid: per parameter, in the order of the event file, the values of its axis."""

    axes: Mapping[str, Array]
    center: tuple[float, ...] | None = None
    """The point whose closest neighbour on the grid slices go through; None is the middle."""

    @classmethod
    def of(
        cls, axes: Mapping[str, GridAxis], parameters: Sequence[str], center: tuple[float, ...] | None = None
    ) -> "Grid":
        """The grid with these axes; the parameters are those of the event file.

        :raises StepError: when the axes are not theirs
        """
        if set(axes) != set(parameters):
            raise StepError(f"the grid is over {sorted(axes)}, the event file has {sorted(parameters)}")
        ordered = {name: axes[name] for name in parameters}
        return cls({name: np.linspace(*axis.range, axis.points) for name, axis in ordered.items()}, center)

    @cached_property
    def through(self) -> tuple[int, ...]:
        """The point that slices go through, as its number along each axis."""
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
    """The p-value of q = -2 ln λ, which follows a χ² distribution with ``dof`` degrees of freedom (Wilks)."""
    return np.asarray(chdtrc(dof, np.maximum(-2.0 * log_likelihood_ratio, 0.0)))


@dataclass(frozen=True)
class Limits:
    """Log likelihoods at all points of a grid and, last, at the true point: shape (points + 1,)."""

    grid: Grid
    log_likelihood: Array

    @property
    def dof(self) -> int:
        """The number of parameters."""
        return len(self.grid.axes)

    @cached_property
    def log_likelihood_ratio(self) -> Array:
        """ln λ: the log likelihood less its largest value, over the grid and the true point; shape (points + 1,)."""
        values = np.where(np.isnan(self.log_likelihood), -np.inf, self.log_likelihood)
        best = values.max()
        if not np.isfinite(best):
            raise StepError("the likelihood is finite nowhere on the grid: check its range, or generate more events")
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
        """Which points are inside the confidence region, as an array of the grid's shape."""
        return (self.p_values >= 1.0 - level).reshape(self.grid.shape)

    def touches_edge(self, level: float) -> bool:
        """Whether the confidence region reaches the edge of the grid, so that it may be open or larger."""
        allowed = self.allowed(level)
        return any(bool(np.take(allowed, (0, -1), axis=k).any()) for k in range(self.dof))

    @property
    def on_grid(self) -> Array:
        """ln λ in the grid's shape."""
        return self.log_likelihood_ratio[:-1].reshape(self.grid.shape)

    def summary(self, levels: Sequence[float]) -> dict[str, Any]:
        """Best fit, p-value of the true point and, at each confidence level, how much of the grid is allowed.

        ``intervals`` are those of each parameter, profiled over all others; ``slices`` has those with the others fixed,
        where there are others.
        """
        axes, through, ratio = self.grid.axes, self.grid.through, self.on_grid
        found = {
            "best_fit": self.best_fit,
            "p_true": self.p_true,
            "confidence_levels": list(levels),
            "allowed_fraction": {str(level): float(self.allowed(level).mean()) for level in levels},
            "touches_edge": self.touches_edge(max(levels)),
            "intervals": intervals(axes, [profile(ratio, [k]) for k in range(self.dof)], levels),
        }
        if self.dof > 1:
            at = {name: float(axis[k]) for (name, axis), k in zip(axes.items(), through, strict=True)}
            cuts = [cut(ratio, [k], through) for k in range(self.dof)]
            found["slices"] = {"at": at, "intervals": intervals(axes, cuts, levels)}
        return found

    def arrays(self) -> dict[str, Array]:
        """What ``limits.npz`` holds: ``axis_NAME``, and on the grid ``p_values`` and ``log_likelihood_ratio``.

        With several parameters the :func:`mmc.jobs.statistics.projections.projections` of the latter too.
        """
        axes = {f"axis_{name}": axis for name, axis in self.grid.axes.items()}
        return {**axes, **self.values()}

    def values(self) -> dict[str, Array]:
        """The same without the axes."""
        ratio = self.on_grid
        found = {"p_values": self.p_values.reshape(self.grid.shape), "log_likelihood_ratio": ratio}
        return found | projections(list(self.grid.axes), ratio, self.grid.through)


def effective_size(weights: Array) -> float:
    """Kish's effective number of events, (Σ w)² / Σ w²."""
    return float(weights.sum() ** 2 / np.square(weights).sum())


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays as npz, the same bytes for the same arrays."""
    np.savez(path, **arrays)
