"""The stage that combines the likelihoods of several regions or groups."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mmc.compiler.catalogue.baselines import BASELINES
from mmc.compiler.catalogue.stages import BASELINES_STAGE, COMBINATIONS, EVALUATE
from mmc.compiler.plan.builder import Builder, Draft, slug
from mmc.compiler.plan.event_source import EventSource
from mmc.compiler.plan.files import StageFiles
from mmc.compiler.plan.model import Flow, Input
from mmc.compiler.plan.training import evaluated_estimators
from mmc.compiler.settings.combinations import CombinationSettings, CombinedPart, OtherStudy
from mmc.compiler.settings.limits import LimitSettings
from mmc.compiler.study.model import AskedBaseline, Combination, Study


@dataclass(frozen=True)
class Combined:
    """One likelihood of several regions: a job of the stage."""

    combination: Combination
    names: tuple[str, ...]
    """The names of its job."""
    parts: tuple[CombinedPart, ...]


def groups_of_baselines(study: Study, source: EventSource) -> tuple[str | None, ...]:
    """The regions in which baselines are computed, or their groups: those that they name, and others."""
    asked = () if study.evaluation is None else (item.group for item in study.evaluation.baselines)
    named = [group for group in asked if group is not None]
    return tuple(study.regions) or tuple(dict.fromkeys((*_learned(study, source), *named)))


def _learned(study: Study, source: EventSource) -> tuple[str | None, ...]:
    """The groups in which estimators are evaluated, or the first group."""
    evaluated = [*(source.of(method) for method in study.methods if method.over is None)]
    return (
        tuple(dict.fromkeys([*evaluated, *(mixture.group for mixture in study.mixtures)]))
        or (source.groups or (None,))[:1]
    )


def is_in(study: Study, source: EventSource, asked: AskedBaseline, group: str | None) -> bool:
    """Whether a baseline is computed in one of these groups or regions."""
    if study.regions:
        return group in asked.regions
    return group == asked.group if asked.group is not None else group in _learned(study, source)


def combined(study: Study, source: EventSource) -> tuple[Combined, ...]:
    """The likelihoods that the combinations of a study ask for."""
    evaluation = study.evaluation
    if evaluation is None:
        return ()
    every: dict[tuple[tuple[str, ...], str | None], CombinedPart] = {}
    every |= {(names, part.group): part for names, part in _parts(study, source, evaluation.baselines)}
    found = []
    for combination in study.combinations:
        groups = {group: source.name_of(group) for group in combination.of}
        jobs: dict[tuple[str, ...], list[CombinedPart | None]] = {}
        if None not in combination.of.values():
            jobs[combination.name,] = [
                every.get((names or (), groups[group])) for group, names in combination.of.items()
            ]
        else:
            for names in dict.fromkeys(names for names, _ in every if _is_combined(study, combination, names)):
                jobs[combination.name, *names] = [every.get((names, group)) for group in groups.values()]
        for names, parts in jobs.items():
            there = tuple(part for part in parts if part is not None)
            if len(there) == len(parts):
                found.append(Combined(combination, names, there))
    return tuple(found)


def _is_combined(study: Study, combination: Combination, names: tuple[str, ...]) -> bool:
    """Whether a list of regions combines a method or baseline.

    With floating normalisations, with toys, or without a grid, only those with bins; Fisher information without the
    first.
    """
    if study.evaluation is None:
        return True
    if study.evaluation.grid and study.evaluation.confidence != "toys" and not combination.floating:
        return True
    if names[0] in BASELINES:
        kind = BASELINES[names[0]]
        return kind.has_bins or not (kind.has_limits or combination.floating)
    method = next((method for method in study.methods if method.name == names[0]), None)
    return method is not None and method.declared.has_bins(study.evaluation.score_likelihood)


def _parts(
    study: Study, source: EventSource, baselines: tuple[AskedBaseline, ...]
) -> Iterator[tuple[tuple[str, ...], CombinedPart]]:
    """All limits and Fisher information of groups or regions, by their names without the group."""
    for group in groups_of_baselines(study, source):
        name = source.name_of(group)
        for asked in baselines:
            if name is not None and is_in(study, source, asked, group):
                yield asked.names, CombinedPart(stage="baselines", job=slug(*asked.names, name), group=name)
    for estimator in evaluated_estimators(study):
        name = source.name_of(source.of(estimator.method))
        if name is not None:
            names = (estimator.method.name, *estimator.identity[len(estimator.method.identity) :])
            yield names, CombinedPart(stage="evaluate", job=slug(*estimator.identity), group=name)
    for mixture in study.mixtures:
        name = source.name_of(mixture.group)
        if name is not None:
            yield (mixture.name,), CombinedPart(stage="evaluate", job=slug(mixture.name), group=name)


def add_combinations(
    builder: Builder, study: Study, limits: LimitSettings, source: EventSource, file_digests: Mapping[str, str]
) -> None:
    """Add one job for each likelihood of several regions."""
    files = StageFiles(file_digests)
    drafts, outputs = [], {EVALUATE.name: EVALUATE.output, BASELINES_STAGE.name: BASELINES_STAGE.output}
    for item in combined(study, source):
        others = tuple(
            OtherStudy(
                name=other.name,
                results=files.name(other.results),
                limits=files.name(other.limits),
                file=posixpath.basename(other.limits),
            )
            for other in item.combination.others
        )
        settings = CombinationSettings(
            limits=limits,
            directions={} if study.evaluation is None else study.evaluation.directions,
            combination=item.combination.name,
            of=item.parts,
            independent=item.combination.independent,
            floating=item.combination.floating,
            others=others,
        )
        events = [source.job(part.group) for part in item.parts]
        needs = (*events, *((part.stage, part.job) for part in item.parts))
        label = ", ".join([*(part.job for part in item.parts), *(other.name for other in others)])
        read_files = tuple(name for other in others for name in (other.results, other.limits))
        drafts.append(Draft(item.names, settings, needs, label, files=read_files))
    read = {stage for draft in drafts for stage, _ in draft.needs}
    inputs = tuple(Input(output, stage, Flow.ALL) for stage, output in outputs.items() if stage in read)
    builder.add(COMBINATIONS.name, drafts, inputs=(source.input, *inputs), files=files.inputs, scattered=True)
