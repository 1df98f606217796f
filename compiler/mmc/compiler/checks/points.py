"""Rules about points of parameter space: complete, distinct and within the ranges."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmc.compiler.catalogue.names import IN_BASIS
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.language.diagnostics import Code, Diagnostic, one_of, show
from mmc.compiler.language.document import Path

MMC205 = Code(
    "MMC205",
    "A point gives no value for a parameter",
    "The first benchmark needs a value for each parameter. Parameters that another benchmark or a point does not list "
    "have the values of the first benchmark.",
)


@rule(MMC205)
def incomplete(ctx: Context) -> Iterator[Diagnostic]:
    """The first benchmark has a value for each parameter, from which other points take those that they do not list."""
    parameters, benchmarks = ctx.names("parameters"), ctx.names("benchmarks")
    if not parameters or not benchmarks or not ctx.sound("benchmarks", benchmarks[0]):
        return
    path: Path = ("benchmarks", benchmarks[0])
    missing = [name for name in parameters if name not in ctx.get(*path)]
    if missing:
        message = f"the first benchmark, {show(path[1])}, gives no value for {one_of(missing)}"
        help_text = f"add `{', '.join(f'{name}: 0' for name in missing[:3])}`"
        yield ctx.problem(MMC205, path, message, help_text, key=True)


def complete_points(ctx: Context) -> dict[str, tuple[float, ...]]:
    """The coordinates of the benchmarks that have a number for each parameter and nothing else, by name."""
    parameters = ctx.names("parameters")
    if not parameters:
        return {}
    return {
        name: tuple(values[parameter] for parameter in parameters)
        for name, values in ctx.entries("benchmarks").items()
        if len(values) - (IN_BASIS in values) == len(parameters) and all(name in values for name in parameters)
    }


MMC206 = Code(
    "MMC206",
    "Two benchmarks are at the same point",
    "MadMiner's morphing needs benchmarks at different points: with two equal ones the equations have no solution.",
)


@rule(MMC206)
def same_point(ctx: Context) -> Iterator[Diagnostic]:
    """No two benchmarks are at the same point."""
    seen: dict[tuple[float, ...], str] = {}
    for name, values in complete_points(ctx).items():
        other = seen.setdefault(values, name)
        if other != name:
            message = f"benchmarks {show(other)} and {show(name)} are at the same point"
            line = ctx.document.key_span(("benchmarks", other)).line
            help_text = f"{show(other)} is at line {line}; move or remove one of them"
            yield ctx.problem(MMC206, ("benchmarks", name), message, help_text, key=True)


def _ranges(ctx: Context) -> dict[str, tuple[float, float]]:
    """The range of each parameter with a valid range."""
    ranges = {name: entry["range"] for name, entry in ctx.entries("parameters").items()}
    return {name: (low, high) for name, (low, high) in ranges.items() if low < high}


def _outside(values: Mapping[str, Any], ranges: Mapping[str, tuple[float, float]]) -> Iterator[tuple[str, str]]:
    """The parameters whose value is outside their range, each with a message."""
    for name, value in values.items():
        if name in ranges and not ranges[name][0] <= value <= ranges[name][1]:
            low, high = ranges[name]
            yield name, f"{name} = {show(value)} is outside the parameter's range [{show(low)}, {show(high)}]"


MMC210 = Code(
    "MMC210",
    "A point lies outside the parameters' ranges",
    "The true point, a reference point or a training point is outside the `range` of a parameter. Estimators are not "
    "trained there, and the morphing basis is not optimised there. Widen the range or move the point.",
)
MMC212 = Code(
    "MMC212",
    "A benchmark lies outside the parameters' ranges",
    "MadMiner optimises the morphing basis within the parameters' ranges. A benchmark outside them is possible, but is "
    "often a mistake.",
    "warning",
)


@rule(MMC210, MMC212)
def points_within_ranges(ctx: Context) -> Iterator[Diagnostic]:
    """Points are within the parameters' ranges; for benchmarks this is a warning only."""
    ranges = _ranges(ctx)
    for path, values, _ in ctx.points:
        code = MMC212 if path[0] == "benchmarks" else MMC210
        written = {name: value for name, value in values.items() if ctx.given(*path, name)}
        for name, message in _outside(written, ranges):
            yield ctx.problem(code, (*path, name), message, "widen the range, or move the point")
    truth = ctx.get("evaluation", "theta_true", "benchmark")
    if truth is not None and ctx.get("benchmarks", truth) is not None:
        for _, message in _outside(ctx.get("benchmarks", truth), ranges):
            path = ("evaluation", "theta_true", "benchmark")
            yield ctx.problem(MMC210, path, f"at the true point, {message}", "widen the range, or choose another point")


MMC211 = Code(
    "MMC211",
    "A grid or prior reaches outside the parameters' ranges",
    "The grid for limits or a flat prior extends beyond the `range` of a parameter, or the mean of a Gaussian prior is "
    "outside. Estimators are not trained there, and morphing weights become large. Widen the range or narrow the grid.",
)


@rule(MMC211)
def grids_within_ranges(ctx: Context) -> Iterator[Diagnostic]:
    """Grids, flat priors and the means of Gaussian priors are within the parameters' ranges."""
    ranges = _ranges(ctx)
    found = [(("evaluation", "grid", name, "range"), axis.get("range")) for name, axis in grid_of(ctx).items()]
    for path, priors, _ in ctx.priors:
        found += [((*path, name, "flat"), prior.get("flat")) for name, prior in priors.items()]
        means = {name: prior["gaussian"][0] for name, prior in priors.items() if "gaussian" in prior}
        for name, message in _outside(means, ranges):
            at = (*path, name, "gaussian", 0)
            yield ctx.problem(MMC211, at, f"the mean of the prior, {message}", "move it, or widen the range")
    for path, interval in found:
        name = path[-2]
        if interval is None or name not in ranges or interval[0] >= interval[1]:
            continue
        low, high = ranges[name]
        if interval[0] < low or interval[1] > high:
            shown = [f"[{show(a)}, {show(b)}]" for a, b in (interval, (low, high))]
            message = f"{shown[0]} reaches outside the range {shown[1]} of {name}"
            yield ctx.problem(MMC211, path, message, "widen the parameter's range, or narrow this one")


MMC513 = Code(
    "MMC513",
    "The true point lies outside the grid",
    "Limits are computed at the points of the grid. The confidence region contains the true point. If that is outside "
    "the grid, the region is cut off, or no point of the grid is allowed. Widen the grid, or move the true point.",
)


@rule(MMC513)
def true_point_on_the_grid(ctx: Context) -> Iterator[Diagnostic]:
    """The true point is within the grid, whose default is the range of each parameter."""
    if ctx.get("evaluation") is None:
        return
    path, truth = true_point(ctx)
    for name, limits in _ranges(ctx).items():
        low, high = grid_of(ctx).get(name, {}).get("range", limits)
        value = truth.get(name)
        # a true point outside the parameter's range is reported as MMC210
        if value is not None and limits[0] <= value <= limits[1] and low < high and not low <= value <= high:
            message = f"at the true point, {name} = {show(value)} is outside the grid [{show(low)}, {show(high)}]"
            yield ctx.problem(MMC513, path, message, "widen the grid, or choose another true point", key=True)


def true_point(ctx: Context) -> tuple[Path, Mapping[str, float]]:
    """The place in the study that defines the true point, and its valid coordinates; the default is the first
    benchmark."""
    chosen = ctx.get("evaluation", "theta_true") or {}
    if "point" in chosen:
        return ("evaluation", "theta_true", "point"), chosen["point"]
    benchmarks = ctx.entries("benchmarks")
    name = chosen.get("benchmark", next(iter(ctx.names("benchmarks") or ()), ""))
    path: Path = ("evaluation", "theta_true", "benchmark") if chosen else ("evaluation", "grid")
    return path, {key: value for key, value in benchmarks.get(name, {}).items() if key != IN_BASIS}


def grid_of(ctx: Context) -> dict[str, Any]:
    """The valid axes of the grid that the study gives, by parameter."""
    return ctx.entries("evaluation", "grid")
