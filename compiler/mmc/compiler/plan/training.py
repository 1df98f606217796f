"""The stages that draw samples and train estimators."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mmc.compiler.catalogue.methods import SCORE
from mmc.compiler.plan import sizes
from mmc.compiler.plan.builder import Builder, Draft, slug
from mmc.compiler.plan.event_source import EventSource
from mmc.compiler.plan.files import StageFiles
from mmc.compiler.plan.model import Flow, Input
from mmc.compiler.plan.physics import observable_definitions, without_definition
from mmc.compiler.settings.points import AtSimulated
from mmc.compiler.settings.sampling import SampleSettings, SimulatedEvents
from mmc.compiler.settings.training import TrainSettings
from mmc.compiler.study.model import Method, Study
from mmc.compiler.study.scans import draw, grid
from mmc.compiler.study.tables import EventTables


@dataclass(frozen=True)
class Estimator:
    """An estimator to train or to evaluate: a method with values of the scanned hyperparameters."""

    method: Method
    identity: tuple[str, ...]
    """The names that identify it."""
    values: Mapping[str, Any]
    """The values of the scanned hyperparameters; empty without a scan, or if one job chooses them."""

    @property
    def members(self) -> list[tuple[str, ...]]:
        """The names of its trainings: one, or one for each member of an ensemble."""
        return _members(self.identity, self.method.ensemble)

    @property
    def label(self) -> str:
        """The label of its job, for people."""
        where = "" if self.method.region is None else f" in {self.method.region}"
        return ", ".join((f"{self.method.name}{where}", *(f"{key} = {value}" for key, value in self.values.items())))


def trained_estimators(study: Study) -> Iterator[Estimator]:
    """Every estimator that jobs of ``train`` train, without the methods that Optuna tunes in a single job."""
    for method in study.methods:
        yield from _trained(method, study.seed)


def _trained(method: Method, seed: int) -> Iterator[Estimator]:
    for k, values in enumerate(_trials(method, seed)):
        yield Estimator(method, (*method.identity, f"scan-{k}") if method.scan else method.identity, values)


def evaluated_estimators(study: Study) -> Iterator[Estimator]:
    """Every estimator that is evaluated; a ratio of one group over another has no limits of its own."""
    return (estimator for estimator in final_estimators(study) if estimator.method.over is None)


def final_estimators(study: Study) -> Iterator[Estimator]:
    """All trained estimators of each method, or the one that its tuning chooses."""
    for method in study.methods:
        if method.tuning is not None:
            yield Estimator(method, method.identity, {})
        else:
            yield from _trained(method, study.seed)


def add_sample(builder: Builder, study: Study, source: EventSource, file_digests: Mapping[str, str]) -> None:
    """Add the samples of all methods."""
    files = StageFiles(file_digests)
    simulated = {method.name: _simulated(study, method, files) for method in study.methods}
    drafts = [
        Draft(
            names,
            replace(_sample_settings(study, source, method), simulated=simulated[method.name]),
            (source.job(source.of(method)), *(() if method.over is None else (source.job(method.over),))),
            ", ".join(names),
            method.samples,
            size=sizes.sampled(method, sizes.n_observables(study), len(study.parameters)),
            files=_tables(simulated[method.name]),
        )
        for method in study.methods
        for names in _sampled(method)
    ]
    builder.add(
        "sample",
        drafts,
        inputs=(source.input,),
        files=files.inputs,
        scattered=True,
    )


def _tables(simulated: SimulatedEvents | None) -> tuple[str, ...]:
    return () if simulated is None else simulated.tables


def _simulated(study: Study, method: Method, files: StageFiles) -> SimulatedEvents | None:
    """The events with points of their own that a method learns from, with the study's observables."""
    if not isinstance(method.theta0, AtSimulated) or not isinstance(study.source, EventTables):
        return None
    sample = study.source.by_name[method.theta0.simulated]
    if sample.simulated is None:
        raise ValueError("the checks have not made sure that the sample has simulated events")
    return replace(
        sample.simulated,
        tables=tuple(files.name(path) for path in sample.simulated.tables),
        columns=study.source.columns_of(sample, without_definition(study)),
        observables=observable_definitions(study),
        names=study.reading.names,
    )


def _sampled(method: Method) -> list[tuple[str, ...]]:
    """The names of the samples of a method: one, or one for each member of an ensemble with bootstrap samples."""
    return _members(method.identity, method.ensemble if method.bootstrap else 1)


def _members(identity: tuple[str, ...], n: int) -> list[tuple[str, ...]]:
    """The names of the members of an ensemble; those of one network are its identity."""
    return [identity] if n == 1 else [(*identity, f"member-{k}") for k in range(n)]


def _sample_settings(study: Study, source: EventSource, method: Method) -> SampleSettings:
    return SampleSettings(
        parameters=tuple(p.name for p in study.parameters),
        test_split=study.test_split,
        validation_split=study.validation_split,
        default_observables=sizes.default_names(study),
        method_name=method.name,
        method=method.method,
        theta=method.theta,
        theta0=method.theta0,
        theta1=method.theta1,
        samples=method.samples,
        validation_samples=method.validation_samples,
        sample_only_from_closest_benchmark=method.sample_only_from_closest_benchmark,
        estimator=_estimator(method),
        # samples of scores always contain all nuisance parameters
        nuisance_mode="project" if method.declared.family is SCORE else method.nuisance_mode,
        n_eff_forced=method.sampling.get("n_eff_forced"),
        double_precision=method.sampling.get("double_precision"),
        features=method.features,
        bootstrap=method.bootstrap,
        group=source.name_of(source.of(method)),
        over=source.name_of(method.over),
    )


def _estimator(method: Method) -> str | None:
    """The type of estimator; None if it is the default of the method."""
    return None if method.estimator_type is method.declared.family.estimator else method.estimator


def add_train(builder: Builder, study: Study) -> None:
    """Add the trainings of all methods, except the methods that Optuna tunes in a single job."""
    drafts = []
    for estimator in trained_estimators(study):
        method, own = estimator.method, train_settings(estimator.method, estimator.values)
        samples = [slug(*names) for names in _sampled(method)]
        for k, names in enumerate(estimator.members):
            sample = samples[k % len(samples)]
            needs = (("sample", sample),)
            if method.ensemble == 1:
                drafts.append(Draft(names, own, needs, estimator.label))
            else:
                member = replace(own, member=k, sample_job=sample)
                drafts.append(Draft(names, member, needs, f"{estimator.label}, member {k}"))
    builder.add(
        "train",
        drafts,
        inputs=(Input("samples", "sample", Flow.ALL),),
        scattered=True,
    )


def _trials(method: Method, seed: int) -> list[dict[str, Any]]:
    """The settings with which a method is trained, one job each; empty if Optuna searches them in a single job."""
    if method.tuning is None or method.tuning.search == "grid":
        return grid(method.scan)
    return draw(method.scan, method.tuning.trials, seed, method.name) if method.tuning.search == "random" else []


def train_settings(method: Method, values: Mapping[str, Any]) -> TrainSettings:
    """The settings of a training with these values of the scanned hyperparameters."""
    return TrainSettings(
        method_name=method.name,
        method=method.method,
        sample_job=slug(*method.identity),
        features=method.features,
        training={**method.training, **values},
        scan=values,
        estimator=_estimator(method),
        nuisance_mode=method.nuisance_mode,
        trial=method.tuning is not None,
    )
