"""A classifier must not distinguish events reweighted by the estimated ratio from events at the other point."""

from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import ndtr

from mmc.compiler.catalogue.methods import RATIO
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.declaration import PASSED, ClosureTest, Figures, significance
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.closure.reweighted import VISIBLE, Reweighted, point_words

BINS = 20
"""The number of bins of each observable."""
LEARNED = 50_000
"""The largest number of events from which the classifier learns."""
PENALTY = 1e-3
"""The penalty on coefficients, in units of the variance of a feature that is 1 for all events."""
BLOCK = 50_000
"""The largest number of events whose features are in memory at once."""


def measure(evidence: Evidence) -> dict[str, Any]:
    """The area under the curve at each point; empty where no ratios are compared."""
    points = list(Reweighted.each(evidence))
    ranked = ranks(evidence.problem.population.x) if points else np.zeros((0, 0))
    return {
        "classified": [
            {**events.label, **classify(ranked, events), "tolerance": tolerated(events.n_events)} for events in points
        ]
    }


def tolerated(n: float) -> float:
    """The area under the curve for a ratio that n events would show to be wrong by :data:`VISIBLE` in χ².

    If ln r is wrong by σ with a normal distribution, χ² is n σ² and the area is Φ(σ / √2).
    """
    return float(ndtr(np.sqrt(0.5 * VISIBLE / n)))


def classify(ranked: Array, events: Reweighted) -> dict[str, float]:
    """The area under the receiver operating characteristic (AUC) of the classifier, with its standard error.

    Each half of the events is classified by what was learned from the other half. To first order in the differences d
    of the weights, AUC - 1/2 = Σ d F, where F is the part of the reweighted events that the classifier takes less for
    simulated ones. Its error follows from the differences, as both samples have the same events. The errors of both
    halves are added linearly: what one half learns from noise of the other is what the other learns from the first.

    :param ranked: :func:`ranks` of the events, shape (events, observables)
    """
    halves = np.arange(len(ranked)) % 2
    excess, error = 0.0, 0.0
    for half in (0, 1):
        learned, tested = np.flatnonzero(halves != half)[:LEARNED], np.flatnonzero(halves == half)
        discriminant = _discriminant(features(ranked[learned]), events.estimated[learned], events.simulated[learned])
        blocks = [tested[start : start + BLOCK] for start in range(0, max(len(tested), 1), BLOCK)]
        values = [features(ranked[block]) @ discriminant for block in blocks]
        below = _part_below(np.concatenate(values), events.estimated[tested]) - 0.5
        difference = events.difference[tested] / events.estimated[tested].sum()
        excess += 0.5 * float(difference @ below)
        error += 0.5 * float(np.sqrt(np.square(difference) @ np.square(below)))
    return {"area": 0.5 + excess, "error": error}


def ranks(x: Array) -> Array:
    """The part of all events with a smaller value of each observable that varies, shape (events, observables)."""
    columns = [column for column in x.T if np.ptp(column) > 0.0 and np.isfinite(column).all()]
    ranked = [np.argsort(np.argsort(column, kind="stable"), kind="stable") / len(x) for column in columns]
    return np.column_stack(ranked) if ranked else np.zeros((len(x), 0))


def features(ranked: Array) -> Array:
    """For each event, the bin of each observable, and the products of the ranks of two: shape (events, features)."""
    bins = [(rank * BINS).astype(int)[:, np.newaxis] == np.arange(BINS) for rank in ranked.T]
    products = [4.0 * (first - 0.5) * (second - 0.5) for first, second in combinations(ranked.T, 2)]
    return np.column_stack([np.ones(len(ranked)), *bins, *products]).astype(np.float32)


def _discriminant(described: Array, estimated: Array, simulated: Array) -> Array:
    """The linear function of the features that fits labels best: 0 (reweighted) and 1 (simulated); shape (features,).

    Events weigh as much as they have probability in both samples. A small penalty settles features that say the same.
    """
    both = np.maximum(estimated + simulated, 0.0) / (estimated + simulated).sum()
    matrix = described.T @ (described * both[:, np.newaxis].astype(np.float32))
    vector = described.T @ (simulated / simulated.sum() - estimated / estimated.sum())
    return np.asarray(np.linalg.solve(matrix + PENALTY * np.eye(len(matrix)), vector))


def _part_below(values: Array, weights: Array) -> Array:
    """For each event, the sum of weights of events with smaller values and half of those with the same value."""
    places, index = np.unique(values, return_inverse=True)
    sums = np.bincount(index, weights=weights, minlength=len(places))
    return np.asarray(((np.cumsum(sums) - 0.5 * sums) / weights.sum())[index])


def grade(figures: Figures, _evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    for verdict, (k, _) in significance(len(figures["classified"])).items():
        for entry in figures["classified"]:
            area, error = entry["area"], entry["error"]
            if area > entry["tolerance"] + k * error:
                return verdict, (
                    f"a classifier distinguishes events that the ratio reweights to {point_words(entry)} from events "
                    f"there: the area under its curve is {area:.4f} ± {error:.4f}, not 0.5"
                )
    return PASSED, ""


SCHEMA: dict[str, Any] = {
    "theta": {"$ref": "#/definitions/point"},
    "area": {"description": "Area under the curve; 0.5 if the samples cannot be distinguished.", "type": "number"},
    "error": {"description": "Standard error of the area.", "type": "number"},
    "tolerance": {"description": "The largest harmless area.", "type": "number"},
}

TEST = ClosureTest(
    name="classifier",
    place=47,
    families=(RATIO.name,),
    demand="a classifier of the observables does not distinguish reweighted from simulated events",
    tolerance=f"the area under its curve that corresponds to {VISIBLE} in χ² for the expected number of events",
    explanation=f"""
    The classifier two-sample test ([arXiv:1610.06545](https://arxiv.org/abs/1610.06545)): a linear
    discriminant learns to separate the test events of the denominator, weighted by the estimated ratio to a point, from
    events at this point, and is tested on the other half of the events. It knows in which of {BINS} bins each
    observable is, and the products of the ranks of two observables. If the ratio is right, the area under its curve
    (AUC) is 1/2. The test fails (k ≥ 3) or is doubtful (k ≥ 2) if the area is larger by k standard
    errors than Φ(σ / √2) with σ² = {VISIBLE} / N: so large is it if ln r is wrong by σ, and N expected events show
    {VISIBLE} in χ². The errors are those of the differences of the weights, as both samples have the same events.
    """,
    schema={
        "classified": {
            "description": "The classifier at each point; empty without a ratio.",
            "type": "array",
            "items": {"type": "object", "required": list(SCHEMA), "properties": SCHEMA},
        }
    },
    measure=measure,
    grade=grade,
)
