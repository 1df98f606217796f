"""The stages that compute limits: from estimators and from baselines."""

from collections.abc import Iterator
from dataclasses import replace

from mmc.compiler.catalogue.methods import SCORE
from mmc.compiler.catalogue.stages import BASELINES_STAGE, EVALUATE, TRAIN, TUNE, DeclaredStage
from mmc.compiler.plan.builder import Builder, Draft, slug
from mmc.compiler.plan.combinations import combined, groups_of_baselines, is_in
from mmc.compiler.plan.event_source import EventSource
from mmc.compiler.plan.mixtures import mixture_settings
from mmc.compiler.plan.model import FileInput, Flow, Input
from mmc.compiler.plan.training import Estimator, evaluated_estimators
from mmc.compiler.settings.baselines import BaselineSettings, FisherSettings, HistogramSettings
from mmc.compiler.settings.encoding import from_json
from mmc.compiler.settings.evaluation import EvaluateSettings, ScoreSettings
from mmc.compiler.settings.limits import GridAxis, LimitSettings, RegionLimits
from mmc.compiler.settings.points import AtPoint
from mmc.compiler.study.model import AskedBaseline, Evaluation, Method, Study
from mmc.compiler.study.regions import observed_cuts


def limit_settings(study: Study, evaluation: Evaluation) -> LimitSettings:
    """The settings that all limits share, without observed events."""
    return LimitSettings(
        parameters=tuple(p.name for p in study.parameters),
        test_split=study.test_split,
        validation_split=study.validation_split,
        luminosity_pb=evaluation.luminosity_pb,
        theta_true=evaluation.theta_true,
        grid={name: from_json(GridAxis, axis) for name, axis in evaluation.grid.items()},
        include_xsec=evaluation.include_xsec,
        event_weights=evaluation.event_weights,
        confidence_levels=evaluation.confidence_levels,
        confidence=evaluation.confidence,
        systematics=evaluation.systematics,
        scans=evaluation.scans,
        ranges=evaluation.ranges if evaluation.scans or evaluation.experiments else {},
        experiments=evaluation.experiments,
    )


def add_evaluate(
    builder: Builder, study: Study, limits: LimitSettings, source: EventSource, files: tuple[FileInput, ...]
) -> None:
    """Add the limits and closure tests of all estimators; ``files`` is the file of observed events, if any."""
    models, tuned = models_stage(builder), builder.has(TUNE.name)
    read, drafts = _combined_jobs(study, source), []
    for estimator in evaluated_estimators(study):
        own = evaluate_settings(study, source, limits, estimator)
        own = replace(own, combined=_key(EVALUATE, *estimator.identity) in read)
        jobs = tuple(slug(*names) for names in ([estimator.identity] if tuned else estimator.members))
        needs = (source.job(source.of(estimator.method)), *((models, job) for job in jobs))
        own = replace(own, members=jobs) if len(jobs) > 1 else own
        draft = Draft(estimator.identity, own, needs, estimator.label, files=_files(study, own))
        drafts += [draft, *_at_more_luminosities(study, draft, own, estimator.method.region)]
    for mixture in study.mixtures:
        own = mixture_settings(study, source, limits, mixture)
        own = replace(own, combined=_key(EVALUATE, mixture.name) in read)
        learned = [job for component in own.mixture for factor in component.factors for job in factor.models]
        groups = [source.job(group) for group in (mixture.group, *mixture.of)]
        needs = (*groups, *((models, job) for job in dict.fromkeys(learned)))
        draft = Draft((mixture.name,), own, needs, mixture.name, files=_files(study, own))
        drafts += [draft, *_at_more_luminosities(study, draft, own, None)]
    ensembles = not tuned and any(method.ensemble > 1 for method in study.methods)
    alone = not ensembles and not study.mixtures and all(method.over is None for method in study.methods)
    one_each = alone and (study.evaluation is None or not study.evaluation.more_luminosities_pb)
    builder.add(
        "evaluate",
        drafts,
        inputs=(source.input, Input("model", models, Flow.EACH if one_each else Flow.ALL)),
        files=files,
        scattered=True,
    )


def _at_more_luminosities(
    study: Study, draft: Draft, own: EvaluateSettings | BaselineSettings, region: str | None
) -> Iterator[Draft]:
    """The same limits at the further luminosities of the study, without observed events.

    A region with a luminosity of its own has only that one.
    """
    if study.evaluation is None or (region is not None and study.regions[region].luminosity_pb is not None):
        return
    for name, luminosity in study.evaluation.more_luminosities_pb.items():
        settings = replace(own, region=RegionLimits(luminosity_pb=luminosity, luminosity=name), combined=False)
        yield replace(
            draft, identity=(*draft.identity, name), settings=settings, label=f"{draft.label}, {name}", files=()
        )


def models_stage(builder: Builder) -> str:
    """The stage whose models are evaluated: ``tune``, or ``train`` if nothing is tuned."""
    return TUNE.name if builder.has(TUNE.name) else TRAIN.name


def evaluate_settings(
    study: Study, source: EventSource, limits: LimitSettings, estimator: Estimator
) -> EvaluateSettings:
    """The settings for the evaluation of an estimator."""
    method = estimator.method
    to_the_truth = method.estimator_type.takes_any_denominator
    return EvaluateSettings(
        limits=limits,
        method_name=method.name,
        method=method.method,
        train_job=slug(*estimator.identity),
        theta=method.theta,
        theta1=AtPoint(limits.theta_true) if to_the_truth else method.theta1,
        scan=estimator.values,
        score=_score_settings(study, method),
        group=source.name_of(source.of(method)),
        region=_region_limits(study, method.region),
        nuisance_mode=method.nuisance_mode,
        calibration=method.calibration,
        directions={} if study.evaluation is None else study.evaluation.directions,
        bootstrap=method.bootstrap,
        training_error=method.training_error,
    )


def _combined_jobs(study: Study, source: EventSource) -> set[tuple[str, str]]:
    """The stages and names of the jobs whose likelihoods are combined with others."""
    return {(part.stage, part.job) for item in combined(study, source) for part in item.parts}


def _key(stage: DeclaredStage, *names: str | None) -> tuple[str, str]:
    return stage.name, slug(*(name for name in names if name is not None))


def observed_input(region: str) -> str:
    """The name of the file input with the observed events of a region."""
    return f"observed_{slug(region)}"


def _region_limits(study: Study, name: str | None) -> RegionLimits | None:
    """What the limits in a region have of their own; None if that is nothing."""
    if name is None:
        return None
    region = study.regions[name]
    own = RegionLimits(luminosity_pb=region.luminosity_pb)
    if region.observed is not None:
        cuts = observed_cuts(study, region.cuts)
        n_observed = region.observed.n_observed
        own = replace(own, observed=observed_input(name), n_observed=n_observed, cuts=cuts)
    return own if own != RegionLimits() else None


def _files(study: Study, settings: EvaluateSettings | BaselineSettings) -> tuple[str, ...] | None:
    """The files that a job reads: the observed events of its region; None for those of the study, if there are any."""
    if not study.regions:
        return None
    observed = None if settings.region is None else settings.region.observed
    return () if observed is None else (observed,)


def _score_settings(study: Study, method: Method) -> ScoreSettings | None:
    """The histogram of the score; None for methods without a score."""
    evaluation = study.evaluation
    if method.declared.family is not SCORE or evaluation is None:
        return None
    likelihood = method.declared.likelihood(evaluation.score_likelihood)
    bins = likelihood.axes(len(study.parameters))
    chosen = evaluation.score_bins if method.score_bins is None else method.score_bins
    if isinstance(chosen, int):
        bins = (chosen,) * len(bins)
    if likelihood.across:
        return ScoreSettings(score_bins=bins, score_likelihood=likelihood.name)
    return ScoreSettings(score_bins=bins[0], binning=None if isinstance(chosen, int) else chosen)


def add_baselines(
    builder: Builder,
    study: Study,
    limits: LimitSettings,
    source: EventSource,
    files: tuple[FileInput, ...],
) -> None:
    """Add the baselines of each region or group."""
    baselines = () if study.evaluation is None else study.evaluation.baselines
    read, drafts = _combined_jobs(study, source), []
    for group in groups_of_baselines(study, source):
        for asked in baselines:
            if not is_in(study, source, asked, group):
                continue
            own = _baseline_settings(asked, limits, source.name_of(group))
            own = replace(own, region=_region_limits(study, group if study.regions else None))
            own = replace(own, combined=asked.kind.has_limits and _key(BASELINES_STAGE, *asked.names, group) in read)
            label = " ".join(asked.names) if group is None else f"{' '.join(asked.names)} of {group}"
            names = (*asked.names, *(() if group is None else (group,)))
            files_of = _files(study, own) if asked.kind.has_limits else ()
            draft = Draft(names, own, (source.job(group),), label, files=files_of)
            drafts.append(draft)
            if asked.kind.has_limits:
                drafts += _at_more_luminosities(study, draft, own, group if study.regions else None)
    builder.add(
        "baselines",
        drafts,
        inputs=(source.input,),
        files=files,
        scattered=True,
    )


def _baseline_settings(asked: AskedBaseline, limits: LimitSettings, group: str | None) -> BaselineSettings:
    own = asked.settings
    return BaselineSettings(
        limits=limits,
        baseline=asked.kind.name,
        histogram=own if isinstance(own, HistogramSettings) else None,
        fisher=own if isinstance(own, FisherSettings) else None,
        group=group,
    )
