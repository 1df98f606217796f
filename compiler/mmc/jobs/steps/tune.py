"""``tune``: choose the best trial of a method by validation events; pass on the models of untuned methods."""

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from mmc.compiler.catalogue.stages import TRAIN, TUNE
from mmc.compiler.settings.tuning import ChoiceSettings, TuneSettings
from mmc.jobs.job import StepJob, group_entry, write_json
from mmc.jobs.learning.estimators import MEMBER
from mmc.jobs.record import RECORD
from mmc.jobs.tuning.criteria import Judge, judge_of, validation_loss
from mmc.jobs.tuning.trials import judge_trained, rank

log = logging.getLogger(__name__)


def run(job: StepJob) -> None:
    """Write the model of the best trial as ``train`` wrote it, and ``tuning.json``; an untuned method has only a model.

    :raises StepError: when no training of a tuned method finished
    """
    settings = job.read(TuneSettings)
    choice = settings.choice
    if choice is None:
        (jobs,) = settings.train_jobs.values()
        _copy(job.pick_all("model", jobs), job.out)
        return
    judge = _judge(job, choice)
    if choice.optuna is not None:
        from mmc.jobs.tuning.optuna_search import search

        trials, sampler = search(job, choice.optuna, judge), f"optuna.{choice.optuna.sampler}"
    else:
        trials, sampler = judge_trained(job, settings.train_jobs, judge), choice.search
    ranked = rank(trials)
    best = ranked[0]
    log.info("the best of %d trials is %s: %s", len(ranked), best.name, json.dumps(best.values))
    _copy(best.models, job.out)
    write_json(
        job.out / TUNE.record,
        {
            **group_entry(None if choice.evaluation is None else choice.evaluation.group),
            "method_name": settings.method_name,
            "method": settings.method,
            "criterion": choice.criterion,
            "sampler": sampler,
            "trials": [trial.summary() for trial in ranked],
            "best": best.name,
        },
    )


def _judge(job: StepJob, choice: ChoiceSettings) -> Judge:
    if choice.evaluation is None:
        return validation_loss
    return judge_of(choice.criterion, choice.evaluation, job.events(choice.evaluation.group))


def _copy(models: Sequence[Path], out: Path) -> None:
    """Copy the output of ``train``, without the records that the runner adds.

    An ensemble has a folder per member, and beside them the ``train.json`` of the first member.
    """
    without = shutil.ignore_patterns(RECORD)
    if len(models) == 1:
        shutil.copytree(models[0], out, dirs_exist_ok=True, ignore=without)
        return
    for k, model in enumerate(models):
        shutil.copytree(model, out / f"{MEMBER}{k}", ignore=without)
    shutil.copyfile(models[0] / TRAIN.record, out / TRAIN.record)
