"""The mean log ratio of the Asimov data, from the simulated events that make the likelihood."""

import numpy as np

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.event_errors import EventErrors
from mmc.jobs.statistics.jackknife import GROUPS, by_group, group_sums
from mmc.jobs.statistics.profiling import ShapeLikelihood


class Expectation:
    """Sums of log ratios and ratios over groups of simulated events, at all points.

    A ratio that is calibrated with these events has mean 1 over them. So the replicas, without one group of the events
    each, are divided by their own mean.
    """

    def __init__(
        self, probabilities: Array, reference: Array | None, n_points: int, errors: EventErrors | None = None
    ) -> None:
        """
        :param probabilities: of the events at the true point, shape (events,)
        :param reference: of the events at the denominator of the ratio; None if the ratio is not calibrated with them
        :param errors: gets the same log ratios; None if limits do not include the error of the simulation
        """
        self._shares, self._reference, self._errors = probabilities, reference, errors
        self._logs, self._ratios = np.zeros((2, n_points, GROUPS))

    def add(self, logs: Array, rows: slice) -> None:
        """Add the log ratios of some of the events, shape (points, events)."""
        self._logs += logs @ by_group(self._shares[rows], rows.start)
        if self._errors is not None:
            self._errors.add(logs, rows)
        if self._reference is not None:
            self._ratios += np.exp(np.minimum(logs, 100.0)) @ by_group(self._reference[rows], rows.start)

    @property
    def likelihood(self) -> ShapeLikelihood:
        """The likelihood of the Asimov data, with its replicas."""
        replicas = _left_out(self._logs, self._shares)
        if self._reference is not None:
            replicas = replicas - np.log(np.maximum(_left_out(self._ratios, self._reference), 1e-12))
        return ShapeLikelihood(self._logs.sum(axis=1), None, replicas)


def _left_out(sums: Array, shares: Array) -> Array:
    """The mean over the events without one group each, from sums of shape (points, groups): (groups, points)."""
    left = shares.sum() - group_sums(shares)
    return np.asarray((sums.sum(axis=1) - sums.T) / left[:, np.newaxis])
