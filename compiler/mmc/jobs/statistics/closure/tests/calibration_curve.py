"""Among events with the same estimated ratio, the mean of the exact joint ratio must be this ratio."""

from typing import Any

import numpy as np

from mmc.compiler.catalogue.methods import RATIO
from mmc.jobs.statistics.closure.declaration import PASSED, ClosureTest, Figures
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.closure.reweighted import VISIBLE, Reweighted, point_words, verdict_on

BINS = 10


def measure(evidence: Evidence) -> dict[str, Any]:
    """The curve at each point; empty where no ratios are compared."""
    return {"calibration_curve": [_curve(events) for events in Reweighted.each(evidence)]}


def _curve(events: Reweighted) -> dict[str, Any]:
    """The difference in χ²; for each bin the mean ratio, and how much the exact ratio differs."""
    binned, n = events.in_bins(events.ratio, BINS), events.n_events
    of_denominator = np.bincount(binned.index, weights=events.denominator, minlength=len(binned.expected))
    means = np.divide(binned.expected, of_denominator, out=np.zeros_like(of_denominator), where=of_denominator > 0.0)
    rows = zip(means, binned.differences, binned.errors, strict=True)
    return {
        **events.label,
        "ratio": float(means[binned.worst(n)]),
        **binned.figures(n),
        "bins": [{"ratio": float(r), "difference": float(d), "error": float(e)} for r, d, e in rows],
    }


def grade(figures: Figures, evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    verdict, entry = verdict_on(figures["calibration_curve"], evidence.threshold)
    if entry is None:
        return PASSED, ""
    return verdict, (
        f"the ratio at {point_words(entry)} is not the mean of the exact ratio: the expected events would differ by "
        f"{entry['chi_square']:.1f} ± {entry['error']:.1f} in χ², most where the ratio is {entry['ratio']:.3g}, by "
        f"{entry['difference']:.1%}"
    )


BIN: dict[str, Any] = {
    "ratio": {"description": "Mean of the estimated ratio.", "type": "number"},
    "difference": {
        "description": "Mean of the exact joint ratio minus this ratio, relative to this ratio.",
        "type": "number",
    },
    "error": {"description": "Standard error of the difference.", "type": "number"},
}
SCHEMA: dict[str, Any] = {
    "theta": {"$ref": "#/definitions/point"},
    "chi_square": {
        "description": "The difference in χ² that the expected number of events would show.",
        "type": "number",
    },
    "error": {"description": "Its standard error.", "type": "number"},
    "ratio": {"description": "Mean ratio in the bin that adds most to χ².", "type": "number"},
    "difference": {"description": "Relative difference in this bin.", "type": "number"},
    "bins": {
        "description": "The curve, by increasing ratio.",
        "type": "array",
        "items": {"type": "object", "required": list(BIN), "properties": BIN},
    },
}

TEST = ClosureTest(
    name="calibration_curve",
    place=45,
    families=(RATIO.name,),
    demand="among events with the same estimated ratio, the mean of the exact joint ratio is this ratio",
    tolerance=f"{VISIBLE} in χ² between both distributions of the ratio, for the expected number of events",
    explanation=f"""
    The mean of the joint ratio over test events of the denominator with the same estimated ratio is that ratio if the
    estimate is right ([arXiv:1506.02169](https://arxiv.org/abs/1506.02169)). Both are compared in {BINS} bins of the
    estimated ratio with equal probabilities, at the true point and the extremes of the confidence region, and graded as
    for reweighting.
    """,
    schema={
        "calibration_curve": {
            "description": "The calibration curve of the ratio at each point; empty without a ratio.",
            "type": "array",
            "items": {"type": "object", "required": list(SCHEMA), "properties": SCHEMA},
        }
    },
    measure=measure,
    grade=grade,
)
