"""The cross sections must be known better than the experiment can measure the rate."""

from typing import Any

from mmc.compiler.catalogue.baselines import HISTOGRAM, RATE, TRUTH
from mmc.compiler.catalogue.methods import RATIO, SCORE
from mmc.jobs.statistics.closure.declaration import DOUBTFUL, PASSED, WIDTH, ClosureTest, Figures
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.tables import percent

MOST = 1.0
"""The largest variance from the integration in limits that include it, in units of that of the data."""


def measure(evidence: Evidence) -> dict[str, Any]:
    """The relative error of the expected events from the integration; null without the rate in the likelihood, and for
    limits from observed events."""
    is_judged = evidence.rate and evidence.best_fit is None
    return {"integration_error": evidence.problem.integration_error if is_judged else None}


def grade(figures: Figures, evidence: Evidence) -> tuple[str, str]:
    """The verdict, and the reason if it is not 'passed'."""
    error, n = figures["integration_error"], evidence.problem.n_expected
    if n * error**2 > (MOST if evidence.problem.expects_simulation else WIDTH):
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
    tolerance=f"the variance of the data; {percent(WIDTH)} of it with MadMiner's event weights",
    explanation=f"""
    A generator integrates the cross section of each sample at each benchmark with an error (XERRUP in an LHE file),
    which all its events share and more events do not reduce. The errors of all samples and benchmarks
    are added in quadrature, each times its part of the expected events at the true point. Limits include this error of
    the rate, as they do that of the simulated events. With N expected events the data have a relative error of 1/√N.
    The test is doubtful if N times the squared error is more than {MOST:g}: a more precise integration would then help
    more than more data. Limits with MadMiner's event weights do not include the error, and are doubtful above
    {WIDTH:g}.
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
