"""Likelihood scans and simulated experiments of a checked study."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from mmc.compiler.catalogue.names import madminer_name
from mmc.compiler.settings.limits import Experiments, LikelihoodScan
from mmc.compiler.study.model import Parameter, Point

MOST_PARAMETERS_OF_GRID = 3
"""With more parameters, limits have a grid only if the study writes it."""
POINTS = {1: 25, 2: 15}
"""The default number of points along each of so many parameters."""


def has_grid(n_parameters: int, grid: Mapping[str, Any]) -> bool:
    """Whether limits have a grid.

    >>> has_grid(3, {}), has_grid(4, {}), has_grid(4, {"c": {"points": 5}})
    (True, False, True)
    """
    return n_parameters <= MOST_PARAMETERS_OF_GRID or bool(grid)


def entries_of(evaluation: Mapping[str, Any], n_parameters: int) -> Sequence[Mapping[str, Any]]:
    """The entries of ``scans``; the default without a grid is a profile of each parameter."""
    default = [] if has_grid(n_parameters, evaluation.get("grid") or {}) else [{"over": "each", "others": "profile"}]
    entries: Sequence[Mapping[str, Any]] = evaluation.get("scans", default)
    return entries


def likelihood_scans(
    evaluation: Mapping[str, Any], parameters: Sequence[Parameter], benchmarks: Mapping[str, Point]
) -> tuple[LikelihoodScan, ...]:
    """The scans, each over one or two parameters, without repetitions."""
    names = [parameter.name for parameter in parameters]
    found = []
    for entry in entries_of(evaluation, len(names)):
        others = None if entry["others"] == "profile" else point_of(entry["others"], names, benchmarks)
        for over in _over(entry["over"], names):
            fitted = None if len(over) == len(names) else others
            scan = LikelihoodScan(over=over, points=entry.get("points", POINTS[len(over)]), others=fitted)
            if scan not in found:
                found.append(scan)
    return tuple(found)


def experiments(
    entry: Mapping[str, Any] | None, parameters: Sequence[Parameter], benchmarks: Mapping[str, Point], truth: Point
) -> Experiments | None:
    """The simulated experiments of ``observed``; None without them."""
    if entry is None or "toys" not in entry:
        return None
    toys = entry["toys"]
    names = [parameter.name for parameter in parameters]
    at = {key: toys[key] for key in ("benchmark", "point") if key in toys}
    point = point_of(at, names, benchmarks) if at else truth
    return Experiments(at=point, repeat=toys["repeat"], events=toys["events"])


def point_of(entry: Any, names: Sequence[str], benchmarks: Mapping[str, Point]) -> Point:
    """A point that the study gives as 0, as a benchmark, or by values."""
    if entry == 0:
        return dict.fromkeys(names, 0.0)
    if "benchmark" in entry:
        return benchmarks[madminer_name(entry["benchmark"])]
    return {madminer_name(name): float(value) for name, value in entry["point"].items()}


def _over(entry: str | Sequence[str], names: Sequence[str]) -> list[tuple[str, ...]]:
    if entry == "each":
        return [(name,) for name in names]
    if entry == "pairs":
        return list(combinations(names, 2))
    return [tuple(madminer_name(name) for name in entry)]
