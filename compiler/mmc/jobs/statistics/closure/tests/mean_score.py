"""The mean of the estimated score at its reference must be 0."""

from typing import Any

import numpy as np
from scipy.special import chdtrc

from mmc.compiler.catalogue.methods import SCORE
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.declaration import (
    DOUBTFUL,
    FAILED,
    PASSED,
    SIGNIFICANCE,
    ClosureTest,
    Column,
    Figures,
    figures_or_null,
)
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.limits import effective_size
from mmc.jobs.statistics.summaries import Summaries
from mmc.tables import number, percent

SCORE_BIAS = 0.1
"""The largest harmless mean score, in units of the spread. A smaller mean does not change the likelihood, because the
histograms of the score are filled with simulated events."""


def measure(evidence: Evidence) -> dict[str, Any]:
    """The figures; null where there is no score."""
    scores = evidence.scores
    return {"mean_score": None if scores is None else mean_score(scores.estimated, scores.joint)}


def mean_score(scores: Summaries, joint: Summaries) -> dict[str, Any]:
    """Mean and error of each component of the estimated score, the bias in units of the spread, and the p-value.

    ``scores`` are the estimated scores of test events at the reference, ``joint`` the joint scores of training events.
    """
    mean, spread = _moments(scores)
    _, joint_spread = _moments(joint)
    covariance = spread / effective_size(scores.probabilities) + joint_spread / effective_size(joint.probabilities)
    return {
        "mean": mean.tolist(),
        "error": np.sqrt(np.diag(covariance)).tolist(),
        "bias": max(float(mean @ np.linalg.pinv(spread) @ mean), 0.0) ** 0.5,
        "p_value": float(chdtrc(len(mean), max(float(mean @ np.linalg.pinv(covariance) @ mean), 0.0))),
    }


def _moments(summaries: Summaries) -> tuple[Array, Array]:
    """Mean and covariance."""
    mean = summaries.probabilities @ summaries.values
    centred = summaries.values - mean
    return mean, (centred * summaries.probabilities[:, np.newaxis]).T @ centred


def grade(figures: Figures, _evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    found = figures["mean_score"]
    for verdict, (_, p_value) in SIGNIFICANCE.items():
        if found["p_value"] < p_value and found["bias"] > SCORE_BIAS:
            bias = f"{found['bias']:.2f} of its spread from 0, where at most {SCORE_BIAS:g} is harmless"
            return verdict, f"the mean score at the reference is {bias}"
    return PASSED, ""


SCHEMA: dict[str, Any] = {
    "mean": {"type": "array", "items": {"type": "number"}},
    "error": {"type": "array", "items": {"type": "number"}},
    "bias": {"description": "Mean score in units of its spread.", "type": "number"},
    "p_value": {"$ref": "#/definitions/fraction"},
}

TEST = ClosureTest(
    name="mean_score",
    place=30,
    families=(SCORE.name,),
    demand="the mean score is 0 at its reference",
    tolerance=f"{percent(SCORE_BIAS)} of its spread",
    explanation=f"""
    The test fails when the deviation of the mean estimated score from 0 is larger than {percent(SCORE_BIAS)} of the
    spread of the estimated scores and significant (p < {SIGNIFICANCE[FAILED][1]}). It is doubtful with
    p < {SIGNIFICANCE[DOUBTFUL][1]}. The p-value uses the covariance of the mean from the test events plus the
    covariance of the mean joint score of the training events, which the mean of the network follows. A smaller
    deviation does no harm: histograms of the score are filled with simulated events, so they are correct for any
    output of the network.
    """,
    schema={"mean_score": figures_or_null(SCHEMA)},
    measure=measure,
    grade=grade,
    columns=(
        Column(
            "mean score",
            lambda found: found["mean_score"]["bias"],
            lambda found: f"{number(found['mean_score']['bias'], 2)} σ",
        ),
    ),
    note="Mean score: the mean estimated score at its reference, in units of its spread; it must be 0.",
    distance=lambda found: (found["mean_score"]["bias"], None),
)
