"""Limits with fitted nuisance parameters, and their statistical errors."""

from dataclasses import replace

import numpy as np

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.profiling import Gain


def profiled_limits(
    limits: Limits, gain: Gain, n: float, rates: tuple[Array, Array, Array] | None, *, is_expected: bool
) -> Limits:
    """The limits with fitted nuisance parameters, from those at nominal values.

    The replicas keep the values of the fit, where ln L is at its maximum: another fit would change it to second order
    in the statistical error.

    :param rates: the expected events (points,), those without a group of the simulated events each (groups, points),
        and those with each cross section larger by its error (integrations, points); None without the rate
    :param is_expected: whether n is the expected number of events, which differs between the replicas
    """
    gained, nu = gain.fit(n, None if rates is None else rates[0])
    profiled = replace(limits, log_likelihood=limits.log_likelihood + gained)
    if limits.replicas is None:
        return profiled
    if rates is None:
        return replace(
            profiled, replicas=limits.replicas + [gain.at(nu, n, None, k) for k in range(len(limits.replicas))]
        )

    def at(mu: Array, group: int | None = None) -> Array:
        return gain.at(nu, float(mu[-1]) if is_expected else n, mu, group)

    varied = None if limits.varied is None else limits.varied + np.reshape([at(mu) for mu in rates[2]], rates[2].shape)
    return replace(profiled, replicas=limits.replicas + [at(mu, k) for k, mu in enumerate(rates[1])], varied=varied)
