"""The mean of a likelihood ratio under its reference must be 1 at every point."""

from dataclasses import replace
from typing import Any

import numpy as np

from mmc.compiler.catalogue.baselines import HISTOGRAM
from mmc.compiler.catalogue.methods import RATIO, SCORE
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
from mmc.jobs.statistics.closure.ratio_sums import MeanRatio
from mmc.jobs.statistics.limits import Limits
from mmc.tables import number, percent

MOVED = 0.25
"""The largest fraction of the confidence region that may change when the ratio is divided by its mean."""
OFF = 0.1
"""The largest significant |ln m|. A constant m cancels in the limits, but such a ratio has not been learned."""


def measure(evidence: Evidence) -> dict[str, Any]:
    """The figures, at the highest confidence level; null where there is no ratio."""
    problem, ratio = evidence.problem, evidence.mean_ratio
    if ratio is None:
        return {"mean_ratio": None}
    return {"mean_ratio": _figures(evidence.limits, ratio, problem.n_expected, max(problem.levels))}


def _figures(limits: Limits, ratio: MeanRatio, n_expected: float, level: float) -> dict[str, Any]:
    error = np.maximum(ratio.error, 1e-12)
    mean = np.maximum(ratio.mean, 1e-12)
    log_mean, log_error = np.log(mean), error / mean
    before = limits.allowed(level)
    moved, off, regions = [], [], []
    for k, _ in SIGNIFICANCE.values():
        shift = np.sign(log_mean) * np.maximum(np.abs(log_mean) - k * log_error, 0.0)
        after = replace(limits, log_likelihood=limits.log_likelihood - n_expected * shift).allowed(level)
        either = before | after
        regions.append(np.append(either.ravel(), True))
        moved.append(float((before ^ after).sum() / max(either.sum(), 1)))
        off.append(float(np.abs(shift[regions[-1]]).max()))
    matter = regions[0]
    pull = (ratio.mean - 1.0) / error
    worst = int(np.argmax(np.where(matter, np.abs(pull), -1.0)))
    points = [*limits.grid.points.tolist(), None]
    return {
        "lowest": float(ratio.mean[matter].min()),
        "highest": float(ratio.mean[matter].max()),
        "error": float(np.median(error[matter])),
        "largest_pull": float(pull[worst]),
        "largest_pull_at": None if points[worst] is None else dict(zip(limits.grid.axes, points[worst], strict=True)),
        "lowest_on_grid": float(ratio.mean.min()),
        "highest_on_grid": float(ratio.mean.max()),
        "moved": moved[0],
        "moved_at_two_sigma": moved[1],
        "off": off[0],
        "off_at_two_sigma": off[1],
        "resolution": float(2.0 * n_expected * SIGNIFICANCE[FAILED][0] * np.median(log_error[matter])),
    }


def grade(figures: Figures, evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    found = figures["mean_ratio"]
    low, high, resolution = found["lowest"], found["highest"], found["resolution"]
    for verdict, suffix in ((FAILED, ""), (DOUBTFUL, "_at_two_sigma")):
        moved, off = found[f"moved{suffix}"], found[f"off{suffix}"]
        reasons = [f"dividing the ratio by its mean would change {moved:.0%} of the confidence region"] * (
            moved > MOVED
        )
        if off > OFF:
            reasons.append(f"the mean ratio is {low:.3f} to {high:.3f} in the confidence region, where it must be 1")
        if reasons:
            return verdict, "; ".join(reasons)
    if resolution > evidence.threshold:
        reason = (
            f"the test events are too few to check the mean ratio: three standard errors are {resolution:.1f} in "
            f"-2 ln λ, where the contour is at {evidence.threshold:.1f}"
        )
        return DOUBTFUL, reason
    return PASSED, ""


def caption(figures: Figures) -> str:
    """The figures in words."""
    found = figures["mean_ratio"]
    return (
        f"mean ratio {found['lowest']:.4f} to {found['highest']:.4f} in the confidence region, "
        f"standard error {found['error']:.2g}; it must be 1"
    )


def distance(figures: Figures) -> tuple[float, float | None]:
    """The largest |ln m| in the confidence region, and the error of m."""
    found = figures["mean_ratio"]
    extremes = np.log(np.maximum([found["lowest"], found["highest"]], 1e-12))
    return float(np.abs(extremes).max()), found["error"]


SCHEMA: dict[str, Any] = {
    "lowest": {"description": "Smallest mean ratio in the confidence region.", "type": "number"},
    "highest": {"description": "Largest mean ratio in the confidence region.", "type": "number"},
    "error": {"description": "Median standard error.", "type": "number"},
    "largest_pull": {"type": "number"},
    "largest_pull_at": {
        "description": "The point of the largest pull; null is the true point.",
        "oneOf": [{"type": "null"}, {"$ref": "#/definitions/point"}],
    },
    "lowest_on_grid": {"type": "number"},
    "highest_on_grid": {"type": "number"},
    "moved": {
        "description": "Fraction of the confidence region that changes when the part of ln mean beyond three standard "
        "errors is corrected.",
        "$ref": "#/definitions/fraction",
    },
    "moved_at_two_sigma": {
        "description": "The same with two standard errors.",
        "$ref": "#/definitions/fraction",
    },
    "off": {"description": "Largest |ln mean| beyond three standard errors.", "type": "number"},
    "off_at_two_sigma": {"description": "Largest |ln mean| beyond two standard errors.", "type": "number"},
    "resolution": {"description": "Three standard errors in -2 ln of the likelihood ratio.", "type": "number"},
}

TEST = ClosureTest(
    name="mean_ratio",
    place=20,
    families=(HISTOGRAM.name, SCORE.name, RATIO.name),
    demand="the mean likelihood ratio under the reference is 1 at every point",
    tolerance=f"a change of {percent(MOVED)} of the region, if ln L is corrected for m; ln m of ±{OFF} in the region",
    explanation=f"""
    Every likelihood ratio r(x | θ) to a reference obeys E_ref[r(x | θ)] = 1 at every θ. If the mean m over the test
    events differs from 1, the density ratio is r/m, and ln L of N expected events is wrong by N ln m(θ). The part of
    N ln m(θ) beyond k standard errors is subtracted from ln L(θ). The test fails (k = 3) or is doubtful (k = 2) in two
    cases. First, the regions at the highest confidence level before and after this correction differ by more than
    {percent(MOVED)} of their union. Second, the part of |ln m| beyond k standard errors is larger than {OFF} at a point
    of either region: an m that is the same at all θ cancels, but such a ratio has not been learned. The test is also
    doubtful when three standard errors, as a shift of -2 ln λ, are larger than the threshold of the contour. For score
    methods and histograms, r is the ratio of the histograms that the likelihood uses, which are not filled with test
    events; the error of m includes the error of these histograms.
    """,
    schema={"mean_ratio": figures_or_null(SCHEMA)},
    measure=measure,
    grade=grade,
    columns=(
        Column(
            "mean ratio",
            lambda found: found["mean_ratio"]["lowest"],
            lambda found: f"{found['mean_ratio']['lowest']:.4f} … {found['mean_ratio']['highest']:.4f}",
        ),
        Column(
            "error",
            lambda found: found["mean_ratio"]["error"],
            lambda found: number(found["mean_ratio"]["error"], 2),
        ),
    ),
    note=(
        "Mean ratio: the mean estimated likelihood ratio over test events at its reference, at the points of the "
        "confidence region; it must be 1."
    ),
    caption=caption,
    distance=distance,
)
