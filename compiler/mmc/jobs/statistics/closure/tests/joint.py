"""Estimated against joint likelihood ratios and scores, event by event.

The joint ratio and score of a test event are known exactly from its weights, those of its observables alone are not.
But the latter are the means of the former over everything that is not observed (arXiv:1805.00020):

    E[r(x, z | θ) | x] = r(x | θ)   over events of the denominator,
    E[t(x, z | θ_ref) | x] = t(x | θ_ref)   over events at the reference.

So of the two regressions it is that of the *joint* quantity J on the *estimated* one e(x) whose slope must be 1:
Cov(J, e) / Var(e) = Cov(E[J | x], e) / Var(e), which is 1 for e(x) = E[J | x]. (The other one has the slope
Var(e) / Var(J) < 1 for a perfect estimator.) It is no such statement for logarithms, as E[ln r(x, z) | x] < ln r(x), so
ratios are compared; near the contour, where it matters, they are close to 1 and their logarithms close to r - 1.

A slope b tells how much too wide (b < 1) or too narrow the estimates are spread: they are overconfident by 1/b. The
correlation is that of the best possible estimator times less than 1: it tells how much is lost by not seeing z and by
imperfect training together, and is no test.
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
)
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.tables import number

SLOPE = {"ratio": WIDTH, "score": 0.5}
"""By how much the slope of joint on estimated quantities may differ from 1. A factor in the score does not change its
histograms, which are filled with simulated events."""


def regression(joint: Array, estimated: Array, probabilities: Array) -> dict[str, float | None]:
    """Correlation, slope of the joint on the estimated values, and its standard error; all of shape (events,).

    The error is the one that holds whatever the scatter around the line (White, Econometrica 48 (1980) 817). Where the
    estimate is the same for all events there is no slope.
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
    """The figure with the slope that is furthest from 1 in units of its error; None when there is no slope at all."""
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
    """The regression of each joint quantity on the estimated one; null where there is none to compare with."""
    compared = evidence.compared
    if compared is None:
        return {"joint": None}
    each = [
        {**label, **regression(joint, estimated, compared.probabilities)}
        for label, joint, estimated in zip(compared.labels, compared.joint, compared.estimated, strict=True)
    ]
    return {"joint": joint_figures(compared.of, each)}


def grade(figures: Figures, _evidence: Evidence) -> tuple[str, str]:
    """The verdict, and why it is not passed."""
    of = figures["joint"]["of"]
    known = [entry for entry in figures["joint"]["each"] if entry["slope"] is not None]
    for verdict, (k, _) in SIGNIFICANCE.items():
        for entry in known:
            slope, error = entry["slope"], entry["slope_error"]
            if abs(slope - 1.0) > SLOPE[of] + k * error:
                return verdict, f"the true {of} changes {slope:.2f} ± {error:.2f} times as much as the estimated one"
    widest = max(entry["slope_error"] for entry in known)
    if SIGNIFICANCE[FAILED][0] * widest > 1.0:
        return (
            DOUBTFUL,
            f"the test events are too few to compare with the true {of}: the slope is known to {widest:.2f}",
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
    "correlation": {"description": "The smallest.", "type": "number"},
    "slope": {"description": "The one that is furthest from 1 in units of its error.", "type": "number"},
    "slope_error": {"type": "number"},
    "each": {
        "description": "At each point for ratios, of each component for scores; the slope is null where the estimate "
        "is the same for all events.",
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
    demand="joint and estimated ratios (or scores), which simulated events have both, lie on a line with slope 1",
    tolerance=f"{SLOPE['ratio']} ({SLOPE['score']} for scores, which only enter histograms)",
    explanation=f"""
    The joint ratio and score of a test event are known exactly from its weights. Their means over everything that is
    not observed are the ratio and the score of the observables: E[r(x, z | θ) | x] = r(x | θ) over events of the
    denominator, and the same of scores at the reference ([arXiv:1805.00020](https://arxiv.org/abs/1805.00020)). So the
    slope of the regression of the joint on the estimated quantity must be 1. That of ratios may differ by
    {SLOPE["ratio"]}, which changes an area in two dimensions by as much. That of scores may differ by {SLOPE["score"]}:
    the histograms of the score are filled with simulated events, whatever the network returns, and a factor in the
    score does not change them. The test is doubtful when three standard errors are more than 1. The correlation tells
    how much is lost by not seeing everything and by imperfect training together, and is not a test.
    """,
    schema={
        "joint": {
            "description": "Joint quantities of test events regressed on the estimated ones: the slope must be 1.",
            "oneOf": [
                {"type": "null"},
                {"type": "object", "required": list(SCHEMA), "properties": SCHEMA},
            ],
        }
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
    note="Slope: of the joint on the estimated ratio or score, where it is furthest from 1; it must be 1.",
)
