"""What closure tests can judge a likelihood by: its limits, and what test events say of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mmc.jobs.madminer.event_file import Array, Events, Summaries
from mmc.jobs.statistics.closure.ratio_sums import MeanRatio
from mmc.jobs.statistics.closure.toys import Pool, Totals, Toys, blocks
from mmc.jobs.statistics.closure.truth import Truth
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.problem import LimitProblem


@dataclass(frozen=True)
class Scores:
    """Scores at the reference of a score method."""

    estimated: Summaries
    """Of test events."""
    joint: Summaries
    """Of training events, to which the network is centred."""


@dataclass(frozen=True)
class Compared:
    """Joint and estimated quantities of the same test events."""

    of: Literal["ratio", "score"]
    labels: Sequence[dict[str, Any]]
    """What each quantity is: ``theta`` of a ratio, ``component`` of a score."""
    joint: Array
    """Shape (quantities, events)."""
    estimated: Array
    """Shape (quantities, events)."""
    probabilities: Array
    """Of the events, shape (events,)."""


@dataclass(frozen=True)
class Evidence:
    """A likelihood that is judged. What a family of likelihoods does not have is None."""

    problem: LimitProblem
    limits: Limits
    rate: bool = True
    """Whether the rate is part of the likelihood, if the problem says so."""
    unknown: float = 0.0
    """The part of the data in bins without simulated events."""
    mean_ratio: MeanRatio | None = None
    """Of the ratio that the likelihood uses."""
    scores: Scores | None = None
    compared: Compared | None = None
    totals: Totals | None = None
    """The mean log ratio of the Asimov data."""
    truth: Truth | None = None
    """What the likelihood of the truth says on the same data."""
    toys: Toys | None = None


class DataEvidence:
    """The evidence on a likelihood that needs nothing but its log ratios of test events: totals, truth and toys."""

    def __init__(
        self, problem: LimitProblem, log_ratio: Callable[[Events], Array], random: np.random.Generator
    ) -> None:
        """``log_ratio`` gives the log ratios of events, shape (points, events)."""
        self._problem, self._truth, self._totals = problem, Truth(problem), Totals(problem)
        every = list(blocks(len(problem.population.x), len(problem.points)))
        for rows in every:
            self._totals.add(log_ratio(problem.population.take(rows)), rows)
        pool = Pool.of(problem, problem.limits(self._totals.mean))
        self._toys = Toys(pool)
        for rows in every:
            self._toys.add(log_ratio(problem.population.take(rows)), rows, pool.draw(rows, random))

    def on(self, limits: Limits, rate: bool) -> Evidence:
        """The evidence on limits of this likelihood; ``rate`` says whether the rate may be part of them."""
        return Evidence(self._problem, limits, rate=rate, totals=self._totals, truth=self._truth, toys=self._toys)
