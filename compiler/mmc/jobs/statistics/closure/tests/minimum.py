"""The minimiser must have found the best fit, and only one."""

from typing import Any

from mmc.compiler.catalogue.baselines import HISTOGRAM, RATE, TRUTH
from mmc.compiler.catalogue.methods import RATIO, SCORE
from mmc.jobs.statistics.closure.declaration import (
    DOUBTFUL,
    FAILED,
    OBSERVED,
    PASSED,
    ClosureTest,
    Figures,
    figures_or_null,
)
from mmc.jobs.statistics.closure.evidence import Evidence


def measure(evidence: Evidence) -> dict[str, Any]:
    """How the minimiser ended; null without scans."""
    scans = evidence.limits.scans
    if scans is None:
        return {"minimum": None}
    return {
        "minimum": {
            "converged": scans.fit.converged,
            "problems": scans.problems,
            "points": scans.points,
            "not_converged": scans.failed,
        }
    }


def grade(figures: Figures, evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    del evidence
    found = figures["minimum"]
    verdict = FAILED if not found["converged"] else DOUBTFUL if found["problems"] else PASSED
    return verdict, "; ".join(found["problems"])


SCHEMA: dict[str, Any] = {
    "converged": {"description": "Whether the minimiser converged to the best fit.", "type": "boolean"},
    "problems": {
        "description": "What is to be known of the best fit, in words.",
        "type": "array",
        "items": {"type": "string"},
    },
    "points": {"description": "Number of points of all scans.", "type": "integer", "minimum": 0},
    "not_converged": {
        "description": "Number of these points at which the fit of the other parameters did not converge.",
        "type": "integer",
        "minimum": 0,
    },
}

TEST = ClosureTest(
    name="minimum",
    place=12,
    families=(RATE.name, TRUTH.name, HISTOGRAM.name, SCORE.name, RATIO.name, OBSERVED),
    demand="the minimiser finds a single best fit inside the ranges, from the true point and from 8 others",
    tolerance="none",
    explanation="""
    The test is made with `scans` only. It fails if MIGRAD does not converge to the best fit. It is doubtful if the
    best fit is at an end of the range of a parameter, if the likelihood does not fall in all directions there, if there
    are other maxima inside the confidence region, or if a fit at a point of a scan does not converge. With fewer
    measured numbers than parameters, as for the rate, the best fit is not unique, and only the convergence counts.
    """,
    schema={"minimum": figures_or_null(SCHEMA, "The minimiser's best fit; null without scans.")},
    measure=measure,
    grade=grade,
)
