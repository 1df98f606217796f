"""``evaluate``: limits of a trained estimator, and the closure tests that check them."""

from dataclasses import replace
from typing import Any

from mmc.compiler.catalogue.stages import EVALUATE, TRAIN
from mmc.compiler.settings.evaluation import EvaluateSettings
from mmc.errors import StepError
from mmc.jobs.job import StepJob, group_entry, read_json, write_json
from mmc.jobs.learning.estimators import Estimator, members_in
from mmc.jobs.learning.mixtures import Mixture
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.ensemble_spread import EnsembleSpread
from mmc.jobs.statistics.evaluation import estimated_density, evaluate_estimator, load_model
from mmc.jobs.statistics.information import learned_information
from mmc.jobs.statistics.limits import save_arrays
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.region_likelihood import LIKELIHOOD, RegionLikelihood
from mmc.jobs.statistics.scanning.fitted import fitted
from mmc.jobs.steps.mixed import mixture_of


def run(job: StepJob) -> None:
    """Write ``limits.npz`` (see :meth:`mmc.jobs.statistics.result.Result.all_arrays`) and ``evaluate.json``.

    With morphing also ``fisher.npz``.

    :raises StepError: when the model does not belong to the job, or the network returns numbers that are not finite
    """
    settings = job.read(EvaluateSettings)
    file = EventFile.of(job.events(settings.group), settings.own_limits)
    problem = LimitProblem.of(
        file, settings.own_limits, job.optional(settings.observed), grouped=settings.group is not None
    )
    estimator = mixture_of(job, problem, settings) if settings.mixture else _trained(job, problem, settings)
    spread = None
    if isinstance(estimator, Estimator) and len(estimator.members) > 1:
        spread = EnsembleSpread(estimator, problem, settings)
    if spread is not None and settings.training_error:
        problem = replace(problem, training=spread.variance)
    if problem.box is not None:
        problem = fitted(problem, problem, estimated_density(problem, settings, estimator), job.seed)
    outcome = evaluate_estimator(problem, settings, estimator, job.seed)
    arrays, described = outcome.all_arrays(), {}
    if spread is not None:
        arrays |= spread.arrays(outcome.limits)
        described["ensemble"] = spread.summary(outcome.limits)
    save_arrays(job.out / "limits.npz", arrays)
    if settings.combined:
        save_arrays(job.out / LIKELIHOOD, RegionLikelihood.of(problem, outcome).arrays())
    if file.has_morphing:
        information, described["fisher_information"] = learned_information(problem, settings, estimator)
        save_arrays(job.out / "fisher.npz", information)
    write_json(
        job.out / EVALUATE.record,
        {
            **group_entry(settings.group),
            **settings.luminosity_entry,
            "method_name": settings.method_name,
            "method": settings.method,
            **_described(estimator, settings),
            **outcome.summary(problem),
            **described,
        },
    )


def _trained(job: StepJob, problem: LimitProblem, settings: EvaluateSettings) -> Estimator:
    """The estimator of a method.

    :raises StepError: when a model is not of this method
    """
    jobs = settings.members or (settings.train_job or "",)
    models = [member for model in job.pick_all("model", jobs) for member in members_in(model)]
    for model in models:
        method = read_json(model / TRAIN.record)["method"]
        if method != settings.method:
            raise StepError(f"{model.name} is a model of {method}, not of {settings.method}")
    return load_model(problem, settings, models)


def _described(estimator: Estimator | Mixture, settings: EvaluateSettings) -> dict[str, Any]:
    """The entries of the record for what is evaluated."""
    if isinstance(estimator, Estimator):
        return {"estimator": estimator.members[0].kind.name, "train_job": settings.train_job}
    jobs = {part.group: [job for factor in part.factors for job in factor.models] for part in settings.mixture}
    return {"mixture": jobs}
