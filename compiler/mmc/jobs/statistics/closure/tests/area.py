"""The confidence region must not be smaller than that of the truth, which knows the latent variables."""

from typing import Any

import numpy as np
from scipy.special import chdtri

from mmc.compiler.catalogue.baselines import HISTOGRAM, TRUTH
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
    percent,
)
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.closure.toys import Totals
from mmc.jobs.statistics.closure.truth import Truth
from mmc.jobs.statistics.limits import Grid
from mmc.jobs.statistics.problem import LimitProblem
from mmc.tables import number


def measure(evidence: Evidence) -> dict[str, Any]:
    """The area; null where it is not known what the truth says."""
    totals, truth = evidence.totals, evidence.truth
    if totals is None or truth is None:
        return {"area": None}
    return {"area": area_figures(evidence.problem, totals, truth, rate=evidence.rate)}


def area_figures(problem: LimitProblem, totals: Totals, truth: Truth, *, rate: bool = True) -> dict[str, Any]:
    """The area of the region at the highest confidence level in units of the truth's, on the same test events.

    The error is that of a jackknife over :data:`mmc.jobs.statistics.closure.toys.GROUPS` groups of test events, which
    both areas share. The rate is part of the likelihoods if the problem says so and ``rate`` is true.
    """
    level = max(problem.levels)
    threshold = float(chdtri(len(problem.grid.axes), 1.0 - level))

    def area(mean: Array) -> float:
        limits = problem.limits(mean, rate=rate)
        return smooth_area(problem.grid, -2.0 * limits.log_likelihood_ratio[:-1], threshold)

    own, best = area(totals.mean), area(truth.totals.mean)
    smallest = 1.0 / len(problem.grid.points)  # no area is known better than to a point
    left_out = [
        area(mine) / max(area(its), smallest)
        for mine, its in zip(totals.jackknife(), truth.totals.jackknife(), strict=True)
    ]
    spread = np.square(np.array(left_out) - np.mean(left_out)).sum() * (len(left_out) - 1) / len(left_out)
    counted = problem.limits(truth.totals.mean, rate=rate)
    return {
        "level": level,
        "allowed": own,
        "truth": best,
        "ratio": own / max(best, smallest),
        "error": float(spread**0.5),
        "truth_allowed_fraction": {str(level): float(counted.allowed(level).mean()) for level in problem.levels},
    }


def smooth_area(grid: Grid, q: Array, threshold: float) -> float:
    """The part of the grid where q is below a threshold, without the steps of counting points.

    A point near the contour counts with the part of its cell that is inside, for a q that is linear in the cell;
    ``q`` has shape (points,).
    """
    values = np.minimum(q, 1e6).reshape(grid.shape)
    slopes = np.gradient(values)
    across = sum(np.abs(slope) for slope in (slopes if isinstance(slopes, tuple | list) else [slopes]))
    inside = 0.5 + (threshold - values) / np.maximum(across, 1e-12)
    return float(np.clip(inside, 0.0, 1.0).mean())


def grade(figures: Figures, evidence: Evidence) -> tuple[str, str]:
    """The verdict, and why it is not passed."""
    ratio, error = figures["area"]["ratio"], figures["area"]["error"]
    for verdict, (k, _) in SIGNIFICANCE.items():
        if ratio + k * error < (1.0 - WIDTH) ** (evidence.limits.dof / 2.0):
            return (
                verdict,
                f"the confidence region is {ratio:.2f} ± {error:.2f} times as large as the truth allows",
            )
    unsure = SIGNIFICANCE[FAILED][0] * error
    if unsure > 1.0 > ratio - unsure:
        return DOUBTFUL, "the test events are too few to compare the confidence region with the truth's"
    return PASSED, ""


SCHEMA: dict[str, Any] = {
    "level": {"$ref": "#/definitions/fraction"},
    "allowed": {
        "description": "Part of the grid, interpolated between its points.",
        "$ref": "#/definitions/fraction",
    },
    "truth": {"description": "The same of the truth.", "$ref": "#/definitions/fraction"},
    "ratio": {"type": "number"},
    "error": {"description": "Of the ratio, by a jackknife.", "type": "number"},
    "truth_allowed_fraction": {
        "description": "Part of the points of the grid at each confidence level.",
        "type": "object",
        "additionalProperties": {"$ref": "#/definitions/fraction"},
    },
}

TEST = ClosureTest(
    name="area",
    place=60,
    families=(TRUTH.name, HISTOGRAM.name, SCORE.name, RATIO.name),
    demand="the region is not smaller than that of the truth, which knows what no detector sees",
    tolerance=f"what a -2 ln λ has that is {percent(WIDTH)} too large",
    explanation=f"""
    The joint likelihood ratio of a simulated event follows from its weights. It is the exact likelihood ratio of an
    experiment that measures the latent variables too, so that no estimator that sees the observables alone can
    exclude more, on average. The confidence region must not be smaller than the one of this truth by more than a -2
    ln λ that is {percent(WIDTH)} too large makes it. The test is doubtful when three standard errors are more than
    the truth's area and the region is not larger than that by as much.
    """,
    schema={
        "area": {
            "description": "The confidence region at the highest level against that of the truth, which knows the "
            "latent variables.",
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
            "area to truth",
            lambda found: found["area"]["ratio"],
            lambda found: f"{number(found['area']['ratio'])} ± {number(found['area']['error'], 2)}",
        ),
    ),
    note=(
        "Area: of the confidence region, in units of that of the truth, which knows the latent variables; it cannot be "
        "smaller than 1."
    ),
)
