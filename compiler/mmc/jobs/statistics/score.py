"""Limits and closure tests of score estimators, from histograms of the estimated score."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmc.compiler.catalogue.methods import METHODS
from mmc.compiler.settings.baselines import Bins
from mmc.compiler.settings.evaluation import EvaluateSettings, ScoreSettings
from mmc.jobs.learning.estimators import Estimator
from mmc.jobs.madminer.event_file import Array, Events, Partition
from mmc.jobs.statistics.binned_ratio import HistogramFigures, histogram_figures
from mmc.jobs.statistics.closure import verdict
from mmc.jobs.statistics.closure.evidence import Compared, DataEvidence, Scores
from mmc.jobs.statistics.histograms import Filled, make_binning
from mmc.jobs.statistics.information import estimator_information
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.neyman import Cells
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.result import Result
from mmc.jobs.statistics.scanning.density import BinnedDensity
from mmc.jobs.statistics.simulated import TemplateErrors, n_samples
from mmc.jobs.statistics.summaries import Summaries


def score_result(
    problem: LimitProblem,
    settings: EvaluateSettings,
    histogram: ScoreSettings,
    estimator: Estimator,
    random: np.random.Generator,
) -> Result:
    """Limits from histograms of the estimated score, filled with validation events, which were not used in training.

    SALLY has one histogram in all components. SALLINO has a histogram of the component h along θ - θ_ref at each θ; its
    ratio is p(h | θ) / p(h | θ_ref), as in arXiv:1805.00020. Adaptive SALLY adds the component across h, or all
    components if there are more than two parameters. (MadMiner 0.9.6 omits the denominator and so compares densities of
    different variables.)

    If the score of nuisance parameters is learned too, the profiled score is used throughout.
    """
    reference = problem.file.point(settings.reference)
    row = problem.file.coefficients(reference[np.newaxis])[0]
    template, variations = problem.file.part(problem.simulation), problem.variations(problem.simulation)
    members = problem.file.members(problem.simulation)
    at_reference = problem.file.part(problem.partition, reference)
    x, asimov = problem.asimov
    projection = profiling(problem, settings, estimator)

    def score(x: Array) -> Array:
        return estimator.score(x) @ projection.T

    def joint(partition: Partition) -> Summaries:
        events = problem.file.part(partition, reference)
        slopes = problem.file.slopes(partition, reference) if settings.profiles_nuisance else None
        scores = problem.file.joint_scores(events, reference, slopes) @ projection.T
        return Summaries(scores, events.probabilities(row))

    labels = problem.file.labels(problem.simulation)
    test = Summaries(score(at_reference.x), at_reference.probabilities(row))
    data = None if problem.expects_simulation else Summaries(score(x), asimov)
    population = Summaries(score(problem.population.x), problem.population.probabilities(row))
    scores, data_x = score(template.x), problem.observed
    observed = None if data_x is None else Summaries(score(data_x.values), data_x.probabilities)

    def figures(
        direction: Array, bins: Sequence[Bins], coefficients: Array, binning_row: Array
    ) -> tuple[HistogramFigures, Filled]:
        projected = Events(scores @ direction, template.weights)
        weights = np.maximum(template.weights @ binning_row, 0.0)
        binning = make_binning(bins, projected.x, _informative(projected.x, weights) if balanced else weights)
        filled = Filled.of(
            binning.index(projected.x),
            projected.weights,
            binning.size,
            variations,
            members,
            labels=labels,
            n_samples=n_samples(problem.file, binning.size),
        )
        result = histogram_figures(
            filled,
            binning,
            coefficients,
            row,
            data=None if data is None else data.project(direction),
            reference=population.project(direction),
            observed=None if observed is None else observed.project(direction),
            truth=problem.true_coefficients,
            integration=problem.integration,
        )
        return replace(result, log_ratio=lambda values: result.log_ratio(values @ direction)), filled

    balanced = problem.file.is_balanced
    likelihood = METHODS[settings.method].likelihood(histogram.score_likelihood)
    if likelihood.fixed:
        n, spread = len(reference), problem.probes.mean(axis=0)
        result, filled = figures(np.eye(n), histogram.bins * n, problem.coefficients, spread)
        if result.binned is not None:
            problem = problem.with_template(filled, result.binned.known)
    else:
        axes, each, errors = _axes if likelihood.across else _direction, [], []
        for point, coefficients in zip(problem.points, problem.coefficients[:, np.newaxis], strict=True):
            own, filled = figures(axes(point - reference), histogram.bins, coefficients, row)
            each.append(own)
            in_bins = None if own.binned is None else problem.with_template(filled, own.binned.known).template
            errors += [] if in_bins is None else [in_bins.errors(coefficients)]
        result = HistogramFigures.join(each)
        problem = replace(problem, errors=TemplateErrors.join(errors) if errors else None)
    scores_at_reference = Scores(test, joint("train"))
    compared = Compared(
        of="score",
        labels=[{"component": name} for name in problem.grid.axes],
        joint=joint(problem.partition).values.T,
        estimated=test.values.T,
        probabilities=test.probabilities,
    )
    tested = DataEvidence(problem, lambda events: result.log_ratio(score(events.x)), random)

    def judge(limits: Limits, rate: bool) -> verdict.Verdict:
        evidence = replace(
            tested.on(limits, rate),
            mean_ratio=result.ratio,
            binned=result.binned,
            scores=scores_at_reference,
            compared=compared,
            unfilled=result.unfilled,
            sparse=result.sparse,
        )
        return verdict.judge(evidence)

    def cells() -> Cells:
        return Cells.of_histogram(problem, result, lambda events: score(events.x))

    arrays = result.ratio.arrays(problem.grid.shape)
    return Result.of(problem, result.expected, result.observed, judge, arrays, cells=cells, random=random)


def score_density(
    problem: LimitProblem, settings: EvaluateSettings, histogram: ScoreSettings, estimator: Estimator
) -> BinnedDensity:
    """The histogram of the score at any point, for the likelihood that has the same bins at all points."""
    projection = profiling(problem, settings, estimator).T

    def score(x: Array) -> Array:
        return estimator.score(x) @ projection

    template, reference = problem.file.part(problem.simulation), problem.file.point(settings.reference)
    scores, weights = score(template.x), np.maximum(template.weights @ problem.probes.mean(axis=0), 0.0)
    shares = _informative(scores, weights) if problem.file.is_balanced else weights
    binning = make_binning(histogram.bins * scores.shape[1], scores, shares)
    variations = problem.variations(problem.simulation)
    filled = Filled.of(
        binning.index(scores),
        template.weights,
        binning.size,
        variations,
        labels=problem.file.labels(problem.simulation),
        n_samples=n_samples(problem.file, binning.size),
    )
    row = problem.file.coefficients(reference[np.newaxis])[0]
    return BinnedDensity.of(problem, filled, binning, summary=score, reference=row)


def profiling(problem: LimitProblem, settings: EvaluateSettings, estimator: Estimator) -> Array:
    """The matrix from the network's outputs to the score of the parameters, shape (parameters, outputs).

    The profiled score is t_θ - I_θν (I_νν + 1)⁻¹ t_ν (arXiv:1903.01473), where I is the information in the rate and in
    the score itself, and 1 the constraint of the nuisance parameters. MadMiner's ``set_nuisance`` has the same formula,
    but expects an information that includes the constraint.
    """
    n = len(problem.file.parameters)
    projection = np.eye(n)
    if settings.profiles_nuisance:
        _, information = estimator_information(problem, settings, estimator, problem.simulation)
        matrix = information.constrained(len(information.matrix) - n).matrix
        projection = np.hstack([projection, -np.linalg.solve(matrix[n:, n:], matrix[n:, :n]).T])
    return projection


def _informative(scores: Array, weights: Array) -> Array:
    """Weights for adaptive bins with equal shares of Σ w |t - mean|, shape (events, components).

    The information is in the tails of the score, which bins of equal probability would merge.
    """
    mean = weights @ scores / weights.sum()
    return np.asarray(weights[:, np.newaxis] * np.abs(scores - mean))


def _direction(difference: Array) -> Array:
    """The unit vector along a difference, as a column; the first axis if the difference is 0."""
    norm = float(np.linalg.norm(difference))
    vector = difference / norm if norm > 0.0 else np.eye(len(difference))[0]
    return np.asarray(vector[:, np.newaxis])


def _axes(difference: Array) -> Array:
    """The axes of the histogram of adaptive SALLY, as columns: along and across the direction, or all components."""
    along = _direction(difference)
    if len(along) == 2:
        return np.hstack([along, [-along[1], along[0]]])
    return np.hstack([along, np.eye(len(along))])
