"""The confidence region must not be smaller than the region of the truth, which knows the latent variables."""

from collections.abc import Iterator
from typing import Any

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
    figures_or_null,
)
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.closure.truth import Truth
from mmc.jobs.statistics.jackknife import standard_error
from mmc.tables import number, percent


def measure(evidence: Evidence) -> dict[str, Any]:
    """The area; null where the likelihood of the truth is not known."""
    if evidence.asimov is None or evidence.truth is None:
        return {"area": None}
    return {"area": area_figures(evidence, evidence.truth)}


def area_figures(evidence: Evidence, truth: Truth) -> dict[str, Any]:
    """The area of the region at the highest confidence level over the area of the truth, on the same test events.

    The error comes from a jackknife over groups of test events, which both areas share. Both count at least as the area
    of one point of the grid, which does not resolve smaller ones.
    """
    problem, rate = evidence.problem, evidence.rate
    level = max(problem.levels)

    def area(mean: Array) -> float:
        return problem.limits(mean, rate=rate).allowed_area(level)

    allowed, of_truth = evidence.tested_area, area(truth.asimov.mean)
    smallest = 1.0 / len(problem.grid.points)
    left_out = [
        max(own, smallest) / max(area(true_mean), smallest)
        for own, true_mean in zip(evidence.tested_areas_left_out, truth.asimov.jackknife(), strict=True)
    ]
    true_limits = problem.limits(truth.asimov.mean, rate=rate)
    return {
        "level": level,
        "allowed": allowed,
        "truth": of_truth,
        "ratio": max(allowed, smallest) / max(of_truth, smallest),
        "error": float(standard_error(left_out)),
        "truth_allowed_fraction": {str(level): float(true_limits.allowed(level).mean()) for level in problem.levels},
    }


def grade(figures: Figures, evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    if _is_cut_off(evidence):
        return PASSED, ""
    ratio, error = figures["area"]["ratio"], figures["area"]["error"]
    for verdict, (k, _) in SIGNIFICANCE.items():
        if ratio + k * error < (1.0 - WIDTH) ** (evidence.limits.dof / 2.0):
            return (
                verdict,
                f"the area of the confidence region is {ratio:.2f} ± {error:.2f} times that of the truth",
            )
    unsure = SIGNIFICANCE[FAILED][0] * error
    if unsure > 1.0 > ratio - unsure:
        return DOUBTFUL, "the test events are too few to compare the confidence region with that of the truth"
    return PASSED, ""


def notes(figures: Figures, evidence: Evidence) -> Iterator[str]:
    """A warning if the test cannot fail."""
    del figures
    if _is_cut_off(evidence):
        yield (
            "the area is not compared with that of the truth, because the edge of the grid cuts the region off: use a "
            "wider range"
        )


def _is_cut_off(evidence: Evidence) -> bool:
    """Whether an edge of the grid cuts the region off. How much of it depends on the best fit to the test events, which
    is another one for the truth."""
    level = max(evidence.problem.levels)
    return evidence.tested.touches_edge(level) or evidence.limits.touches_edge(level)


SCHEMA: dict[str, Any] = {
    "level": {"$ref": "#/definitions/fraction"},
    "allowed": {
        "description": "Allowed fraction of the grid, interpolated between its points.",
        "$ref": "#/definitions/fraction",
    },
    "truth": {"description": "The same fraction for the truth.", "$ref": "#/definitions/fraction"},
    "ratio": {"type": "number"},
    "error": {"description": "Standard error of the ratio, from a jackknife.", "type": "number"},
    "truth_allowed_fraction": {
        "description": "Fraction of the points of the grid that the truth allows at each confidence level.",
        "type": "object",
        "additionalProperties": {"$ref": "#/definitions/fraction"},
    },
}

TEST = ClosureTest(
    name="area",
    place=60,
    families=(TRUTH.name, HISTOGRAM.name, SCORE.name, RATIO.name),
    demand="the region is not smaller than the region of the truth, which knows the latent variables",
    tolerance=f"the effect of a -2 ln λ that is {percent(WIDTH)} too large",
    explanation=f"""
    The joint likelihood ratio of a simulated event follows from its weights. It is the exact likelihood ratio of an
    experiment that also measures the latent variables. An estimator that sees the observables alone cannot exclude
    more, on average. So the confidence region must not be smaller than the region of this truth; a -2 ln λ that is
    {percent(WIDTH)} too large is tolerated. The test is doubtful when three standard errors are larger than the area of
    the truth and the region is not larger than that of the truth by as much. If an edge of the grid cuts the region
    off, the test says nothing, and passes with a warning: how much is cut off depends on the best fit to the test
    events.
    """,
    schema={
        "area": figures_or_null(
            SCHEMA,
            "The confidence region at the highest level, compared with the region of the truth, which knows the latent "
            "variables.",
        )
    },
    measure=measure,
    grade=grade,
    notes=notes,
    columns=(
        Column(
            "area / truth",
            lambda found: found["area"]["ratio"],
            lambda found: f"{number(found['area']['ratio'])} ± {number(found['area']['error'], 2)}",
        ),
    ),
    note=(
        "Area / truth: the area of the confidence region over the area of the truth, which knows the latent variables; "
        "it cannot be smaller than 1."
    ),
)
