"""``variants``: the results of all variants of a study in one table, with the report of each."""

from mmc.compiler.catalogue.stages import REPORT, VARIANTS
from mmc.compiler.settings.variants import VariantsSettings
from mmc.files import Folder
from mmc.jobs.job import StepJob, read_json, read_record, write_json
from mmc.jobs.report import variants
from mmc.jobs.report.page import render_template
from mmc.version import __version__


def run(job: StepJob) -> None:
    """Write ``variants.json``, ``variants.csv``, ``index.html``, and the page of each variant beside it."""
    settings, place = job.read(VariantsSettings), Folder(job.out)
    reports = {read_record(path).job: job.whole(path) for path in job.outputs(REPORT.output)}
    found = {}
    for name, entry in settings.variants.items():
        report = reports[entry.report]
        found[name] = variants.summary(entry, read_json(report / REPORT.record))
        place.link(report / "index.html", f"{name}.html")
    head = {"format": variants.FORMAT, "mmc": __version__, "study": settings.study, "title": settings.title}
    write_json(job.out / VARIANTS.record, head | {"variants": found})
    place.write("variants.csv", variants.csv_table(found))
    place.write("index.html", render_template("variants.html.j2", {}, study=head, variants=found, of=variants))
