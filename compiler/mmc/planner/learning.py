"""The stages that learn from events: samples, estimators, limits, baselines and the report."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmc.plan import Flow, Input
from mmc.planner import sizes
from mmc.planner.builder import Builder, Draft, slug
from mmc.study import SCORE_METHODS, Method, Study, adaptive_bins
from mmc.version import __version__


@dataclass(frozen=True)
class Source:
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


def plan_learning(builder: Builder, study: Study, study_digest: str) -> None:
    """Add samples, estimators, limits, baselines and the report, as far as the study asks for them."""
    source = Source("combine", tuple(study.groups)) if "combine" in builder.stages else Source("ingest", ())
    if study.methods:
        _add_sample(builder, study, source)
        _add_train(builder, study)
    evaluation = study.evaluation
    if evaluation is None:
        return
    shared = {
        "parameters": [p.name for p in study.parameters],
        "test_split": study.test_split,
        "validation_split": study.validation_split,
        "luminosity_pb": evaluation.luminosity_pb,
        "theta_true": evaluation.theta_true,
        "grid": evaluation.grid,
        "include_xsec": evaluation.include_xsec,
        "confidence_levels": list(evaluation.confidence_levels),
    }
    if study.methods:
        _add_evaluate(builder, study, shared, source)
    baselines = [(group, own) for group in _evaluated(study, source) for own in _baselines(study)]
    if baselines:
        builder.add(
            "baselines",
            "Limits without machine learning",
            "baseline",
            [
                Draft(
                    (own["baseline"], *(() if group is None else (group,))),
                    {**own, **source.settings(group)},
                    (source.job(group),),
                    own["baseline"] if group is None else f"{own['baseline']} of {group}",
                )
                for group, own in baselines
            ],
            settings=shared,
            inputs=(source.input,),
            scattered=True,
        )
    if study.methods or baselines:
        _add_report(builder, study, source, study_digest)


def _evaluated(study: Study, source: Source) -> tuple[str | None, ...]:
    """The groups whose baselines are compared with a method; the first one where there are no methods."""
    return tuple(dict.fromkeys(source.of(method) for method in study.methods)) or (source.groups or (None,))[:1]


def _add_sample(builder: Builder, study: Study, source: Source) -> None:
    settings = {
        "parameters": [p.name for p in study.parameters],
        "test_split": study.test_split,
        "validation_split": study.validation_split,
    }
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
    }


def _trainings(study: Study) -> Iterator[tuple[Method, tuple[str, ...], dict[str, Any]]]:
    """Every training: the method, the job's names and the values of the scanned hyperparameters."""
    for method in study.methods:
        for k, values in enumerate(method.scan_points()):
            yield method, (method.name, f"scan-{k}") if method.scan else (method.name,), values


def _add_train(builder: Builder, study: Study) -> None:
    drafts = []
    for method, identity, values in _trainings(study):
        own = {
            "method_name": method.name,
            "method": method.method,
            "sample_job": slug(method.name),
            "features": None if method.features is None else list(method.features),
            "training": {**method.training, **values},
            "scan": values,
        }
        drafts.append(Draft(identity, own, (("sample", slug(method.name)),), _label(method, values)))
    builder.add(
        "train",
        "Train the estimators",
        "model",
        drafts,
        inputs=(Input("samples", "sample", Flow.ALL),),
        scattered=True,
    )


def _label(method: Method, values: Mapping[str, Any]) -> str:
    return ", ".join((method.name, *(f"{key} = {value}" for key, value in values.items())))


def _add_evaluate(builder: Builder, study: Study, shared: Mapping[str, Any], source: Source) -> None:
    drafts = []
    for method, identity, values in _trainings(study):
        own = {
            "method_name": method.name,
            "method": method.method,
            "train_job": slug(*identity),
            "theta": method.theta,
            "theta1": method.theta1,
            "scan": values,
            **_score_bins(study, method),
            **source.settings(source.of(method)),
            **({} if method.calibration == "none" else {"calibration": method.calibration}),
        }
        needs = (source.job(source.of(method)), ("train", slug(*identity)))
        drafts.append(Draft(identity, own, needs, _label(method, values)))
    builder.add(
        "evaluate",
        "Closure tests and limits of the estimators",
        "limits",
        drafts,
        settings=shared,
        inputs=(source.input, Input("model", "train", Flow.EACH)),
        scattered=True,
    )


def _score_bins(study: Study, method: Method) -> dict[str, int]:
    """The number of bins in which the score's histogram has each component; nothing for ratio methods."""
    if method.method not in SCORE_METHODS or study.evaluation is None:
        return {}
    components = 1 if method.method == "sallino" else len(study.parameters)
    return {"score_bins": study.evaluation.score_bins or adaptive_bins(components)}


def _baselines(study: Study) -> Iterator[dict[str, Any]]:
    evaluation = study.evaluation
    if evaluation is None:
        return
    if evaluation.rate:
        yield {"baseline": "rate"}
    if evaluation.histogram is not None:
        yield {"baseline": "histogram", **evaluation.histogram}
    if evaluation.truth:
        yield {"baseline": "truth"}
    if evaluation.fisher_information is not None:
        yield {"baseline": "fisher", **evaluation.fisher_information}


def _add_report(builder: Builder, study: Study, source: Source, study_digest: str) -> None:
    upstream = [stage for stage in ("train", "evaluate", "baselines") if stage in builder.stages]
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
        ),
    )
