"""Closure tests: whether the likelihood behind a contour can be believed, judged on test events alone.

Each test of :mod:`mmc.jobs.statistics.closure.registry` has figures with a statistical error and a verdict. It is
*failed* where a figure is off by more than is tolerated at three standard errors, *doubtful* where it is so at two, or
where the error is so large that the test could not fail, else *passed*. The estimator has the worst verdict of its
tests. What is significant but harmless passes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mmc.jobs.statistics.closure.declaration import PASSED, VERDICTS, Figures
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.closure.ratio_sums import MeanRatio
from mmc.jobs.statistics.closure.registry import TESTS
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.problem import LimitProblem

UNKNOWN = 0.01
"""A larger part of the data in empty histogram bins is warned about."""


@dataclass(frozen=True)
class Verdict:
    """What the closure tests say: figures for the result file, and what is wrong."""

    figures: dict[str, Any]
    findings: tuple[tuple[str, str, str], ...]
    """(test, verdict, reason), the worst first."""
    warnings: tuple[str, ...]
    calibration: dict[str, Any] | None = None
    """What was done to the estimator afterwards, and the verdict before that."""

    @property
    def verdict(self) -> str:
        """Of all tests together."""
        return self.findings[0][1] if self.findings else PASSED

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not passed."""
        return tuple(reason for _, _, reason in self.findings)

    @property
    def distance(self) -> tuple[float, float | None]:
        """How far from closure the estimator is, with the statistical error where it is known.

        Where several tests say so it is the last: of a score method that of the score, which its histograms rest on.
        """
        measured = [test.distance for test in TESTS if test.distance is not None and test.is_made(self.figures)]
        return measured[-1](self.figures)

    def with_calibration(self, method: str, before: "Verdict") -> "Verdict":
        """This verdict, on an estimator that was calibrated."""
        return replace(self, calibration={"method": method, "before": before.summary()})

    def summary(self) -> dict[str, Any]:
        """As the result files hold it."""
        return {
            "closure": self.figures,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "warnings": list(self.warnings),
            **({} if self.calibration is None else {"calibration": self.calibration}),
        }


def judge(evidence: Evidence) -> Verdict:
    """The verdict of all tests that there is evidence for."""
    return grade({key: value for test in TESTS for key, value in test.measure(evidence).items()}, evidence)


def grade(figures: Figures, evidence: Evidence) -> Verdict:
    """The verdict on figures that were measured."""
    found = [(test.name, *test.grade(figures, evidence)) for test in TESTS if test.is_made(figures)]
    warnings = []
    if evidence.unknown > UNKNOWN:
        warnings.append(f"{evidence.unknown:.1%} of the data are in bins without simulated events and were left out")
    return Verdict(
        {**figures, "verdicts": {test: verdict for test, verdict, _ in found}},
        tuple(sorted((finding for finding in found if finding[1] != PASSED), key=_severity)),
        tuple(warnings),
    )


def judge_varied(problem: LimitProblem, ratios: Mapping[str, MeanRatio], limits: Limits, nominal: Verdict) -> Verdict:
    """The verdict on limits in which nuisance parameters are fitted, with the worst ratio anywhere.

    :param ratios: mean ratios by the values of the nuisance parameters that they are at
    :param nominal: the verdict at nominal values, whose other tests hold here too
    """
    found = {name: judge(Evidence(problem, limits, mean_ratio=ratio)) for name, ratio in ratios.items()}
    worst = max(found, key=lambda name: _severities(found[name]))
    of_limits, made = judge(Evidence(problem, limits)).figures["verdicts"], found[worst].figures["verdicts"]
    own = tuple(
        (test, verdict, reason if test in of_limits else f"with {worst}, {reason}")
        for test, verdict, reason in found[worst].findings
    )
    others = tuple(finding for finding in nominal.findings if finding[0] not in made)
    figures = {
        **nominal.figures,
        **{key: found[worst].figures[key] for test in TESTS if test.name in made for key in test.schema},
        "verdicts": nominal.figures["verdicts"] | made,
    }
    return Verdict(figures, tuple(sorted(own + others, key=_severity)), nominal.warnings)


def _severity(finding: tuple[str, str, str]) -> int:
    """What findings are sorted by."""
    return -VERDICTS.index(finding[1])


def _severities(verdict: Verdict) -> list[int]:
    """Of all tests, the worst first: the larger, the worse the verdict."""
    return sorted((VERDICTS.index(grade) for grade in verdict.figures["verdicts"].values()), reverse=True)
