"""``report``: the results of a run as tables and figures, for people and for machines."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from mmc.compiler.catalogue.stages import REPORT
from mmc.compiler.settings.report import ReportSettings
from mmc.files import Folder
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.report.page import Page, render
from mmc.jobs.report.pictures import pictures, save
from mmc.jobs.report.results import PACKAGES, Outputs, collect
from mmc.jobs.versions import versions


def run(job: StepJob) -> None:
    """Write ``results.json``, the arrays on the grids, the figures and ``index.html``."""
    settings = job.read(ReportSettings)
    outputs = Outputs(_events(job, settings.groups), *map(job.by_job, ("model", "limits", "baseline", "combination")))
    results, grids = collect(outputs, settings)
    place = Folder(job.out)
    for name, source in outputs.arrays().items():
        shutil.copyfile(source, place.place(name))
    drawn = pictures(results, grids, settings)
    results["figures"] = save(drawn, settings.style.formats, place)
    results["versions"] = versions(PACKAGES)
    write_json(job.out / REPORT.record, results)
    place.write("index.html", render(Page(results, grids, drawn)))


def _events(job: StepJob, groups: Sequence[str]) -> dict[str | None, Path]:
    """Group → file of its events; None → file of all events."""
    if not job.inputs.get("events"):
        return {}
    return {group: job.pick("events", group) for group in groups} if groups else {None: job.one("events")}
