"""Tracking with MLflow: one run for the study, with the jobs of the learning stages as runs below it.

The runner puts :func:`tracker` around every step. It logs the output of a finished job
(:mod:`mmc.jobs.tracking.entries`), so steps do not depend on tracking. A step with further runs, for example the trials
of a search for hyperparameters, starts them like this::

    with tracker(job) as track:
        with track.child("alices.trial-3") as trial:
            trial.params({"alpha": 3})
            trial.metrics({"loss_validation": 0.41}, step=7)

All of this does nothing if the study has no tracking, or the store cannot be used. Tracking never fails a job.
"""

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmc.compiler.catalogue.stages import REPORT, STAGES, TRACK, TRAIN, TrackedAs
from mmc.jobs.job import StepJob, read_json
from mmc.jobs.record import RECORD
from mmc.jobs.tracking.entries import Entry, describe, logged, summarise, versions
from mmc.jobs.tracking.outcome import Outcome, label
from mmc.jobs.tracking.sqlite_file import STORE
from mmc.jobs.tracking.store import Store, reason, same_store

INPUT, STUDY = TRACK.output, "study.resolved.json"
"""The output of the stage ``track``, by its name as an input, and the file of the study in this output."""
LAST = REPORT.name
"""The stage that ends the study's run. It also logs jobs that could not be logged or were finished before this run."""
STUDY_TAG, JOB_TAG = "mmc.run", "mmc.job"
"""The tags that identify a run: the run of the study, and the job or estimator in it."""

log = logging.getLogger(__name__)


class Tracker:
    """A run that is not tracked."""

    outcome: Outcome | None = None
    """What was tracked, once the job is done; None if the study has no tracking."""

    def params(self, values: Mapping[str, Any]) -> None:
        """Log settings of the run. A parameter cannot be changed later."""

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log numerical results; ``step`` is the epoch if there is one."""

    def tags(self, values: Mapping[str, Any]) -> None:
        """Log texts by which runs can be searched."""

    def artifact(self, path: Path) -> None:
        """Log a file, or a folder with its contents."""

    def entry(self, entry: Entry) -> None:
        """Log the entry of a finished job."""

    @contextmanager
    def child(self, name: str) -> Iterator["Tracker"]:
        """The run of the estimator of this name, for example a trial; an existing run is continued.

        An exception inside the block marks the run as failed.
        """
        del name
        yield self


class Run(Tracker):
    """A run in a store."""

    def __init__(self, study: "StudyRun", run: str) -> None:
        self.study, self.store, self.id = study, study.store, run

    def params(self, values: Mapping[str, Any]) -> None:
        self.store.ask(self.store.log, self.id, params=values)

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        self.store.ask(self.store.log, self.id, metrics=values, step=step)

    def tags(self, values: Mapping[str, Any]) -> None:
        self.store.ask(self.store.log, self.id, tags=values)

    def artifact(self, path: Path) -> None:
        self.store.offer([path], self.store.log_paths, self.id, [path])

    @contextmanager
    def child(self, name: str) -> Iterator[Tracker]:
        run = self.study.job_run(*_identity(TRAIN.name, name))
        if run is None:
            yield Tracker()
        else:
            with run.running():
                yield run

    def entry(self, entry: Entry) -> None:
        self.params(entry.params)
        self.metrics(entry.metrics)
        for name, values in entry.series.items():
            self.store.ask(self.store.log_series, self.id, name, values)
        self.store.offer(entry.artifacts, self.store.log_paths, self.id, entry.artifacts)
        if entry.network is not None:
            self.store.offer(entry.network[:1], self.store.log_network, self.id, *entry.network)
        self.tags(entry.tags)  # the last, because they mark the entry as logged

    @contextmanager
    def running(self) -> Iterator[None]:
        """The block of a run; the run ends with the block, as finished, failed or killed."""
        try:
            yield
        except BaseException as error:
            if not isinstance(error, Exception):
                self.store.hurry()
            self.tags({"error": reason(error)})
            self.end("FAILED" if isinstance(error, Exception) else "KILLED")
            raise
        self.end("FINISHED")

    def end(self, status: str) -> None:
        """End the run."""
        self.store.ask(self.store.client.set_terminated, self.id, status)


class StudyRun:
    """The run of a study, with the runs of its jobs below it.

    ``record`` is the record of the stage ``track``: ``key``, ``experiment_id``, ``run`` (None if it could not be
    created), and ``study``, ``digest`` and ``seed`` of the study.
    """

    def __init__(self, store: Store, record: Mapping[str, Any]) -> None:
        self.store, self.record, self.id = store, record, record["run"]
        self.tags = {name: str(record[name]) for name in ("study", "digest", "seed")} | versions()
        self.caught_up: set[str] = set()
        """The jobs that are logged for certain, as the report has seen."""

    def run(self) -> Run | None:
        """The study's own run; created if it does not exist."""
        run = self._start("whole", self.record["study"], self.tags)
        self.id = None if run is None else run.id
        return run

    def job_run(self, key: str, name: str) -> Run | None:
        """The run of a job or an estimator below the study's run; created if it does not exist."""
        return self._start(key, name, {**self.tags, "mlflow.parentRunId": self.id})

    def job_tags(self) -> dict[str, dict[str, str]]:
        """The tags of all runs of the study, by the value of :data:`JOB_TAG`."""
        identity = {STUDY_TAG: self.record["key"]}
        found = self.store.ask(self.store.find, self.record["experiment_id"], identity, 1000)
        return {run.data.tags[JOB_TAG]: run.data.tags for run in found or ()}

    def _start(self, key: str, name: str, tags: Mapping[str, str]) -> Run | None:
        identity = {STUDY_TAG: self.record["key"], JOB_TAG: key}
        run = self.store.ask(self.store.start, self.record["experiment_id"], name, identity, tags)
        return None if run is None else Run(self, run)


_active: list[Tracker] = []
"""The run of the job in this process, if it is tracked."""


@contextmanager
def tracker(job: StepJob) -> Iterator[Tracker]:
    """The run of a job, from its start to its end; inside a step, the run that the runner has started."""
    if _active:
        yield _active[0]
        return
    track, study = _start(job)
    if study is None or not isinstance(track, Run):
        yield track
        return
    _active.append(track)
    try:
        with track.running():
            yield track
            try:
                _log_output(study, track, job)
            except Exception as error:
                study.store.lose(error)
        track.outcome = _outcome(study, job)
    except BaseException:
        if study.id != track.id:
            Run(study, study.id).end("FAILED")
        raise
    finally:
        _active.clear()


def _start(job: StepJob) -> tuple[Tracker, "StudyRun | None"]:
    """The run of a job and that of its study; a run that is not tracked, with the reason, if there are none."""
    folders = job.inputs.get(INPUT, ())
    track = Tracker()
    if not folders:
        return track, None
    record = read_json(folders[0] / TRACK.record)
    study = _open(job, record, folders[0])
    if not isinstance(study, str):
        run = study.run() if job.stage == LAST else study.job_run(*_identity(job.stage, job.name))
        if run is not None:
            return run, study
        study = study.store.lost
    track.outcome = Outcome(record["key"], logged=False, reason=study)
    if job.stage == LAST:
        track.outcome = _with_others(track.outcome, job, ())
    return track, None


def _identity(stage: str, job: str) -> tuple[str, str]:
    """The :data:`JOB_TAG` and the name of a job's run. Training and evaluation of an estimator share a run."""
    shared = STAGES[stage].tracked_as is TrackedAs.ESTIMATOR
    return (f"estimator {job}", job) if shared else (f"{stage} {job}", f"{stage} {job}")


def _open(job: StepJob, record: dict[str, Any], folder: Path) -> StudyRun | str:
    """The study's run, to which the job belongs, or the reason why there is none."""
    if record["run"] is None and job.stage != LAST:
        log.warning("not tracked: %s", record["warning"])
        return str(record["warning"])
    try:
        store = Store(same_store(record["uri"]) if record["uri"] else folder / STORE)
    except Exception as error:
        log.warning("not tracked: %s", reason(error))
        return reason(error)
    if record["experiment_id"] is None:
        record["experiment_id"] = store.ask(store.experiment, record["experiment"])
    return store.lost if record["experiment_id"] is None else StudyRun(store, record)


def _log_output(study: StudyRun, run: Run, job: StepJob) -> None:
    """Log the output of the job. The report, as the last job, also logs those of its inputs that are not logged yet."""
    if job.stage != LAST:
        run.entry(describe(job.stage, job.out, job.seed, job.settings))
        return
    job_tags = study.job_tags()
    for folder in _folders(job):
        record = read_json(folder / RECORD)
        key, name = _identity(record["stage"], record["job"])
        if logged(record["stage"]) not in job_tags.get(key, {}):
            missing = study.job_run(key, name)
            if missing is not None:
                with missing.running():
                    missing.entry(describe(record["stage"], folder, record["seed"], {}))
        if not study.store.lost:
            study.caught_up.add(label(record))
    run.entry(summarise(job.out))
    run.artifact(job.inputs[INPUT][0] / STUDY)


def _outcome(study: StudyRun, job: StepJob) -> Outcome:
    """What was tracked of a job that is done."""
    store = study.store
    own = Outcome(study.record["key"], not store.lost, store.lost or store.refused)
    return _with_others(own, job, study.caught_up) if job.stage == LAST else own


def _with_others(own: Outcome, job: StepJob, caught_up: Collection[str]) -> Outcome:
    """The outcome of the report with those of the jobs that it reads, of which it has seen or logged some."""
    records = [read_json(folder / RECORD) for folder in _folders(job)]
    found = {label(record): Outcome.of(record, own.key) for record in records}
    for name in caught_up:
        found[name] = replace(found[name], logged=True, reason=found[name].reason if found[name].logged else "")
    return own.of_all({**found, f"{job.stage}[{job.name}]": own})


def _folders(job: StepJob) -> list[Path]:
    return [path for name in job.inputs if name not in (INPUT, "events") for path in job.outputs(name)]
