"""``track``: create the store, the experiment and the parent run, before any other job tracks.

Clients that open a new store at the same time fail. Clients that look for an experiment while another one creates it
record their runs without an experiment. So one job creates all three, and passes them on to the other jobs.

The store of earlier versions of the study stays in the output of this job, whether or not it is used again.
"""

import logging
import uuid
from typing import Any

from mmc.compiler.catalogue.addresses import public
from mmc.compiler.catalogue.stages import TRACK
from mmc.compiler.settings.tracking import TrackSettings
from mmc.errors import StepError
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.tracking.sqlite_file import STORE, files_beside
from mmc.jobs.tracking.store import Store, asked_store, reason
from mmc.jobs.tracking.tracker import STUDY, StudyRun

log = logging.getLogger(__name__)


def run(job: StepJob) -> None:
    """Write ``tracking.json``, and the store unless a server is given.

    When the server or MLflow is missing, ``tracking.json`` says so and nothing is tracked.
    """
    settings = job.read(TrackSettings)
    record: dict[str, Any] = {
        "study": settings.study,
        "digest": settings.digest,
        "seed": settings.seed,
        "experiment": settings.experiment,
        "key": uuid.uuid4().hex,
        "uri": None,
        "experiment_id": None,
        "run": None,
        "warning": None,
    }
    try:
        _begin(job, settings, record)
    except Exception as error:
        record["warning"] = reason(error)
        log.warning("nothing is tracked: %s", record["warning"])
    write_json(job.out / TRACK.record, record)
    write_json(job.out / STUDY, settings.resolved)


def _begin(job: StepJob, settings: TrackSettings, record: dict[str, Any]) -> None:
    """Create the missing parts, and add them to the record.

    :raises Exception: MLflow's exceptions, when the store refuses or does not answer
    """
    uri = asked_store(settings.uri)
    if uri is None:
        store = _beside(job)
    else:
        record["uri"] = public(uri)
        store = Store(uri)
    record["experiment_id"] = store.ask(store.experiment, record["experiment"])
    run = StudyRun(store, record).run()
    if run is None:
        raise StepError(store.lost)
    record["run"] = run.id
    if title := settings.resolved.get("title"):
        run.tags({"mlflow.note.content": title})
    if settings.alone:
        run.end("FINISHED")
    log.info("the run %s of the experiment %s is in %s", run.id, record["experiment"], record["uri"] or job.place)


def _beside(job: StepJob) -> Store:
    """The store in the output of the run. An earlier one is continued in its place; a new one appears with the output.

    :raises Exception: as :class:`Store`
    """
    earlier = job.place / STORE
    if earlier.exists():
        return Store(earlier)
    store = Store(job.out / STORE)
    store.files = files_beside(earlier)
    return store
