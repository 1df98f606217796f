"""An estimated density must be positive where the data are."""

from dataclasses import replace
from typing import Any

import numpy as np

from mmc.compiler.catalogue.methods import POLYNOMIAL
from mmc.jobs.learning.polynomials import FLOOR
from mmc.jobs.statistics.closure.declaration import (
    DOUBTFUL,
    FAILED,
    PASSED,
    ClosureTest,
    Figures,
    figures_or_null,
)
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.tables import percent

MOVED = {FAILED: 0.25, DOUBTFUL: 0.05}
"""The largest fraction of the confidence region that may change when such data are left out."""


def measure(evidence: Evidence) -> dict[str, Any]:
    """The figures, at the highest confidence level; null where densities are positive by construction."""
    limits, share = evidence.limits, evidence.without_density
    if share is None:
        return {"positive_density": None}
    level, n_expected = max(evidence.problem.levels), evidence.problem.n_expected
    left_out = limits.log_likelihood - n_expected * np.log(FLOOR) * share
    before, after = limits.allowed(level), replace(limits, log_likelihood=left_out).allowed(level)
    either = before | after
    return {
        "positive_density": {
            "share": float(share[:-1][either.ravel()].max(initial=0.0)),
            "moved": float((before ^ after).sum() / max(either.sum(), 1)),
        }
    }


def grade(figures: Figures, _evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    found = figures["positive_density"]
    for verdict, most in MOVED.items():
        if found["moved"] > most:
            return verdict, (
                f"the estimated density is not positive for up to {found['share']:.2%} of the data in the confidence "
                f"region; without them {found['moved']:.0%} of the region would change"
            )
    return PASSED, ""


SCHEMA: dict[str, Any] = {
    "share": {
        "description": "Largest part of the expected data in the confidence region where the density is not positive.",
        "$ref": "#/definitions/fraction",
    },
    "moved": {
        "description": "Fraction of the confidence region that changes without these data.",
        "$ref": "#/definitions/fraction",
    },
}

TEST = ClosureTest(
    name="positive_density",
    place=49,
    families=(POLYNOMIAL.name,),
    demand="the estimated density is positive for all expected data",
    tolerance=f"a change of {percent(MOVED[DOUBTFUL])} of the region, if such data are left out",
    explanation=f"""
    A polynomial in θ with estimated coefficients can be negative. Where the ratio is below {FLOOR}, {FLOOR} takes its
    place. The test is doubtful if the region at the highest confidence level changes by more than
    {percent(MOVED[DOUBTFUL])} when ln r of these data is set to 0, and fails above {percent(MOVED[FAILED])}.
    """,
    schema={"positive_density": figures_or_null(SCHEMA)},
    measure=measure,
    grade=grade,
)
