"""The stages that learn from events: samples, estimators, limits, baselines and the report."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from mmc.compiler.catalogue.methods import SCORE
from mmc.compiler.plan import sizes
from mmc.compiler.plan.builder import Builder, Draft, slug
from mmc.compiler.plan.model import FileInput, Flow, Input
from mmc.compiler.study.model import (
    AskedBaseline,
    Evaluation,
    Method,
    Study,
)
from mmc.compiler.study.scans import Range, Tuning, draw, grid
from mmc.version import __version__


@dataclass(frozen=True)
class EventSource:
    """Where the events come from that the learning reads: a stage, and its jobs where each combines a group."""

    stage: str
    groups: tuple[str, ...]

    @property
    def input(self) -> Input:
        """What every stage that reads events has among its inputs."""
        return Input("events", self.stage, Flow.ALL if self.groups else Flow.ONE)

    def job(self, group: str | None) -> tuple[str, str]:
        """The job that makes the events of a group."""
        return self.stage, slug(group) if group is not None else self.stage

    def of(self, method: Method) -> str | None:
        """The group that a method learns from."""
        return method.group or (self.groups[0] if self.groups else None)

    def settings(self, group: str | None) -> dict[str, str]:
        """What a job knows of the group whose events it reads."""
        return {} if group is None else {"group": slug(group)}


def plan_learning(builder: Builder, study: Study, file_digests: Mapping[str, str], study_digest: str) -> None:
    """Add samples, estimators, limits, baselines and the report, as far as the study asks for them."""
    source = EventSource("combine", tuple(study.groups)) if "combine" in builder.stages else EventSource("ingest", ())
    if study.tracking is not None and (study.methods or _baselines(study)):
        _add_track(builder, study, study_digest)
    if study.methods:
        _add_sample(builder, study, source)
        _add_train(builder, study)
    evaluation = study.evaluation
    shared = {} if evaluation is None else _shared_settings(study, evaluation)
    if _is_tuned(study):
        _add_tune(builder, study, shared, source)
    if evaluation is None:
        return
    files: tuple[FileInput, ...] = ()
    if evaluation.observed is not None:
        path = evaluation.observed.file
        files = (FileInput("observed", PurePosixPath("inputs") / posixpath.normpath(path), file_digests[path]),)
        shared["n_observed"] = evaluation.observed.n_observed
    if study.methods:
        _add_evaluate(builder, study, shared, source, files)
    baselines = [(group, baseline) for group in _evaluated(study, source) for baseline in _baselines(study)]
    if baselines:
        builder.add(
            "baselines",
            "Limits without machine learning",
            "baseline",
            [
                Draft(
                    (*asked.names, *(() if group is None else (group,))),
                    {"baseline": asked.kind.name, **asked.settings, **source.settings(group)},
                    (source.job(group),),
                    " ".join(asked.names) if group is None else f"{' '.join(asked.names)} of {group}",
                    files=None if asked.kind.has_limits else (),
                )
                for group, asked in baselines
            ],
            settings=shared,
            inputs=(source.input,),
            files=files,
            scattered=True,
        )
    if study.methods or baselines:
        _add_report(builder, study, source, study_digest)


def _shared_settings(study: Study, evaluation: Evaluation) -> dict[str, Any]:
    """What all limits share."""
    return {
        "parameters": [p.name for p in study.parameters],
        "test_split": study.test_split,
        "validation_split": study.validation_split,
        "luminosity_pb": evaluation.luminosity_pb,
        "theta_true": evaluation.theta_true,
        "grid": evaluation.grid,
        "include_xsec": evaluation.include_xsec,
        **({} if evaluation.event_weights == "balanced" else {"event_weights": evaluation.event_weights}),
        "confidence_levels": list(evaluation.confidence_levels),
        **({} if evaluation.systematics == "nominal" else {"systematics": evaluation.systematics}),
    }


def _evaluated(study: Study, source: EventSource) -> tuple[str | None, ...]:
    """The groups whose baselines are compared with a method; the first one where there are no methods."""
    return tuple(dict.fromkeys(source.of(method) for method in study.methods)) or (source.groups or (None,))[:1]


def _add_track(builder: Builder, study: Study, study_digest: str) -> None:
    settings = {
        "study": study.name,
        "digest": study_digest,
        "seed": study.seed,
        **(study.tracking or {}),
        "alone": study.evaluation is None,  # there will be no report to end the run
        "resolved": study.resolved,
    }
    builder.add("track", "Open the MLflow run of the study", "tracking", [Draft(())], settings=settings)


def _add_sample(builder: Builder, study: Study, source: EventSource) -> None:
    settings = {
        "parameters": [p.name for p in study.parameters],
        "test_split": study.test_split,
        "validation_split": study.validation_split,
    }
    if names := sizes.default_names(study):
        settings["default_observables"] = list(names)
    drafts = [
        Draft(
            (method.name,),
            {**_sample_settings(method), **source.settings(source.of(method))},
            (source.job(source.of(method)),),
            method.name,
            method.samples,
            size=sizes.sampled(method, sizes.n_observables(study), len(study.parameters)),
        )
        for method in study.methods
    ]
    builder.add(
        "sample",
        "Draw training and validation samples",
        "samples",
        drafts,
        settings=settings,
        inputs=(source.input,),
        scattered=True,
    )


def _sample_settings(method: Method) -> dict[str, Any]:
    return {
        "method_name": method.name,
        "method": method.method,
        "theta": method.theta,
        "theta0": method.theta0,
        "theta1": method.theta1,
        "samples": method.samples,
        "validation_samples": method.validation_samples,
        "sample_only_from_closest_benchmark": method.sample_only_from_closest_benchmark,
        **_estimator(method),
        **({} if method.declared.family is SCORE else _nuisance_mode(method)),  # those of scores always know all
        **method.sampling,
        **({} if method.features is None else {"features": list(method.features)}),
    }


def _estimator(method: Method) -> dict[str, str]:
    """The type of estimator, where it does not follow from the method."""
    return {} if method.estimator_type is method.declared.family.estimator else {"estimator": method.estimator}


def _nuisance_mode(method: Method) -> dict[str, str]:
    """What becomes of nuisance parameters, where they are not left out."""
    return {} if method.nuisance_mode == "project" else {"nuisance_mode": method.nuisance_mode}


def _members(method: Method, identity: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The names of the trainings of an estimator: one, or one for each member of an ensemble."""
    return [identity] if method.ensemble == 1 else [(*identity, f"member-{k}") for k in range(method.ensemble)]


def _trainings(study: Study) -> Iterator[tuple[Method, tuple[str, ...], dict[str, Any]]]:
    """Every estimator that is trained in jobs: the method, its names and the values of the scanned hyperparameters."""
    for method in study.methods:
        for k, values in enumerate(_trials(method, study.seed)):
            yield method, (method.name, f"scan-{k}") if method.scan else (method.name,), values


def _estimators(study: Study) -> Iterator[tuple[Method, tuple[str, ...], dict[str, Any]]]:
    """Every estimator that is evaluated: all trainings of a method, or the one that its tuning chooses."""
    for method in study.methods:
        if method.tuning is not None:
            yield method, (method.name,), {}
        else:
            yield from (training for training in _trainings(study) if training[0] is method)


def _add_train(builder: Builder, study: Study) -> None:
    drafts = []
    for method, identity, values in _trainings(study):
        own, needs = _train_settings(method, values), (("sample", slug(method.name)),)
        for k, names in enumerate(_members(method, identity)):
            member = {} if method.ensemble == 1 else {"member": k}
            label = ", ".join((_label(method, values), *(f"{key} {k}" for key in member)))
            drafts.append(Draft(names, {**own, **member}, needs, label))
    if not drafts:  # all methods are searched for adaptively
        return
    builder.add(
        "train",
        "Train the estimators",
        "model",
        drafts,
        inputs=(Input("samples", "sample", Flow.ALL),),
        scattered=True,
    )


def _trials(method: Method, seed: int) -> list[dict[str, Any]]:
    """The settings that a method is trained with, one job each; none where one job searches for them."""
    if method.tuning is None or method.tuning.search == "grid":
        return grid(method.scan)
    return draw(method.scan, method.tuning.trials, seed, method.name) if method.tuning.search == "random" else []


def _train_settings(method: Method, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "method_name": method.name,
        "method": method.method,
        "sample_job": slug(method.name),
        "features": None if method.features is None else list(method.features),
        "training": {**method.training, **values},
        "scan": values,
        **_estimator(method),
        **_nuisance_mode(method),
        **({} if method.tuning is None else {"trial": True}),
    }


def _label(method: Method, values: Mapping[str, Any]) -> str:
    return ", ".join((method.name, *(f"{key} = {value}" for key, value in values.items())))


def _is_tuned(study: Study) -> bool:
    """Whether models reach the evaluation through the stage that chooses them."""
    return any(method.tuning for method in study.methods)


def _add_tune(builder: Builder, study: Study, shared: Mapping[str, Any], source: EventSource) -> None:
    """One job per estimator: it chooses among the trials of a tuned method and hands on what others were trained to."""
    drafts = []
    for method, identity, values in _estimators(study):
        tuning = method.tuning
        if tuning is None:
            trained, label = [identity], f"{_label(method, values)}, as trained"
        else:
            trained = [names for other, names, _ in _trainings(study) if other is method]
            by = tuning.criterion.replace("_", " ")
            label = f"{method.name}: the best of {tuning.trials or len(trained)} by {by}"
        trials = {slug(*names): [slug(*member) for member in _members(method, names)] for names in trained}
        own: dict[str, Any] = {"method_name": method.name, "method": method.method, "train_jobs": trials}
        needs = [("train", job) for jobs in trials.values() for job in jobs]
        if tuning is not None:
            own |= {"search": tuning.search, "criterion": tuning.criterion}
            if tuning.search == "optuna":
                own |= {**_optuna_settings(method, tuning), **_train_settings(method, {})}
                needs.append(("sample", slug(method.name)))
            if tuning.criterion != "validation_loss":
                own |= {**shared, **_evaluate_settings(study, source, shared, (method, identity, values))}
                needs.append(source.job(source.of(method)))
        drafts.append(Draft(identity, own, tuple(needs), label))
    read = {stage for draft in drafts for stage, _ in draft.needs}
    inputs = (Input("model", "train", Flow.ALL), Input("samples", "sample", Flow.ALL), source.input)
    builder.add(
        "tune",
        "Choose the best hyperparameters",
        "model",
        drafts,
        inputs=tuple(item for item in inputs if item.stage in read),
        scattered=True,
    )


def _optuna_settings(method: Method, tuning: Tuning) -> dict[str, Any]:
    space = {
        name: asdict(values) if isinstance(values, Range) else {"values": list(values)}
        for name, values in method.scan.items()
    }
    own = {"n_trials": tuning.trials, "sampler": tuning.sampler, "time_limit_s": tuning.time_limit_s}
    return {"space": space, "ensemble": method.ensemble, **own, "store": tuning.store}


def _add_evaluate(
    builder: Builder, study: Study, shared: Mapping[str, Any], source: EventSource, files: tuple[FileInput, ...]
) -> None:
    tuned = _is_tuned(study)
    models = "tune" if tuned else "train"
    drafts = []
    for method, identity, values in _estimators(study):
        own = _evaluate_settings(study, source, shared, (method, identity, values))
        jobs = [identity] if tuned else _members(method, identity)
        own |= {"members": [slug(*names) for names in jobs]} if len(jobs) > 1 else {}
        needs = (source.job(source.of(method)), *((models, slug(*names)) for names in jobs))
        drafts.append(Draft(identity, own, needs, _label(method, values)))
    ensembles = any(method.ensemble > 1 for method in study.methods)
    builder.add(
        "evaluate",
        "Closure tests and limits of the estimators",
        "limits",
        drafts,
        settings=shared,
        inputs=(source.input, Input("model", models, Flow.ALL if ensembles and not tuned else Flow.EACH)),
        files=files,
        scattered=True,
    )


def _evaluate_settings(
    study: Study,
    source: EventSource,
    shared: Mapping[str, Any],
    estimator: tuple[Method, tuple[str, ...], dict[str, Any]],
) -> dict[str, Any]:
    """What the evaluation of an estimator needs to know of it."""
    method, identity, values = estimator
    to_the_truth = method.estimator_type.takes_any_denominator
    return {
        "method_name": method.name,
        "method": method.method,
        "train_job": slug(*identity),
        "theta": method.theta,
        "theta1": {"point": dict(shared["theta_true"])} if to_the_truth else method.theta1,
        "scan": values,
        **_score_bins(study, method),
        **source.settings(source.of(method)),
        **_nuisance_mode(method),
        **({} if method.calibration == "none" else {"calibration": method.calibration}),
    }


def _score_bins(study: Study, method: Method) -> dict[str, Any]:
    """The number of bins in which the score's histogram has each component; nothing for other methods."""
    evaluation = study.evaluation
    if method.declared.family is not SCORE or evaluation is None:
        return {}
    likelihood = method.declared.likelihood(evaluation.score_likelihood)
    bins = likelihood.axes(len(study.parameters))
    if evaluation.score_bins is not None:
        bins = (evaluation.score_bins,) * len(bins)
    if likelihood.across:
        return {"score_bins": list(bins), "score_likelihood": likelihood.name}
    return {"score_bins": bins[0]}


def _baselines(study: Study) -> tuple[AskedBaseline, ...]:
    return () if study.evaluation is None else study.evaluation.baselines


def _add_report(builder: Builder, study: Study, source: EventSource, study_digest: str) -> None:
    models = "tune" if _is_tuned(study) else "train"
    upstream = [stage for stage in (models, "evaluate", "baselines") if stage in builder.stages]
    outputs = [builder.stages[stage].output for stage in upstream]
    events = [source.job(group) for group in source.groups or (None,)]
    needs = (*events, *((stage, job.name) for stage in upstream for job in builder.stages[stage].jobs))
    settings = {
        "study": study.name,
        "title": study.title,
        "digest": study_digest,
        "version": __version__,
        "parameters": {p.name: {"label": p.label} for p in study.parameters},
        "observables": {o.name: {"label": o.label} for o in study.observables},
        "plots": dict(study.plots),
        **({"groups": [slug(group) for group in source.groups]} if source.groups else {}),
    }
    builder.add(
        "report",
        "Tables and pictures of the results",
        "report",
        [Draft((), {}, needs)],
        settings=settings,
        inputs=(
            source.input,
            *(Input(out, stage, Flow.ALL) for out, stage in zip(outputs, upstream, strict=True)),
            *(
                [Input("samples", "sample", Flow.ALL, ignored_in_fingerprint=True)]
                if study.tracking and study.methods
                else []
            ),
        ),
    )
