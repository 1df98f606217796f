"""The evidence that closure tests judge a likelihood by: its limits, and quantities measured on test events."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from scipy.special import chdtri

from mmc.jobs.madminer.event_file import Array, Events
from mmc.jobs.statistics.binned_ratio import BinnedRatio
from mmc.jobs.statistics.closure.ratio_sums import MeanRatio
from mmc.jobs.statistics.closure.toys import AsimovLogRatio, ToyPopulation, Toys, blocks
from mmc.jobs.statistics.closure.truth import Truth
from mmc.jobs.statistics.limits import Cloud, Limits
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.summaries import Summaries


@dataclass(frozen=True)
class Scores:
    """Scores at the reference point of a score method."""

    estimated: Summaries
    """Estimated scores of test events."""
    joint: Summaries
    """Joint scores of training events. The mean of the network's score follows their mean."""


@dataclass(frozen=True)
class Compared:
    """Joint and estimated quantities of the same test events."""

    of: Literal["ratio", "score"]
    labels: Sequence[dict[str, Any]]
    """The label of each quantity: ``theta`` for a ratio, ``component`` for a score."""
    joint: Array | None
    """Shape (quantities, events); None if the events have weights at their own benchmarks alone."""
    estimated: Array
    """Shape (quantities, events)."""
    probabilities: Array
    """Probabilities of the events, shape (events,)."""
    simulated: Array | None = None
    """Their probabilities at the points of ratios, shape (quantities, events); None if the joint ratios give them."""
    n_events: Sequence[float] | None = None
    """How many events must not tell an estimated ratio from the joint one, for each point; None for the expected ones
    everywhere."""


@dataclass(frozen=True)
class Evidence:
    """A likelihood to be judged, with its evidence. A field is None if the family of the likelihood lacks it."""

    problem: LimitProblem
    limits: Limits
    rate: bool = True
    """Whether the rate may be part of the likelihood; the problem must include the rate as well."""
    unfilled: float | None = None
    """The fraction of the data in bins without simulated events; None if there are no bins."""
    sparse: float | None = None
    """The part of the cross section in bins with few simulated events; None if there are no bins."""
    binned: BinnedRatio | None = None
    """The ratio in each bin; None without bins that all points share."""
    mean_ratio: MeanRatio | None = None
    """The mean of the ratio that the likelihood uses."""
    scores: Scores | None = None
    compared: Compared | None = None
    asimov: AsimovLogRatio | None = None
    without_density: Array | None = None
    """The part of the Asimov data where the estimated density is not positive at each point, shape (points,)."""
    truth: Truth | None = None
    """The likelihood of the truth on the same data."""
    toys: Toys | None = None
    best_fit: Array | None = None
    """Morphing coefficients of the best fit to the observed events, shape (benchmarks,); None for expected limits."""

    @property
    def tested(self) -> Limits:
        """The limits from the Asimov data of the test events; the limits to be judged if there are none."""
        return self.limits if self.asimov is None else self.problem.limits(self.asimov.mean, rate=self.rate)

    @property
    def threshold(self) -> float:
        """-2 ln λ on the contour of the highest confidence level."""
        return float(chdtri(self.limits.dof, 1.0 - max(self.problem.levels)))

    @cached_property
    def tested_area(self) -> float:
        """The area of :attr:`tested` at the highest confidence level."""
        return self.tested.allowed_area(max(self.problem.levels))

    @cached_property
    def tested_areas_left_out(self) -> Array:
        """This area without one group of the test events each, shape (groups,); empty without test events."""
        means = [] if self.asimov is None else self.asimov.jackknife()
        level = max(self.problem.levels)
        return np.array([self.problem.limits(mean, rate=self.rate).allowed_area(level) for mean in means])


class DataEvidence:
    """The evidence that follows from the log ratios of test events alone: Asimov data, truth and toys."""

    def __init__(
        self, problem: LimitProblem, log_ratio: Callable[[Events], Array], random: np.random.Generator
    ) -> None:
        """``log_ratio`` gives the log ratios of events, shape (points, events)."""
        self._problem, self._truth, self._asimov = problem, Truth(problem), AsimovLogRatio(problem)
        event_blocks = list(blocks(len(problem.population.x), len(problem.points)))
        for rows in event_blocks:
            self._asimov.add(log_ratio(problem.population.take(rows)), rows)
        population = ToyPopulation.of(problem, problem.limits(self._asimov.mean))
        self._toys = Toys(population)
        for rows in event_blocks:
            self._toys.add(log_ratio(problem.population.take(rows)), rows, population.draw(rows, random))

    def on(self, limits: Limits, rate: bool) -> Evidence:
        """The evidence for limits from this likelihood; ``rate`` says whether the rate may be part of the limits."""
        toys = None if isinstance(self._problem.grid, Cloud) else self._toys  # toys fit on a grid
        return Evidence(self._problem, limits, rate=rate, asimov=self._asimov, truth=self._truth, toys=toys)
