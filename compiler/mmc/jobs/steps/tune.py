"""``tune``: choose the best trial of a method, by validation events alone; hand on the models of untuned methods."""

import json
import logging
import math
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmc.errors import StepError
from mmc.jobs.job import RECORD, StepJob, read_json, write_json
from mmc.jobs.learning.estimators import MEMBER
from mmc.jobs.tracking.entries import describe, describe_trial
from mmc.jobs.tracking.tracker import tracker
from mmc.jobs.tuning.criteria import Judge, Judgement, judge_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """One setting of the hyperparameters, and what became of it."""

    name: str
    values: dict[str, Any]
    models: list[Path]
    """What ``train`` wrote: a single folder, or that of each member of an ensemble."""
    seconds: float
    """Of the training, of all members together."""
    epochs: int | None
    """The most of any member."""
    judgement: Judgement | None
    failed: str = ""
    """Why there is no judgement."""

    def report(self, job: StepJob, seeds: Sequence[int] = ()) -> None:
        """Log the trial: here and, where jobs are tracked, as a run.

        ``seeds`` are those of its networks if they were trained in this job, so that the training is logged too.
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
        """As ``tuning.json`` holds it."""
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


def run(job: StepJob) -> None:
    """Write the model of the best trial as ``train`` wrote it, and ``tuning.json``; of an untuned method its model.

    :raises StepError: when no training of a tuned method came to an end
    """
    settings = job.settings
    if "search" not in settings:
        (jobs,) = settings["train_jobs"].values()
        _copy(job.pick_all("model", jobs), job.out)
        return
    if settings["search"] == "optuna":
        from mmc.jobs.tuning.optuna_search import search

        trials, sampler = search(job, judge_of(job)), f"optuna.{settings['sampler']}"
    else:
        trials, sampler = _trained(job), settings["search"]
    ranked = rank(trials)
    best = ranked[0]
    log.info("the best of %d trials is %s: %s", len(ranked), best.name, json.dumps(best.values))
    _copy(best.models, job.out)
    write_json(
        job.out / "tuning.json",
        {
            **job.group,
            "method_name": settings["method_name"],
            "method": settings["method"],
            "criterion": settings["criterion"],
            "sampler": sampler,
            "trials": [trial.summary() for trial in ranked],
            "best": best.name,
        },
    )


def rank(trials: Iterable[Trial]) -> list[Trial]:
    """Trials with the best first; the earlier one where two are as good.

    :raises StepError: when none is any good
    """
    ranked = sorted(trials, key=lambda trial: math.inf if trial.judgement is None else trial.judgement.order)
    best = ranked[0]
    if best.judgement is None:
        raise StepError(f"none of {len(ranked)} trials is any good; the first one: {best.failed}")
    return ranked


def assess(judge: Judge, models: Sequence[Path]) -> tuple[Judgement | None, str]:
    """The judgement on an estimator, or why there is none."""
    failed = next((text for model in models if (text := read_json(model / "train.json").get("failed"))), "")
    try:
        return (None, failed) if failed else (judge(models), "")
    except StepError as error:
        return None, str(error)


def most_epochs(models: Iterable[Path]) -> int | None:
    """The epochs of the training that had the most; None where all diverged."""
    return max((read_json(model / "train.json").get("epochs", 0) for model in models), default=0) or None


def _trained(job: StepJob) -> list[Trial]:
    """The trials that were trained in jobs of their own."""
    judge = judge_of(job)
    trials = []
    for name, jobs in job.settings["train_jobs"].items():
        models = job.pick_all("model", jobs)
        values = read_json(models[0] / "train.json")["scan"]
        seconds = sum(read_json(model / RECORD)["seconds"] for model in models)
        trial = Trial(name, values, models, seconds, most_epochs(models), *assess(judge, models))
        trial.report(job)
        trials.append(trial)
    return trials


def _copy(models: Sequence[Path], out: Path) -> None:
    """Copy what ``train`` wrote, but for the records that the runner adds.

    An ensemble has a folder for each member, and beside them the ``train.json`` of the first.
    """
    without = shutil.ignore_patterns(RECORD)
    if len(models) == 1:
        shutil.copytree(models[0], out, dirs_exist_ok=True, ignore=without)
        return
    for k, model in enumerate(models):
        shutil.copytree(model, out / f"{MEMBER}{k}", ignore=without)
    shutil.copyfile(models[0] / "train.json", out / "train.json")
