"""Rules about the evaluation: histograms, grids, luminosity."""

from collections.abc import Iterator
from itertools import pairwise
from math import prod
from typing import Any

from mmc.checks.context import Context, rule
from mmc.diagnostics import Diagnostic, one_of, show
from mmc.load import Path
from mmc.quantities import parse_quantity

MOST_CELLS = 1_000_000
"""More points of a grid or cells of a histogram fill the memory of machines."""
_HISTOGRAM = ("evaluation", "baselines", "histogram")


@rule("MMC506")
def bins(ctx: Context) -> Iterator[Diagnostic]:
    """Bins belong to an observable of the histogram and have a width."""
    histogram = ctx.get(*_HISTOGRAM)
    for name, binning in (histogram or {"bins": {}})["bins"].items():
        path = (*_HISTOGRAM, "bins", name)
        if name not in histogram["observables"]:
            message = f"the histogram has no observable {show(name)}"
            help_text = f"it has {one_of(histogram['observables'])}"
            yield ctx.problem("MMC506", path, message, help_text, key=True)
        yield from _edges(ctx, path, binning)


def _edges(ctx: Context, path: Path, binning: Any) -> Iterator[Diagnostic]:
    if isinstance(binning, list):
        for index, (low, high) in enumerate(pairwise(binning), start=1):
            if high <= low:
                message = f"the edge {show(high)} is not above {show(low)}"
                yield ctx.problem("MMC506", (*path, index), message, "write the edges in increasing order")
                return
    elif isinstance(binning, dict) and binning["scale"] == "log" and binning["range"][0] <= 0:
        message = f"bins equal in the logarithm cannot start at {show(binning['range'][0])}"
        yield ctx.problem("MMC506", (*path, "range"), message, "start above zero, or write `scale: linear`")


@rule("MMC507")
def cells(ctx: Context) -> Iterator[Diagnostic]:
    """Grids and histograms are not too large."""
    axes = ctx.get("evaluation", "grid")
    if axes is not None and ctx.names("parameters"):
        points = [axes.get(name, {}).get("points", 25) for name in ctx.names("parameters") or ()]
        if prod(points) > MOST_CELLS:
            message = f"the grid has {prod(points):,} points; at most {MOST_CELLS:,} are possible"
            where: Path = ("evaluation", "grid") if ctx.given("evaluation", "grid") else ("evaluation",)
            yield ctx.problem("MMC507", where, message, "take fewer points per parameter", key=True)
    score_bins, parameters = ctx.get("evaluation", "score_bins"), ctx.names("parameters")
    if score_bins is not None and parameters and score_bins ** len(parameters) > MOST_CELLS:
        message = f"{score_bins} bins in each of {len(parameters)} components are more than {MOST_CELLS:,} cells"
        yield ctx.problem("MMC507", ("evaluation", "score_bins"), message, "take fewer bins")
    histogram = ctx.get(*_HISTOGRAM)
    if histogram is not None:
        count = prod(_bin_count(binning) for binning in histogram["bins"].values())
        if count > MOST_CELLS:
            message = f"the histogram has {count:,} cells; at most {MOST_CELLS:,} are possible"
            yield ctx.problem("MMC507", (*_HISTOGRAM, "bins"), message, "take fewer bins", key=True)


def _bin_count(binning: Any) -> int:
    if isinstance(binning, list):
        return len(binning) - 1
    count: int = binning["n"] if isinstance(binning, dict) else binning
    return count


@rule("MMC510")
def something_to_evaluate(ctx: Context) -> Iterator[Diagnostic]:
    """An evaluation has something to evaluate."""
    evaluation = ctx.get("evaluation")
    if evaluation is None or ctx.names("methods") != []:
        return
    if not evaluation["baselines"]["rate"] and not {"histogram", "fisher_information"} & {
        *evaluation,
        *evaluation["baselines"],
    }:
        message = "there is nothing to evaluate: no methods, no baselines, no Fisher information"
        yield ctx.problem("MMC510", ("evaluation",), message, "add `baselines: {rate: true}`, say", key=True)


@rule("MMC511")
def some_luminosity(ctx: Context) -> Iterator[Diagnostic]:
    """Some events are expected."""
    text = ctx.get("evaluation", "luminosity")
    try:
        luminosity = 1.0 if text is None else parse_quantity(text, "luminosity")
    except ValueError:  # reported as MMC110
        return
    if luminosity == 0:
        yield ctx.problem("MMC511", ("evaluation", "luminosity"), "the luminosity is zero", "write `300 fb^-1`, say")
