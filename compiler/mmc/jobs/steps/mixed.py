"""The ratio of a mixture, from the models and event files of its groups."""

from mmc.compiler.settings.evaluation import EvaluateSettings, MixtureComponent
from mmc.jobs.job import StepJob
from mmc.jobs.learning.estimators import load_estimator, members_in
from mmc.jobs.learning.mixtures import Component, Factor, Mixture
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.problem import LimitProblem


def mixture_of(job: StepJob, problem: LimitProblem, settings: EvaluateSettings) -> Mixture:
    """The ratio of a mixture; the cross sections are those of all events of each group.

    :raises StepError: when a model or an event file is missing or damaged
    """
    reference = problem.file.point(settings.reference)
    components = [_component(job, problem.file, settings, component) for component in settings.mixture]
    return Mixture(components, problem.file.coefficients, reference)


def _component(job: StepJob, file: EventFile, settings: EvaluateSettings, component: MixtureComponent) -> Component:
    own = EventFile.of(job.events(component.group), settings.own_limits)
    benchmarks = sum(block.events.weights.sum(axis=0) for block in own.blocks("all"))
    factors = []
    for factor in component.factors:
        folders = [member for model in job.pick_all("model", factor.models) for member in members_in(model)]
        estimator = load_estimator(folders, file.point(factor.theta1))
        factors.append(Factor(estimator, None if factor.theta0 is None else file.point(factor.theta0)))
    return Component(benchmarks, tuple(factors))
