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
            ratios = np.exp(np.minimum(logs, 100.0))
            self._ratios += ratios @ by_group(self._reference[rows], rows.start)
            if self._errors is not None:
                self._errors.add_ratios(ratios, self._reference[rows], rows)

    @property
    def likelihood(self) -> ShapeLikelihood:
        """The likelihood of the Asimov data, with its replicas."""
        mean, errors = self._logs.sum(axis=1), self._errors
        norms, changes = self.of_normalisation
        changed = None if errors is None else mean + errors.changes + (0.0 if changes is None else changes)
        return ShapeLikelihood(mean, None, _left_out(self._logs, self._shares) + norms, changed)

    def observed(self, mean_log: Array) -> ShapeLikelihood:
        """The likelihood of observed events with this mean log ratio: these events alone normalise the ratio."""
        norms, changes = self.of_normalisation
        return ShapeLikelihood(mean_log, None, mean_log + norms, None if changes is None else mean_log + changes)

    @property
    def of_normalisation(self) -> tuple[Array, Array | None]:
        """By how much ln r changes without one group of events each (groups, points), and with the error of the
        integration of each sample (samples, points); the latter is None if it is not known."""
        groups, errors = np.zeros(self._logs.T.shape), self._errors
        if self._reference is not None:
            groups = -np.log(np.maximum(_left_out(self._ratios, self._reference), 1e-12))
        return groups, None if errors is None else errors.normalisation_changes


def _left_out(sums: Array, shares: Array) -> Array:
    """The mean over the events without one group each, from sums of shape (points, groups): (groups, points)."""
    left = shares.sum() - group_sums(shares)
    return np.asarray((sums.sum(axis=1) - sums.T) / left[:, np.newaxis])
