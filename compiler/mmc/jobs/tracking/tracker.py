"""Tracking with MLflow: the jobs of the learning stages are runs, below one run for the whole.

The runner puts :func:`tracker` around every step. It logs what a finished job has written
(:mod:`mmc.jobs.tracking.entries`), so a step need not know of tracking. A step that has runs of its own, as a search
over hyperparameters has, asks for them::

    with tracker(job) as track:
        with track.child("alices.trial-3") as trial:
            trial.params({"alpha": 3})
            trial.metrics({"loss_validation": 0.41}, step=7)

Where the study does not track, or nothing can be tracked, all of this does nothing. Tracking never fails a job.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmc.compiler.catalogue.stages import REPORT, STAGES, TRACK, TRAIN, TrackedAs
from mmc.jobs.job import RECORD, StepJob, read_json
from mmc.jobs.tracking.entries import Entry, describe, logged, summarise, versions
from mmc.jobs.tracking.store import Store, local_store, reason, same_store

INPUT, STUDY = TRACK.output, "study.resolved.json"
"""The output of the stage ``track``, as inputs call it, and the file in it that holds the study."""
LAST = REPORT.name
"""The stage that ends the run of the whole, and logs what jobs could not log or had done before."""
WHOLE, PART = "mmc.run", "mmc.job"
"""The tags that identify a run: the run of a study that it belongs to, and what it is there."""

log = logging.getLogger(__name__)


class Tracker:
    """A run that is tracked nowhere."""

    def params(self, values: Mapping[str, Any]) -> None:
        """Log what the run is made with. A parameter cannot be changed later."""

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log numbers that come out; ``step`` is the epoch where there is one."""

    def tags(self, values: Mapping[str, Any]) -> None:
        """Log what runs are searched by."""

    def artifact(self, path: Path) -> None:
        """Log a file, or a folder with all that is in it."""

    def entry(self, entry: Entry) -> None:
        """Log what is known of a finished job."""

    @contextmanager
    def child(self, name: str) -> Iterator["Tracker"]:
        """The run of the estimator of that name, such as a trial; it is taken up where it exists already.

        What is raised within marks it as failed.
        """
        del name
        yield self


class Run(Tracker):
    """A run in a store."""

    def __init__(self, whole: "StudyRun", run: str) -> None:
        self.whole, self.store, self.id = whole, whole.store, run

    def params(self, values: Mapping[str, Any]) -> None:
        self.store.ask(self.store.log, self.id, params=values)

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        self.store.ask(self.store.log, self.id, metrics=values, step=step)

    def tags(self, values: Mapping[str, Any]) -> None:
        self.store.ask(self.store.log, self.id, tags=values)

    def artifact(self, path: Path) -> None:
        self.store.offer(self.store.log_paths, self.id, [path])

    @contextmanager
    def child(self, name: str) -> Iterator[Tracker]:
        run = self.whole.part(*_place(TRAIN.name, name))
        if run is None:
            yield Tracker()
        else:
            with run.going_on():
                yield run

    def entry(self, entry: Entry) -> None:
        self.params(entry.params)
        self.metrics(entry.metrics)
        for name, values in entry.series.items():
            self.store.ask(self.store.log_series, self.id, name, values)
        self.store.offer(self.store.log_paths, self.id, entry.artifacts)
        if entry.network is not None:
            self.store.offer(self.store.log_network, self.id, *entry.network)
        self.tags(entry.tags)  # the last: they say that all of this is logged

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """The time of the run, which ends as the block does."""
        try:
            yield
        except BaseException as error:
            self.tags({"error": reason(error)})
            self.end("FAILED" if isinstance(error, Exception) else "KILLED")
            raise
        self.end("FINISHED")

    def end(self, status: str) -> None:
        """End the run."""
        self.store.ask(self.store.client.set_terminated, self.id, status)


class StudyRun:
    """The run of a study, below which the runs of its jobs are.

    ``record`` is what ``track`` writes: ``key``, ``experiment_id``, ``run`` (None where it could not be made), and of
    the study ``study``, ``digest`` and ``seed``.
    """

    def __init__(self, store: Store, record: Mapping[str, Any]) -> None:
        self.store, self.record, self.id = store, record, record["run"]
        self.tags = {name: str(record[name]) for name in ("study", "digest", "seed")} | versions()

    def run(self) -> Run | None:
        """The run itself; it is made where there is none."""
        run = self._start("whole", self.record["study"], self.tags)
        self.id = None if run is None else run.id
        return run

    def part(self, which: str, name: str) -> Run | None:
        """The run of a job or an estimator below it; it is made where there is none."""
        return self._start(which, name, {**self.tags, "mlflow.parentRunId": self.id})

    def parts(self) -> dict[str, dict[str, str]]:
        """The tags of all runs below it."""
        mark = {WHOLE: self.record["key"]}
        found = self.store.ask(self.store.find, self.record["experiment_id"], mark, 1000)
        return {run.data.tags[PART]: run.data.tags for run in found or ()}

    def _start(self, which: str, name: str, tags: Mapping[str, str]) -> Run | None:
        mark = {WHOLE: self.record["key"], PART: which}
        run = self.store.ask(self.store.start, self.record["experiment_id"], name, mark, tags)
        return None if run is None else Run(self, run)


_active: list[Tracker] = []
"""The run of the job that this process runs."""


@contextmanager
def tracker(job: StepJob) -> Iterator[Tracker]:
    """The run of a job, from its start to its end; within a step, the run that the runner has started."""
    if _active:
        yield _active[0]
        return
    whole = _open(job)
    run = None if whole is None else whole.run() if job.stage == LAST else whole.part(*_place(job.stage, job.name))
    if whole is None or run is None:
        yield Tracker()
        return
    _active.append(run)
    try:
        with run.going_on():
            yield run
            whole.store.ask(_log_output, whole, run, job)
    except BaseException:
        if whole.id != run.id:
            Run(whole, whole.id).end("FAILED")
        raise
    finally:
        _active.clear()


def _place(stage: str, job: str) -> tuple[str, str]:
    """What a job's run is within the whole, and its name. An estimator has one run for training and evaluation."""
    shared = STAGES[stage].tracked_as is TrackedAs.ESTIMATOR
    return (f"estimator {job}", job) if shared else (f"{stage} {job}", f"{stage} {job}")


def _open(job: StepJob) -> StudyRun | None:
    """The run of the whole that the job belongs to; None where nothing is tracked."""
    folders = job.inputs.get(INPUT, ())
    if not folders:
        return None
    record = read_json(folders[0] / TRACK.record)
    if record["run"] is None and job.stage != LAST:
        log.warning("not tracked: %s", record["warning"])
        return None
    try:
        store = Store(same_store(record["uri"]) if record["uri"] else local_store(folders[0]))
    except Exception as error:
        log.warning("not tracked: %s", reason(error))
        return None
    if record["experiment_id"] is None:
        record["experiment_id"] = store.ask(store.experiment, record["experiment"], record["files"])
    return None if record["experiment_id"] is None else StudyRun(store, record)


def _log_output(whole: StudyRun, run: Run, job: StepJob) -> None:
    """Log what the job has written; the last job of all, also what no run has yet of those that it reads."""
    if job.stage != LAST:
        run.entry(describe(job.stage, job.out, job.seed, job.settings))
        return
    parts = whole.parts()
    for folder in [path for name, paths in job.inputs.items() if name not in (INPUT, "events") for path in paths]:
        made = read_json(folder / RECORD)
        which, name = _place(made["stage"], made["job"])
        if logged(made["stage"]) not in parts.get(which, {}):
            missing = whole.part(which, name)
            if missing is not None:
                with missing.going_on():
                    missing.entry(describe(made["stage"], folder, made["seed"], {}))
    run.entry(summarise(job.out))
    run.artifact(job.one(INPUT) / STUDY)
