"""The true point must be inside the confidence region of its own Asimov data."""

from typing import Any

from scipy.special import chdtrc

from mmc.compiler.catalogue.baselines import HISTOGRAM, RATE, TRUTH
from mmc.compiler.catalogue.methods import RATIO, SCORE
from mmc.jobs.statistics.closure.declaration import (
    DOUBTFUL,
    FAILED,
    PASSED,
    SIGNIFICANCE,
    ClosureTest,
    Column,
    Figures,
)
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.limits import effective_size
from mmc.tables import number

P_TRUE = 0.05
"""The smallest p-value of the true point. The Asimov data are the mean data of this point, so it must be well inside
the region."""
CHANCE = SIGNIFICANCE[FAILED][1]
"""The finite number of test events does not explain a deviation that is less probable than this."""


def measure(evidence: Evidence) -> dict[str, Any]:
    """The p-value, and the probability of a smaller one when n effective test events represent N expected events.

    Both are null for limits from observed events.

    The best fit to n events differs from the true point by the statistical error of n events, see
    :mod:`mmc.jobs.statistics.closure.toys`: n/N times -2 ln λ follows a χ² distribution.
    """
    if evidence.best_fit is not None:
        return {"p_value_true": None, "p_value_true_chance": None}
    limits, (n, effective) = evidence.tested, _events(evidence)
    q_true = float(-2.0 * limits.log_likelihood_ratio[-1])
    return {
        "p_value_true": limits.p_true,
        "p_value_true_chance": float(chdtrc(limits.dof, max(q_true, 0.0) * effective / n)),
    }


def grade(figures: Figures, evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    n, effective = _events(evidence)
    reason = f"the true point has a p-value of {figures['p_value_true']:.2g} on its own Asimov data"
    if figures["p_value_true"] < P_TRUE:
        if figures["p_value_true_chance"] < CHANCE:
            return FAILED, reason
        return DOUBTFUL, f"{reason}, which the {effective:.0f} effective test events explain: generate more events"
    if effective < n:
        reason = (
            f"the Asimov data have {effective:.0f} effective test events, but {n:.0f} events are expected: "
            "generate more events, or lower the luminosity"
        )
        return DOUBTFUL, reason
    return PASSED, ""


def _events(evidence: Evidence) -> tuple[float, float]:
    """Expected events and effective test events at the true point."""
    return evidence.problem.n_expected, effective_size(evidence.problem.tested[1])


TEST = ClosureTest(
    name="true_point",
    place=10,
    families=(RATE.name, TRUTH.name, HISTOGRAM.name, SCORE.name, RATIO.name),
    demand=f"the p-value of the true point on its own Asimov data is at least {P_TRUE}",
    tolerance="none",
    explanation=f"""
    The p-value belongs to -2 ln λ at the true point. If it is too small, the test fails unless the finite number of
    test events explains it: with n effective test events and N expected events, the test fails if n/N times -2 ln λ
    has p < {CHANCE}, and is doubtful otherwise. The test is also doubtful when n < N: the contour is then less certain
    than the contour of an experiment.
    """,
    schema={
        "p_value_true": {
            "description": "Null for limits from observed events.",
            "oneOf": [{"type": "null"}, {"$ref": "#/definitions/fraction"}],
        },
        "p_value_true_chance": {
            "description": "Probability that the finite number of test events alone makes the p-value of the true "
            "point this small.",
            "oneOf": [{"type": "null"}, {"$ref": "#/definitions/fraction"}],
        },
    },
    measure=measure,
    grade=grade,
    columns=(Column("p(true)", lambda found: found["p_value_true"], lambda found: number(found["p_value_true"])),),
    note="p(true): the p-value of the true point on its own Asimov data.",
    caption=lambda found: f"p-value of the true point {found['p_value_true']:.2g}",
)
