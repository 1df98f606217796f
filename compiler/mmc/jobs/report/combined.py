"""Figures of combinations: the confidence regions of several regions of events, and of all together."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mmc.compiler.settings.report import Plots
from mmc.jobs.report import figures
from mmc.jobs.report.figures import COLORS, Curve
from mmc.jobs.report.fisher import Information, ellipse_figure
from mmc.jobs.report.results import KINDS, Grid
from mmc.tables import percent

ALL = "#000000"
"""The colour of a combination."""
Drawn = tuple[str, str, str, Figure]
"""The name of a figure, its title, its text and the figure."""


def combination_figures(
    results: Mapping[str, Any], grids: Mapping[str, Grid], style: Plots, labels: Mapping[str, str]
) -> Iterator[Drawn]:
    """The figures of all combinations.

    :param labels: the labels of the parameters
    """
    records = {record["name"]: record for record in [*results["baselines"], *results["methods"]]}
    for entry in results.get("combinations", ()):
        if "grid" in entry and grids[entry["name"]].axes:
            members = [records[part["name"]] for part in entry["of"] if "other" not in part]
            for kind in KINDS:
                if not kind or kind in entry:
                    colors = itertools.cycle(COLORS)
                    lines = [_curve(record, grids, next(colors), kind) for record in members]
                    yield from _limits(entry, [*lines, _curve(entry, grids, ALL, kind)], style, labels, kind)
        if "information" in entry:
            yield from _information(entry, results, style, labels)


def _limits(
    entry: Mapping[str, Any],
    lines: Sequence[Curve],
    style: Plots,
    labels: Mapping[str, str],
    kind: str,
) -> Iterator[Drawn]:
    prefix, truth = "_".join(filter(None, ("combination", entry["name"], kind))), entry["theta_true"]
    names = list(lines[0].axes)
    found = entry[kind] if kind else entry
    level = max(found["allowed_area"], key=float)
    text = (
        f"Black: {' and '.join(part['group'] for part in entry['of'])} together, which allow "
        f"{100 * found['allowed_area'][level]:.3g} % of the grid at {percent(float(level))}."
    )
    if len(names) == 1:
        figure = figures.p_value_figure(lines, labels, entry["confidence_levels"], truth)
        yield f"{prefix}_{names[0]}", f"p-values of {names[0]}: {entry['name']}{KINDS[kind]}", text, figure
    for pair in itertools.combinations(names, 2):
        figure = figures.contour_figure(lines, pair, labels, style.level, truth)
        title = f"{style.level:.0%} confidence regions of {pair[0]} and {pair[1]}: {entry['name']}{KINDS[kind]}"
        yield "_".join((prefix, *pair)), title, text, figure


def _curve(record: Mapping[str, Any], grids: Mapping[str, Grid], color: str, kind: str) -> Curve:
    limits = record[kind] if kind else record
    return Curve(
        name=record["name"],
        color=color,
        baseline="baseline" in record,
        verdict=limits.get("verdict", record["verdict"]),
        axes=grids[record["name"]].axes,
        log_likelihood_ratio=grids[record["name"]].log_likelihood_ratio(kind),
        best_fit=limits["best_fit"],
        degrees_of_freedom=limits["degrees_of_freedom"],
    )


def _information(
    entry: Mapping[str, Any], results: Mapping[str, Any], style: Plots, labels: Mapping[str, str]
) -> Iterator[Drawn]:
    """The ellipses of each region and of their sum, for each matrix and pair of parameters."""
    truth, names = entry["theta_true"], entry["parameters"]
    for key, found in entry["information"].items():
        named = []
        for part in entry["of"]:
            method = next((record for record in results["methods"] if record["name"] == part["name"]), None)
            group = results["groups"].get(part["group"], {}).get("fisher_information")
            own = method["fisher_information"] if method is not None else (group or {}).get("information", {})
            if key in own:
                named.append(Information(part["group"], np.array(own[key]["matrix"])))
        named.append(Information(entry["name"], np.array(found["matrix"])))
        for pair in itertools.combinations(names, 2):
            where = [names.index(name) for name in pair]
            figure = ellipse_figure(named, where, [labels[n] for n in pair], style.level, [truth[n] for n in pair])
            title = f"Fisher information on {pair[0]} and {pair[1]}: {key} of {entry['name']}"
            text = f"The smallest {style.level:.0%} regions that the information of each region and their sum allow."
            yield "_".join(("combination", entry["name"], "fisher", key, *pair)), title, text, figure
