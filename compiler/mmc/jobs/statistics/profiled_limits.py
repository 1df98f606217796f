"""Limits with fitted nuisance parameters, and their statistical errors."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.profiling import Gain


def profiled_limits(
    limits: Limits, gain: Gain, n: float, expected: Array | None, varied: Iterable[Array | None], *, is_expected: bool
) -> Limits:
    """The limits with fitted nuisance parameters, from those at nominal values.

    The replicas keep the values of the fit, where ln L is at its maximum: another fit would change it to second order
    in the statistical error.

    :param expected: the expected events, shape (points,); None without the rate
    :param varied: the same with each of the errors in :attr:`Limits.varied`; nothing if that is None
    :param is_expected: whether n is the expected number of events, which changes with the cross sections
    """
    gained, nu = gain.fit(n, expected)
    profiled = replace(limits, log_likelihood=limits.log_likelihood + gained)
    if limits.replicas is None:
        return profiled
    replicas = limits.replicas + [gain.at(nu, n, expected, k) for k in range(len(limits.replicas))]
    if limits.varied is None:
        return replace(profiled, replicas=replicas)
    changes = [gain.at(nu, float(mu[-1]) if is_expected and mu is not None else n, mu) for mu in varied]
    return replace(profiled, replicas=replicas, varied=limits.varied + np.reshape(changes, limits.varied.shape))
