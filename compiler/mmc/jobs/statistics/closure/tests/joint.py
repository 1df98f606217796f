"""Estimated likelihood ratios and scores are compared with joint ones, event by event.

The joint ratio and score of a test event are known exactly from its weights. The ratio and score of its observables are
not known, but they are the means of the joint quantities over the latent variables (arXiv:1805.00020):

    E[r(x, z | θ) | x] = r(x | θ)   over events of the denominator,
    E[t(x, z | θ_ref) | x] = t(x | θ_ref)   over events at the reference.

So the regression of the *joint* quantity J on the *estimated* quantity e(x) must have the slope 1:
Cov(J, e) / Var(e) = Cov(E[J | x], e) / Var(e), which is 1 for e(x) = E[J | x]. (The regression of e on J has the slope
Var(e) / Var(J) < 1 even for a perfect estimator.) For logarithms this does not hold, because E[ln r(x, z) | x] <
ln r(x). So ratios are compared; near the contour, where the test matters, ratios are close to 1 and ln r is close to
r - 1.

The spread of the estimates is too wide for a slope b < 1 and too narrow for b > 1: the estimator is overconfident by
1/b. The correlation is smaller than that of the best possible estimator. It shows the information lost because z is not
observed and because training is imperfect, and it is not a test.
"""

from typing import Any

import numpy as np

from mmc.compiler.catalogue.methods import RATIO, SCORE
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.declaration import (
    DOUBTFUL,
    FAILED,
    PASSED,
    SIGNIFICANCE,
    WIDTH,
    ClosureTest,
    Column,
    Figures,
    figures_or_null,
    significance,
)
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.tables import number

SLOPE = {"ratio": WIDTH, "score": 0.5}
"""The largest harmless difference between the slope and 1. A factor in the score does not change the likelihood of its
histograms, because they are filled with simulated events."""


def regression(joint: Array, estimated: Array, probabilities: Array) -> dict[str, float | None]:
    """Correlation, slope of the joint on the estimated values, and its standard error; all inputs have shape (events,).

    The error is valid for any scatter around the line (White, Econometrica 48 (1980) 817). The slope is None if the
    estimate is the same for all events.
    """
    p = probabilities
    u, v = estimated - p @ estimated, joint - p @ joint
    variance, joint_variance, covariance = float(p @ u**2), float(p @ v**2), float(p @ (u * v))
    if variance <= 1e-24 or joint_variance <= 1e-24:
        return {"correlation": 0.0, "slope": None, "slope_error": None}
    slope = covariance / variance
    error = float(np.sqrt(np.square(p * u * (v - slope * u)).sum())) / variance
    correlation = covariance / (variance * joint_variance) ** 0.5
    return {"correlation": float(np.clip(correlation, -1.0, 1.0)), "slope": slope, "slope_error": error}


def joint_figures(of: str, each: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The figures, with the slope that is furthest from 1 in units of its error; None when no quantity has a slope."""
    known = [entry for entry in each if entry["slope"] is not None]
    if not known:
        return None
    worst = max(known, key=lambda entry: abs(entry["slope"] - 1.0) / max(entry["slope_error"], 1e-12))
    return {
        "of": of,
        "correlation": min(entry["correlation"] for entry in known),
        "slope": worst["slope"],
        "slope_error": worst["slope_error"],
        "each": each,
    }


def measure(evidence: Evidence) -> dict[str, Any]:
    """The regression of each joint quantity on the estimated one; null where no quantities are compared."""
    compared = evidence.compared
    if compared is None or compared.joint is None:
        return {"joint": None}
    each = [
        {**label, **regression(joint, estimated, compared.probabilities)}
        for label, joint, estimated in zip(compared.labels, compared.joint, compared.estimated, strict=True)
    ]
    return {"joint": joint_figures(compared.of, each)}


def grade(figures: Figures, _evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    of = figures["joint"]["of"]
    known = [entry for entry in figures["joint"]["each"] if entry["slope"] is not None]
    for verdict, (k, _) in significance(len(known)).items():
        for entry in known:
            slope, error = entry["slope"], entry["slope_error"]
            if abs(slope - 1.0) > SLOPE[of] + k * error:
                return verdict, f"the slope of the joint {of} on the estimated {of} is {slope:.2f} ± {error:.2f}, not 1"
    widest = max(entry["slope_error"] for entry in known)
    if SIGNIFICANCE[FAILED][0] * widest > 1.0:
        return (
            DOUBTFUL,
            f"the test events are too few to compare joint and estimated {of}: the slope has an error of {widest:.2f}",
        )
    return PASSED, ""


EACH: dict[str, Any] = {
    "theta": {"$ref": "#/definitions/point"},
    "component": {"type": "string"},
    "correlation": {"type": "number"},
    "slope": {"type": ["number", "null"]},
    "slope_error": {"type": ["number", "null"]},
}
SCHEMA: dict[str, Any] = {
    "of": {"enum": ["ratio", "score"]},
    "correlation": {"description": "The smallest correlation.", "type": "number"},
    "slope": {"description": "The slope that is furthest from 1 in units of its error.", "type": "number"},
    "slope_error": {"type": "number"},
    "each": {
        "description": "One entry for each point (ratios) or each component (scores); the slope is null if the "
        "estimate is the same for all events.",
        "type": "array",
        "items": {
            "type": "object",
            "required": ["correlation", "slope", "slope_error"],
            "properties": EACH,
        },
    },
}

TEST = ClosureTest(
    name="joint",
    place=40,
    families=(SCORE.name, RATIO.name),
    demand="the regression of the joint on the estimated ratio (or score) of simulated events has the slope 1",
    tolerance=f"{SLOPE['ratio']} ({SLOPE['score']} for scores, which only enter histograms)",
    explanation=f"""
    The joint ratio and score of a test event are known exactly from its weights. Their means over the latent variables
    are the ratio and the score of the observables: E[r(x, z | θ) | x] = r(x | θ) over events of the denominator, and
    likewise for scores at the reference ([arXiv:1805.00020](https://arxiv.org/abs/1805.00020)). (The test is not made
    where events have weights at their own benchmarks alone.) So the regression of
    the joint on the estimated quantity must have the slope 1. The slope of ratios may differ from 1 by
    {SLOPE["ratio"]}, which changes an area in two dimensions by as much. The slope of scores may differ from 1 by
    {SLOPE["score"]}: histograms of the score are filled with simulated events, so a factor in the score does not change
    the likelihood. The significance is that of the largest deviation of all. The test is doubtful when three standard
    errors are larger than 1. The correlation shows the information lost because the latent variables are not observed
    and because training is imperfect; it is not a test.
    """,
    schema={
        "joint": figures_or_null(
            SCHEMA, "Regression of the joint on the estimated quantities of test events: the slope must be 1."
        )
    },
    measure=measure,
    grade=grade,
    columns=(
        Column(
            "slope on joint",
            lambda found: found["joint"]["slope"],
            lambda found: f"{number(found['joint']['slope'])} ± {number(found['joint']['slope_error'], 2)}",
        ),
        Column(
            "correlation",
            lambda found: found["joint"]["correlation"],
            lambda found: number(found["joint"]["correlation"]),
        ),
    ),
    note="Slope: the slope of the joint on the estimated ratio or score, where it is furthest from 1; it must be 1.",
)
