"""The limits of simulated experiments must include their point as often as they claim."""

from collections.abc import Iterator, Mapping
from typing import Any

from scipy.special import chdtr, chdtri

from mmc.compiler.catalogue.baselines import HISTOGRAM, RATE, TRUTH
from mmc.compiler.catalogue.methods import RATIO, SCORE
from mmc.jobs.statistics.closure.declaration import (
    DOUBTFUL,
    PASSED,
    SIGNIFICANCE,
    WIDTH,
    ClosureTest,
    Figures,
    figures_or_null,
)
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.tables import percent

MOST_LOST = 0.05
"""The largest fraction of fits that may not converge."""


def measure(evidence: Evidence) -> dict[str, Any]:
    """The coverage that is smallest in units of its error; null without experiments."""
    fitted = evidence.limits.fitted
    if fitted is None:
        return {"pseudo_data": None}
    found = fitted.summary(evidence.problem.levels)
    each = [entry for of_level in found["coverage"] for entry in _entries(of_level, evidence.limits.dof)]
    worst = min(each, key=lambda entry: (entry["coverage"] - entry["least"]) / entry["error"])
    return {"pseudo_data": {**worst, "repeat": found["repeat"], "not_converged": found["not_converged"]}}


def _entries(found: Mapping[str, Any], dof: int) -> Iterator[dict[str, Any]]:
    """The coverage of the region and of each interval at a level."""
    level = found["level"]
    parts = [("the region", dof, found["region"], found["region_error"])] + [
        (f"the interval of {name}", 1, value, found["interval_errors"][name])
        for name, value in found["intervals"].items()
    ]
    for what, n, coverage, error in parts:
        least = float(chdtr(n, (1.0 - WIDTH) * chdtri(n, 1.0 - level)))
        yield {"of": what, "level": level, "coverage": coverage, "error": error, "least": least}


def grade(figures: Figures, evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    del evidence
    found = figures["pseudo_data"]
    for verdict, (k, _) in SIGNIFICANCE.items():
        if found["coverage"] + k * found["error"] < found["least"]:
            return verdict, (
                f"{found['of']} at {found['level']:.0%} includes the point of {found['repeat']:,} simulated "
                f"experiments in {found['coverage']:.0%} ± {found['error']:.0%} of them"
            )
    if found["not_converged"] > MOST_LOST * found["repeat"]:
        return DOUBTFUL, f"{found['not_converged']} of {found['repeat']} fits of simulated experiments did not converge"
    return PASSED, ""


SCHEMA: dict[str, Any] = {
    "of": {"description": "`the region`, or `the interval of NAME`.", "type": "string"},
    "level": {"$ref": "#/definitions/fraction"},
    "coverage": {"$ref": "#/definitions/fraction"},
    "error": {"description": "Binomial standard error.", "type": "number", "exclusiveMinimum": 0},
    "least": {
        "description": "The coverage of a -2 ln of the likelihood ratio that is too large by the tolerance.",
        "$ref": "#/definitions/fraction",
    },
    "repeat": {"description": "Number of experiments.", "type": "integer", "minimum": 1},
    "not_converged": {"description": "Number of fits that did not converge.", "type": "integer", "minimum": 0},
}

TEST = ClosureTest(
    name="pseudo_data",
    place=55,
    families=(RATE.name, TRUTH.name, HISTOGRAM.name, SCORE.name, RATIO.name),
    demand="regions and intervals of simulated experiments include their point as often as the confidence level claims",
    tolerance=f"the coverage of a -2 ln λ that is {percent(WIDTH)} too large",
    explanation=f"""
    The test is made with `observed: {{toys: …}}` only. Each experiment is fitted by the minimiser, and its limits
    divide -2 ln λ by 1 + f as all limits do. The events are drawn from the test events and from those that make the
    likelihood, with random weights in every experiment, because they are themselves one draw from nature. The test
    fails (k = 3) or is doubtful (k = 2) if the coverage plus k binomial errors is smaller than that of a -2 ln λ that
    is {percent(WIDTH)} too large. It is also doubtful if more than {percent(MOST_LOST)} of the fits do not converge.
    """,
    schema={
        "pseudo_data": figures_or_null(
            SCHEMA, "The smallest coverage in simulated experiments, in units of its error; null without `toys`."
        )
    },
    measure=measure,
    grade=grade,
)
