"""An adaptive search for hyperparameters with Optuna. One job runs all trials, one after the other.

Each trial has its own seed for the sampler and for the training, which follows from the seed of the job and the number
of earlier trials. So an interrupted search continues with the same trials as a search without interruption.
"""

import json
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from mmc.compiler.settings.tuning import OptunaSettings, ValueList, ValueRange
from mmc.errors import StepError
from mmc.files import Folder
from mmc.jobs.job import StepJob
from mmc.jobs.learning.estimators import MEMBER
from mmc.jobs.learning.train import train
from mmc.jobs.seeds import seed_generators
from mmc.jobs.tuning.criteria import Judge, Judgement
from mmc.jobs.tuning.trials import Trial, assess, most_epochs, rank

SERVER = "MMC_OPTUNA_STORAGE"
"""The environment variable with the URL of the database, including the password, for ``store: server``."""
DATABASE = "optuna.db"
RECORD = "mmc"
"""The attribute of a finished trial that holds mmc's record."""

log = logging.getLogger(__name__)


def search(job: StepJob, settings: OptunaSettings, judge: Judge) -> list[Trial]:
    """Train and judge trials until the study's number of trials or time limit is reached.

    :raises StepError: when the store cannot be used, or all trials failed
    """
    trials = _Trials(job, settings, job.kept())
    deadline = time.monotonic() + (settings.time_limit_s or float("inf"))
    optuna.logging.disable_default_handler()
    optuna.logging.enable_propagation()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with _store(settings.store, trials.folder) as storage:
        name = f"{job.name}-{job.fingerprint[:16]}"
        study = optuna.create_study(storage=storage, study_name=name, load_if_exists=True)
        for trial in study.get_trials(states=(TrialState.RUNNING,)):  # the job was killed during this trial
            _tell(study, trial)
        if done := _finished(study):
            log.info("continuing after %d trials of an earlier run of this job", len(done))
        while len(done) < settings.n_trials and (not done or time.monotonic() < deadline):
            trials.add(study, judge, len(done))
            done = _finished(study)
        found = [trials.of(trial, k) for k, trial in enumerate(done)]
    best = rank(found)[0]
    if not best.models[0].is_dir():  # the best trial was trained on another machine with the same store
        trials.train(found.index(best), best.values)
    if settings.store == "sqlite":
        shutil.copyfile(trials.folder / DATABASE, job.out / DATABASE)
    return found


@dataclass(frozen=True)
class _Trials:
    """The trials of a job by number, with their networks in a folder."""

    job: StepJob
    settings: OptunaSettings
    folder: Path

    def add(self, study: optuna.Study, judge: Judge, k: int) -> None:
        """Train and judge the k-th trial."""
        study.sampler = _sampler(self.settings.sampler, self.job.seed + k)
        trial = study.ask()
        values = {name: _suggest(trial, name, choice) for name, choice in self.settings.space.items()}
        models = self.models(k)
        started = time.monotonic()
        self.train(k, values)
        seconds = round(time.monotonic() - started, 3)
        judgement, reason = assess(judge, models)
        record = {
            "values": values,
            "epochs": most_epochs(models),
            "seconds": seconds,
            "judgement": None if judgement is None else asdict(judgement),
            "failed": reason,
        }
        trial.set_user_attr(RECORD, record)
        finished = study.trials[trial.number]
        self.of(finished, k).report(self.job, self.seeds(k))
        _tell(study, finished)

    def models(self, k: int) -> list[Path]:
        """The folders of the networks of the k-th trial."""
        n = self.settings.ensemble
        return [self.folder / f"trial-{k}{f'.{MEMBER}{member}' if n > 1 else ''}" for member in range(n)]

    def seeds(self, k: int) -> list[int]:
        """The seeds of the networks of the k-th trial."""
        n = self.settings.ensemble
        return [self.job.seed + k * n + member for member in range(n)]

    def train(self, k: int, values: Mapping[str, Any]) -> None:
        """Train the networks of the k-th trial, and write them like a job of the stage ``train``."""
        base = self.settings.train
        trial_settings = replace(base, training={**base.training, **values}, scan=values)
        samples = self.job.pick("samples", trial_settings.sample_job)
        for member, (model, seed) in enumerate(zip(self.models(k), self.seeds(k), strict=True)):
            Folder(self.folder).empty(model.name)
            seed_generators(seed)
            train(replace(trial_settings, member=member if self.settings.ensemble > 1 else None), samples, model)

    def of(self, trial: FrozenTrial, k: int) -> Trial:
        """The k-th trial, from its record in Optuna's store."""
        record = trial.user_attrs[RECORD]
        judgement = None if record["judgement"] is None else Judgement(**record["judgement"])
        entries = {name: record[name] for name in ("values", "epochs", "seconds", "failed")}
        return Trial(name=f"{self.job.name}.trial-{k}", models=self.models(k), judgement=judgement, **entries)


@contextmanager
def _store(kind: str, folder: Path) -> Iterator[BaseStorage | None]:
    """Optuna's store of trials; None keeps trials in memory."""
    if kind == "none":
        yield None
        return
    if kind == "sqlite":
        # sqlite3 gets the path directly, because some paths cannot be part of a URL
        connect = partial(sqlite3.connect, Folder(folder).place(DATABASE), check_same_thread=False)
        storage = RDBStorage(f"sqlite:///{DATABASE}", engine_kwargs={"creator": connect})
    else:
        url = os.environ.get(SERVER)
        if not url:
            raise StepError(f"`store: server` needs the URL of a database in the environment variable {SERVER}")
        try:
            storage = RDBStorage(url)
        except Exception as error:  # each driver has its own errors; their text may contain the password of the URL
            raise StepError(f"the database in {SERVER} cannot be used: {type(error).__name__}") from None
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    """The finished trials, successful or failed, in their order."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
    return [trial for trial in trials if RECORD in trial.user_attrs]


def _tell(study: optuna.Study, trial: FrozenTrial) -> None:
    """Tell Optuna the result of a trial; an unfinished trial counts as failed."""
    record = trial.user_attrs.get(RECORD)
    if record is None or record["judgement"] is None:
        study.tell(trial.number, state=TrialState.FAIL)
    else:
        study.tell(trial.number, record["judgement"]["order"])


def _sampler(name: str, seed: int) -> BaseSampler:
    samplers = {"tpe": optuna.samplers.TPESampler, "gp": optuna.samplers.GPSampler}
    return samplers.get(name, optuna.samplers.RandomSampler)(seed=seed)


def _suggest(trial: optuna.Trial, name: str, choice: ValueRange | ValueList) -> Any:
    """A value of a hyperparameter, chosen by the sampler."""
    if isinstance(choice, ValueList):  # as text, because Optuna does not accept lists as values
        return json.loads(trial.suggest_categorical(name, [json.dumps(value) for value in choice.values]))
    suggest = trial.suggest_int if choice.integer else trial.suggest_float
    return suggest(name, choice.low, choice.high, log=choice.log)
