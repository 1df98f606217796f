"""Rules about the morphing basis: the number of its benchmarks and their linear independence."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

from mmc.compiler.catalogue.morphing import LEAST_SQUARES, completed_names, component_count, component_powers
from mmc.compiler.catalogue.names import IN_BASIS
from mmc.compiler.checks.context import Context, rule
from mmc.compiler.checks.detector import MMC319
from mmc.compiler.checks.points import complete_points
from mmc.compiler.expressions.checker import TRANSFORM, check_expression, transformed
from mmc.compiler.language.diagnostics import Code, Diagnostic, show

_LARGEST_RANK = 40
"""The test of linear independence takes cubic time, so it is skipped for more benchmarks."""
_LARGEST_BASIS = 10_000
"""MadMiner inverts a matrix with so many rows and columns."""
_NEGLIGIBLE, _ROUNDING = 1e-6, 1e-13
"""A transform that differs less from a polynomial is one: parts of its range of values, and of its largest value."""
_MORE, _LOW = 11, 4
"""A transform has so many more values than `max_power`, and is called a polynomial up to a degree so much higher."""


def _in_basis(ctx: Context) -> list[str] | None:
    """The benchmarks of the basis; None if the section has errors."""
    if not ctx.sound("benchmarks"):
        return None
    return [name for name, values in ctx.entries("benchmarks").items() if values.get(IN_BASIS, True)]


def _powers(ctx: Context) -> tuple[list[int], int] | None:
    """Each parameter's largest power and the largest sum of powers; None if one of them is unknown."""
    parameters, overall = ctx.entries("parameters"), ctx.get("morphing", "max_overall_power")
    if overall is None or not parameters or len(parameters) != len(ctx.names("parameters") or ()):
        return None
    return [entry["max_power"] for entry in parameters.values()], overall


def completing(ctx: Context) -> dict[str, None]:
    """The benchmarks that MadMiner adds to complete the basis; empty if they cannot be known."""
    return ctx.once(_completing)


def _completing(ctx: Context) -> dict[str, None]:
    size, names = ctx.once(components_of), _in_basis(ctx)
    if size is None or size > _LARGEST_BASIS or names is None or not ctx.get("morphing", "complete"):
        return {}
    return dict.fromkeys(completed_names(names, size))


def components_of(ctx: Context) -> int | None:
    """The number of components of the squared amplitude; None if it cannot be known."""
    powers = _powers(ctx)
    return None if powers is None else component_count(*powers)


MMC209 = Code(
    "MMC209",
    "There are more benchmarks than the morphing basis can hold",
    "All benchmarks except those with `in_basis: false` are part of the morphing basis. The basis has one element "
    "for each component of the squared amplitude. A component is a choice of one power for each parameter, at most "
    "its `max_power`, with a sum of at most `morphing.max_overall_power`. MadMiner fails if there are more benchmarks. "
    "With `morphing: {fit: least-squares}` there may be more, to whose weights the components are fitted.",
)
MMC213 = Code(
    "MMC213",
    "The benchmarks cannot span the morphing basis",
    "The morphing equations are singular with these benchmarks, and additional benchmarks cannot repair this. An "
    "example: more than three benchmarks on a line, when the squared amplitude is quadratic. Move one of them.",
)
MMC217 = Code(
    "MMC217",
    "There are fewer benchmarks than the morphing basis needs",
    "With `complete: false` the benchmarks of the study are the morphing basis, so the study needs one for each "
    "component of the squared amplitude. A component is a choice of one power for each parameter, at most its "
    "`max_power`, with a sum of at most `morphing.max_overall_power`. Benchmarks with `in_basis: false` do not "
    "count.",
)


MMC221 = Code(
    "MMC221",
    "The morphing basis is too large",
    "The basis has one element for each component of the squared amplitude, and their number grows quickly with the "
    f"parameters and powers. MadMiner inverts a matrix of this size: more than {_LARGEST_BASIS:,} elements are not "
    "possible. Use fewer parameters, or a smaller `max_power` or `morphing.max_overall_power`.",
)


@rule(MMC221)
def largest_basis(ctx: Context) -> Iterator[Diagnostic]:
    """MadMiner can compute the morphing basis."""
    size = ctx.once(components_of)
    if size is not None and size > _LARGEST_BASIS and ctx.reads_particles:
        message = f"the morphing basis has {size:,} elements; at most {_LARGEST_BASIS:,} are possible"
        help_text = "use fewer parameters, or a smaller `max_power` or `morphing.max_overall_power`"
        yield ctx.problem(MMC221, ("parameters",), message, help_text, key=True)


@rule(MMC209, MMC213, MMC217)
def basis(ctx: Context) -> Iterator[Diagnostic]:
    """The basis has the right number of benchmarks (at most this number if MadMiner completes it), all independent."""
    powers, names = _powers(ctx), _in_basis(ctx)
    if powers is None or names is None or not ctx.reads_particles:
        return
    size = component_count(*powers)
    if size > _LARGEST_BASIS:
        return
    is_fit = ctx.get("morphing", "fit") == LEAST_SQUARES
    if len(names) > size and not is_fit:
        message = f"the study has {len(names)} benchmarks, but the morphing basis has {size} elements"
        help_text = "write `morphing: {fit: least-squares}`; or remove benchmarks, or set `in_basis: false`"
        yield ctx.problem(MMC209, ("benchmarks", names[size]), message, help_text, key=True)
        return
    if len(names) < size and not ctx.get("morphing", "complete"):
        message = f"the morphing basis needs {size} benchmarks, has {len(names)}, and `complete` is false"
        missing = size - len(names)
        help_text = f"add {missing} benchmark{'' if missing == 1 else 's'}, or set `complete: true`"
        yield ctx.problem(MMC217, ("morphing", "complete"), message, help_text)
        return
    points = {name: point for name, point in complete_points(ctx).items() if name in names}
    if len(points) != len(set(points.values())) or len(points) > _LARGEST_RANK or size > 500:
        return
    dependents = _dependents(list(points.values()), *powers)
    if is_fit:
        rank = len(points) - sum(1 for _ in dependents)
        if len(points) >= size > rank:
            message = f"the benchmarks determine {rank} of {size} components of the squared amplitude"
            help_text = "move some of them off the lines on which they lie, or add benchmarks with several parameters"
            yield ctx.problem(MMC213, ("benchmarks",), message, help_text, key=True)
        return
    dependent = next(dependents, None)
    if dependent is not None:
        name = list(points)[dependent]
        message = f"benchmark {show(name)} adds nothing to the morphing basis"
        help_text = "its weights follow from the benchmarks before it: move it off the line on which they lie"
        yield ctx.problem(MMC213, ("benchmarks", name), message, help_text, key=True)


MMC224 = Code(
    "MMC224",
    "The weights are no polynomial in the parameter",
    "Morphing takes weights for polynomials in the parameters. They are polynomials in the number in the param card, "
    "of second degree if the amplitude is linear in it, so `transform` has to be a polynomial in `theta`. With "
    "`10**theta`, `exp(theta)` or `1/theta`, morphing would be right at the benchmarks alone: write `morphing: none`, "
    "or make the number in the card the parameter. With a polynomial of degree d, give `max_power`: 2 d if the "
    "amplitude is linear in the number in the card.",
)


@rule(MMC224)
def polynomial_transforms(ctx: Context) -> Iterator[Diagnostic]:
    """With morphing, each transform is a polynomial whose degree `max_power` allows for."""
    if ctx.get("morphing") == "none":
        return
    for name, entry in ctx.entries("parameters").items():
        text, most = entry.get("transform"), entry["max_power"]
        if text is None or check_expression(text, TRANSFORM):
            continue
        values = _values(text, entry["range"], most + _MORE)
        if not values:
            continue
        path, degree = ("parameters", name, TRANSFORM), _degree(values)
        if degree > most and _degree(values, negligible=0.0) > most + _LOW:
            message = (
                f"`{text[:60]}` is no polynomial of a low degree in {show(name)}, and then morphing is wrong between "
                "benchmarks"
            )
            yield ctx.problem(MMC224, path, message, "write `morphing: none`, or make the card's number the parameter")
        elif degree > (most if ctx.given("parameters", name, "max_power") else 1):
            message = f"`{text[:60]}` has degree {degree} in {show(name)}, and weights have a higher one"
            help_text = f"write `max_power: {2 * degree}` if the amplitude is linear in the number in the card"
            yield ctx.problem(MMC224, path, message, help_text)


def _values(text: str, ends: Sequence[float], n: int) -> list[float]:
    """A transform at n points of a range; empty if it has no value at one of them."""
    low, high = ends
    points = [low + (high - low) * k / (n - 1) for k in range(n)] if low < high else []
    values = [value for point in points if (value := transformed(text, point)[0]) is not None]
    return values if len(values) == n else []


def _degree(values: Sequence[float], negligible: float = _NEGLIGIBLE) -> int:
    """The degree of the polynomial with these values at equal distances, whose next differences vanish.

    :param negligible: the part of the range of values by which others differ from those of a polynomial

    >>> [_degree(values) for values in ([1, 3, 5, 7, 9], [0, 1, 4, 9, 16], [1, 2, 4, 8, 16])]
    [1, 2, 4]
    """
    rounding = max(negligible * (max(values) - min(values)), _ROUNDING * max(map(abs, values)))
    differences, degree = list(values), 0
    while len(differences) > 1:
        differences = [after - before for before, after in pairwise(differences)]
        rounding *= 2.0
        if max(map(abs, differences)) <= rounding:
            return degree
        degree += 1
    return degree


MMC218 = Code(
    "MMC218",
    "The reference benchmark lies outside the morphing basis",
    "The first benchmark is the reference: backgrounds are generated there, and cross sections are compared there. "
    "MadMiner puts the benchmarks of the basis before all others and takes the first of its list as the reference. "
    "Put a benchmark of the basis first.",
)


@rule(MMC218, MMC319)
def outside_of_the_basis(ctx: Context) -> Iterator[Diagnostic]:
    """The reference is an element of the basis; without morphing there is no `in_basis`."""
    if not ctx.reads_particles or not ctx.sound("benchmarks"):
        return
    for index, (name, values) in enumerate(ctx.entries("benchmarks").items()):
        path = ("benchmarks", name, IN_BASIS)
        if IN_BASIS in values and ctx.get("morphing") == "none":
            yield ctx.problem(MMC319, path, "`in_basis` has no effect: `morphing: none`", "remove it", key=True)
        elif index == 0 and not values.get(IN_BASIS, True):
            message = f"the first benchmark, {show(name)}, is the reference, but it lies outside the morphing basis"
            yield ctx.problem(MMC218, path, message, "put another benchmark first, or remove `in_basis`")


def _dependents(points: list[tuple[float, ...]], max_powers: list[int], overall: int) -> Iterator[int]:
    """The points whose components are a linear combination of the components of the points before them."""
    exponents = component_powers(max_powers, overall)
    rows: list[tuple[int, list[Fraction]]] = []
    for index, point in enumerate(points):
        exact = [Fraction(value) for value in point]
        row = [_monomial(exact, powers) for powers in exponents]
        for pivot, other in rows:
            factor = row[pivot] / other[pivot]
            if factor:
                row = [a - factor * b for a, b in zip(row, other, strict=True)]
        pivot = next((column for column, value in enumerate(row) if value), -1)
        if pivot < 0:
            yield index
        else:
            rows.append((pivot, row))


def _monomial(point: list[Fraction], powers: tuple[int, ...]) -> Fraction:
    value = Fraction(1)
    for coordinate, power in zip(point, powers, strict=True):
        value *= coordinate**power
    return value
