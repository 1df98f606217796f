"""What a minimiser and scans say of a likelihood with many parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri

from mmc.compiler.settings.limits import Experiments, LikelihoodScan
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.scanning.box import Box

Interval = tuple[float | None, float | None]
"""The ends of an interval; None where MINOS has found none."""


@dataclass(frozen=True)
class Fit:
    """The best fit of a likelihood."""

    best: Array
    """The point with the largest likelihood, shape (parameters,)."""
    value: float
    """-2 ln L there."""
    converged: bool
    minima: tuple[Array, ...]
    """The best fit, and the other minima inside the region at the highest confidence level, the deepest first."""
    heights: tuple[float, ...]
    """-2 ln λ of these minima."""
    at_end: tuple[bool, ...]
    """Whether each parameter is at an end of its range."""
    determined: bool
    """Whether the data consist of as many numbers as there are parameters; else the best fit is not unique."""
    covariance: Array | None
    """None if -2 ln λ does not grow in all directions."""
    minos: dict[str, list[Interval]]
    """By confidence level, the interval of each parameter."""

    @property
    def errors(self) -> Array:
        """The standard deviations; infinite where they are not known."""
        return np.full(len(self.best), np.inf) if self.covariance is None else np.sqrt(np.diag(self.covariance))

    def minos_intervals(self, parameter: int) -> dict[str, list[list[float]]]:
        """The intervals of a parameter by confidence level, empty where MINOS has found no end."""
        found = {level: intervals[parameter] for level, intervals in self.minos.items()}
        return {level: [] if low is None or high is None else [[low, high]] for level, (low, high) in found.items()}

    def problems(self, names: Sequence[str]) -> list[str]:
        """What a reader of the limits must know, in words."""
        found = []
        if not self.converged:
            found.append("the minimiser did not converge to the best fit")
        ends = [name for name, end in zip(names, self.at_end, strict=True) if end and self.determined]
        if ends:
            found.append(
                f"at the best fit, {' and '.join(ends)} {'is' if len(ends) == 1 else 'are'} at an end of the range"
            )
        if self.determined and self.converged and not ends and self.covariance is None:
            found.append("at the best fit, the likelihood does not fall in all directions of the parameters")
        if self.determined and len(self.minima) > 1:
            others = "; ".join(_point_words(point, names) for point in self.minima[1:3])
            found.append(
                f"the likelihood has {len(self.minima)} maxima in the confidence region: the covariance and MINOS "
                f"describe that of the best fit, not that at {others}"
            )
        return found

    def summary(self, names: Sequence[str]) -> dict[str, Any]:
        """The entries of result files."""
        known = self.covariance is not None
        errors = self.errors
        correlation = None if self.covariance is None else self.covariance / np.outer(errors, errors)
        return {
            "converged": self.converged,
            "best_fit": _named(self.best, names),
            "errors": _named(errors, names) if known else None,
            "covariance": None if self.covariance is None else self.covariance.tolist(),
            "correlation": None if correlation is None else correlation.tolist(),
            "at_end_of_range": [name for name, end in zip(names, self.at_end, strict=True) if end],
            "minima": [
                {"theta": _named(point, names), "minus_2_ln_lambda": height}
                for point, height in zip(self.minima, self.heights, strict=True)
            ],
            "minos": {
                name: {level: list(intervals[k]) for level, intervals in self.minos.items()}
                for k, name in enumerate(names)
            },
        }


@dataclass(frozen=True)
class Curve:
    """-2 ln λ along one or two parameters."""

    scan: LikelihoodScan
    axes: tuple[Array, ...]
    values: Array
    """-2 ln λ at the points of the axes."""
    intervals: dict[str, list[list[float]]]
    """By confidence level, the ends of each interval; empty for two parameters."""
    failed: int
    """The number of points at which the fit of the others did not converge."""

    def is_open(self, box: Box, index: int) -> bool:
        """Whether an interval reaches an end of the range of the parameter with this index."""
        low, high = float(box.low[index]), float(box.high[index])
        return any(first <= low or last >= high for ends in self.intervals.values() for first, last in ends)


@dataclass(frozen=True)
class End:
    """An end of an interval of a parameter, with all others fitted."""

    point: Array
    """Shape (parameters,)."""
    slope: float
    """The derivative of -2 ln λ by the parameter; NaN if the fit of the others is not that of the interval."""


@dataclass(frozen=True)
class Scans:
    """The best fit and all scans of one likelihood."""

    names: tuple[str, ...]
    box: Box
    fit: Fit
    curves: tuple[Curve, ...]
    ends: Mapping[str, Mapping[str, list[list[End | None]]]] = field(default_factory=dict)
    """Those of :meth:`intervals`, if they are needed; None at an end of the range."""

    @property
    def best_fit(self) -> dict[str, float]:
        """The best fit by parameter."""
        return _named(self.fit.best, self.names)

    @property
    def points(self) -> int:
        """The number of points of all scans."""
        return sum(curve.values.size for curve in self.curves)

    @property
    def failed(self) -> int:
        """The number of points of all scans at which a fit did not converge."""
        return sum(curve.failed for curve in self.curves)

    @property
    def problems(self) -> list[str]:
        """What a reader of the limits must know of the fits, in words."""
        found = self.fit.problems(self.names)
        if self.failed:
            found.append(f"the fits at {self.failed} of {self.points:,} points of the scans did not converge")
        return found

    @property
    def open_parameters(self) -> list[str]:
        """The parameters whose intervals reach an end of the range."""
        return [
            curve.scan.over[0]
            for curve in self.curves
            if curve.intervals and curve.is_open(self.box, self.names.index(curve.scan.over[0]))
        ]

    def intervals(self) -> dict[str, dict[str, list[list[float]]]]:
        """The interval of each parameter with all others fitted: from its scan, or else from MINOS."""
        scanned = {c.scan.over[0]: c.intervals for c in self.curves if c.intervals and c.scan.others is None}
        return {name: scanned.get(name, self.fit.minos_intervals(k)) for k, name in enumerate(self.names)}

    @property
    def end_points(self) -> Array:
        """The points of all ends, shape (ends, parameters)."""
        each = [end for levels in self.ends.values() for ends in levels.values() for end in chain.from_iterable(ends)]
        return np.reshape([end.point for end in each if end is not None], (-1, len(self.names)))

    def summary(self) -> dict[str, Any]:
        """The entries of result files."""
        return {
            "ranges": {
                name: [float(a), float(b)] for name, a, b in zip(self.names, self.box.low, self.box.high, strict=True)
            },
            "fit": self.fit.summary(self.names),
            "problems": self.fit.problems(self.names),
            "scans": [
                {
                    "over": list(curve.scan.over),
                    "others": "profile" if curve.scan.others is None else dict(curve.scan.others),
                    "points": curve.values.size,
                    "not_converged": curve.failed,
                    **({"intervals": curve.intervals} if curve.intervals else {}),
                    "arrays": f"scan_{number}",
                }
                for number, curve in enumerate(self.curves, start=1)
            ],
        }

    def arrays(self) -> dict[str, Array]:
        """``scan_K_axis_NAME`` and ``scan_K_ln_lambda``, ln λ at the points of the axes, for each scan."""
        found: dict[str, Array] = {}
        for number, curve in enumerate(self.curves, start=1):
            found |= {
                f"scan_{number}_axis_{name}": axis for name, axis in zip(curve.scan.over, curve.axes, strict=True)
            }
            found[f"scan_{number}_ln_lambda"] = -0.5 * curve.values
        return found


def _named(point: Array, names: Sequence[str]) -> dict[str, float]:
    return dict(zip(names, map(float, point), strict=True))


def _point_words(point: Array, names: Sequence[str]) -> str:
    return ", ".join(f"{name} = {value:.3g}" for name, value in zip(names, point, strict=True))


@dataclass(frozen=True)
class Fitted:
    """The fits of simulated experiments."""

    settings: Experiments
    names: tuple[str, ...]
    dof: int
    """The degrees of freedom of -2 ln λ of all parameters together."""
    best: Array
    """The best fits, shape (experiments, parameters)."""
    distances: Array
    """-2 ln λ of the point of the experiments and of each of its coordinates: shape (experiments, 1 + parameters)."""
    converged: npt.NDArray[np.bool_]
    at_end: npt.NDArray[np.bool_]
    """Whether a best fit is at an end of a range."""
    events: npt.NDArray[np.intp]
    """The numbers of events."""

    def summary(self, levels: Sequence[float]) -> dict[str, Any]:
        """The entries of result files."""
        n, spread = len(self.best), self.best.std(axis=0, ddof=1) if len(self.best) > 1 else None
        return {
            "theta": dict(self.settings.at),
            "events": self.settings.events,
            "repeat": n,
            "mean_events": float(self.events.mean()),
            "not_converged": int((~self.converged).sum()),
            "at_end_of_range": int(self.at_end.sum()),
            "best_fit": {
                "mean": _named(self.best.mean(axis=0), self.names),
                "standard_deviation": None if spread is None else _named(spread, self.names),
            },
            "coverage": [self._coverage(level) for level in levels],
        }

    def _coverage(self, level: float) -> dict[str, Any]:
        limits = np.array([chdtri(self.dof, 1.0 - level), *np.full(len(self.names), chdtri(1, 1.0 - level))])
        inside = (self.distances <= limits).sum(axis=0)
        n = len(self.distances)
        smoothed = (inside + 1.0) / (n + 2.0)  # else the error is 0 where all experiments or none are inside
        errors = np.sqrt(smoothed * (1.0 - smoothed) / n)
        return {
            "level": level,
            "region": float(inside[0] / n),
            "region_error": float(errors[0]),
            "intervals": _named(inside[1:] / n, self.names),
            "interval_errors": _named(errors[1:], self.names),
        }

    def arrays(self) -> dict[str, Array]:
        """``pseudo_data_best_fit`` (experiments, parameters) and ``pseudo_data_minus_2_ln_lambda``."""
        return {"pseudo_data_best_fit": self.best, "pseudo_data_minus_2_ln_lambda": self.distances}
