"""Limits with fitted nuisance parameters, and their statistical errors."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.profiling import Gain


def profiled_limits(
    limits: Limits, gain: Gain, n: float, expected: Array | None, changes: Iterable[tuple[float, Array | None]]
) -> Limits:
    """The limits with fitted nuisance parameters, from those at nominal values.

    The replicas keep the values of the fit, where ln L is at its maximum: another fit would change it to second order
    in the statistical error.

    :param expected: the expected events, shape (points,); None without the rate
    :param changes: n and the same with each of the errors in :attr:`Limits.varied`
    """
    gained, nu = gain.fit(n, expected)
    profiled = replace(limits, log_likelihood=limits.log_likelihood + gained)
    if limits.replicas is None or limits.varied is None:
        return profiled
    replicas = limits.replicas + [gain.at(nu, n, expected, k) for k in range(len(limits.replicas))]
    changed = [gain.at(nu, m, mu) for m, mu in changes]
    return replace(profiled, replicas=replicas, varied=limits.varied + np.reshape(changed, limits.varied.shape))
