"""Estimated scores and ratios must not vary more than the joint ones, which know the latent variables.

By the law of total variance, the variance of E[J | x] is at most that of the joint quantity J. So the Fisher
information in the estimated score is at most that of the truth, in every direction.
"""

from typing import Any

import numpy as np
from scipy.linalg import eigh

from mmc.compiler.catalogue.methods import RATIO, SCORE
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.declaration import (
    PASSED,
    SIGNIFICANCE,
    WIDTH,
    ClosureTest,
    Figures,
    figures_or_null,
)
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.tables import percent

SMALLEST = 1e-9
"""Directions with a smaller part of the joint variance are left out: a flat direction has no information."""

ROUNDING = 1e-12
"""A joint ratio with a smaller variance is 1 for all events: its point is the denominator."""


def measure(evidence: Evidence) -> dict[str, Any]:
    """The largest relative information; null where no quantities are compared or none of them varies."""
    compared = evidence.compared
    if compared is None or compared.joint is None:
        return {"relative_information": None}
    p = compared.probabilities
    estimated, joint = (values - (values @ p)[:, np.newaxis] for values in (compared.estimated, compared.joint))
    if compared.of != "ratio":
        return {"relative_information": largest(estimated, joint, p)}
    each = [
        largest(one[np.newaxis], other[np.newaxis], p)
        for one, other in zip(estimated, joint, strict=True)
        if p @ np.square(other) > ROUNDING
    ]
    return {"relative_information": max(filter(None, each), key=lambda entry: entry["value"], default=None)}


def largest(estimated: Array, joint: Array, p: Array) -> dict[str, float] | None:
    """The largest ratio of both variances in any direction, and its standard error; None if the joint one is 0.

    :param estimated: with mean 0, shape (quantities, events)
    :param joint: likewise
    :param p: probabilities of the events, shape (events,)
    """
    covariance = (joint * p) @ joint.T
    unit = np.sqrt(np.where(np.diag(covariance) > 0.0, np.diag(covariance), 1.0))
    sizes, axes = eigh(covariance / np.outer(unit, unit))
    kept = sizes > SMALLEST * max(sizes[-1], 1.0)
    if not kept.any():
        return None
    basis = (axes[:, kept] / np.sqrt(sizes[kept])).T / unit  # the joint covariance is 1 in it
    values, directions = eigh(basis @ ((estimated * p) @ estimated.T) @ basis.T)
    direction = directions[:, -1] @ basis
    square, joint_square = np.square(direction @ estimated), np.square(direction @ joint)
    error = np.sqrt(np.square(p * (square - values[-1] * joint_square)).sum())
    return {"value": float(values[-1]), "error": float(error)}


def grade(figures: Figures, _evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    value, error = figures["relative_information"]["value"], figures["relative_information"]["error"]
    for verdict, (k, _) in SIGNIFICANCE.items():
        if value > 1.0 + WIDTH + k * error:
            return verdict, f"the estimate has {value:.2f} ± {error:.2f} times the information of the truth, at most 1"
    return PASSED, ""


SCHEMA: dict[str, Any] = {
    "value": {"description": "Information of the estimate over that of the truth.", "type": "number"},
    "error": {"description": "Its standard error.", "type": "number"},
}

TEST = ClosureTest(
    name="relative_information",
    place=48,
    families=(SCORE.name, RATIO.name),
    demand="the estimate has no more information than the truth, which knows the latent variables",
    tolerance=percent(WIDTH),
    explanation=f"""
    The score of the observables is the mean of the joint score over the latent variables, so its variance, which is the
    Fisher information of an event, is at most that of the joint score; likewise for ratios. The test takes the largest
    ratio of both variances, for scores in any direction of the parameters, for ratios at the true point and the
    extremes of the confidence region. It fails (k = 3) or is doubtful (k = 2) if this is larger than {1.0 + WIDTH:g} by
    k standard errors.
    """,
    schema={
        "relative_information": figures_or_null(
            SCHEMA, "The largest ratio of the variances of the estimated and the joint score or ratio of test events."
        )
    },
    measure=measure,
    grade=grade,
)
