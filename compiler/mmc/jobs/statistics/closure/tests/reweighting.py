"""Events of the denominator, reweighted by the estimated ratio, must be distributed like events at the other point."""

from typing import Any

import numpy as np

from mmc.compiler.catalogue.methods import RATIO
from mmc.jobs.statistics.closure.declaration import PASSED, ClosureTest, Column, Figures, percent
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.closure.reweighted import OFF, Reweighted, verdict_on, worst

BINS = 10


def measure(evidence: Evidence) -> dict[str, Any]:
    """The figures of each observable at each point; empty where no ratios are compared."""
    compared, problem = evidence.compared, evidence.problem
    if compared is None or compared.of != "ratio":
        return {"reweighted": []}
    found = []
    for events in Reweighted.each(compared):
        for name, values in zip(problem.file.observables, problem.population.x.T, strict=True):
            if np.isfinite(values).all() and np.ptp(values) > 0.0:
                index, differences, errors = events.in_bins(values, BINS)
                k, figures = worst(differences, errors)
                edges = [float(end(values[index == k])) for end in (np.min, np.max)]
                found.append({**events.label, "observable": name, "range": edges, **figures})
    return {"reweighted": found}


def grade(figures: Figures, _evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    verdict, entry = verdict_on(figures["reweighted"])
    if entry is None:
        return PASSED, ""
    low, high = entry["range"]
    point = ", ".join(f"{name} = {value:.3g}" for name, value in entry["theta"].items())
    return verdict, (
        f"events reweighted to {point} by the ratio differ from events there by {entry['difference']:.0%} ± "
        f"{entry['error']:.0%} where {entry['observable']} is {low:.3g} to {high:.3g}"
    )


def _largest(found: Figures) -> float:
    return max((abs(entry["difference"]) for entry in found["reweighted"]), default=0.0)


SCHEMA: dict[str, Any] = {
    "theta": {"$ref": "#/definitions/point"},
    "observable": {"type": "string"},
    "range": {
        "description": "Smallest and largest value of the observable in the bin with the largest difference.",
        "type": "array",
        "items": {"type": "number"},
        "minItems": 2,
        "maxItems": 2,
    },
    "difference": {
        "description": "Simulated minus reweighted events of this bin, relative to the reweighted ones.",
        "type": "number",
    },
    "error": {"description": "Standard error of the difference.", "type": "number"},
}

TEST = ClosureTest(
    name="reweighting",
    place=43,
    families=(RATIO.name,),
    demand="events of the denominator, reweighted by the ratio to a point, are distributed like events at this point",
    tolerance=f"a difference of {percent(OFF)} in a bin of an observable",
    explanation=f"""
    Test events at the denominator are weighted by the estimated ratio to another point, and compared with the weights
    that the same events have there, in {BINS} bins of each observable with equal probabilities
    ([arXiv:2412.01600](https://arxiv.org/abs/2412.01600)). The points are the true point and the extremes of the
    confidence region. The test fails (k = 3) or is doubtful (k = 2) if the relative difference in a bin is larger than
    {OFF} by k standard errors. Because both samples have the same events, the error is that of the differences. The
    test is also doubtful when three standard errors are larger than 1.
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
    columns=(Column("reweighting", _largest, lambda found: f"{_largest(found):.1%}"),),
    note=(
        "Reweighting: the largest relative difference, in a bin of an observable, between events reweighted by the "
        "ratio and simulated events."
    ),
)
