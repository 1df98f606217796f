"""The coverage of asymptotic limits at the points of a Neyman construction."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from mmc.jobs.report.figures import COLORS, plain, styled
from mmc.tables import percent

WIDEST = 4.0
"""The range of the colours, in binomial standard errors to each side of the confidence level."""
SHADES = 16
"""The number of colours. The bar of many would be an image within the figure, which a page does not show."""


def coverage_figure(record: Mapping[str, Any], labels: Mapping[str, str], truth: Mapping[str, float]) -> Figure:
    """A panel for each level: the coverage along the parameter, or as colours over the first two parameters."""
    toys, names = record["toys"], list(record["best_fit"])[:2]
    levels = sorted({entry["level"] for entry in toys["map"]})
    with styled():
        figure = Figure(figsize=(4.2 * len(levels), 3.4), layout="constrained")
        for axes, level in zip(np.ravel(figure.subplots(1, len(levels))), levels, strict=True):
            entries = [entry for entry in toys["map"] if entry["level"] == level]
            error = (level * (1.0 - level) / toys["per_point"]) ** 0.5
            (_line if len(names) == 1 else _plane)(axes, entries, names, level, error)
            axes.set(xlabel=labels[names[0]])
            axes.axvline(truth[names[0]], color="black", linewidth=0.8, linestyle=":")
            axes.locator_params(axis="x", nbins=5)
            if len(names) > 1:
                axes.set(ylabel=labels[names[1]])
                axes.axhline(truth[names[1]], color="black", linewidth=0.8, linestyle=":")
        figure.suptitle(plain(f"{record['name']}: coverage of asymptotic limits"), x=0.01, ha="left", fontsize=10.0)
    return figure


def _line(axes: Any, entries: Sequence[Mapping[str, Any]], names: Sequence[str], level: float, error: float) -> None:
    x = [entry["theta"][names[0]] for entry in entries]
    axes.errorbar(x, [entry["coverage"] for entry in entries], yerr=error, fmt="o", markersize=4.0, color=COLORS[0])
    axes.axhline(level, color="black", linewidth=0.8)
    axes.set(ylabel="coverage")


def _plane(axes: Any, entries: Sequence[Mapping[str, Any]], names: Sequence[str], level: float, error: float) -> None:
    x, y = ([entry["theta"][name] for entry in entries] for name in names)
    ends = {"vmin": level - WIDEST * error, "vmax": level + WIDEST * error}
    coverage, colors = [entry["coverage"] for entry in entries], colormaps["coolwarm_r"].resampled(SHADES)
    drawn = axes.scatter(x, y, c=coverage, cmap=colors, s=30.0, edgecolors="#888888", **ends)
    axes.figure.colorbar(drawn, ax=axes, label=f"coverage at {percent(level)}", extend="both")
