"""Closure tests: whether the likelihood behind a contour can be believed, judged on test events alone.

Each test has a figure with a statistical error and a verdict. It is *failed* where the figure is off by more than is
tolerated at three standard errors, *doubtful* where it is so at two, or where the error is so large that the test could
not fail, else *passed*. The estimator has the worst verdict of its tests. What is significant but harmless passes.

1. ``mean_ratio``: every likelihood ratio r(x | θ) to a reference obeys E_ref[r(x | θ)] = 1 at every θ. Where the mean m
   over the test events differs, the density ratio is r/m, and ln L of N expected events is wrong by N ln m(θ). The part
   of that which k standard errors of m do not cover is subtracted from ln L(θ). The test fails (k = 3) or is doubtful
   (k = 2) when the region at the highest confidence level and the one so corrected differ by more than a quarter of
   their union, or when that part of |ln m| is more than a tenth at a point of either region: an m(θ) that is the same
   at all θ cancels, but such a ratio has not been learned. It is doubtful when three standard errors, as a shift of
   -2 ln λ, are more than the threshold of the contour.
2. ``true_point``: its p-value on its own Asimov data must be at least 0.05. If not, the test fails when n effective
   test events do not explain it (p < 0.0027 for n/N times -2 ln λ, see :mod:`mmc.jobs.statistics.closure.toys`), and is
   doubtful if they do. It is doubtful as well when n < N: the contour itself is then less certain than that of an
   experiment.
3. ``joint``: the slope of joint on estimated ratios must be 1 (:mod:`mmc.jobs.statistics.closure.joint`) within a
tenth, which changes an
   area in two dimensions by a tenth. That of scores must be 1 within a half: the histograms of the score are filled
   with simulated events, whatever the network returns, and a factor in the score does not change them. The test is
   doubtful when three standard errors are more than 1.
4. ``mean_score``, of score methods: the mean estimated score at its reference must be 0. It fails when the deviation is
   significant (p < 0.0027, with the covariance of the mean from the test events and that of the mean joint score of the
   training events, to which the network is centred) and larger than a tenth of the spread of the estimated scores;
   with p < 0.0455 it is doubtful. Smaller ones do no harm, for the same reason.
5. ``coverage``: how often the limit of a toy experiment includes the point that it was generated at. It must not be
   smaller, beyond its binomial error, than what a -2 ln λ that is a tenth too large has, with the non-centrality that
   the Asimov data show, to half a step of the grid, as far as n test events explain it
   (:mod:`mmc.jobs.statistics.closure.toys`). Coverage above the confidence level passes: such limits are correct, only
   not the strongest.
6. ``area``: the confidence region must not be smaller than that of the truth
(:mod:`mmc.jobs.statistics.closure.truth`), which knows the
   latent variables, by more than a -2 ln λ that is a tenth too large makes it. It is doubtful when three standard
   errors are more than the truth's area and the region is not larger than that by as much.

For score methods and histograms the ratio of test 1 is the one that their likelihood uses, of histograms filled with
events that are not test events; its error includes that of the histograms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import chdtrc, chdtri, chndtr

from mmc.jobs.madminer.event_file import Array, Summaries
from mmc.jobs.statistics.closure.mean_ratio import MeanRatio
from mmc.jobs.statistics.limits import Limits, effective_size
from mmc.jobs.statistics.problem import LimitProblem

PASSED, DOUBTFUL, FAILED = VERDICTS = ("passed", "doubtful", "failed")
"""From good to bad."""
SIGNIFICANCE = {FAILED: (3.0, 0.0027), DOUBTFUL: (2.0, 0.0455)}
"""Standard errors, and the two-sided probability of a deviation that is larger."""
MOVED = 0.25
"""Largest part of the confidence region that the correction may change."""
OFF = 0.1
"""Largest significant |ln m|."""
P_TRUE = 0.05
"""Smallest p-value of the true point."""
UNKNOWN = 0.01
"""A larger part of the data in empty histogram bins is warned about."""
SCORE_BIAS = 0.1
"""Largest mean score in units of the spread."""
WIDTH = 0.1
"""By how much -2 ln λ may be too large."""
SLOPE = {"ratio": WIDTH, "score": 0.5}
"""By how much the slope of joint on estimated quantities may differ from 1."""


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


def judge(
    problem: LimitProblem,
    limits: Limits,
    ratio: MeanRatio | None = None,
    *,
    score: dict[str, Any] | None = None,
    joint: dict[str, Any] | None = None,
    coverage: Sequence[dict[str, Any]] = (),
    area: dict[str, Any] | None = None,
    unknown: float = 0.0,
) -> Verdict:
    """The verdict on limits, from those figures that there are.

    ``ratio`` is None where there is none (rate only), ``score`` is from :func:`mean_score`, ``joint`` from
    :mod:`mmc.jobs.statistics.closure.joint`, ``coverage`` from :mod:`mmc.jobs.statistics.closure.toys`, ``area`` from
    :mod:`mmc.jobs.statistics.closure.truth`, and ``unknown`` is the part of the data in empty bins.
    """
    n, effective = problem.n_expected, effective_size(problem.asimov[1])
    q_true = float(-2.0 * limits.log_likelihood_ratio[-1])
    chance = float(chdtrc(limits.dof, max(q_true, 0.0) * effective / n))
    ratio_figures = None if ratio is None else _ratio_figures(limits, ratio, n, max(problem.levels))
    found = [
        _true_point(limits.p_true, chance, effective, n),
        *([] if ratio_figures is None else [_mean_ratio(ratio_figures, limits.dof, max(problem.levels))]),
        *([] if score is None else [_mean_score(score)]),
        *([] if joint is None else [_joint(joint)]),
        *([_coverage(coverage, limits.dof)] if coverage else []),
        *([] if area is None else [_area(area, limits.dof)]),
    ]
    figures = {
        "p_value_true": limits.p_true,
        "p_value_true_chance": chance,
        "mean_ratio": ratio_figures,
        "mean_score": score,
        "joint": joint,
        "coverage": list(coverage),
        "area": area,
        "verdicts": {test: verdict for test, verdict, _ in found},
    }
    findings = sorted((item for item in found if item[1] != PASSED), key=_severity)
    warnings = []
    if unknown > UNKNOWN:
        warnings.append(f"{unknown:.1%} of the data are in bins without simulated events and were left out")
    return Verdict(figures, tuple(findings), tuple(warnings))


def _severity(finding: tuple[str, str, str]) -> int:
    """What findings are sorted by."""
    return -VERDICTS.index(finding[1])


def judge_varied(problem: LimitProblem, ratios: Mapping[str, MeanRatio], limits: Limits, nominal: Verdict) -> Verdict:
    """The verdict on limits in which nuisance parameters are fitted, with the worst mean ratio anywhere.

    :param ratios: mean ratios by the values of the nuisance parameters that they are at
    :param nominal: the verdict at nominal values, whose other tests hold here too
    """
    found = {name: judge(problem, limits, ratio) for name, ratio in ratios.items()}
    worst = max(found, key=lambda name: VERDICTS.index(found[name].figures["verdicts"]["mean_ratio"]))
    own = tuple(
        (test, grade, f"with {worst}, {reason}" if test == "mean_ratio" else reason)
        for test, grade, reason in found[worst].findings
    )
    others = tuple(finding for finding in nominal.findings if finding[0] not in {"true_point", "mean_ratio"})
    figures = {
        **nominal.figures,
        **{key: found[worst].figures[key] for key in ("p_value_true", "p_value_true_chance", "mean_ratio")},
        "verdicts": nominal.figures["verdicts"] | found[worst].figures["verdicts"],
    }
    return Verdict(figures, tuple(sorted(own + others, key=_severity)), nominal.warnings)


def _true_point(p_true: float, chance: float, effective: float, n: float) -> tuple[str, str, str]:
    reason = f"the true point has a p-value of {p_true:.2g} on its own Asimov data"
    if p_true < P_TRUE:
        if chance < SIGNIFICANCE[FAILED][1]:
            return "true_point", FAILED, reason
        return "true_point", DOUBTFUL, f"{reason}, which {effective:.0f} effective test events explain: generate more"
    if effective < n:
        reason = (
            f"the Asimov data rest on {effective:.0f} effective test events where {n:.0f} events are expected: "
            "generate more events, or lower the luminosity"
        )
        return "true_point", DOUBTFUL, reason
    return "true_point", PASSED, ""


def _mean_ratio(figures: Mapping[str, Any], dof: int, level: float) -> tuple[str, str, str]:
    low, high, resolution = figures["lowest"], figures["highest"], figures["resolution"]
    for verdict, suffix in ((FAILED, ""), (DOUBTFUL, "_at_two_sigma")):
        moved, off = figures[f"moved{suffix}"], figures[f"off{suffix}"]
        reasons = [f"dividing the ratio by its mean would change {moved:.0%} of the confidence region"] * (
            moved > MOVED
        )
        if off > OFF:
            reasons.append(f"the mean ratio is {low:.3f} to {high:.3f} in the confidence region, where it must be 1")
        if reasons:
            return "mean_ratio", verdict, "; ".join(reasons)
    threshold = float(chdtri(dof, 1.0 - level))
    if resolution > threshold:
        reason = (
            f"the test events are too few to check the mean ratio: three standard errors are {resolution:.1f} in "
            f"-2 ln λ, where the contour is at {threshold:.1f}"
        )
        return "mean_ratio", DOUBTFUL, reason
    return "mean_ratio", PASSED, ""


def _mean_score(score: Mapping[str, Any]) -> tuple[str, str, str]:
    for verdict, (_, p_value) in SIGNIFICANCE.items():
        if score["p_value"] < p_value and score["bias"] > SCORE_BIAS:
            reason = f"the mean score at the reference is {score['bias']:.2f} standard deviations from 0"
            return "mean_score", verdict, reason
    return "mean_score", PASSED, ""


def _joint(joint: Mapping[str, Any]) -> tuple[str, str, str]:
    known = [entry for entry in joint["each"] if entry["slope"] is not None]
    for verdict, (k, _) in SIGNIFICANCE.items():
        for entry in known:
            slope, error = entry["slope"], entry["slope_error"]
            if abs(slope - 1.0) > SLOPE[joint["of"]] + k * error:
                what = f"the true {joint['of']} changes {slope:.2f} ± {error:.2f} times as much as the estimated one"
                return "joint", verdict, what
    widest = max(entry["slope_error"] for entry in known)
    if SIGNIFICANCE[FAILED][0] * widest > 1.0:
        reason = (
            f"the test events are too few to compare with the true {joint['of']}: the slope is known to {widest:.2f}"
        )
        return "joint", DOUBTFUL, reason
    return "joint", PASSED, ""


def _coverage(coverage: Sequence[Mapping[str, Any]], dof: int) -> tuple[str, str, str]:
    for verdict, (k, p_value) in SIGNIFICANCE.items():
        for entry in coverage:
            seen = entry["non_centrality"] + entry["half_step"]
            explained = min(seen, entry["nu"] * float(chdtri(dof, p_value)))
            threshold = float(chdtri(dof, 1.0 - entry["level"]))
            least = float(chndtr((1.0 - WIDTH) * threshold, dof, explained))
            if entry["coverage"] + k * entry["error"] < least:
                where = ", ".join(f"{name} = {value:g}" for name, value in entry["theta"].items())
                reason = (
                    f"limits at {entry['level']:.0%} include the truth in {entry['coverage']:.0%} of "
                    f"{entry['toys']} toys at {where}"
                )
                return "coverage", verdict, reason
    return "coverage", PASSED, ""


def _area(area: Mapping[str, Any], dof: int) -> tuple[str, str, str]:
    for verdict, (k, _) in SIGNIFICANCE.items():
        if area["ratio"] + k * area["error"] < (1.0 - WIDTH) ** (dof / 2.0):
            reason = (
                f"the confidence region is {area['ratio']:.2f} ± {area['error']:.2f} times as large as the truth allows"
            )
            return "area", verdict, reason
    unsure = SIGNIFICANCE[FAILED][0] * area["error"]
    if unsure > 1.0 > area["ratio"] - unsure:
        return "area", DOUBTFUL, "the test events are too few to compare the confidence region with the truth's"
    return "area", PASSED, ""


def _ratio_figures(limits: Limits, ratio: MeanRatio, n_expected: float, level: float) -> dict[str, Any]:
    error = np.maximum(ratio.error, 1e-12)
    mean = np.maximum(ratio.mean, 1e-12)
    log_mean, log_error = np.log(mean), error / mean
    before = limits.allowed(level)
    moved, off, regions = [], [], []
    for k, _ in SIGNIFICANCE.values():
        shift = np.sign(log_mean) * np.maximum(np.abs(log_mean) - k * log_error, 0.0)
        after = Limits(limits.grid, limits.log_likelihood - n_expected * shift).allowed(level)
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


def mean_score(scores: Summaries, joint: Summaries) -> dict[str, Any]:
    """Mean and error of each component of the estimated score, and the figures of test 4.

    ``scores`` are the estimated scores of test events at the reference, ``joint`` the joint scores of training events.
    """
    mean, spread = _moments(scores)
    _, joint_spread = _moments(joint)
    covariance = spread / effective_size(scores.probabilities) + joint_spread / effective_size(joint.probabilities)
    return {
        "mean": mean.tolist(),
        "error": np.sqrt(np.diag(covariance)).tolist(),
        "bias": max(float(mean @ np.linalg.pinv(spread) @ mean), 0.0) ** 0.5,
        "p_value": float(chdtrc(len(mean), max(float(mean @ np.linalg.pinv(covariance) @ mean), 0.0))),
    }


def _moments(summaries: Summaries) -> tuple[Array, Array]:
    """Mean and covariance."""
    mean = summaries.probabilities @ summaries.values
    centred = summaries.values - mean
    return mean, (centred * summaries.probabilities[:, np.newaxis]).T @ centred
