"""Estimated against joint likelihood ratios and scores, event by event.

The joint ratio and score of a test event are known exactly from its weights, those of its observables alone are not.
But the latter are the means of the former over everything that is not observed (arXiv:1805.00020):

    E[r(x, z | θ) | x] = r(x | θ)   over events of the denominator,
    E[t(x, z | θ_ref) | x] = t(x | θ_ref)   over events at the reference.

So of the two regressions it is that of the *joint* quantity J on the *estimated* one e(x) whose slope must be 1:
Cov(J, e) / Var(e) = Cov(E[J | x], e) / Var(e), which is 1 for e(x) = E[J | x]. (The other one has the slope
Var(e) / Var(J) < 1 for a perfect estimator.) It is no such statement for logarithms, as E[ln r(x, z) | x] < ln r(x), so
ratios are compared; near the contour, where it matters, they are close to 1 and their logarithms close to r - 1.

A slope b tells how much too wide (b < 1) or too narrow the estimates are spread: they are overconfident by 1/b. The
correlation is that of the best possible estimator times less than 1: it tells how much is lost by not seeing z and by
imperfect training together, and is no test.
"""

from typing import Any

import numpy as np

from mmc.jobs.madminer.event_file import Array


def regression(joint: Array, estimated: Array, probabilities: Array) -> dict[str, float | None]:
    """Correlation, slope of the joint on the estimated values, and its standard error; all of shape (events,).

    The error is the one that holds whatever the scatter around the line (White, Econometrica 48 (1980) 817). Where the
    estimate is the same for all events there is no slope.
    """
    p = probabilities
    u, v = estimated - p @ estimated, joint - p @ joint
    variance, joint_variance, covariance = float(p @ u**2), float(p @ v**2), float(p @ (u * v))
    if variance <= 1e-24 or joint_variance <= 1e-24:
        return {"correlation": 0.0, "slope": None, "slope_error": None}
    slope = covariance / variance
    error = float(np.sqrt(np.square(p * u * (v - slope * u)).sum())) / variance
    correlation = covariance / (variance * joint_variance) ** 0.5
    return {"correlation": float(np.clip(correlation, -1.0, 1.0)), "slope": slope, "slope_error": error}


def joint_figures(of: str, each: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The figure with the slope that is furthest from 1 in units of its error; None when there is no slope at all."""
    known = [entry for entry in each if entry["slope"] is not None]
    if not known:
        return None
    worst = max(known, key=lambda entry: abs(entry["slope"] - 1.0) / max(entry["slope_error"], 1e-12))
    return {
        "of": of,
        "correlation": min(entry["correlation"] for entry in known),
        "slope": worst["slope"],
        "slope_error": worst["slope_error"],
        "each": each,
    }
