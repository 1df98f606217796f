"""A network of the parameters must have training samples all over the confidence region."""

from typing import Any

import numpy as np

from mmc.compiler.catalogue.methods import RATIO
from mmc.jobs.learning.trained import REACH
from mmc.jobs.madminer.coefficients import are_at
from mmc.jobs.statistics.closure.declaration import (
    DOUBTFUL,
    FAILED,
    PASSED,
    ClosureTest,
    Figures,
    figures_or_null,
)
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.tables import percent

OUTSIDE = {FAILED: 0.25, DOUBTFUL: 0.05}
"""The largest part of the confidence region that may be farther away."""


def measure(evidence: Evidence) -> dict[str, Any]:
    """The figures at the highest confidence level; null where the network does not depend on the parameters."""
    problem, trained = evidence.problem, evidence.problem.trained
    if trained is None:
        return {"trained_region": None}
    inside = evidence.limits.allowed(max(problem.levels)).ravel()
    points = np.concatenate([problem.points[:-1][inside], problem.theta_true[np.newaxis]])
    if not problem.file.has_morphing:  # samples are at benchmarks, which may be anywhere
        at_benchmark = are_at(problem.file.benchmarks, points).any(axis=1)
        points = points[~at_benchmark | (np.arange(len(points)) == len(points) - 1)]
    mean, width = trained
    distances = np.abs(points - mean) / width
    each = distances.max(axis=1)
    worst = int(np.argmax(each))
    return {
        "trained_region": {
            "outside": float((each[:-1] > REACH).mean()) if len(each) > 1 else 0.0,
            "distance": float(each[worst]),
            "parameter": list(problem.grid.axes)[int(np.argmax(distances[worst]))],
            "theta": problem.named(points[worst]),
        }
    }


def grade(figures: Figures, _evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    found = figures["trained_region"]
    name = found["parameter"]
    for verdict, most in OUTSIDE.items():
        if found["outside"] > most:
            return verdict, (
                f"{found['outside']:.0%} of the confidence region has hardly any training samples: {name} = "
                f"{found['theta'][name]:g} is {found['distance']:.1f} standard deviations of the samples away from "
                "their mean; the ratio is extrapolated there, so widen the prior, or use `derivatives`, which have none"
            )
    return PASSED, ""


SCHEMA: dict[str, Any] = {
    "outside": {
        "description": f"Part of the points in the confidence region that are more than {REACH:g} standard deviations "
        "of the training samples away from their mean.",
        "$ref": "#/definitions/fraction",
    },
    "distance": {
        "description": "Largest distance of a point of the region, or of the true point, from the mean of the training "
        "samples, in their standard deviations.",
        "type": "number",
        "minimum": 0,
    },
    "parameter": {"description": "The parameter of this distance.", "type": "string"},
    "theta": {"$ref": "#/definitions/point"},
}

TEST = ClosureTest(
    name="trained_region",
    place=17,
    families=(RATIO.name,),
    demand="a network that depends on θ has training samples in the whole confidence region",
    tolerance=f"{percent(OUTSIDE[DOUBTFUL])} of the region",
    explanation=f"""
    A network with θ among its inputs extrapolates where its prior has no samples, and its ratio is usually too flat
    there: the region is then too large, and other tests notice it only with many test events. So the region at the
    highest confidence level is compared with the mean and the standard deviation of each parameter over the training
    samples. A flat prior ends at 1.7 standard deviations; of a Gaussian prior, 5 % of the samples are beyond {REACH:g}.
    The test is doubtful if more than {percent(OUTSIDE[DOUBTFUL])} of the points in the region are beyond {REACH:g} in
    any parameter, and fails above {percent(OUTSIDE[FAILED])}. Without morphing, benchmarks are left out. The test is
    not made for networks that do not depend on θ (`derivatives`, morphing-aware ratios). Nor is it made
    if the network does not store the mean and width of the points of its numerator: with `scale_parameters: false`, and
    for double parameterized ratios, which scale the points of numerator and denominator together.
    """,
    schema={"trained_region": figures_or_null(SCHEMA)},
    measure=measure,
    grade=grade,
)
