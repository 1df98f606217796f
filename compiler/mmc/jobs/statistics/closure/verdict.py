"""Closure tests judge on test events alone whether the likelihood behind a contour is correct.

Each test of :mod:`mmc.jobs.statistics.closure.registry` gives figures with statistical errors, and a verdict:

- *failed*: a figure exceeds its tolerance by more than three standard errors;
- *doubtful*: a figure exceeds its tolerance by two standard errors, or the error is so large that the test cannot fail;
- *passed*: otherwise. A deviation that is significant but harmless passes.

The verdict on the estimator is the worst verdict of its tests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmc.jobs.madminer.coefficients import are_at
from mmc.jobs.statistics.closure.declaration import PASSED, VERDICTS, Figures
from mmc.jobs.statistics.closure.evidence import Evidence
from mmc.jobs.statistics.closure.ratio_sums import MeanRatio
from mmc.jobs.statistics.closure.registry import TESTS
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.problem import LimitProblem


@dataclass(frozen=True)
class Verdict:
    """The outcome of the closure tests: figures for the result file, and findings."""

    figures: dict[str, Any]
    findings: tuple[tuple[str, str, str], ...]
    """(test, verdict, reason) of each test that is not passed, the worst first."""
    warnings: tuple[str, ...]
    calibration: dict[str, Any] | None = None
    """The calibration of the estimator, and the verdict before the calibration."""

    @property
    def verdict(self) -> str:
        """The verdict of all tests together."""
        return self.findings[0][1] if self.findings else PASSED

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons why the verdict is not 'passed'."""
        return tuple(reason for _, _, reason in self.findings)

    @property
    def distance(self) -> tuple[float, float | None]:
        """The distance of the estimator from closure, with the statistical error where that is known.

        If several tests give a distance, the last test counts. For score methods this is the test of the mean score:
        their histograms are histograms of the score.
        """
        measured = [test.distance for test in TESTS if test.distance is not None and test.is_made(self.figures)]
        return measured[-1](self.figures)

    def with_calibration(self, method: str, before: "Verdict") -> "Verdict":
        """This verdict for a calibrated estimator, together with the verdict before the calibration."""
        return replace(self, calibration={"method": method, "before": before.summary()})

    def summary(self) -> dict[str, Any]:
        """The entries of the result file."""
        return {
            "closure": self.figures,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "warnings": list(self.warnings),
            **({} if self.calibration is None else {"calibration": self.calibration}),
        }


def judge(evidence: Evidence) -> Verdict:
    """The verdict of all tests that the evidence allows."""
    return grade({key: value for test in TESTS for key, value in test.measure(evidence).items()}, evidence)


def grade(figures: Figures, evidence: Evidence) -> Verdict:
    """The verdict on measured figures."""
    made = [test for test in TESTS if test.is_made(figures)]
    found = [(test.name, *test.grade(figures, evidence)) for test in made]
    return Verdict(
        {**figures, "verdicts": {test: verdict for test, verdict, _ in found}},
        tuple(sorted((finding for finding in found if finding[1] != PASSED), key=_severity)),
        (
            *unresolved(evidence.limits, evidence.problem.levels),
            *(note for test in made for note in test.notes(figures, evidence)),
        ),
    )


def unresolved(limits: Limits, levels: Sequence[float]) -> list[str]:
    """Warnings about regions that are smaller than half the distance between the points of the grid."""
    missed = [level for level in levels if not limits.is_resolved(level)]
    if not missed:
        return []
    shown = " and ".join(f"{100 * level:g}%" for level in missed)
    return [
        f"the grid does not resolve the confidence region at {shown}: an interval is narrower than half the "
        "distance between the points, so use more points or a narrower range"
    ]


def judge_varied(problem: LimitProblem, ratios: Mapping[str, MeanRatio], limits: Limits, nominal: Verdict) -> Verdict:
    """The verdict on limits with fitted nuisance parameters, from the worst ratio at any of their values.

    :param ratios: mean ratios, by the values of the nuisance parameters
    :param nominal: the verdict at the nominal values; its other tests are valid here too
    """
    verdicts = {name: judge(Evidence(problem, limits, mean_ratio=ratio)) for name, ratio in ratios.items()}
    worst = max(verdicts, key=lambda name: _severities(verdicts[name]))
    of_limits, made = judge(Evidence(problem, limits)).figures["verdicts"], verdicts[worst].figures["verdicts"]
    varied_findings = tuple(
        (test, verdict, reason if test in of_limits else f"with {worst}, {reason}")
        for test, verdict, reason in verdicts[worst].findings
    )
    nominal_findings = tuple(finding for finding in nominal.findings if finding[0] not in made)
    figures = {
        **nominal.figures,
        **{key: verdicts[worst].figures[key] for test in TESTS if test.name in made for key in test.schema},
        "verdicts": nominal.figures["verdicts"] | made,
    }
    return Verdict(figures, tuple(sorted(varied_findings + nominal_findings, key=_severity)), nominal.warnings)


def judge_observed(problem: LimitProblem, limits: Limits, expected: Verdict, *, rate: bool = True) -> Verdict:
    """The verdict on limits from observed events: from these events at their best fit, and the one on expected limits.

    Without morphing, weights are known at benchmarks only: the best point of the grid is judged if it is a benchmark.

    :param rate: whether the limits may include the rate
    """
    point = problem.file.coordinates(limits.best_fit)[np.newaxis]
    if not problem.file.has_morphing:
        point = problem.grid.points[[int(np.argmax(limits.log_likelihood[:-1]))]]
    known = problem.file.has_morphing or bool(are_at(problem.file.benchmarks, point).any())
    row = problem.file.coefficients(point)[0] if known else np.zeros(0)
    own = judge(Evidence(problem, limits, rate=rate, best_fit=row))
    return replace(own, findings=tuple(sorted(own.findings + expected.findings, key=_severity)))


def _severity(finding: tuple[str, str, str]) -> int:
    """The sort key of findings: the worst verdict first."""
    return -VERDICTS.index(finding[1])


def _severities(verdict: Verdict) -> list[int]:
    """The severities of all tests in descending order; a larger list is a worse verdict."""
    return sorted((VERDICTS.index(grade) for grade in verdict.figures["verdicts"].values()), reverse=True)
