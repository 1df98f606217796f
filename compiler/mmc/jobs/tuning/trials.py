"""The trials of a method: the result of each trial, and their ranking."""

import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmc.compiler.catalogue.stages import TRAIN
from mmc.errors import StepError
from mmc.jobs.job import StepJob, read_json
from mmc.jobs.learning.estimators import MEMBER
from mmc.jobs.record import RECORD
from mmc.jobs.tracking.entries import describe, describe_trial
from mmc.jobs.tracking.tracker import tracker
from mmc.jobs.tuning.criteria import Judge, Judgement

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """A trial: one set of hyperparameter values, and the result."""

    name: str
    values: dict[str, Any]
    models: list[Path]
    """The folders that ``train`` wrote: one, or one for each member of an ensemble."""
    seconds: float
    """The training time of all members together."""
    epochs: int | None
    """The largest number of epochs of a member."""
    judgement: Judgement | None
    failed: str = ""
    """The reason for a missing judgement."""

    def report(self, job: StepJob, seeds: Sequence[int] = ()) -> None:
        """Log the trial here and, if jobs are tracked, as a run.

        :param seeds: the seeds of the networks that were trained in this job, whose training is logged too
        """
        judged = self.judgement
        outcome = self.failed if judged is None else f"{judged.value:.6g} {judged.verdict or ''}"
        log.info("%s, %s: %s", self.name, json.dumps(self.values), outcome)
        with tracker(job) as track:
            for k, seed in enumerate(seeds):
                with track.child(self.name if len(seeds) == 1 else f"{self.name}.{MEMBER}{k}") as run:
                    run.entry(describe("train", self.models[k], seed, {}))
            with track.child(self.name) as run:
                run.entry(describe_trial(self.values, None if judged is None else asdict(judged), self.failed))

    def summary(self) -> dict[str, Any]:
        """The entry of ``tuning.json``."""
        judged = self.judgement
        return {
            "name": self.name,
            "values": self.values,
            "criterion": None if judged is None else judged.value,
            "error": None if judged is None else judged.error,
            "verdict": None if judged is None else judged.verdict,
            "epochs": self.epochs,
            "seconds": self.seconds,
            **({"failed": self.failed} if self.failed else {}),
        }


def rank(trials: Iterable[Trial]) -> list[Trial]:
    """The trials sorted from best to worst; of two equally good trials, the earlier one is first.

    :raises StepError: when no trial has a judgement
    """
    ranked = sorted(trials, key=lambda trial: math.inf if trial.judgement is None else trial.judgement.order)
    best = ranked[0]
    if best.judgement is None:
        raise StepError(f"all {len(ranked)} trials failed; the first one: {best.failed}")
    return ranked


def assess(judge: Judge, models: Sequence[Path]) -> tuple[Judgement | None, str]:
    """The judgement on an estimator, or None and the reason."""
    failed = next((text for model in models if (text := read_json(model / TRAIN.record).get("failed"))), "")
    try:
        return (None, failed) if failed else (judge(models), "")
    except StepError as error:
        return None, str(error)


def most_epochs(models: Iterable[Path]) -> int | None:
    """The largest number of epochs of a training; None if all trainings diverged."""
    return max((read_json(model / TRAIN.record).get("epochs", 0) for model in models), default=0) or None


def judge_trained(job: StepJob, train_jobs: Mapping[str, Sequence[str]], judge: Judge) -> list[Trial]:
    """The trials that were trained in separate jobs.

    :param train_jobs: for each trial, its training jobs: one for each member of an ensemble
    """
    trials = []
    for name, jobs in train_jobs.items():
        models = job.pick_all("model", jobs)
        values = read_json(models[0] / TRAIN.record)["scan"]
        seconds = sum(read_json(model / RECORD)["seconds"] for model in models)
        trial = Trial(name, values, models, seconds, most_epochs(models), *assess(judge, models))
        trial.report(job)
        trials.append(trial)
    return trials
