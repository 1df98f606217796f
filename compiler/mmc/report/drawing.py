"""All figures of the results, each with what it shows in words."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mmc.report import figures
from mmc.report.closure import closure_figure
from mmc.report.figures import BASELINE_COLORS, COLORS, Curve
from mmc.report.fisher import ellipse_figure
from mmc.report.results import Grid

BASELINE_ORDER = ("rate", "histogram", "truth")


@dataclass(frozen=True)
class Picture:
    """A figure of a report."""

    section: str
    """Where it belongs on the page: limits, profiles, closure, fisher, training or events."""
    title: str
    text: str
    """What there is to see, for who does not see it; also the caption."""
    figure: Figure

    @cached_property
    def svg(self) -> bytes:
        """The figure as SVG, for its file and for the page."""
        return figures.render(self.figure, "svg")

    def image(self, image_format: str) -> bytes:
        """The figure in a format that matplotlib writes."""
        return self.svg if image_format == "svg" else figures.render(self.figure, image_format)


def pictures(results: Mapping[str, Any], grids: Mapping[str, Grid], settings: Mapping[str, Any]) -> dict[str, Picture]:
    """The figures by the name of their file, in the order of the page.

    :param settings: those of the stage ``report``
    """
    labels = {
        name: figures.axis_label(parameter["label"] or name) for name, parameter in settings["parameters"].items()
    }
    drawn: dict[str, Picture] = {}
    records = [*results["baselines"], *results["methods"]]
    if records:
        drawn |= _limits(records, curves(results, grids, settings["plots"]["colors"]), settings, labels)
    for record in records:
        figure = closure_figure(record, grids[record["name"]])
        if figure is not None:
            drawn[f"closure_{record['name']}"] = Picture(
                "closure", f"Closure tests of {record['name']}", _closure_text(record), figure
            )
    parts = {"": results, **{f"_{group}": part for group, part in results["groups"].items()}}
    for group, part in parts.items():
        if part["fisher_information"] and part["evaluation"]:
            drawn |= dict(_fisher(group, part, settings, labels))
    trainings = {entry["name"]: entry["training"] for entry in results["methods"] if entry["training"]}
    if trainings:
        drawn["losses"] = Picture("training", "Losses", _loss_text(trainings), figures.loss_figure(trainings))
    return drawn


def save(drawn: Mapping[str, Picture], formats: Sequence[str], folder: Path) -> dict[str, list[str]]:
    """Write the figures; the names of the files of each."""
    for name, picture in drawn.items():
        for image_format in formats:
            (folder / f"{name}.{image_format}").write_bytes(picture.image(image_format))
    return {name: [f"{name}.{image_format}" for image_format in formats] for name in drawn}


def curves(results: Mapping[str, Any], grids: Mapping[str, Grid], colors: Mapping[str, str]) -> list[Curve]:
    """Baselines first, so that the methods are drawn over them."""
    palette = itertools.cycle(COLORS)
    shades = {kind: itertools.cycle(shades) for kind, shades in BASELINE_COLORS.items()}
    found = []
    for record in [*results["baselines"], *results["methods"]]:
        baseline = "baseline" in record
        kind = "baseline" if baseline else "method_name"
        key = record[kind]
        default = next(shades[key] if baseline else palette)
        several = sum(other.get(kind) == key for other in [*results["baselines"], *results["methods"]]) > 1
        grid = grids[record["name"]]
        found.append(
            Curve(
                name=record["name"] if several else key,
                color=default if several else colors.get(key, default),
                baseline=baseline,
                verdict=record["verdict"],
                axes=grid.axes,
                log_likelihood_ratio=grid.log_likelihood_ratio,
                best_fit=record["best_fit"],
            )
        )
    return found


def _limits(
    records: Sequence[Mapping[str, Any]],
    lines: Sequence[Curve],
    settings: Mapping[str, Any],
    labels: Mapping[str, str],
) -> dict[str, Picture]:
    """Contours of each pair of parameters and the profile of each; of a single parameter the p-values."""
    truth, levels, level = records[0]["theta_true"], records[0]["confidence_levels"], settings["plots"]["level"]
    names, drawn = list(lines[0].axes), {}
    for pair in itertools.combinations(names, 2):
        figure = figures.contour_figure(lines, pair, labels, level, truth)
        title = f"{level:.0%} confidence regions of {pair[0]} and {pair[1]}"
        drawn["contours_" + "_".join(pair)] = Picture("limits", title, _region_text(records), figure)
    for name in names:
        text = _interval_text(records, name)
        if len(names) == 1:
            figure = figures.p_value_figure(lines, labels, levels, truth)
            drawn[f"p_values_{name}"] = Picture("limits", f"p-values of {name}", text, figure)
        else:
            figure = figures.profile_figure(lines, name, labels[name], levels, truth)
            drawn[f"profile_{name}"] = Picture("profiles", f"Profile likelihood of {name}", text, figure)
    return drawn


def _fisher(
    group: str, part: Mapping[str, Any], settings: Mapping[str, Any], labels: Mapping[str, str]
) -> Iterator[tuple[str, Picture]]:
    found, level = part["fisher_information"], settings["plots"]["level"]
    matrices = {kind: np.array(entry.get("profiled", entry["matrix"])) for kind, entry in found["information"].items()}
    for pair in itertools.combinations(found["parameters"], 2):
        figure = ellipse_figure(
            matrices,
            found["parameters"],
            pair=pair,
            labels=labels,
            level=level,
            centre=part["evaluation"]["theta_true"],
        )
        title = f"Fisher information on {pair[0]} and {pair[1]}" + (f": {group.removeprefix('_')}" if group else "")
        text = (
            f"The smallest {level:.0%} regions that the information of each kind allows around the true point: "
            f"{', '.join(matrices)}. The table has the matrices."
        )
        yield f"fisher_{'_'.join(pair)}{group}", Picture("fisher", title, text, figure)


def _region_text(records: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for record in records:
        level, fraction = max(record["allowed_fraction"].items(), key=lambda item: float(item[0]))
        mark = "" if record["verdict"] == "passed" else f", closure {record['verdict']}"
        parts.append(f"{record['name']} {100 * fraction:.3g} %{mark}")
    return f"Part of the grid allowed at {100 * float(level):g} %: {'; '.join(parts)}. Dashed: closure failed."


def _interval_text(records: Sequence[Mapping[str, Any]], name: str) -> str:
    parts = []
    for record in records:
        level, found = max(record["intervals"][name].items(), key=lambda item: float(item[0]))
        mark = "" if record["verdict"] == "passed" else f", closure {record['verdict']}"
        parts.append(f"{record['name']} {interval_words(found)}{mark}")
    return f"{name} at {100 * float(level):g} %: {'; '.join(parts)}."


def interval_words(found: Sequence[Sequence[float | None]]) -> str:
    """Intervals as text: "-0.1 … 0.2", open ends as arrows.

    >>> interval_words([(None, 0.25)])
    '← … 0.25'
    """
    if not found:
        return "none on the grid"
    return ", ".join(
        f"{'←' if low is None else f'{low:.3g}'} … {'→' if high is None else f'{high:.3g}'}" for low, high in found
    )


def interval_width(found: Sequence[Sequence[float | None]]) -> float | None:
    """The width of intervals together; None where they are not closed."""
    width = 0.0
    for low, high in found:
        if low is None or high is None:
            return None
        width += high - low
    return width if found else None


def _closure_text(record: Mapping[str, Any]) -> str:
    closure = record["closure"]
    parts = [f"p-value of the true point {closure['p_value_true']:.2g}"]
    if closure["mean_ratio"]:
        ratio = closure["mean_ratio"]
        parts.append(
            f"mean ratio {ratio['lowest']:.3f} to {ratio['highest']:.3f} in the confidence region, "
            f"standard error {ratio['error']:.2g}; it must be 1"
        )
    reasons = f" Why: {'; '.join(record['reasons'])}." if record["reasons"] else ""
    return f"Closure {record['verdict']}: {'; '.join(parts)}.{reasons}"


def _loss_text(trainings: Mapping[str, Mapping[str, Any]]) -> str:
    parts = [
        f"{name}: {entry['loss_validation'][entry['kept_epoch'] - 1]:.4g} after epoch {entry['kept_epoch']}"
        for name, entry in list(trainings.items())[: figures.MOST_LOSSES]
    ]
    rest = len(trainings) - len(parts)
    more = f" {rest} more trainings are in the table alone." if rest > 0 else ""
    return f"Loss by epoch. Validation loss of the network that is kept: {'; '.join(parts)}.{more}"
