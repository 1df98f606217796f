"""Distributions of the observables at the benchmarks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.report.figures import COLORS, plain, styled

MOST_BENCHMARKS = 7
"""So many benchmarks are drawn; with more, lines could not be told apart."""
MOST_OBSERVABLES = 40
BINS = 30
MOST_VALUES = 25
"""An observable with no more different values, all of them whole numbers, has a bin for each."""
TAIL = 0.002
"""Part of the events on either side that is outside the axis."""
SURE = 0.2
"""Bins with a smaller relative error decide over the axis of ratios."""
STEEP = 100.0
"""Distributions that fall by more than this factor have a logarithmic axis."""


def distribution_figure(x: Array, weights: Mapping[str, Array], label: str) -> Figure | None:
    """The distribution of an observable at some benchmarks, each scaled to an integral of 1, and ratios to the first.

    Errors are statistical, from the weights; those of ratios are of the numerator alone, as the events are the same.

    :param x: shape (events,)
    :param weights: of the events at each benchmark, by its name
    :returns: None where the observable has the same value in all events, or none that is finite
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
            own = all_weights[inside][use]
            total = float(all_weights.sum())
            density = np.bincount(index, own, len(width)) / (total * width)
            error = np.sqrt(np.bincount(index, np.square(own), len(width))) / (total * width)
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
    """The benchmarks that are drawn: those that events were generated at, and the first of all, as far as they fit."""
    order = sorted(benchmarks, key=lambda name: (name != benchmarks[0], not generated.get(name, 0)))
    return order[:MOST_BENCHMARKS]


def _edges(x: Array, weights: Array) -> Array | None:
    """Bins between quantiles of the events that count, or one for each whole number."""
    finite = x[np.isfinite(x) & (weights != 0.0)]
    values = np.unique(finite[: 10 * MOST_VALUES])  # a first look, as sorting all takes long
    if len(values) <= MOST_VALUES and len(finite) and np.equal(finite, np.round(finite)).all():
        values = np.unique(finite)
        if 1 < len(values) <= MOST_VALUES:
            return np.arange(values[0] - 0.5, values[-1] + 1.0)
    if not len(finite):
        return None
    low, high = np.quantile(finite, [TAIL, 1.0 - TAIL])
    return np.linspace(low, high, BINS + 1) if high > low else None


def _steps(density: Array, error: Array) -> tuple[Array, Array]:
    """Lower and upper end of a band of steps."""
    low, high = np.maximum(density - error, 0.0), density + error
    return np.append(low, low[-1]), np.append(high, high[-1])
