"""Summary statistics of events, from which likelihoods are made."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmc.jobs.madminer.event_file import Array


@dataclass(frozen=True)
class Summaries:
    """Summary statistics of events, shape (events, variables), and the events' probabilities."""

    values: Array
    probabilities: Array

    def project(self, direction: Array) -> "Summaries":
        """Project the summaries onto the columns of a matrix."""
        return Summaries(self.values @ direction, self.probabilities)

    def take(self, columns: Sequence[int]) -> "Summaries":
        """The summaries of some variables."""
        return Summaries(self.values[:, list(columns)], self.probabilities)
