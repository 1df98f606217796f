"""Events of the denominator, reweighted by the estimated ratio, must be distributed like events at the other point."""

from typing import Any

import numpy as np

from mmc.compiler.catalogue.methods import RATIO
from mmc.jobs.statistics.closure.declaration import PASSED, ClosureTest, Column, Figures
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.closure.reweighted import VISIBLE, Reweighted, point_words, verdict_on
from mmc.tables import number

BINS = 10


def measure(evidence: Evidence) -> dict[str, Any]:
    """The figures of each observable at each point; empty where no ratios are compared."""
    problem, found = evidence.problem, []
    for events in Reweighted.each(evidence):
        for name, values in zip(problem.file.observables, problem.population.x.T, strict=True):
            if np.isfinite(values).all() and np.ptp(values) > 0.0:
                binned = events.in_bins(values, BINS)
                inside = values[binned.index == binned.worst(events.n_events)]
                place = {"observable": name, "range": [float(inside.min()), float(inside.max())]}
                found.append({**events.label, **place, **binned.figures(events.n_events)})
    return {"reweighted": found}


def grade(figures: Figures, evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    verdict, entry = verdict_on(figures["reweighted"], evidence.threshold)
    if entry is None:
        return PASSED, ""
    low, high = entry["range"]
    return verdict, (
        f"events reweighted to {point_words(entry)} by the ratio are not distributed like events there: the expected "
        f"events would differ by {entry['chi_square']:.1f} ± {entry['error']:.1f} in χ² of "
        f"{entry['observable']}, most between {low:.3g} and {high:.3g}, by {entry['difference']:.1%}"
    )


def _largest(found: Figures) -> float:
    return max((float(entry["chi_square"]) for entry in found["reweighted"]), default=0.0)


SCHEMA: dict[str, Any] = {
    "theta": {"$ref": "#/definitions/point"},
    "observable": {"type": "string"},
    "range": {
        "description": "Smallest and largest value of the observable in the bin that differs most.",
        "type": "array",
        "items": {"type": "number"},
        "minItems": 2,
        "maxItems": 2,
    },
    "chi_square": {
        "description": "The difference in χ² that the expected number of events would show.",
        "type": "number",
    },
    "error": {"description": "Its standard error.", "type": "number"},
    "difference": {
        "description": "Simulated minus reweighted events of this bin, relative to the reweighted ones.",
        "type": "number",
    },
}

TEST = ClosureTest(
    name="reweighting",
    place=43,
    families=(RATIO.name,),
    demand="events of the denominator, reweighted by the ratio to a point, are distributed like events at this point",
    tolerance=f"{VISIBLE} in χ² between both distributions of an observable, for the expected number of events",
    explanation=f"""
    Test events at the denominator are weighted by the estimated ratio to another point, and compared with the weights
    that the same events have there, in {BINS} bins of each observable with equal probabilities
    ([arXiv:2412.01600](https://arxiv.org/abs/2412.01600)). The points are the true point and the extremes of the
    confidence region. Without morphing, they are the true point and, in each parameter, the last benchmarks in the
    region and the next ones outside; a benchmark outside is judged for as many events as would put it on the contour.
    The difference is expressed as the χ² that the expected number of events would show on average;
    what the statistical errors add is subtracted. The test fails (k ≥ 3) or is doubtful (k ≥ 2) if it is larger than
    {VISIBLE} by k standard errors; {VISIBLE} is half a standard deviation. Because both samples have the same events,
    the errors are those of the differences. The test is also doubtful when three standard errors are larger than the
    threshold of the contour.
    """,
    schema={
        "reweighted": {
            "description": "Each observable at each point, with the bin where reweighted and simulated events differ "
            "most; empty without a ratio.",
            "type": "array",
            "items": {"type": "object", "required": list(SCHEMA), "properties": SCHEMA},
        }
    },
    measure=measure,
    grade=grade,
    columns=(Column("reweighting", _largest, lambda found: number(_largest(found), 2)),),
    note=(
        "Reweighting: the largest χ² of an observable between events reweighted by the ratio and simulated events, for "
        "the expected number of events."
    ),
)
