"""Among events with the same estimated ratio, the mean of the exact joint ratio must be this ratio."""

from typing import Any

import numpy as np

from mmc.compiler.catalogue.methods import RATIO
from mmc.jobs.statistics.closure.declaration import PASSED, ClosureTest, Figures, percent
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.closure.reweighted import OFF, Reweighted, verdict_on, worst

BINS = 10


def measure(evidence: Evidence) -> dict[str, Any]:
    """The curve at each point; empty where no ratios are compared."""
    compared = evidence.compared
    if compared is None or compared.of != "ratio":
        return {"calibration_curve": []}
    return {"calibration_curve": [_curve(events) for events in Reweighted.each(compared)]}


def _curve(events: Reweighted) -> dict[str, Any]:
    """For each bin the mean ratio, the difference of the exact ratio and its error; the figures of the worst bin."""
    index, differences, errors = events.in_bins(events.ratio, BINS)
    k, figures = worst(differences, errors)
    p = events.estimated / events.ratio
    means = np.bincount(index, weights=events.estimated) / np.bincount(index, weights=p)
    rows = zip(means, differences, errors, strict=True)
    return {
        **events.label,
        "ratio": float(means[k]),
        **figures,
        "bins": [{"ratio": float(r), "difference": float(d), "error": float(e)} for r, d, e in rows],
    }


def grade(figures: Figures, _evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    verdict, entry = verdict_on(figures["calibration_curve"])
    if entry is None:
        return PASSED, ""
    point = ", ".join(f"{name} = {value:.3g}" for name, value in entry["theta"].items())
    return verdict, (
        f"where the ratio at {point} is {entry['ratio']:.3g}, the mean of the exact ratio differs from it by "
        f"{entry['difference']:.0%} ± {entry['error']:.0%}"
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
    **BIN,
    "bins": {
        "description": "The curve, by increasing ratio; the figures beside it are of the bin with the largest "
        "difference.",
        "type": "array",
        "items": {"type": "object", "required": list(BIN), "properties": BIN},
    },
}

TEST = ClosureTest(
    name="calibration_curve",
    place=45,
    families=(RATIO.name,),
    demand="among events with the same estimated ratio, the mean of the exact joint ratio is this ratio",
    tolerance=f"a difference of {percent(OFF)} in a bin of the ratio",
    explanation=f"""
    The mean of the joint ratio over test events of the denominator with the same estimated ratio is that ratio if the
    estimate is right ([arXiv:1506.02169](https://arxiv.org/abs/1506.02169)). Both are compared in {BINS} bins of the
    estimated ratio with equal probabilities, at the true point and the extremes of the confidence region. The test
    fails (k = 3) or is doubtful (k = 2) if the relative difference in a bin is larger than {OFF} by k standard errors,
    and is doubtful when three standard errors are larger than 1.
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
