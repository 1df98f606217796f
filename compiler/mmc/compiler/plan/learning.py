"""The stages that learn from events: samples, estimators, limits, baselines and the report."""

import posixpath
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from mmc.compiler.catalogue.stages import BASELINES_STAGE, COMBINATIONS, EVALUATE
from mmc.compiler.plan.builder import Builder, Draft
from mmc.compiler.plan.combinations import add_combinations
from mmc.compiler.plan.evaluation import add_baselines, add_evaluate, limit_settings, models_stage, observed_input
from mmc.compiler.plan.event_source import EventSource
from mmc.compiler.plan.model import FileInput, Flow, Input
from mmc.compiler.plan.training import add_sample, add_train
from mmc.compiler.plan.tuning import add_tune
from mmc.compiler.settings.report import Named, ReportSettings
from mmc.compiler.settings.tracking import TrackSettings
from mmc.compiler.study.model import Study
from mmc.compiler.study.regions import observed_cuts
from mmc.version import __version__


def plan_learning(builder: Builder, study: Study, file_digests: Mapping[str, str], study_digest: str) -> None:
    """Add samples, estimators, limits, baselines and the report, as far as the study asks for them."""
    source = EventSource("combine", tuple(study.groups)) if builder.has("combine") else EventSource("ingest", ())
    if study.tracking is not None and builder.has("track"):
        _add_track(builder, study, study.tracking, study_digest)
    if builder.has("sample"):
        add_sample(builder, study, source, file_digests)
    if builder.has("train"):
        add_train(builder, study)
    evaluation = study.evaluation
    limits = None if evaluation is None else limit_settings(study, evaluation)
    if builder.has("tune"):
        add_tune(builder, study, limits, source)
    if evaluation is None or limits is None:
        return
    files: tuple[FileInput, ...] = ()
    if evaluation.observed is not None:
        path = evaluation.observed.file
        files = (_observed("observed", path, file_digests),)
        limits = replace(limits, n_observed=evaluation.observed.n_observed, observed_cuts=observed_cuts(study))
    observed = {name: region.observed for name, region in study.regions.items() if region.observed is not None}
    files += tuple(_observed(observed_input(name), item.file, file_digests) for name, item in observed.items())
    if builder.has("evaluate"):
        add_evaluate(builder, study, limits, source, files)
    if builder.has("baselines"):
        add_baselines(builder, study, limits, source, files)
    if builder.has("combinations"):
        add_combinations(builder, study, limits, source, file_digests)
    if builder.has("report"):
        _add_report(builder, study, source, study_digest)


def _observed(name: str, path: str, file_digests: Mapping[str, str]) -> FileInput:
    return FileInput(name, PurePosixPath("inputs") / posixpath.normpath(path), file_digests[path])


def _add_track(builder: Builder, study: Study, tracking: Mapping[str, str], study_digest: str) -> None:
    settings = TrackSettings(
        study=study.name,
        digest=study_digest,
        seed=study.seed,
        experiment=tracking["experiment"],
        uri=tracking.get("uri"),
        alone=study.evaluation is None,
        resolved=study.resolved,
    )
    builder.add("track", [Draft((), settings)])


def _add_report(builder: Builder, study: Study, source: EventSource, study_digest: str) -> None:
    reported = (models_stage(builder), EVALUATE.name, BASELINES_STAGE.name, COMBINATIONS.name)
    upstream = [stage for stage in reported if stage in builder.stages]
    outputs = [builder.stages[stage].output for stage in upstream]
    events = [source.job(group) for group in source.groups or (None,)]
    needs = (*events, *((stage, job.name) for stage in upstream for job in builder.stages[stage].jobs))
    settings = ReportSettings(
        study=study.name,
        title=study.title,
        digest=study_digest,
        version=__version__,
        parameters={p.name: Named(label=p.label) for p in study.parameters},
        observables={o.name: Named(label=o.label) for o in study.observables},
        plots=study.plots,
        groups=tuple(job for _, job in events) if source.groups else (),
        luminosities_pb={
            name: region.luminosity_pb for name, region in study.regions.items() if region.luminosity_pb is not None
        },
    )
    builder.add(
        "report",
        [Draft((), settings, needs)],
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
