"""All figures of the results, each with a text that describes it."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mmc.compiler.catalogue.baselines import BASELINES
from mmc.compiler.settings.report import ReportSettings
from mmc.files import Folder
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.report import figures
from mmc.jobs.report.agreement import MORE, luminosity_in_words
from mmc.jobs.report.closure import closure_figure
from mmc.jobs.report.combined import combination_figures
from mmc.jobs.report.coverage_map import coverage_figure
from mmc.jobs.report.figures import COLORS, Curve
from mmc.jobs.report.fisher import Information, ellipse_figure
from mmc.jobs.report.results import KINDS, Grid
from mmc.jobs.statistics.closure.registry import TESTS
from mmc.tables import coverages, percent, region_size, toys_in_words, with_error

MOST_PAIRS = 21
"""The largest number of figures of Fisher information, one for each pair of parameters: all pairs of seven."""


@dataclass(frozen=True)
class Picture:
    """A figure of a report."""

    section: str
    """The section of the page: limits, toys, profiles, closure, fisher, combinations, training or events."""
    title: str
    text: str
    """The caption, which also describes the figure to readers who cannot see it."""
    figure: Figure

    @cached_property
    def svg(self) -> bytes:
        """The figure as SVG, for its file and for the page."""
        return figures.render(self.figure, "svg")

    def image(self, image_format: str) -> bytes:
        """The figure in a format that matplotlib writes."""
        return self.svg if image_format == "svg" else figures.render(self.figure, image_format)


def pictures(results: Mapping[str, Any], grids: Mapping[str, Grid], settings: ReportSettings) -> dict[str, Picture]:
    """The figures by file name, in the order of the page."""
    labels = {name: figures.axis_label(named.label or name) for name, named in settings.parameters.items()}
    drawn: dict[str, Picture] = {}
    records = [*results["baselines"], *results["methods"]]
    combined = [{**entry, "method_name": entry["name"]} for entry in results.get("combinations", ()) if "grid" in entry]
    for kind, at in itertools.product(KINDS, dict.fromkeys([None, *(record.get(MORE) for record in records)])):
        with_kind = [record for record in records if (not kind or kind in record) and record.get(MORE) == at]
        on_grid = [record for record in with_kind if grids[record["name"]].axes]
        found: dict[str, Picture] = {}
        if on_grid:
            lines = curves(on_grid, grids, settings.style.colors, kind)
            found = _limits(on_grid, lines, settings, labels, kind)
        scanned = [record for record in combined if at is None and (not kind or kind in record)]
        found |= dict(_scans([*with_kind, *scanned], grids, settings, labels, kind))
        drawn |= (
            found
            if at is None
            else {f"{name}_{at.replace('.', '_')}": _at(at, picture) for name, picture in found.items()}
        )
    for record in records:
        if "toys" in record:
            text = (
                f"Coverage of asymptotic limits: {', '.join(coverages(record['toys']))}, from "
                f"{toys_in_words(record['toys'])}. The limits shown here have critical values from these toys."
            )
            coverage = coverage_figure(record, labels, record["theta_true"])
            drawn[f"coverage_{record['name']}"] = Picture("toys", f"Coverage map of {record['name']}", text, coverage)
        figure = closure_figure(record, grids[record["name"]])
        if figure is not None:
            drawn[f"closure_{record['name']}"] = Picture(
                "closure", f"Closure tests of {record['name']}", _closure_text(record), figure
            )
    parts: dict[str | None, Any] = {None: results, **results["groups"]}
    for group, part in parts.items():
        if part["fisher_information"] and part["evaluation"]:
            drawn |= dict(_fisher(group, results, part, settings, labels))
    drawn |= {
        name: Picture("combinations", title, text, figure)
        for name, title, text, figure in combination_figures(results, grids, settings.style, labels)
    }
    trainings = {entry["name"]: entry["training"] for entry in results["methods"] if entry["training"]}
    if trainings:
        drawn["losses"] = Picture("training", "Losses", _loss_text(trainings), figures.loss_figure(trainings))
    return drawn


def _at(luminosity: str, picture: Picture) -> Picture:
    """A figure of limits at a further luminosity of the study."""
    return replace(picture, title=f"{picture.title}, {luminosity_in_words(luminosity)}")


def save(drawn: Mapping[str, Picture], formats: Sequence[str], folder: Folder) -> dict[str, list[str]]:
    """Write the figures.

    :returns: the file names of each figure
    :raises MmcError: when the name of a figure, which contains the name of a job, is not the name of a file
    """
    for name, picture in drawn.items():
        for image_format in formats:
            folder.write(f"{name}.{image_format}", picture.image(image_format))
    return {name: [f"{name}.{image_format}" for image_format in formats] for name in drawn}


def curves(
    records: Sequence[Mapping[str, Any]],
    grids: Mapping[str, Grid],
    colors: Mapping[str, str],
    kind: str = "",
    scan: str | None = None,
) -> list[Curve]:
    """The curves of baselines and methods, in the order of the records, for expected limits or another kind.

    :param scan: the name of the arrays of a scan; None for the grid
    """
    palette = itertools.cycle(COLORS)
    shades = {name: itertools.cycle(kind.colors) for name, kind in BASELINES.items()}
    found = []
    for record in records:
        baseline = "baseline" in record
        name_key = "baseline" if baseline else "method_name"
        key = record[name_key]
        default = next(shades[key] if baseline else palette)
        several = sum(other.get(name_key) == key for other in records) > 1
        limits, grid = record[kind] if kind else record, grids[record["name"]]
        axes, ratio = (grid.axes, grid.log_likelihood_ratio(kind)) if scan is None else grid.scan(_with(kind, scan))
        found.append(
            Curve(
                name=record["name"] if several else key,
                color=default if several else colors.get(key, default),
                baseline=baseline,
                verdict=limits.get("verdict", record["verdict"]),
                axes=axes,
                log_likelihood_ratio=ratio,
                best_fit=limits["best_fit"],
                degrees_of_freedom=limits["degrees_of_freedom"],
                training_error=None if kind or scan is not None else grid.arrays.get("training_error"),
            )
        )
    return found


def _limits(
    records: Sequence[Mapping[str, Any]],
    lines: Sequence[Curve],
    settings: ReportSettings,
    labels: Mapping[str, str],
    kind: str,
) -> dict[str, Picture]:
    """Contours of each pair of parameters and profiles of each parameter; p-values if there is a single parameter."""
    truth, levels, level = records[0]["theta_true"], records[0]["confidence_levels"], settings.style.level
    names, drawn, prefix, suffix = list(lines[0].axes), {}, f"{kind}_" if kind else "", KINDS[kind]
    found = {record["name"]: record[kind] if kind else record for record in records}
    marks = {record["name"]: _mark(found[record["name"]].get("verdict", record["verdict"])) for record in records}
    for pair in itertools.combinations(names, 2):
        figure = figures.contour_figure(lines, pair, labels, level, truth)
        title = f"{level:.0%} confidence regions of {pair[0]} and {pair[1]}{suffix}"
        drawn[f"{prefix}contours_{'_'.join(pair)}"] = Picture(
            "limits", title, _region_text(found, marks, lines), figure
        )
    for name in names:
        text = _interval_text(found, marks, name, lines[0].axes[name])
        if len(names) == 1:
            figure = figures.p_value_figure(lines, labels, levels, truth)
            drawn[f"{prefix}p_values_{name}"] = Picture("limits", f"p-values of {name}{suffix}", text, figure)
        else:
            figure = figures.profile_figure(lines, name, labels[name], levels, truth)
            title = f"Profile likelihood of {name}{suffix}"
            drawn[f"{prefix}profile_{name}"] = Picture("profiles", title, text, figure)
    return drawn


def _with(kind: str, name: str) -> str:
    return f"{kind}_{name}" if kind else name


def _scans(
    records: Sequence[Mapping[str, Any]],
    grids: Mapping[str, Grid],
    settings: ReportSettings,
    labels: Mapping[str, str],
    kind: str,
) -> Iterator[tuple[str, Picture]]:
    """The figures of likelihood scans, each with the curves of all baselines and methods."""
    limits = {record["name"]: record[kind] if kind else record for record in records}
    scanned = [record for record in records if "scans" in limits[record["name"]]]
    if not scanned:
        return
    truth, levels = scanned[0]["theta_true"], scanned[0]["confidence_levels"]
    marks = {record["name"]: _mark(limits[record["name"]].get("verdict", record["verdict"])) for record in scanned}
    for k, scan in enumerate(limits[scanned[0]["name"]]["scans"]["scans"]):
        lines = curves(scanned, grids, settings.style.colors, kind, scan["arrays"])
        over, others = scan["over"], "profiled" if scan["others"] == "profile" else "fixed"
        suffix = (f", the others {others}" if len(labels) > len(over) else "") + KINDS[kind]
        name = _with(kind, f"{scan['arrays']}_{'_'.join(over)}")
        if len(over) == 2:
            figure = figures.contour_figure(lines, (over[0], over[1]), labels, settings.style.level, truth)
            title = f"Scan over {over[0]} and {over[1]}{suffix}"
            text = f"The regions at {percent(settings.style.level)}."
            yield name, Picture("limits", title, text, figure)
            continue
        found = {entry: _of_scan(limits[entry], k) for entry in marks}
        ends = np.array(limits[scanned[0]["name"]]["scans"]["ranges"][over[0]])
        figure = figures.profile_figure(lines, over[0], labels[over[0]], levels, truth)
        text = _interval_text(found, marks, over[0], ends)
        yield name, Picture("profiles", f"Scan over {over[0]}{suffix}", text, figure)


def _of_scan(limits: Mapping[str, Any], k: int) -> dict[str, Any]:
    """Limits with the intervals of a scan over one parameter; their errors are known if those of the limits are from
    this scan."""
    scan = limits["scans"]["scans"][k]
    (name,) = scan["over"]
    same = limits["intervals"].get(name) == scan["intervals"]
    return {
        **limits,
        "intervals": {name: scan["intervals"]},
        "interval_errors": limits["interval_errors"] if same else {},
    }


def _mark(verdict: str) -> str:
    return "" if verdict == "passed" else f", closure {verdict}"


def _fisher(
    group: str | None,
    results: Mapping[str, Any],
    part: Mapping[str, Any],
    settings: ReportSettings,
    labels: Mapping[str, str],
) -> Iterator[tuple[str, Picture]]:
    """The figures of Fisher information of the baselines and of the estimators of a group."""
    found, level = part["fisher_information"], settings.style.level
    named = [
        Information(kind, np.array(entry.get("profiled", entry["matrix"])))
        for kind, entry in found["information"].items()
    ]
    named += [
        Information(record["name"], np.array(full.get("profiled", full["matrix"])), record["verdict"])
        for record in results["methods"]
        if "fisher_information" in record and record.get("group") == group and MORE not in record
        for full in [record["fisher_information"]["full"]]
    ]
    truth = part["evaluation"]["theta_true"]
    for pair in itertools.islice(itertools.combinations(found["parameters"], 2), MOST_PAIRS):
        where = [found["parameters"].index(name) for name in pair]
        figure = ellipse_figure(named, where, [labels[name] for name in pair], level, [truth[name] for name in pair])
        title = f"Fisher information on {pair[0]} and {pair[1]}" + (f": {group}" if group else "")
        text = (
            f"The smallest {level:.0%} regions around the true point that each Fisher information allows: "
            f"{', '.join(item.label for item in named)}. The table shows the matrices."
        )
        yield "_".join(("fisher", *pair, *([group] if group else []))), Picture("fisher", title, text, figure)


def _region_text(found: Mapping[str, Mapping[str, Any]], marks: Mapping[str, str], lines: Sequence[Curve] = ()) -> str:
    """The allowed part of the grid of each method, as in the table, and what dashes and bands mean.

    >>> at_95 = {"allowed_fraction": 0.25, "allowed_area": 0.241, "allowed_area_error": 0.003}
    >>> _region_text({"alices": {key: {"0.95": value} for key, value in at_95.items()}}, {"alices": ""})
    'Part of the grid that is allowed at 95 %: alices 24.1 ± 0.3 %.'
    """
    parts = []
    for name, record in found.items():
        level = max(record["allowed_fraction"], key=float)
        parts.append(f"{name} {region_size(record, level)}{marks[name]}")
    dashed = " Dashed: closure failed." if any("failed" in marks[name] for name in found) else ""
    of_training = ", ".join(line.name for line in lines if line.training_error is not None)
    band = f" Bands: ln λ of {of_training} larger or smaller by the error of the training." if of_training else ""
    return f"Part of the grid that is allowed at {percent(float(level))}: {'; '.join(parts)}.{dashed}{band}"


def _interval_text(
    found: Mapping[str, Mapping[str, Any]], marks: Mapping[str, str], parameter: str, axis: Array
) -> str:
    parts = []
    for name, record in found.items():
        level, intervals = max(record["intervals"][parameter].items(), key=lambda item: float(item[0]))
        errors = record["interval_errors"].get(parameter, {}).get(level, ())
        parts.append(f"{name} {interval_words(intervals, (axis[0], axis[-1]), errors)}{marks[name]}")
    return f"{parameter} at {percent(float(level))}: {'; '.join(parts)}."


def interval_words(
    intervals: Sequence[Sequence[float]], edges: tuple[float, float], errors: Sequence[Sequence[float]] = ()
) -> str:
    """Intervals as text, with the standard errors of their ends if they are known.

    An arrow marks an end at the edge of the grid, where the interval may be open.

    >>> interval_words([(-1.0, 0.25)], (-1.0, 1.0), [(0.01, 0.002)])
    '← … 0.25 ± 0.002'
    """
    if not intervals:
        return "none on the grid"
    known: Sequence[Sequence[float | None]] = errors or [(None, None)] * len(intervals)
    return ", ".join(
        f"{'←' if low <= edges[0] else with_error(low, low_error)} … "
        f"{'→' if high >= edges[1] else with_error(high, high_error)}"
        for (low, high), (low_error, high_error) in zip(intervals, known, strict=True)
    )


def interval_width(intervals: Sequence[Sequence[float]], edges: tuple[float, float]) -> float | None:
    """The total width of the intervals; None if there are no intervals, or one reaches an edge of the grid."""
    closed = all(low > edges[0] and high < edges[1] for low, high in intervals)
    return sum(high - low for low, high in intervals) if intervals and closed else None


def _closure_text(record: Mapping[str, Any]) -> str:
    closure = record["closure"]
    parts = [test.caption(closure) for test in TESTS if test.caption is not None and test.is_made(closure)]
    return f"Closure {record['verdict']}: {'; '.join(parts)}."


def _loss_text(trainings: Mapping[str, Mapping[str, Any]]) -> str:
    parts = [
        f"{name}: {entry['loss_validation'][entry['kept_epoch'] - 1]:.4g} after epoch {entry['kept_epoch']}"
        for name, entry in list(trainings.items())[: figures.MOST_LOSSES]
    ]
    rest = len(trainings) - len(parts)
    more = f" The table shows {rest} more trainings." if rest > 0 else ""
    return f"Loss by epoch. Validation loss of the kept network: {'; '.join(parts)}.{more}"
