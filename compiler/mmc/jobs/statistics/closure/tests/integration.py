"""The cross sections must be known better than the experiment can measure the rate."""

from typing import Any

from mmc.compiler.catalogue.baselines import HISTOGRAM, RATE, TRUTH
from mmc.compiler.catalogue.methods import RATIO, SCORE
from mmc.jobs.statistics.closure.declaration import DOUBTFUL, PASSED, WIDTH, ClosureTest, Figures, percent
from mmc.jobs.statistics.closure.evidence import Evidence


def measure(evidence: Evidence) -> dict[str, Any]:
    """The relative error of the expected events from the integration; null without the rate in the likelihood, and for
    limits from observed events."""
    is_judged = evidence.rate and evidence.best_fit is None
    return {"integration_error": evidence.problem.integration_error if is_judged else None}


def grade(figures: Figures, evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    error, n = figures["integration_error"], evidence.problem.n_expected
    if n * error**2 > WIDTH:
        reason = (
            f"the integration of the cross sections gives the expected events an error of {error:.2%}, and the data "
            f"have one of {n**-0.5:.2%}: integrate more precisely (the embedded generator does with more events), or "
            "give the samples a `norm` uncertainty and profile it"
        )
        return DOUBTFUL, reason
    return PASSED, ""


TEST = ClosureTest(
    name="integration",
    place=15,
    families=(RATE.name, TRUTH.name, HISTOGRAM.name, SCORE.name, RATIO.name),
    demand="the expected events have no error from the integration of the cross sections",
    tolerance=f"{percent(WIDTH)} of the variance of the data",
    explanation=f"""
    A generator integrates the cross section of each benchmark with an error (XERRUP in an LHE file), which all events
    of this benchmark share and more events do not reduce. The errors of all sampled benchmarks and of the backgrounds
    are added in quadrature, each times its part of the expected events at the true point. With N expected events the
    data have a relative error of 1/√N. The test is doubtful if N times the squared error is more than {WIDTH:g}: the
    limit is then that of a rate that is known worse than it says. Below that, the errors of areas and intervals include
    it.
    """,
    schema={
        "integration_error": {
            "description": "Relative error of the expected events from the integration of the cross sections; null "
            "where it is not known or the likelihood does not include the rate.",
            "oneOf": [{"type": "null"}, {"type": "number", "minimum": 0}],
        }
    },
    measure=measure,
    grade=grade,
)
