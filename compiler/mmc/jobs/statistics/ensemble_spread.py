"""The spread between the members of an ensemble."""

from typing import Any

import numpy as np

from mmc.jobs.learning.estimators import Estimator
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.problem import LimitProblem

N_EVENTS = 2_000
"""The number of Asimov events on which the members are compared."""


def ensemble_spread(estimator: Estimator, problem: LimitProblem, limits: Limits) -> dict[str, Any]:
    """The number of members, and the spread between them on some of the Asimov data.

    For ratios, the spread is the largest standard deviation of the members' ln L(θ) - ln L(θ_true), without the rate,
    in the region at the highest confidence level. For scores, it is the standard deviation of the members' scores in
    units of the spread of their mean, averaged over events and components.
    """
    x, probabilities = (values[:N_EVENTS] for values in problem.asimov)
    probabilities = probabilities / probabilities.sum()
    if not estimator.members[0].kind.gives_ratio:
        scores = np.stack([member.score(x) for member in estimator.members])
        spread = np.sqrt(probabilities @ scores.var(axis=0, ddof=1)) / np.sqrt(probabilities @ scores.mean(axis=0) ** 2)
        return {"members": len(scores), "score_spread": float(spread.mean())}
    inside = np.append(limits.allowed(max(problem.levels)).ravel(), True)
    points = problem.points[inside]
    logs = np.stack([Estimator([member]).log_ratio(points, x) @ probabilities for member in estimator.members])
    logs = problem.n_expected * (logs - logs[:, -1:])
    return {"members": len(logs), "log_likelihood_spread": float(logs.std(axis=0, ddof=1).max())}
