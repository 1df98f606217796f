"""``variants``: the results of all variants of a study in one table, with the report of each."""

from mmc.compiler.catalogue.stages import REPORT, VARIANTS
from mmc.compiler.settings.variants import VariantsSettings
from mmc.files import Folder
from mmc.jobs.job import StepJob, read_json, write_json
from mmc.jobs.report import variants
from mmc.jobs.report.page import render_template
from mmc.version import __version__


def run(job: StepJob) -> None:
    """Write ``variants.json``, ``variants.csv``, ``index.html``, and the page of each variant beside it."""
    settings = job.read(VariantsSettings)
    place, reports = Folder(job.out), dict(zip(job.reads[REPORT.output], job.outputs(REPORT.output), strict=True))
    found = {}
    for name, entry in settings.variants.items():
        report = job.whole(reports[entry.report])
        found[name] = variants.summary(entry, read_json(report / REPORT.record))
        place.link(report / "index.html", f"{name}.html")
    head = {"format": variants.FORMAT, "mmc": __version__, "study": settings.study, "title": settings.title}
    write_json(job.out / VARIANTS.record, head | {"variants": found})
    place.write("variants.csv", variants.csv_table(found))
    place.write("index.html", render_template("variants.html.j2", {}, study=head, variants=found, of=variants))
