"""``tune``: choose the best trial of a method, by validation events alone; hand on the models of untuned methods."""

import json
import logging
import math
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmc.errors import StepError
from mmc.steps.criteria import Judge, Judgement, judge_of
from mmc.steps.job import RECORD, StepJob, read_json, write_json
from mmc.steps.tracked import Entry, describe_trial
from mmc.steps.tracking import tracker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """One setting of the hyperparameters, and what became of it."""

    name: str
    values: dict[str, Any]
    model: Path
    seconds: float
    """Of the training."""
    epochs: int | None
    judgement: Judgement | None
    failed: str = ""
    """Why there is no judgement."""

    def report(self, job: StepJob, *entries: Entry) -> None:
        """Log the trial: here and, with what else is to be logged of it, as a run of its own where jobs are tracked."""
        judged = self.judgement
        outcome = self.failed if judged is None else f"{judged.value:.6g} {judged.verdict or ''}"
        log.info("%s, %s: %s", self.name, json.dumps(self.values), outcome)
        with tracker(job) as track, track.child(self.name) as run:
            found = None if judged is None else asdict(judged)
            for entry in (*entries, describe_trial(self.values, found, self.failed)):
                run.entry(entry)

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
        _copy(job.pick("model", settings["train_jobs"][0]), job.out)
        return
    if settings["search"] == "optuna":
        from mmc.steps.search import search

        trials, sampler = search(job, judge_of(job)), f"optuna.{settings['sampler']}"
    else:
        trials, sampler = _trained(job), settings["search"]
    ranked = rank(trials)
    best = ranked[0]
    log.info("the best of %d trials is %s: %s", len(ranked), best.name, json.dumps(best.values))
    _copy(best.model, job.out)
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


def assess(judge: Judge, model: Path) -> tuple[Judgement | None, str]:
    """The judgement on a model, or why there is none."""
    failed = read_json(model / "train.json").get("failed", "")
    try:
        return (None, failed) if failed else (judge(model), "")
    except StepError as error:
        return None, str(error)


def _trained(job: StepJob) -> list[Trial]:
    """The trials that were trained in jobs of their own."""
    judge, names = judge_of(job), job.settings["train_jobs"]
    trials = []
    for name, model in zip(names, job.pick_all("model", names), strict=True):
        record, seconds = read_json(model / "train.json"), read_json(model / RECORD)["seconds"]
        judgement, failed = assess(judge, model)
        trial = Trial(name, record["scan"], model, seconds, record.get("epochs"), judgement, failed)
        trial.report(job)
        trials.append(trial)
    return trials


def _copy(model: Path, out: Path) -> None:
    """Copy what ``train`` wrote, but for the record that the runner adds."""
    shutil.copytree(model, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns(RECORD))
