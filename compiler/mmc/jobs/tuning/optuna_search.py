"""An adaptive search for hyperparameters with Optuna, all trials one after the other in one job.

Every trial has its own seed, for the sampler and for the training, that follows from the job's seed and the number of
trials before it. So a search that was interrupted goes on as if nothing had happened.
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
from mmc.jobs.job import StepJob
from mmc.jobs.learning.estimators import MEMBER
from mmc.jobs.learning.train import train
from mmc.jobs.seeds import seed_generators
from mmc.jobs.tuning.criteria import Judge, Judgement
from mmc.jobs.tuning.trials import Trial, assess, most_epochs, rank

SERVER = "MMC_OPTUNA_STORAGE"
"""The environment variable with the URL of a database, credentials included, for ``store: server``."""
DATABASE = "optuna.db"
RECORD = "mmc"
"""The attribute with what mmc knows of a trial that came to an end."""

log = logging.getLogger(__name__)


def search(job: StepJob, settings: OptunaSettings, judge: Judge) -> list[Trial]:
    """Train and judge trials until there are as many as the study asks for, or the time is over.

    :raises StepError: when the store cannot be used, or no trial is any good
    """
    trials = _Trials(job, settings, job.kept())
    deadline = time.monotonic() + (settings.time_limit_s or float("inf"))
    optuna.logging.disable_default_handler()
    optuna.logging.enable_propagation()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with _store(settings.store, trials.folder) as storage:
        name = f"{job.name}-{job.fingerprint[:16]}"
        study = optuna.create_study(storage=storage, study_name=name, load_if_exists=True)
        for trial in study.get_trials(states=(TrialState.RUNNING,)):  # the job was killed in the middle of it
            _tell(study, trial)
        if done := _finished(study):
            log.info("going on after %d trials that were trained before", len(done))
        while len(done) < settings.n_trials and (not done or time.monotonic() < deadline):
            trials.add(study, judge, len(done))
            done = _finished(study)
        found = [trials.of(trial, k) for k, trial in enumerate(done)]
    best = rank(found)[0]
    if not best.models[0].is_dir():  # trained on another machine, with the same store
        trials.train(found.index(best), best.values)
    if settings.store == "sqlite":
        shutil.copyfile(trials.folder / DATABASE, job.out / DATABASE)
    return found


@dataclass(frozen=True)
class _Trials:
    """The trials of a job by their number, with their networks in a folder."""

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
        """Where the networks of the k-th trial stand."""
        n = self.settings.ensemble
        return [self.folder / f"trial-{k}{f'.{MEMBER}{member}' if n > 1 else ''}" for member in range(n)]

    def seeds(self, k: int) -> list[int]:
        """The seeds of the networks of the k-th trial."""
        n = self.settings.ensemble
        return [self.job.seed + k * n + member for member in range(n)]

    def train(self, k: int, values: Mapping[str, Any]) -> None:
        """Write the networks of the k-th trial, as a job of ``train`` does."""
        stock = self.settings.train
        own = replace(stock, training={**stock.training, **values}, scan=values)
        samples = self.job.pick("samples", own.sample_job)
        for member, (model, seed) in enumerate(zip(self.models(k), self.seeds(k), strict=True)):
            shutil.rmtree(model, ignore_errors=True)
            model.mkdir()
            seed_generators(seed)
            train(replace(own, member=member if self.settings.ensemble > 1 else None), samples, model)

    def of(self, trial: FrozenTrial, k: int) -> Trial:
        """What became of the k-th trial, from Optuna's record of it."""
        record = trial.user_attrs[RECORD]
        judgement = None if record["judgement"] is None else Judgement(**record["judgement"])
        about = {name: record[name] for name in ("values", "epochs", "seconds", "failed")}
        return Trial(name=f"{self.job.name}.trial-{k}", models=self.models(k), judgement=judgement, **about)


@contextmanager
def _store(kind: str, folder: Path) -> Iterator[BaseStorage | None]:
    """Where Optuna keeps its trials; None is in memory."""
    if kind == "none":
        yield None
        return
    if kind == "sqlite":
        # the path goes to sqlite itself, as not every path can be part of a URL
        connect = partial(sqlite3.connect, folder / DATABASE, check_same_thread=False)
        storage = RDBStorage(f"sqlite:///{DATABASE}", engine_kwargs={"creator": connect})
    else:
        url = os.environ.get(SERVER)
        if not url:
            raise StepError(f"`store: server` needs the environment variable {SERVER}, the URL of a database")
        try:
            storage = RDBStorage(url)
        except Exception as error:  # of the driver, of which there are many; the URL has a password
            raise StepError(f"the database that {SERVER} names cannot be used: {type(error).__name__}") from None
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that came to an end, whether good or bad, in their order."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
    return [trial for trial in trials if RECORD in trial.user_attrs]


def _tell(study: optuna.Study, trial: FrozenTrial) -> None:
    """Let Optuna know what became of a trial: nothing where it did not come to an end."""
    record = trial.user_attrs.get(RECORD)
    if record is None or record["judgement"] is None:
        study.tell(trial.number, state=TrialState.FAIL)
    else:
        study.tell(trial.number, record["judgement"]["order"])


def _sampler(name: str, seed: int) -> BaseSampler:
    samplers = {"tpe": optuna.samplers.TPESampler, "gp": optuna.samplers.GPSampler}
    return samplers.get(name, optuna.samplers.RandomSampler)(seed=seed)


def _suggest(trial: optuna.Trial, name: str, choice: ValueRange | ValueList) -> Any:
    """A value of a hyperparameter from those that it can have."""
    if isinstance(choice, ValueList):  # as text, because Optuna takes no lists
        return json.loads(trial.suggest_categorical(name, [json.dumps(value) for value in choice.values]))
    suggest = trial.suggest_int if choice.integer else trial.suggest_float
    return suggest(name, choice.low, choice.high, log=choice.log)
