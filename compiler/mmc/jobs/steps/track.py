"""``track``: create the store, the experiment and the parent run, before any other job tracks.

Clients that open a new store at the same time fail. Clients that look for an experiment while another one creates it
record their runs without an experiment. So one job creates all three, and passes them on to the other jobs.
"""

import logging
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

from mmc.compiler.catalogue.addresses import public
from mmc.compiler.catalogue.stages import TRACK
from mmc.compiler.settings.tracking import TrackSettings
from mmc.errors import StepError
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.tracking.store import (
    ARTIFACTS,
    STORE,
    Store,
    artifacts_beside,
    asked_store,
    local_store,
    reason,
    repoint,
)
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
        "files": None,
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
        record["files"] = (job.place / ARTIFACTS).as_uri()
        if _take_over(job.place, job.out):
            repoint(job.out, record["experiment"], record["files"])
        store = Store(local_store(job.out))
    else:
        record |= {"uri": public(uri), "files": artifacts_beside(uri)}
        store = Store(uri)
    record["experiment_id"] = store.experiment(record["experiment"], record["files"])
    whole = StudyRun(store, record)
    run = whole.run()
    if run is None:
        raise StepError("the store does not accept the run")
    record["run"] = run.id
    if title := settings.resolved.get("title"):
        run.tags({"mlflow.note.content": title})
    if settings.alone:
        run.end("FINISHED")
    log.info("the run %s of the experiment %s is in %s", run.id, record["experiment"], record["uri"] or job.place)


def _take_over(earlier: Path, out: Path) -> bool:
    """Continue with the store of an earlier version of the study, if the run has one."""
    if (earlier / ARTIFACTS).is_dir():
        shutil.copytree(earlier / ARTIFACTS, out / ARTIFACTS, copy_function=os.link)
    if not (earlier / STORE).is_file():
        return False
    shutil.copyfile(earlier / STORE, out / STORE)
    return True
