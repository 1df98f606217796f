"""``evaluate``: limits of a trained estimator, and the closure tests that say whether to believe them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mmc.compiler.catalogue.methods import METHODS, SCORE
from mmc.errors import StepError
from mmc.jobs.job import StepJob, write_json
from mmc.jobs.learning.estimators import Estimator, load_estimator, members_in
from mmc.jobs.madminer.event_file import Array, EventFile, Events, Partition, Summaries
from mmc.jobs.statistics.closure import verdict
from mmc.jobs.statistics.closure.joint import joint_figures, regression
from mmc.jobs.statistics.closure.truth import DataClosure
from mmc.jobs.statistics.ensemble_spread import ensemble_spread
from mmc.jobs.statistics.fisher import Information, full_information, score_of
from mmc.jobs.statistics.histograms import HistogramFigures, histogram_figures, make_binning
from mmc.jobs.statistics.limits import LimitProblem, Limits, save_arrays
from mmc.jobs.statistics.ratio import ratio_outcome
from mmc.jobs.statistics.result import Result

STEP = 0.005
"""Half the distance of points between which a ratio is differentiated, as a part of the grid's range."""
NU_STEP = 0.05
"""The same of nuisance parameters, in standard deviations."""


def run(job: StepJob) -> None:
    """Write ``limits.npz`` (see :meth:`mmc.jobs.statistics.result.Result.all_arrays`) and ``evaluate.json``.

    With morphing ``fisher.npz`` too.

    :raises StepError: when the model is not that of the job, or the network returns numbers that are not finite
    """
    settings = job.settings
    picked = job.pick_all("model", settings.get("members", [settings["train_job"]]))
    models = [member for model in picked for member in members_in(model)]
    for model in models:
        record = json.loads((model / "train.json").read_text(encoding="utf-8"))
        if record["method"] != settings["method"]:
            raise StepError(f"{model.name} is a model of {record['method']}, not of {settings['method']}")
    file = EventFile.of(job.events / "events.h5", settings)
    problem = LimitProblem.of(file, settings, job.optional("observed"))
    estimator = load_model(problem, settings, models)
    outcome = evaluate_estimator(problem, settings, estimator, job.seed)
    save_arrays(job.out / "limits.npz", outcome.all_arrays())
    described = {}
    if file.has_morphing:
        point, whole = _information(problem, settings, estimator, "test")
        n, n_nuisance = len(file.parameters), len(whole.matrix) - len(file.parameters)
        information = whole.known(n)
        arrays, full = information.arrays("full", file.parameters), information.figures(file.parameters)
        if n_nuisance:
            arrays["full_profiled"] = whole.constrained(n_nuisance).profiled(range(n)).matrix
            full["profiled"] = arrays["full_profiled"].tolist()
        save_arrays(job.out / "fisher.npz", arrays)
        at = dict(zip(file.parameters, point.tolist(), strict=True))
        described = {"fisher_information": {"at": at, "full": full}}
    write_json(
        job.out / "evaluate.json",
        {
            **job.group,
            "method_name": settings["method_name"],
            "method": settings["method"],
            "estimator": estimator.members[0].kind.name,
            "train_job": settings["train_job"],
            **outcome.summary(problem),
            **({"ensemble": ensemble_spread(estimator, problem, outcome.limits)} if len(models) > 1 else {}),
            **described,
        },
    )


def load_model(problem: LimitProblem, settings: Mapping[str, Any], models: Sequence[Path]) -> Estimator:
    """The estimator of a method from the folders of its members."""
    return load_estimator(
        models, None if METHODS[settings["method"]].family is SCORE else problem.file.point(settings["theta1"])
    )


def evaluate_estimator(
    problem: LimitProblem, settings: Mapping[str, Any], estimator: Estimator, seed: int = 1
) -> Result:
    """The limits of an estimator, with what the closure tests say of them; ``seed`` is that of the toy experiments."""
    random = np.random.default_rng(seed)
    if METHODS[settings["method"]].family is SCORE:
        return _score(problem, settings, estimator, random)
    return ratio_outcome(problem, settings, estimator.log_ratio, random)


def _score(problem: LimitProblem, settings: Any, estimator: Estimator, random: np.random.Generator) -> Result:
    """A score estimator: histograms of the estimated score, filled with validation events, that it was not trained on.

    SALLY has one histogram in all components. SALLINO has at each θ a histogram of the component h along θ - θ_ref; as
    in arXiv:1805.00020 its ratio is p(h | θ) / p(h | θ_ref). Adaptive SALLY adds to h the component across it, with
    more than two parameters all components. (MadMiner 0.9.6 leaves out the denominator and compares densities of
    different variables with each other.)

    Where the score of nuisance parameters is learned too, the score is the profiled one throughout.
    """
    reference = problem.file.point(settings["theta"])
    row = problem.file.coefficients(reference[np.newaxis])[0]
    template, variations = problem.file.part(problem.template_partition), problem.variations(problem.template_partition)
    at_reference = problem.file.part(problem.partition, reference)
    x, asimov = problem.asimov
    projection = profiling(problem, settings, estimator)

    def score(x: Array) -> Array:
        return estimator.score(x) @ projection.T

    def joint(partition: Partition) -> Summaries:
        events = problem.file.part(partition, reference)
        slopes = problem.file.slopes(partition, reference) if _is_profiled(settings) else None
        scores = problem.file.joint_scores(events, reference, slopes) @ projection.T
        return Summaries(scores, events.probabilities(row))

    test, data = Summaries(score(at_reference.x), at_reference.probabilities(row)), Summaries(score(x), asimov)
    population = Summaries(score(problem.population.x), problem.population.probabilities(row))
    scores, seen = score(template.x), problem.observed
    observed = None if seen is None else Summaries(score(seen.values), seen.probabilities)

    def figures(direction: Array, bins: list[int], coefficients: Array, binning_row: Array) -> HistogramFigures:
        projected = Events(scores @ direction, template.weights)
        binning = make_binning(bins, projected.x, np.maximum(template.weights @ binning_row, 0.0))
        result = histogram_figures(
            projected,
            binning,
            coefficients,
            row,
            data=data.project(direction),
            reference=population.project(direction),
            observed=None if observed is None else observed.project(direction),
            truth=problem.true_coefficients,
            variations=variations,
        )
        return replace(result, log_ratio=lambda values: result.log_ratio(values @ direction))

    n, bins = len(reference), settings["score_bins"]
    likelihood = METHODS[settings["method"]].likelihood(settings.get("score_likelihood"))
    if likelihood.fixed:
        result = figures(np.eye(n), [bins] * n, problem.coefficients, problem.coefficients[:-1].mean(axis=0))
    else:
        axes, which = (_axes, bins) if likelihood.across else (_direction, [bins])
        result = HistogramFigures.join(
            [
                figures(axes(point - reference), which, coefficients[np.newaxis], row)
                for point, coefficients in zip(problem.points, problem.coefficients, strict=True)
            ]
        )
    centre = verdict.mean_score(test, joint("train"))
    components = zip(problem.grid.axes, joint(problem.partition).values.T, test.values.T, strict=True)
    each = [
        {"component": name, **regression(true, estimated, test.probabilities)} for name, true, estimated in components
    ]
    tested = DataClosure(problem, lambda events: result.log_ratio(score(events.x)), random)

    def judge(limits: Limits, rate: bool) -> verdict.Verdict:
        return verdict.judge(
            problem,
            limits,
            result.ratio,
            score=centre,
            joint=joint_figures("score", each),
            **tested.figures(rate),
            unknown=result.unknown,
        )

    return Result.of(problem, result.expected, result.observed, judge, result.ratio.arrays(problem.grid.shape))


def profiling(problem: LimitProblem, settings: Mapping[str, Any], estimator: Estimator) -> Array:
    """What an estimated score is multiplied with to be that of the parameters, shape (parameters, outputs).

    Profiled, it is t_θ - I_θν (I_νν + 1)⁻¹ t_ν (arXiv:1903.01473), with the information on the nuisance parameters in
    the rate and the score itself, and in their constraint. MadMiner's ``set_nuisance`` has the same formula for the
    information that it is given, constraint included.
    """
    n = len(problem.file.parameters)
    projection = np.eye(n)
    if _is_profiled(settings):
        _, information = _information(problem, settings, estimator, problem.template_partition)
        matrix = information.constrained(len(information.matrix) - n).matrix
        projection = np.hstack([projection, -np.linalg.solve(matrix[n:, n:], matrix[n:, :n]).T])
    return projection


def _is_profiled(settings: Mapping[str, Any]) -> bool:
    return settings.get("nuisance_mode") == "profile"


def _information(
    problem: LimitProblem, settings: Mapping[str, Any], estimator: Estimator, partition: Partition
) -> tuple[Array, Information]:
    """What the rate and the estimated score of some events say of the parameters, and the point at which.

    A score method knows the score at its own reference, a ratio has one everywhere, at the true point too. Nuisance
    parameters whose score is learned are the last ones.
    """
    events = problem.file.part(partition)
    if METHODS[settings["method"]].family is SCORE:
        point = problem.file.point(settings["theta"])
        scores = estimator.score(events.x)
    else:
        point = problem.theta_true
        steps = np.array([STEP * (axis[-1] - axis[0]) for axis in problem.grid.axes.values()])
        scores = score_of(estimator.log_ratio, point, steps, events.x)
        if _is_profiled(settings):
            n = len(problem.file.nuisance_parameters)

            def at(nus: Array, x: Array) -> Array:
                return np.concatenate([estimator.log_ratio(point[np.newaxis], x, nu) for nu in nus])

            scores = np.hstack([scores, score_of(at, np.zeros(n), np.full(n, NU_STEP), events.x)])
    weights = events.weights @ problem.file.coefficients(point[np.newaxis])[0]
    slopes = events.weights @ problem.file.gradients(point).T
    if _is_profiled(settings):
        slopes = np.hstack([slopes, weights[:, np.newaxis] * problem.file.slopes(partition)])
    return point, full_information(scores, weights, slopes, problem.luminosity)


def _direction(difference: Array) -> Array:
    """A unit vector, as a column; the first axis where the difference is 0."""
    norm = float(np.linalg.norm(difference))
    vector = difference / norm if norm > 0.0 else np.eye(len(difference))[0]
    return np.asarray(vector[:, np.newaxis])


def _axes(difference: Array) -> Array:
    """What adaptive SALLY fills its histogram with, as columns: along the direction, and across; or all components."""
    along = _direction(difference)
    if len(along) == 2:
        return np.hstack([along, [-along[1], along[0]]])
    return np.hstack([along, np.eye(len(along))])
