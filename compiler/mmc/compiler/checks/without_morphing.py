"""Rules about studies with ``morphing: none``: weights are known at the benchmarks alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

from mmc.compiler.catalogue.baselines import BASELINES, FISHER
from mmc.compiler.catalogue.calibrations import STEPPED
from mmc.compiler.catalogue.methods import METHODS, RATIO, LearningMethod
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.methods import methods_of
from mmc.compiler.checks.points import complete_points, grid_of, true_point
from mmc.compiler.checks.simulated import is_simulated
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show
from mmc.compiler.language.document import Path
from mmc.compiler.study.model import POINTS_OF_AXIS

SAME = 1e-9
"""The largest distance of a point of the grid from a benchmark, as a part of the parameter's range."""
MOST_POINTS = 10_000
"""At most so many points of an axis are compared with the benchmarks."""

MMC512 = Code(
    "MMC512",
    "This needs morphing",
    "With `morphing: none`, weights of events are known at the benchmarks alone. Methods that learn from the joint "
    "score or from derivatives, and Fisher information, need derivatives of the weights by the parameters, which "
    "morphing gives. "
    "Samples can be drawn only at benchmarks, and the points of the grid and the true point must be benchmarks: for "
    "benchmarks at 168, 170, …, 176, a grid with `range: [168, 176], points: 5`. Ratios that a network learns "
    "as a function of the parameters, from at least three benchmarks or from simulated events, are known between them: "
    "with `include_xsec: false` and without baselines, the grid is free.",
)


@rule(MMC512)
def without_morphing(ctx: Context) -> Iterator[Diagnostic]:
    """Without morphing, methods need no derivatives of weights, and all points are benchmarks."""
    if ctx.get("morphing") != "none":
        return
    for name, method, entry in methods_of(ctx):
        path = ("methods", name)
        if is_simulated(entry):
            continue
        if method.needs_morphing:
            source = method.learns_from[-1]
            message = f"{method.name} learns from the {source}, which needs morphing; the study has `morphing: none`"
            possible = [other for other in METHODS.values() if not other.needs_morphing]
            near = [other for other in possible if other.family is method.family] or possible
            others = [other.name for other in near]
            yield ctx.problem(MMC512, path, message, f"use {one_of(others, len(others))}", key=True)
            continue
        for key in method.family.points:
            if key in entry and not {"benchmark", "benchmarks"} & set(entry[key]):
                message = "without morphing, samples can be drawn only at benchmarks"
                yield ctx.problem(MMC512, (*path, key), message, "write `{benchmarks: […]}`", key=True)
    for asked in FISHER.asked(ctx.data.get("evaluation")):
        del asked
        message = "Fisher information needs morphing; the study has `morphing: none`"
        yield ctx.problem(MMC512, ("evaluation", *FISHER.section), message, "remove it", key=True)
    yield from _grid(ctx, anywhere=_knows_ratios_anywhere(ctx))


def _knows_ratios_anywhere(ctx: Context) -> bool:
    """Whether all likelihoods are ratios that are learned between points too, without rates."""
    compared = any(baseline.asked(ctx.data.get("evaluation")) for baseline in BASELINES.values())
    return _are_ratios(ctx) and not compared and ctx.get("evaluation", "include_xsec") is False


def _are_ratios(ctx: Context) -> bool:
    """Whether the networks of all methods know the ratio between points."""
    learned = [is_simulated(entry) or _interpolates(method, entry) for _, method, entry in methods_of(ctx)]
    return bool(learned) and all(learned)


def _interpolates(method: LearningMethod, entry: Mapping[str, Any]) -> bool:
    """Whether a network learns the ratio at several benchmarks as a function of the parameters."""
    depends = entry.get("estimator", RATIO.estimator.name) == RATIO.estimator.name
    needs_no_weights = entry.get("calibration") not in STEPPED
    several = len(entry.get("theta0", {}).get("benchmarks", ())) > 2
    return method.family is RATIO and depends and needs_no_weights and several


def _grid(ctx: Context, *, anywhere: bool) -> Iterator[Diagnostic]:
    """The points of the grid, unless they can be ``anywhere``, and the true point are benchmarks."""
    parameters, benchmarks = ctx.entries("parameters"), list(complete_points(ctx).values())
    if not ctx.data.get("evaluation") or not parameters or not benchmarks:
        return
    widths = [entry["range"][1] - entry["range"][0] for entry in parameters.values()]

    def is_benchmark(point: Sequence[float]) -> bool:
        return any(
            all(abs(a - b) <= SAME * abs(width) for a, b, width in zip(point, other, widths, strict=True))
            for other in benchmarks
        )

    axes = [_axis(grid_of(ctx).get(name, {}), entry["range"]) for name, entry in parameters.items()]
    other = next((point for point in islice(product(*axes), len(benchmarks) + 1) if not is_benchmark(point)), None)
    if other is not None and not anywhere:
        where: Path = ("evaluation", "grid") if ctx.given("evaluation", "grid") else ("evaluation",)
        message = (
            f"without morphing, the points of the grid must be benchmarks, and none is {_place(parameters, other)}"
        )
        help_text = "choose `range` and `points` so that they are"
        if _are_ratios(ctx):
            help_text += ", or write `include_xsec: false` without baselines, for the learned ratio alone"
        yield ctx.problem(MMC512, where, message, help_text, key=True)
    path, truth = true_point(ctx)
    if truth.keys() >= parameters.keys() and not is_benchmark([truth[name] for name in parameters]):
        message = "without morphing, the true point must be a benchmark"
        yield ctx.problem(MMC512, path, message, "write `theta_true: {benchmark: …}`", key=True)


def _axis(axis: Mapping[str, Any], limits: Sequence[float]) -> list[float]:
    (low, high), points = axis.get("range", limits), axis.get("points", POINTS_OF_AXIS)
    return [low + (high - low) * k / max(points - 1, 1) for k in range(min(points, MOST_POINTS))]


def _place(parameters: Iterable[str], point: Sequence[float]) -> str:
    return "at " + ", ".join(f"{name} = {show(value)}" for name, value in zip(parameters, point, strict=True))
