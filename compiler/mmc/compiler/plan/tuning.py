"""The stage that chooses the best trial of each tuned method."""

from dataclasses import asdict

from mmc.compiler.plan.builder import Builder, Draft, slug
from mmc.compiler.plan.evaluation import evaluate_settings
from mmc.compiler.plan.event_source import EventSource
from mmc.compiler.plan.model import Flow, Input
from mmc.compiler.plan.training import Estimator, final_estimators, train_settings, trained_estimators
from mmc.compiler.settings.limits import LimitSettings
from mmc.compiler.settings.tuning import ChoiceSettings, OptunaSettings, TuneSettings, ValueList, ValueRange
from mmc.compiler.study.model import Method, Study
from mmc.compiler.study.scans import Range, Tuning


def add_tune(builder: Builder, study: Study, limits: LimitSettings | None, source: EventSource) -> None:
    """Add one job per estimator: it chooses the best trial of a tuned method, and passes on the model of other methods.

    :param limits: the settings of limits for criteria other than the loss; None without an evaluation
    """
    drafts = []
    for estimator in final_estimators(study):
        method, tuning = estimator.method, estimator.method.tuning
        if tuning is None:
            trained, label, choice = [estimator], f"{estimator.label}, as trained", None
        else:
            trained = [other for other in trained_estimators(study) if other.method is method]
            by = tuning.criterion.replace("_", " ")
            label = f"{estimator.label}: the best of {tuning.trials or len(trained)} by {by}"
            choice = _choice(study, estimator, tuning, limits, source)
        jobs = {slug(*trial.identity): tuple(slug(*names) for names in trial.members) for trial in trained}
        own = TuneSettings(method_name=method.name, method=method.method, train_jobs=jobs, choice=choice)
        needs = [("train", job) for members in jobs.values() for job in members]
        if choice is not None and choice.optuna is not None:
            needs.append(("sample", choice.optuna.train.sample_job))
        if choice is not None and choice.evaluation is not None:
            needs.append(source.job(source.of(method)))
        drafts.append(Draft(estimator.identity, own, tuple(needs), label))
    read = {stage for draft in drafts for stage, _ in draft.needs}
    inputs = (Input("model", "train", Flow.ALL), Input("samples", "sample", Flow.ALL), source.input)
    builder.add(
        "tune",
        drafts,
        inputs=tuple(item for item in inputs if item.stage in read),
        scattered=True,
    )


def _choice(
    study: Study, estimator: Estimator, tuning: Tuning, limits: LimitSettings | None, source: EventSource
) -> ChoiceSettings:
    by = None if tuning.criterion == "validation_loss" else limits
    return ChoiceSettings(
        search=tuning.search,
        criterion=tuning.criterion,
        optuna=_optuna_settings(estimator.method, tuning) if tuning.search == "optuna" else None,
        evaluation=None if by is None else evaluate_settings(study, source, by, estimator),
    )


def _optuna_settings(method: Method, tuning: Tuning) -> OptunaSettings:
    return OptunaSettings(
        space={
            name: ValueRange(**asdict(values)) if isinstance(values, Range) else ValueList(values=values)
            for name, values in method.scan.items()
        },
        ensemble=method.ensemble,
        n_trials=tuning.trials,
        sampler=tuning.sampler,
        time_limit_s=tuning.time_limit_s,
        store=tuning.store,
        train=train_settings(method, {}),
    )
