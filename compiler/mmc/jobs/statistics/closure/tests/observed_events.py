"""The observed events must be as many as their best fit expects, and distributed like simulated events there."""

from typing import Any

import numpy as np
from scipy.special import chdtrc, gammainc, gammaincc

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.declaration import (
    DOUBTFUL,
    FAILED,
    OBSERVED,
    PASSED,
    SIGNIFICANCE,
    ClosureTest,
    Figures,
    figures_or_null,
)
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.histograms import quantiles
from mmc.jobs.statistics.problem import LimitProblem
from mmc.tables import number, percent

MOST_BINS, EVENTS_PER_BIN = 20, 10
"""The largest number of bins of an observable, and the smallest number of events expected in each."""
OUTSIDE = 0.01
"""The largest fraction of the observed events outside the range of the simulated events, where a likelihood is
extrapolated."""


def measure(evidence: Evidence) -> dict[str, Any]:
    """The figures of each observable and of the rate; none for Asimov data, and at best fits for which no weights are
    known."""
    problem, row = evidence.problem, evidence.best_fit
    if row is None or not len(row) or problem.observed is None:
        return {"distributions": [], "number_of_events": None}
    weights = problem.file.part("all").weights @ row
    rate = evidence.rate and problem.include_xsec and not problem.file.floating
    return {
        "number_of_events": _counted(problem, row, weights) if rate else None,
        "distributions": [
            {"observable": name, **_compared(problem, problem.observed.values[:, column], weights, column)}
            for column, name in enumerate(problem.file.observables)
        ],
    }


def _counted(problem: LimitProblem, row: Array, weights: Array) -> dict[str, float]:
    """The observed number of events, and the probability of one that is at least as far from the expected number.

    The variance of the number is s times that of a Poisson distribution, with the statistical error of the simulation
    and the nuisance parameters at ±1: then 1/s of the number follows nearly a Poisson distribution.
    """
    n, mu = problem.n_observed, problem.luminosity * float(row @ problem.rate_sums)
    relative = float(problem.simulated_sums.of_rate(row[np.newaxis])[0])
    for up, down in problem.file.variations("all").values():
        relative += float(weights @ (up - down) / (2.0 * weights.sum())) ** 2
    s = 1.0 + max(mu, 0.0) * relative
    sides = (float(gammainc(n / s, mu / s)), float(gammaincc(n / s + 1.0, mu / s))) if mu > 0.0 else (0.0,)
    return {"observed": n, "expected": mu, "p_value": min(1.0, 2.0 * min(sides))}


def _compared(problem: LimitProblem, observed: Array, weights: Array, column: int) -> dict[str, Any]:
    """χ² of the observed numbers of events in bins of equal probability.

    The variances are those of the observed events, of the simulated events, and of the nuisance parameters at ±1. The
    number of all observed events is given, so there is one degree of freedom less than bins.
    """
    simulated = problem.file.part("all").x[:, column]
    finite = np.isfinite(simulated) & (weights > 0.0)
    low, high = (float(end(simulated[finite])) for end in (np.min, np.max))
    n = len(observed)
    levels = np.linspace(0.0, 1.0, int(np.clip(n // EVENTS_PER_BIN, 2, MOST_BINS)) + 1)[1:-1]
    edges = np.unique(quantiles(simulated[finite], weights[finite], levels))
    size = len(edges) + 1

    def sums(values: Array) -> Array:
        index = np.searchsorted(edges, simulated[finite], side="right")
        return np.asarray(np.bincount(index, weights=values[finite], minlength=size), dtype=float)

    total = sums(weights).sum()
    p = sums(weights) / total
    counts = np.bincount(np.searchsorted(edges, observed, side="right"), minlength=size)
    covariance = n * (np.diag(p) - np.outer(p, p))
    own = np.diag(sums(np.square(weights))) / total**2
    leave = np.eye(size) - p[:, np.newaxis]  # a change of the contents changes all probabilities
    covariance += n**2 * leave @ own @ leave.T
    for up, down in problem.file.variations("all").values():
        higher, lower = (sums(weights * factor) for factor in (up, down))
        shift = 0.5 * (higher / higher.sum() - lower / lower.sum())
        covariance += n**2 * np.outer(shift, shift)
    rest = counts - n * p
    chi_square = float(rest @ np.linalg.pinv(covariance, rcond=1e-9, hermitian=True) @ rest)
    return {
        "chi_square": chi_square,
        "degrees_of_freedom": size - 1,
        "p_value": float(chdtrc(size - 1, max(chi_square, 0.0))) if size > 1 else 1.0,
        "outside": float(((observed < low) | (observed > high)).mean()),
    }


def grade(figures: Figures, evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    del evidence
    found, counted = figures["distributions"], figures["number_of_events"]
    worst = min([*found, *([counted] if counted else [])], key=lambda entry: float(entry["p_value"]))
    chance = 1.0 - (1.0 - worst["p_value"]) ** (len(found) + bool(counted))  # of the smallest p-value of several
    for verdict, (_, p_value) in SIGNIFICANCE.items():
        if chance < p_value:
            return verdict, _too_many_or_few(worst) if worst is counted else _unlike(worst)
    farthest = max(found, key=lambda entry: float(entry["outside"]))
    if farthest["outside"] > OUTSIDE:
        name, part = farthest["observable"], farthest["outside"]
        return DOUBTFUL, f"{part:.1%} of the observed events have a {name} outside the range of the simulated events"
    return PASSED, ""


def _unlike(entry: Figures) -> str:
    return (
        f"the observed {entry['observable']} is not distributed like simulated events at the best fit: "
        f"χ² = {entry['chi_square']:.1f} for {entry['degrees_of_freedom']} degrees of freedom"
    )


def _too_many_or_few(counted: Figures) -> str:
    n, mu = (number(counted[key], 5) for key in ("observed", "expected"))
    return (
        f"{n} events are observed, and {mu} expected at the best fit: check the luminosity, `n_observed`, the cuts and "
        "the backgrounds"
    )


SCHEMA: dict[str, Any] = {
    "observable": {"type": "string"},
    "chi_square": {"type": "number"},
    "degrees_of_freedom": {"type": "integer", "minimum": 0},
    "p_value": {"$ref": "#/definitions/fraction"},
    "outside": {
        "description": "Fraction of the observed events outside the range of the simulated events.",
        "$ref": "#/definitions/fraction",
    },
}

TEST = ClosureTest(
    name="observed_events",
    place=80,
    families=(OBSERVED,),
    demand="observed events are as many as expected at their best fit, and distributed like simulated events there",
    tolerance="none",
    explanation=f"""
    For each observable, the numbers of observed events in at most {MOST_BINS} bins of equal probability are compared
    with the simulated events at the best fit by χ², with the statistical errors of both and the effects of nuisance
    parameters at ±1. In limits with the rate the number of events is compared too, unless the normalisation of a sample
    floats. The test fails when the smallest p-value of all has a probability below {SIGNIFICANCE[FAILED][1]}, and is
    doubtful below {SIGNIFICANCE[DOUBTFUL][1]}. Wrong units, another selection or luminosity, or a missing background
    are the usual reasons. It is also doubtful if more than {percent(OUTSIDE)} of the observed events
    are outside the range of the simulated events. It is made for limits from observed events alone.
    """,
    schema={
        "number_of_events": figures_or_null(
            {
                "observed": {"type": "number"},
                "expected": {"description": "At the best fit.", "type": "number"},
                "p_value": {"$ref": "#/definitions/fraction"},
            },
            "Null for expected limits, without the rate, and with normalisations that float.",
        ),
        "distributions": {
            "description": "Each observable of the observed events, compared with simulated events at the best fit; "
            "empty for expected limits.",
            "type": "array",
            "items": {"type": "object", "required": list(SCHEMA), "properties": SCHEMA},
        },
    },
    measure=measure,
    grade=grade,
)
