"""The limits of another study, on the grid of this one.

Its -2 ln λ is divided by 1 + f, so it includes the statistical error of its simulation. The product of such
likelihoods weights each study with its whole error.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.interpolate import RegularGridInterpolator

from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.allowed_areas import refinement
from mmc.jobs.statistics.between_points import refined
from mmc.jobs.statistics.combined_verdict import Part
from mmc.jobs.statistics.limits import Grid, Limits
from mmc.jobs.statistics.region_likelihood import KINDS, RegionLikelihood

LOWEST = -1e6
"""Smaller ln λ are replaced by this number."""


def record_of(results: Mapping[str, Any], file: str, name: str) -> Mapping[str, Any]:
    """The record of the limits in a file among the results of a study.

    :raises StepError: when the results have no such limits
    """
    try:
        records = {str(record["grid"]): record for record in [*results["baselines"], *results["methods"]]}
        if file not in records:
            known = ", ".join(records)
            raise StepError(f"{name}: its results have no limits {file!r}; they have {known or 'none'}")
        for key in ("verdict", "reasons", "n_expected", "luminosity_pb", "theta_true", "degrees_of_freedom"):
            records[file][key]
    except (KeyError, TypeError) as error:
        raise StepError(f"{name}: these are not the results of a study: {error} is missing or damaged") from error
    found: Mapping[str, Any] = records[file]
    return found


def part_of(record: Mapping[str, Any], name: str, theta_true: Mapping[str, float]) -> Part:
    """Another study as a part of a combination.

    :raises StepError: when its true point is another one
    """
    if record["theta_true"] != dict(theta_true):
        raise StepError(f"{name}: its true point is {record['theta_true']}, and that of this study {dict(theta_true)}")
    return Part(name, name, record, {}, other=True)


def likelihood_of(record: Mapping[str, Any], arrays: Mapping[str, Array], grid: Grid, name: str) -> RegionLikelihood:
    """The likelihood of another study at the points of a grid and the true point.

    :raises StepError: when it has other parameters, or its grid does not contain this one
    """
    axes = {key.removeprefix("axis_"): axis for key, axis in arrays.items() if key.startswith("axis_")}
    if set(axes) != set(grid.axes):
        raise StepError(f"{name}: its grid is over {sorted(axes)}, and that of this study over {sorted(grid.axes)}")
    for parameter, axis in grid.axes.items():
        low, high = float(axes[parameter][0]), float(axes[parameter][-1])
        if axis[0] < low - 1e-9 * (high - low) or axis[-1] > high + 1e-9 * (high - low):
            raise StepError(
                f"{name}: its grid of {parameter} is from {low:g} to {high:g}, and that of this study from {axis[0]:g} "
                f"to {axis[-1]:g}, of which it does not know all"
            )
    points = np.concatenate([grid.points, np.array(grid.center)[np.newaxis]])
    columns = [list(grid.axes).index(parameter) for parameter in axes]
    limits: dict[str, Limits] = {}
    n: dict[str, float] = {}
    for kind in KINDS:
        key = "_".join(filter(None, (kind, "log_likelihood_ratio")))
        if key in arrays and (not kind or kind in record):
            found = _between(list(axes.values()), arrays[key], points[:, columns])
            dof = int((record[kind] if kind else record)["degrees_of_freedom"])
            limits[kind] = Limits(grid, found, None if dof == len(axes) else dof, np.zeros(len(points)))
    for data in ("", "observed"):
        if data in limits:
            n[data] = float(record["n_observed" if data else "n_expected"])
    return RegionLikelihood(limits, n, np.full(len(points), n[""]), (), {})


def _between(axes: list[Array], values: Array, points: Array) -> Array:
    """ln λ at points (points, parameters), from its values on a grid."""
    n = refinement(values.shape)
    fine = [np.interp(np.linspace(0.0, len(a) - 1.0, (len(a) - 1) * n + 1), np.arange(len(a)), a) for a in axes]
    at = RegularGridInterpolator(fine, refined(np.maximum(values, LOWEST), n, values.ndim))
    inside = np.stack([np.clip(column, axis[0], axis[-1]) for column, axis in zip(points.T, axes, strict=True)], axis=1)
    return np.asarray(at(inside))
