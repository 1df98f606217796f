"""The data must be in bins that have simulated events."""

from typing import Any

from mmc.compiler.catalogue.baselines import HISTOGRAM
from mmc.compiler.catalogue.methods import SCORE
from mmc.jobs.statistics.closure.declaration import DOUBTFUL, PASSED, ClosureTest, Figures
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.histograms import FEW, MOST_SPARSE
from mmc.tables import percent

UNFILLED = 0.01
"""The largest fraction of the data in bins without simulated events, which the likelihood ignores."""


def measure(evidence: Evidence) -> dict[str, Any]:
    """Both fractions; null where there are no bins."""
    return {"unfilled": evidence.unfilled, "sparse": evidence.sparse}


def grade(figures: Figures, evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    del evidence
    if figures["unfilled"] > UNFILLED:
        reason = (
            f"{figures['unfilled']:.1%} of the data are in bins without simulated events, or of negative content at a "
            "point of the grid, and are ignored"
        )
        return DOUBTFUL, f"{reason}: use fewer bins or a smaller grid, or generate more events"
    if figures["sparse"] > MOST_SPARSE:
        reason = f"{figures['sparse']:.0%} of the cross section is in bins with fewer than {FEW:g} effective events"
        advice = "use fewer bins, a method without bins such as derivatives, or generate more events"
        return DOUBTFUL, f"{reason}, so limits are too strong: {advice}"
    return PASSED, ""


TEST = ClosureTest(
    name="filled_bins",
    place=70,
    families=(HISTOGRAM.name, SCORE.name),
    demand="the data are in bins of the histogram that have simulated events",
    tolerance=f"{percent(UNFILLED)} of the data, and half of the cross section in bins with few events",
    explanation=f"""
    A bin whose template is empty or negative at the reference, or by chance at a point of the grid where events are
    expected, has no likelihood ratio, so its data are ignored. (Points at which a bin is negative by more than five
    standard errors, as for weights that are linear in the parameters, are excluded instead.) The test is doubtful if
    more than {percent(UNFILLED)} of the expected or of the observed events are in such bins.

    In a bin with a single simulated event, the likelihood is that of this event with its latent variables, which an
    experiment does not measure. So the test is also doubtful if more than {percent(MOST_SPARSE)} of the cross section
    is in bins with fewer than {FEW:g} effective events, as for the score of many parameters.
    """,
    schema={
        "unfilled": {
            "description": "Fraction of the data, expected or observed, in bins without simulated events; null where "
            "there are no bins.",
            "oneOf": [{"type": "null"}, {"$ref": "#/definitions/fraction"}],
        },
        "sparse": {
            "description": f"Part of the cross section in bins with fewer than {FEW:g} effective events; null where "
            "there are no bins.",
            "type": ["number", "null"],
        },
    },
    measure=measure,
    grade=grade,
)
