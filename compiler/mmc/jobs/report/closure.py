"""The figure of the closure tests: mean ratio, slopes of joint on estimated quantities, and coverage."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.special import chdtri

from mmc.jobs.report.figures import COLORS, plain, styled
from mmc.jobs.report.results import Grid
from mmc.jobs.statistics.closure.registry import TESTS

FARTHEST = 5.0
"""Points with a larger square root of -2 ln λ are not shown, because no limit depends on them."""
BANDS = 20

Panel = Callable[[Any], None]
"""Draws a panel on matplotlib's axes."""


def closure_figure(record: Mapping[str, Any], grid: Grid) -> Figure | None:
    """The results of the closure tests of a method or baseline, in one panel per test; None without panels."""
    panels = [panel for test in TESTS if test.name in PANELS and (panel := PANELS[test.name](record, grid)) is not None]
    if not panels:
        return None
    with styled():
        figure = Figure(figsize=(3.6 * len(panels) + 0.4, 3.0), layout="constrained")
        for axes, draw in zip(np.ravel(figure.subplots(1, len(panels))), panels, strict=True):
            draw(axes)
        figure.suptitle(plain(f"{record['name']}: closure {record['verdict']}"), x=0.01, ha="left", fontsize=10.0)
    return figure


def _mean_ratio_panel(record: Mapping[str, Any], grid: Grid) -> Panel | None:
    if not grid.axes or "mean_ratio" not in grid.arrays or not _near(grid).any():
        return None
    return lambda axes: _mean_ratio(axes, grid, record["confidence_levels"])


def _joint_panel(record: Mapping[str, Any], _grid: Grid) -> Panel | None:
    joint, before = (closure.get("joint") for closure in (record["closure"], _before(record)))
    return (lambda axes: _joint(axes, joint, before)) if joint else None


def _coverage_panel(record: Mapping[str, Any], _grid: Grid) -> Panel | None:
    coverage = record["closure"].get("coverage")
    return (lambda axes: _coverage(axes, coverage)) if coverage else None


PANELS: dict[str, Callable[[Mapping[str, Any], Grid], Panel | None]] = {
    "mean_ratio": _mean_ratio_panel,
    "joint": _joint_panel,
    "coverage": _coverage_panel,
}
"""The panel of each closure test whose result has more than one number, by the name of the test."""


def _before(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The figures of the closure tests before a calibration; empty without calibration."""
    before: Mapping[str, Any] = record.get("calibration", {}).get("before", {}).get("closure", {})
    return before


def _near(grid: Grid) -> Any:
    return grid.log_likelihood_ratio().ravel() > -0.5 * FARTHEST**2


def _mean_ratio(axes: Any, grid: Grid, levels: Sequence[float]) -> None:
    """The mean ratio at all points of the grid; it must be 1 in the confidence region.

    The band shows three standard errors: the median over points at the same distance from the best fit.
    """
    near = _near(grid)
    distance = np.sqrt(np.maximum(-2.0 * grid.log_likelihood_ratio().ravel()[near], 0.0))
    mean, error = (np.ravel(grid.arrays[name])[near] for name in ("mean_ratio", "mean_ratio_error"))
    edges = np.linspace(0.0, FARTHEST, BANDS + 1)
    index = np.minimum((distance / edges[1]).astype(int), BANDS - 1)
    band = np.array([3.0 * np.median(error[index == k]) if (index == k).any() else 0.0 for k in range(BANDS)])
    low, high = (np.append(1.0 + sign * band, 1.0 + sign * band[-1]) for sign in (-1.0, 1.0))
    axes.fill_between(edges, low, high, step="post", color=COLORS[0], alpha=0.2, linewidth=0)
    axes.plot(distance, mean, "o", markersize=2.5, color=COLORS[0])
    axes.axhline(1.0, color="black", linewidth=0.8)
    for level in levels:
        threshold = float(chdtri(len(grid.axes), 1.0 - level)) ** 0.5
        axes.axvline(threshold, color="#888888", linewidth=0.8, linestyle=":")
        axes.annotate(
            f"{level:.0%}",
            (threshold, 1.0),
            (2, -2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            color="#555555",
            fontsize=8.0,
            va="top",
        )
    axes.set(xlabel=r"$\sqrt{-2\,\ln\,\lambda}$ of the point", ylabel="mean ratio", xlim=(-0.15, FARTHEST))
    axes.ticklabel_format(axis="y", useOffset=False)


def _joint(axes: Any, joint: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
    """The slopes of the joint on the estimated ratio or score, after and before calibration; they must be 1."""
    for found, color, label in ((before, "#A0A0A0", "before calibration"), (joint, COLORS[0], "as evaluated")):
        known = [(k, entry) for k, entry in enumerate((found or {"each": ()})["each"]) if entry["slope"] is not None]
        if known:
            x = [k + (0.15 if found is before else -0.15 if before else 0.0) for k, _ in known]
            slopes, errors = ([entry[key] for _, entry in known] for key in ("slope", "slope_error"))
            axes.errorbar(x, slopes, yerr=errors, fmt="o", markersize=4.0, color=color, label=label)
    axes.axhline(1.0, color="black", linewidth=0.8)
    names = [entry["component"] if "component" in entry else _point(entry["theta"]) for entry in joint["each"]]
    axes.set_xticks(range(len(names)), [plain(name) for name in names], fontsize=7.5, rotation=20, ha="right")
    axes.set(ylabel=f"slope of joint on estimated {joint['of']}", xlim=(-0.5, len(names) - 0.5))
    axes.yaxis.label.set_size(9.5)
    if before:
        axes.legend(fontsize=7.5, frameon=False)


def _point(theta: Mapping[str, float]) -> str:
    return ", ".join(f"{value:.3g}" for value in theta.values())


def _coverage(axes: Any, coverage: Sequence[Mapping[str, Any]]) -> None:
    """The coverage of toys at each point, against the confidence level."""
    levels = sorted({entry["level"] for entry in coverage})
    axes.plot([0.0, 1.0], [0.0, 1.0], color="black", linewidth=0.8)
    points = list(dict.fromkeys(tuple(entry["theta"].values()) for entry in coverage))
    for k, point in enumerate(points):
        at_point = [entry for entry in coverage if tuple(entry["theta"].values()) == point]
        shift = 0.012 * (k - 0.5 * (len(points) - 1))  # places error bars side by side
        x, y = [entry["level"] + shift for entry in at_point], [entry["coverage"] for entry in at_point]
        errors = [entry["error"] for entry in at_point]
        label = ", ".join(f"{value:.3g}" for value in point)
        axes.errorbar(x, y, yerr=errors, fmt="o", markersize=4.0, color=COLORS[k % len(COLORS)], label=label)
    low = min(*levels, *(entry["coverage"] - entry["error"] for entry in coverage))
    axes.set(xlabel="confidence level", ylabel="coverage of toys", xlim=(low - 0.05, 1.0), ylim=(low - 0.05, 1.02))
    axes.legend(fontsize=7.5, frameon=False, title="true point", title_fontsize=7.5)
