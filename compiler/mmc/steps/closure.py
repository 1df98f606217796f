"""Closure tests: whether the likelihood behind a contour can be believed, judged on test events alone.

Every likelihood ratio r(x | θ) to a reference obeys E_ref[r(x | θ)] = 1 at every θ. Where the mean m(θ) over the test
events at the reference differs, the density ratio is r/m, and the log likelihood of N expected events is wrong by
N ln m(θ). That matters where it moves the contour, so the verdict is:

1. mean ratio: subtract from ln L(θ) the part of N ln m(θ) that three standard errors of m do not cover. If the region
   at the highest confidence level and the one so corrected differ by more than a quarter of their union, the estimator
   fails. It also fails where that part of |ln m| is more than a tenth at a point of either region: an m(θ) that is the
   same at all θ cancels, but such a ratio has not been learned. A deviation that the Monte Carlo error explains passes,
   and so does one at points that are excluded either way.
2. true point: its p-value on its own Asimov data must be at least 0.05.
3. score methods: the mean estimated score at its reference must be 0. It fails when the deviation is significant
   (p < 0.001, with the covariance of the mean from the test events and that of the mean joint score of the training
   events, to which the network is centred) and larger than a tenth of the spread of the estimated scores. Smaller ones
   do no harm, because the histograms of the score are calibrated with simulated events, whatever the network returns.

For score methods and histograms the ratio of figure 1 is the one that their likelihood uses, of histograms filled with
events that are not test events; its error includes that of the histograms.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import chdtrc, chdtri

from mmc.steps.events import Array, Summaries
from mmc.steps.limits import Limits, Setting, effective_size

N_SIGMA = 3.0
"""Standard errors that a mean ratio may be off."""
MOVED = 0.25
"""Largest part of the confidence region that the correction may change."""
OFF = 0.1
"""Largest significant |ln m|."""
P_TRUE = 0.05
"""Smallest p-value of the true point."""
UNKNOWN = 0.01
"""A larger part of the data in empty histogram bins is warned about."""
P_SCORE, SCORE_BIAS = 0.001, 0.1
"""Smallest p-value of a mean score of 0, and the mean in units of the spread from which that counts."""


@dataclass(frozen=True)
class MeanRatio:
    """The mean estimated ratio under its reference and its standard error, at all points: shape (points + 1,)."""

    mean: Array
    error: Array

    def over(self, norm: "MeanRatio") -> "MeanRatio":
        """This mean after the ratio is divided by the mean over other, independent events."""
        relative = np.hypot(self.error / np.maximum(self.mean, 1e-12), norm.error / np.maximum(norm.mean, 1e-12))
        mean = self.mean / norm.mean
        return MeanRatio(mean, mean * relative)

    def arrays(self, shape: tuple[int, ...]) -> dict[str, Array]:
        """What ``limits.npz`` holds of it: the points of the grid, in its shape."""
        return {"mean_ratio": self.mean[:-1].reshape(shape), "mean_ratio_error": self.error[:-1].reshape(shape)}


@dataclass(frozen=True)
class Verdict:
    """What the closure tests say: figures for the result file, why the estimator fails, and what to be wary of."""

    figures: dict[str, Any]
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    calibration: dict[str, Any] | None = None
    """What was done to the estimator afterwards, and the verdict before that."""

    def with_calibration(self, method: str, before: "Verdict") -> "Verdict":
        """This verdict, on an estimator that was calibrated."""
        return replace(self, calibration={"method": method, "before": before.summary()})

    def summary(self) -> dict[str, Any]:
        """As the result files hold it."""
        return {
            "closure": self.figures,
            "verdict": "failed" if self.reasons else "passed",
            "reasons": list(self.reasons),
            "warnings": list(self.warnings),
            **({} if self.calibration is None else {"calibration": self.calibration}),
        }


def judge(
    setting: Setting,
    limits: Limits,
    ratio: MeanRatio | None = None,
    *,
    score: dict[str, Any] | None = None,
    unknown: float = 0.0,
) -> Verdict:
    """The verdict on limits.

    ``ratio`` is None where there is none (rate only), ``score`` is from :func:`mean_score`, and ``unknown`` the part of
    the data in empty bins.
    """
    reasons, warnings = [], []
    level, n = max(setting.levels), setting.n_expected
    figures: dict[str, Any] = {"p_value_true": limits.p_true, "mean_ratio": None, "mean_score": score}
    effective = effective_size(setting.asimov[1])
    if effective < n:
        warnings.append(
            f"the Asimov data rest on {effective:.0f} effective test events where {n:.0f} events are expected: "
            "generate more events, or lower the luminosity"
        )
    if unknown > UNKNOWN:
        warnings.append(f"{unknown:.1%} of the data are in bins without simulated events and were left out")
    if ratio is not None:
        figures["mean_ratio"] = _ratio_figures(limits, ratio, n, level)
        moved, resolution = figures["mean_ratio"]["moved"], figures["mean_ratio"]["resolution"]
        threshold = float(chdtri(limits.dof, 1.0 - level))
        if moved > MOVED:
            reasons.append(f"dividing the ratio by its mean would change {moved:.0%} of the confidence region")
        if figures["mean_ratio"]["off"] > OFF:
            low, high = figures["mean_ratio"]["lowest"], figures["mean_ratio"]["highest"]
            reasons.append(f"the mean ratio is {low:.3f} to {high:.3f} in the confidence region, where it must be 1")
        if resolution > threshold:
            warnings.append(
                f"the test events are too few to check the mean ratio: three standard errors are {resolution:.1f} in "
                f"-2 ln λ, where the contour is at {threshold:.1f}"
            )
    if limits.p_true < P_TRUE:
        reasons.append(f"the true point has a p-value of {limits.p_true:.2g} on its own Asimov data")
    if score is not None and score["p_value"] < P_SCORE and score["bias"] > SCORE_BIAS:
        reasons.append(f"the mean score at the reference is {score['bias']:.2f} standard deviations from 0")
    return Verdict(figures, tuple(reasons), tuple(warnings))


def _ratio_figures(limits: Limits, ratio: MeanRatio, n_expected: float, level: float) -> dict[str, Any]:
    error = np.maximum(ratio.error, 1e-12)
    mean = np.maximum(ratio.mean, 1e-12)
    log_mean, log_error = np.log(mean), error / mean
    shift = np.sign(log_mean) * np.maximum(np.abs(log_mean) - N_SIGMA * log_error, 0.0)
    corrected = Limits(limits.grid, limits.log_likelihood - n_expected * shift)
    before, after = limits.allowed(level), corrected.allowed(level)
    either = before | after
    moved = float((before ^ after).sum() / either.sum()) if either.any() else 0.0
    pull = (ratio.mean - 1.0) / error
    matter = np.append(either.ravel(), True)
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
        "moved": moved,
        "off": float(np.abs(shift[matter]).max()),
        "resolution": float(2.0 * n_expected * N_SIGMA * np.median(log_error[matter])),
    }


def mean_score(scores: Summaries, joint: Summaries) -> dict[str, Any]:
    """Mean and error of each component of the estimated score, and the figures of criterion 3.

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
