"""Distributions of the observables at the benchmarks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.report.figures import COLORS, plain, styled

MOST_BENCHMARKS = 7
"""The largest number of benchmarks in a figure; more lines cannot be distinguished."""
MOST_OBSERVABLES = 40
BINS = 30
MOST_VALUES = 25
"""An observable with at most this number of different values, all of them integers, has one bin per value."""
TAIL = 0.002
"""The fraction of the events beyond each end of the axis."""
SURE = 0.2
"""The axis of ratios is chosen from bins with a smaller relative error."""
STEEP = 100.0
"""The axis is logarithmic if the distribution falls by more than this factor."""


def distribution_figure(x: Array, weights: Mapping[str, Array], label: str) -> Figure | None:
    """The normalised distributions of an observable at some benchmarks, and their ratios to the first benchmark.

    Errors are statistical, from the weights. Errors of ratios are those of the numerator alone, because numerator and
    denominator have the same events.

    :param x: values of the observable, shape (events,)
    :param weights: for each benchmark, the weights of the events, shape (events,)
    :returns: None if the observable has the same value in all events, or no finite value
    """
    edges = _edges(x, next(iter(weights.values())))
    if edges is None:
        return None
    inside = np.isfinite(x)
    index = np.clip(np.searchsorted(edges, x[inside], side="right") - 1, -1, len(edges) - 1)
    use = (index >= 0) & (index < len(edges) - 1)
    index, width = index[use], np.diff(edges)
    with styled():
        figure = Figure(figsize=(4.6, 3.5), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        first: Array | None = None
        highest, lowest, farthest = 0.0, np.inf, 0.1
        for color, (name, all_weights) in zip(COLORS * len(weights), weights.items(), strict=False):
            shown_weights = all_weights[inside][use]
            total = float(all_weights.sum())
            density = np.bincount(index, shown_weights, len(width)) / (total * width)
            error = np.sqrt(np.bincount(index, np.square(shown_weights), len(width))) / (total * width)
            first = density if first is None else first
            style: dict[str, Any] = {"color": color, "linewidth": 1.3}
            upper.stairs(density, edges, label=plain(name), **style)
            upper.fill_between(edges, *_steps(density, error), step="post", color=color, alpha=0.18, linewidth=0)
            filled = first > 0.0
            ratio = np.where(filled, density / np.where(filled, first, 1.0), np.nan)
            lower.stairs(ratio, edges, baseline=None, **style)
            sure = filled & (error < SURE * density)
            farthest = max(farthest, float(np.abs(ratio[sure] - 1.0).max(initial=0.0)))
            highest = max(highest, float(density.max()))
            lowest = min(lowest, float(density[density > 0.0].min(initial=np.inf)))
        if highest > STEEP * lowest:
            upper.set_yscale("log")
        else:
            upper.set_ylim(bottom=0.0)
        lower.axhline(1.0, color="#888888", linewidth=0.6, zorder=0)
        lower.set_ylabel(plain(f"to {next(iter(weights))}"), fontsize=8.5)
        lower.set_ylim(max(1.0 - 1.2 * farthest, 0.0), min(1.0 + 1.2 * farthest, 4.0))
        lower.set(xlabel=label, xlim=(edges[0], edges[-1]))
        upper.set(ylabel="density")
        upper.legend(fontsize=7.5, frameon=False, ncols=2)
    return figure


def chosen(benchmarks: Sequence[str], generated: Mapping[str, int]) -> list[str]:
    """The benchmarks to be drawn: the first benchmark, then those with generated events, then others."""
    order = sorted(benchmarks, key=lambda name: (name != benchmarks[0], not generated.get(name, 0)))
    return order[:MOST_BENCHMARKS]


def _edges(x: Array, weights: Array) -> Array | None:
    """Edges of equal bins between two quantiles of the events with weights, or of one bin per integer."""
    finite = x[np.isfinite(x) & (weights != 0.0)]
    values = np.unique(finite[: 10 * MOST_VALUES])  # a quick test on some events, because sorting all takes long
    if len(values) <= MOST_VALUES and len(finite) and np.equal(finite, np.round(finite)).all():
        values = np.unique(finite)
        if 1 < len(values) <= MOST_VALUES:
            return np.arange(values[0] - 0.5, values[-1] + 1.0)
    if not len(finite):
        return None
    low, high = np.quantile(finite, [TAIL, 1.0 - TAIL])
    return np.linspace(low, high, BINS + 1) if high > low else None


def _steps(density: Array, error: Array) -> tuple[Array, Array]:
    """The lower and upper edge of the error band, as steps."""
    low, high = np.maximum(density - error, 0.0), density + error
    return np.append(low, low[-1]), np.append(high, high[-1])
