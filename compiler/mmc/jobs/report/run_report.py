"""``mmc report``: the page of a whole run, and the page that compares two runs."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import UndefinedError

from mmc.compiler.catalogue.stages import READ_BY_REPORT, REPORT, VARIANTS
from mmc.compiler.settings.encoding import from_json
from mmc.compiler.settings.limits import LimitSettings
from mmc.compiler.settings.report import Named, ReportSettings
from mmc.errors import MmcError, SettingsError, UsageError
from mmc.files import Folder
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.madminer.event_summary import EVENTS
from mmc.jobs.report import compare, figures
from mmc.jobs.report.agreement import Choices
from mmc.jobs.report.distributions import MOST_OBSERVABLES, chosen, distribution_figure
from mmc.jobs.report.page import Page, render, render_template
from mmc.jobs.report.pictures import Picture, pictures, save
from mmc.jobs.report.records import RESULTS, flaw, read
from mmc.jobs.report.results import Grid, Outputs, collect
from mmc.jobs.report.run_folder import PLOTS, Run, open_run
from mmc.jobs.report.workflow import workflow_picture
from mmc.jobs.tracking.sqlite_file import STORE, repoint
from mmc.printing import say
from mmc.reading import first_line
from mmc.version import __version__

FORMATS = ("svg", "png")
MARKS = b'<meta name="generator" content="mmc">', b"<dc:title>mmc</dc:title>", b"Software\0mmc"
"""What pages, SVG and PNG files contain that mmc wrote."""
MOST_MISSING = 5
"""At most this many unfinished jobs are listed."""


def report_run(folder: Path, out: Path | None) -> int:
    """Write ``report.html`` and the figures of a run, into ``out`` or into the folder of the run.

    :raises UsageError: when the folder is not the folder of a run
    :raises MmcError: when this version of mmc cannot read an output
    """
    run = open_run(folder)
    place = folder if out is None else out
    with _as_one_line(run):
        results, grids, settings = _results(run)
        drawn = {**pictures(results, grids, settings), **dict(_distributions(run, results, settings))}
        page = render(Page(results, grids, drawn, run, workflow_picture(run.stages), notes(run)))
    _find_tracked_files(run)
    return _write(page, drawn, place / "report.html")


def compare_runs(first: Path, second: Path, out: Path | None) -> int:
    """Write ``comparison.html`` and its figures, into ``out`` or into the folder of the second run.

    :raises UsageError: when a folder is not the folder of a run
    :raises MmcError: when this version of mmc cannot read an output
    """
    runs = open_run(first), open_run(second)
    place = second if out is None else out
    with _as_one_line(*runs):
        (old, old_grids, settings), (new, new_grids, _) = map(_results, runs)
        found = compare.Comparison.of(*runs, old, new)
        drawn = compare.overlays((old, old_grids), (new, new_grids), settings)
        page = render_template("compare.html.j2", drawn, found=found, notes=[*map(notes, runs)])
    say(*found.summary())
    return _write(page, drawn, place / "comparison.html")


def notes(run: Run) -> list[str]:
    """Notes that a reader needs first: the run is not finished, or another version of mmc ran the jobs."""
    found = []
    missing = run.missing
    if missing:
        named = ", ".join(missing[:MOST_MISSING]) + (", …" if len(missing) > MOST_MISSING else "")
        found.append(f"the run is not finished: {len(missing):,} of {run.n_jobs:,} jobs are missing: {named}")
    if run.left_out:
        found.append(
            "the folder has outputs of several studies; left out, because the last report was not made from them: "
            + ", ".join(run.left_out)
        )
    other_versions = [version for version in run.made_by if version != __version__]
    if other_versions:
        found.append(f"jobs were run by mmc {', '.join(other_versions)}, but this report is made by mmc {__version__}")
    return found


def _find_tracked_files(run: Run) -> None:
    """Correct the paths of files in the MLflow store, in case an engine has moved the folder with store and files."""
    for path in run.outputs("track").values():
        if (path / STORE).is_file():
            with suppress(MmcError):  # a folder that cannot be written, or a link
                repoint(Folder(path).place(STORE))


def _write(page: str, drawn: Mapping[str, Picture], path: Path) -> int:
    place = Folder(path.parent)
    place.make("figures")
    _check_ours(place, [path.name, *(f"figures/{name}.{image_format}" for name in drawn for image_format in FORMATS)])
    save(drawn, FORMATS, Folder(place.path / "figures"))
    place.write(path.name, page)
    say(f"report: {path}")
    return 0


def _check_ours(folder: Folder, files: Iterable[str]) -> None:
    """Check that what will be replaced was written by mmc.

    :raises UsageError: when a file was not
    """
    for file in files:
        found = folder.read(file)
        if found is not None and not any(mark in found for mark in MARKS):
            raise UsageError(f"{folder.path / file} was not written by mmc: move it away, or choose another --out")


@contextmanager
def _as_one_line(*runs: Run) -> Iterator[None]:
    """Turn a missing entry of an output into an error in one line that names the versions of mmc."""
    try:
        yield
    except (
        LookupError,
        TypeError,
        AttributeError,
        ValueError,
        ArithmeticError,
        SettingsError,
        UndefinedError,
    ) as error:
        makers = ", ".join(sorted({version for run in runs for version in run.made_by}))
        raise MmcError(
            f"the jobs in {' or '.join(str(run.folder) for run in runs)} were run by mmc {makers}, and mmc "
            f"{__version__} cannot read all their outputs ({first_line(error)}): run the study again, or use that "
            "version for the report"
        ) from error


def _results(run: Run) -> tuple[dict[str, Any], dict[str, Grid], ReportSettings]:
    """The results of the finished jobs, the grids by name, and the settings of the report."""
    if run.has_variants:
        tables = [f"; {path / 'index.html'} compares them" for path in run.outputs(VARIANTS.name).values()]
        raise UsageError(
            f"{run.folder} has several variants of a study: the outputs of the stage report are their reports"
            + "".join(tables)
        )
    run.check(READ_BY_REPORT)
    written = {name: path / REPORT.record for name, path in run.outputs("report").items()}
    before = next((read(path, RESULTS) for path in written.values() if path.is_file()), None)
    settings = _settings(run, before)
    planned = None if run.limits is None else Choices.planned(from_json(LimitSettings, run.limits))
    results, grids = collect(_outputs(run, settings), settings, planned)
    if before is not None and "versions" in before:
        results["versions"] = before["versions"]
    if (found := flaw(results, RESULTS)) is not None:
        raise SettingsError(found)
    return results, grids, settings


def _settings(run: Run, before: Mapping[str, Any] | None) -> ReportSettings:
    """The settings of the report: from the bundle, or else from its study, or else from ``results.json``.

    :raises MmcError: when the run has none of the three
    """
    if run.report is not None:
        return from_json(ReportSettings, run.report)
    if run.study is not None:
        study, manifest = run.study, run.manifest
        return ReportSettings(
            study=manifest["study"],
            title=study["title"],
            digest=manifest["digest"],
            version=manifest["mmc"],
            parameters=_named(study.get("parameters", {})),
            observables=_named(study.get("observables", {})),
            plots=study["plots"],
        )
    if before is not None:
        return ReportSettings(
            study=before["study"],
            title=before["title"],
            digest=before["digest"],
            version=before["mmc"],
            parameters=_named(before["parameters"]),
            observables={},
            plots=PLOTS,
            groups=tuple(before["groups"]),
        )
    raise MmcError(
        f"{run.folder} has neither a bundle nor results.json, so the study is not known: give the folder that contains "
        "both the bundle and the outputs"
    )


def _named(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Named]:
    return {name: Named(label=entry.get("label")) for name, entry in entries.items()}


def _outputs(run: Run, settings: ReportSettings) -> Outputs:
    combined = run.outputs("combine") or run.outputs("ingest")
    grouped = bool(settings.groups)
    events = {group if grouped else None: path for group, path in combined.items()}
    return Outputs(
        events,
        run.outputs("tune") or run.outputs("train"),
        run.outputs("evaluate"),
        run.outputs("baselines"),
        run.outputs("combinations"),
    )


def _distributions(run: Run, results: Mapping[str, Any], settings: ReportSettings) -> Iterator[tuple[str, Picture]]:
    """The figures of the distributions of all observables, for each group of events."""
    outputs = _outputs(run, settings)
    for group, path in outputs.events.items():
        file = EventFile(path / EVENTS, 0.2, 0.2)  # the splits do not matter, because all events are read
        events = file.part("all")
        record = results["groups"][group]["events"] if group is not None else results["events"]
        benchmarks = list(record["cross_sections_pb"])
        shown = chosen(benchmarks, record["per_benchmark"])
        weights = {name: events.weights[:, benchmarks.index(name)] for name in shown}
        for name, x in list(zip(file.observables, events.x.T, strict=True))[:MOST_OBSERVABLES]:
            label = settings.observables[name].label if name in settings.observables else None
            figure = distribution_figure(np.asarray(x), weights, figures.axis_label(label or name))
            if figure is None:
                continue
            of = f" of {group}" if group is not None else ""
            spread = "; ".join(f"{shown_name} {_mean(x, w):.4g}" for shown_name, w in weights.items())
            text = f"Top: distributions normalised to 1. Bottom: ratios to {shown[0]}. Means: {spread}."
            picture = Picture("events", f"{name}{of}", text, figure)
            yield "_".join(("distribution", *([group] if group is not None else []), name)), picture


def _mean(x: Any, weights: Any) -> float:
    known = np.isfinite(x)
    return float(x[known] @ weights[known] / weights[known].sum())
