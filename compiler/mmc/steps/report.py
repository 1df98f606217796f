"""``report``: tables and pictures of what a run found, for people and for machines."""

import itertools
import re
import shutil
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from mmc.steps import figures
from mmc.steps.figures import BASELINE_COLORS, COLORS, Curve
from mmc.steps.job import RECORD, StepJob, read_json, write_json

FORMAT = "mmc-results/1.0"
"""The version of ``schema/1.0/results.json`` that ``results.json`` follows."""


def run(job: StepJob) -> None:
    """Write ``results.json``, the p-value grids, the figures and ``index.html``."""
    settings = job.settings
    groups: Sequence[str] = settings.get("groups", ())
    events = _events_read(job, groups)
    trainings = {name: read_json(path / "train.json") for name, path in _outputs(job, "model").items()}
    limits, baselines = _outputs(job, "limits"), _outputs(job, "baseline")
    methods = [_method(name, read_json(path / "evaluate.json"), trainings.get(name)) for name, path in limits.items()]
    found = {name: read_json(path / "baseline.json") for name, path in baselines.items()}
    fisher = [_fisher(name, record) for name, record in found.items() if record["baseline"] == "fisher"]
    histograms = [_baseline(name, record) for name, record in found.items() if record["baseline"] != "fisher"]
    described = [*methods, *histograms, *fisher]
    whole = {"events": None, "evaluation": None, "fisher_information": None} if groups else _part(events, described)
    for name, path in [*limits.items(), *baselines.items()]:
        for source in sorted(path.glob("*.npz")):
            shutil.copyfile(source, job.out / f"{source.stem}_{name}.npz")
    curves = _curves(methods, histograms, settings["plots"]["colors"], job.out)
    pictures = _pictures(curves, trainings, settings, [*methods, *histograms])
    for name, figure in pictures.items():
        for image_format in settings["plots"]["formats"]:
            (job.out / f"{name}.{image_format}").write_bytes(figures.render(figure, image_format))
    results = {
        "format": FORMAT,
        "mmc": settings["version"],
        "study": settings["study"],
        "title": settings["title"],
        "digest": settings["digest"],
        "parameters": {name: dict(parameter) for name, parameter in settings["parameters"].items()},
        "events": whole["events"],
        "evaluation": whole["evaluation"],
        "methods": methods,
        "baselines": histograms,
        "fisher_information": whole["fisher_information"],
        "groups": {group: _part(events, described, group) for group in groups},
        "figures": {name: [f"{name}.{kind}" for kind in settings["plots"]["formats"]] for name in pictures},
        "warnings": _warnings(methods, histograms, events),
    }
    write_json(job.out / "results.json", results)
    inline = {name: Markup(_inline(figures.render(figure, "svg"))) for name, figure in pictures.items()}
    (job.out / "index.html").write_text(render_page(results, inline), encoding="utf-8")


def render_page(results: Mapping[str, Any], pictures: Mapping[str, Markup]) -> str:
    """The page of the results, with nothing outside itself."""
    environment = Environment(
        loader=FunctionLoader(lambda name: files("mmc.templates").joinpath("report", name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = _number
    return environment.get_template("index.html.j2").render(results=results, pictures=pictures)


def _outputs(job: StepJob, name: str) -> dict[str, Path]:
    """The directories of an input by the name of the job that wrote them."""
    return {read_json(path / RECORD)["job"]: path for path in job.inputs.get(name, ())}


def _events_read(job: StepJob, groups: Sequence[str]) -> dict[str | None, Any]:
    """What is known of the events, by group; of all events under None."""
    if not job.inputs.get("events"):
        return {}
    if not groups:
        return {None: read_json(job.one("events") / "events.json")}
    return {group: read_json(job.pick("events", group) / "events.json") for group in groups}


def _part(
    events: Mapping[str | None, Any], described: Sequence[Mapping[str, Any]], group: str | None = None
) -> dict[str, Any]:
    """What the results say of the events of a group and of what all limits from them share."""
    own = [record for record in described if record.get("group") == group]
    fisher = [record for record in own if "information" in record]
    keys = ("parameters", "observable", "information", "matrices")
    return {
        "events": _events(events.get(group, {})),
        "evaluation": _evaluation(own),
        "fisher_information": {key: fisher[0][key] for key in keys} if fisher else None,
    }


def _method(name: str, record: Mapping[str, Any], training: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the results say of an estimator; ``training`` is None where its model was not handed in."""
    described = {"name": name, **record, "grid": f"limits_{name}.npz", "scan": {}, "training": None}
    if training is not None:
        described["scan"] = training["scan"]
        keys = ("features", "n_train", "n_validation", "epochs", "kept_epoch", "loss_train", "loss_validation")
        described["training"] = {"settings": training["training"], **{key: training[key] for key in keys}}
        described["warnings"] = [*training["sample_warnings"], *record["warnings"]]
    return described


def _baseline(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, **record, "grid": f"limits_{name}.npz"}


def _evaluation(records: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What all limits share; None when there are none."""
    keys = ("n_expected", "luminosity_pb", "theta_true", "include_xsec", "asimov_events", "asimov_effective_events")
    return {key: records[0][key] for key in keys} if records else None


def _events(record: Mapping[str, Any]) -> dict[str, Any] | None:
    keys = ("n_events", "per_benchmark", "n_background", "cross_sections_pb", "effective_sample_size")
    return {key: record[key] for key in keys if key in record} if record else None


def _fisher(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    return {**record, "matrices": f"fisher_{name}.npz"}


def _warnings(
    methods: Sequence[Mapping[str, Any]],
    baselines: Sequence[Mapping[str, Any]],
    events: Mapping[str | None, Mapping[str, Any]],
) -> list[str]:
    """All warnings, failed closures first."""
    records = [*methods, *baselines]
    failed = [
        f"{r['name']}: closure {verdict}: {'; '.join(r['reasons'])}"
        for verdict in ("failed", "doubtful")
        for r in records
        if r["verdict"] == verdict
    ]
    edges = [f"{r['name']}: the confidence region reaches the edge of the grid" for r in methods if r["touches_edge"]]
    others = [f"{r['name']}: {text}" for r in records for text in r["warnings"]]
    of_events = [
        text if group is None else f"{group}: {text}"
        for group, record in events.items()
        for text in record.get("warnings", ())
    ]
    return list(dict.fromkeys([*failed, *edges, *others, *of_events]))


def _curves(
    methods: Sequence[Mapping[str, Any]],
    baselines: Sequence[Mapping[str, Any]],
    colors: Mapping[str, str],
    folder: Path,
) -> list[Curve]:
    """Baselines first, so that the methods are drawn over them."""
    palette = itertools.cycle(COLORS)
    shades = {kind: itertools.cycle(colors) for kind, colors in BASELINE_COLORS.items()}
    curves = []
    for record in [*baselines, *methods]:
        baseline = "baseline" in record
        kind = "baseline" if baseline else "method_name"
        key = record[kind]
        default = next(shades[key] if baseline else palette)
        several = sum(other.get(kind) == key for other in [*baselines, *methods]) > 1
        with np.load(folder / record["grid"]) as arrays:
            axes = {name.removeprefix("axis_"): arrays[name] for name in arrays.files if name.startswith("axis_")}
            ratio = arrays["log_likelihood_ratio"]
        curves.append(
            Curve(
                name=record["name"] if several else key,
                color=default if several else colors.get(key, default),
                baseline=baseline,
                failed=record["verdict"] == "failed",
                axes=axes,
                log_likelihood_ratio=ratio,
                best_fit=record["best_fit"],
            )
        )
    return curves


def _pictures(
    curves: Sequence[Curve],
    trainings: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
) -> dict[str, Figure]:
    """The figures by the name of their file."""
    pictures = {}
    if curves:
        truth = records[0]["theta_true"]
        names = list(curves[0].axes)
        labels = {name: figures.axis_label(settings["parameters"][name]["label"] or name) for name in names}
        if len(names) == 1:
            levels = records[0]["confidence_levels"]
            pictures[f"p_values_{names[0]}"] = figures.p_value_figure(curves, labels, levels, truth)
        for pair in itertools.combinations(names, 2):
            figure = figures.contour_figure(curves, pair, labels, settings["plots"]["level"], truth)
            pictures["contours_" + "_".join(pair)] = figure
    if trainings:
        pictures["losses"] = figures.loss_figure(trainings)
    return pictures


def _inline(svg: bytes) -> str:
    """An SVG without what belongs to a file of its own."""
    text = svg.decode()
    return re.sub(r"\s*<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)


def _number(value: float, digits: int = 3) -> str:
    """A number for a table."""
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"
