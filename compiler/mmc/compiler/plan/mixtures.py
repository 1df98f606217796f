"""The evaluation of mixtures: ratios of several groups of samples together."""

from mmc.compiler.catalogue.methods import MIXTURE
from mmc.compiler.plan.builder import slug
from mmc.compiler.plan.event_source import EventSource
from mmc.compiler.plan.training import Estimator
from mmc.compiler.settings.evaluation import EvaluateSettings, MixtureComponent, MixtureFactor
from mmc.compiler.settings.limits import LimitSettings
from mmc.compiler.settings.points import AtBenchmark, AtPoint
from mmc.compiler.study.model import Method, Mixture, Study


def mixture_settings(study: Study, source: EventSource, limits: LimitSettings, mixture: Mixture) -> EvaluateSettings:
    """The settings for the evaluation of a mixture."""
    methods = {method.name: method for method in study.methods}
    tuned = any(method.tuning is not None for method in study.methods)  # then all models come from `tune`
    components = tuple(
        MixtureComponent(group=slug(group), factors=tuple(_factor(methods[name], tuned=tuned) for name in of))
        for group, of in mixture.of.items()
    )
    reference = next(component.factors[-1].theta1 for component in components if component.factors)
    return EvaluateSettings(
        limits=limits,
        method_name=mixture.name,
        method=MIXTURE,
        train_job=None,
        theta=None,
        theta1=reference,
        scan={},
        group=source.name_of(mixture.group),
        calibration=mixture.calibration,
        directions={} if study.evaluation is None else study.evaluation.directions,
        mixture=components,
    )


def _factor(method: Method, *, tuned: bool) -> MixtureFactor:
    names = [method.identity] if tuned else Estimator(method, method.identity, {}).members
    assert isinstance(method.theta1, AtBenchmark | AtPoint), "the checks make sure that the denominator is one point"
    return MixtureFactor(
        models=tuple(slug(*name) for name in names),
        theta1=method.theta1,
        theta0=method.theta0 if isinstance(method.theta0, AtBenchmark | AtPoint) else None,
    )
