"""What every limit starts from: events, grid, true point, luminosity, and the likelihood of the number of events.

The likelihood of n events is the Poisson probability of n times the densities of the events (arXiv:1007.1727,
arXiv:1805.00020): at the Asimov data of a true point,

    ln L(θ) = N Σ_i p_i ln r(x_i | θ) + N ln(L σ(θ)) - L σ(θ),      N = L σ(θ_true),

with p_i the normalised weights of the test events at the true point and r the ratio to a fixed reference, which
cancels. MadMiner's ``AsymptoticLimits`` has the same formula, with N rounded to an integer in the Poisson term. For
observed events N is their number and p_i the same for all.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmc.compiler.settings.limits import LimitSettings
from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array, EventFile, Events, Partition, Summaries, Variations
from mmc.jobs.statistics.limits import Grid, Limits, effective_size
from mmc.jobs.statistics.observed import read_observed
from mmc.jobs.statistics.profiling import ShapeLikelihood


@dataclass(frozen=True)
class LimitProblem:
    """What every limit starts from: the file, the grid, the true point and the expected events."""

    file: EventFile
    grid: Grid
    theta_true: Array
    luminosity: float
    """pb^-1"""
    levels: tuple[float, ...]
    include_xsec: bool | Literal["both"]
    observed: Summaries | None = None
    """The observables of the observed events."""
    n_observed: float = 0.0
    profiled: bool = False
    """Whether nuisance parameters are profiled in further limits."""
    partition: Partition = "test"
    """The events that are the data. Hyperparameters are chosen with validation events in the place of test events."""

    @classmethod
    def of(
        cls,
        file: EventFile,
        settings: LimitSettings,
        observed: Path | None = None,
        *,
        partition: Partition = "test",
        grouped: bool = False,
    ) -> "LimitProblem":
        """From the settings of all limits and the file of the observed events.

        :param grouped: whether the events are those of a group, which may have no nuisance parameters where others have
        :raises StepError: when the file is not what it has to be
        """
        theta_true = file.coordinates(settings.theta_true)
        profiled = settings.systematics == "profile"
        if profiled and not file.nuisance_parameters and not grouped:
            raise StepError(
                "the event file has no nuisance parameters to profile: remove `systematics` of `evaluation`"
            )
        events = None if observed is None else read_observed(observed, file.observables)
        return cls(
            file=file,
            grid=Grid.of(settings.grid, file.parameters, tuple(theta_true.tolist())),
            theta_true=theta_true,
            luminosity=float(settings.luminosity_pb),
            levels=settings.confidence_levels,
            include_xsec=settings.include_xsec,
            observed=None if events is None else Summaries(events, np.full(len(events), 1.0 / len(events))),
            n_observed=0.0 if events is None else float(settings.n_observed or len(events)),
            profiled=profiled,
            partition=partition,
        )

    @property
    def template_partition(self) -> Partition:
        """The events that histograms and calibrations are made from: never those that are the data."""
        return "validation" if self.partition == "test" else "train"

    @cached_property
    def points(self) -> Array:
        """The points of the grid and, last, the true point: shape (points + 1, parameters)."""
        return np.concatenate([self.grid.points, self.theta_true[np.newaxis]])

    @cached_property
    def coefficients(self) -> Array:
        """The morphing coefficients of :attr:`points`."""
        return self.file.coefficients(self.points)

    @cached_property
    def expected(self) -> Array:
        """The expected events at each of :attr:`points`, from the data of all benchmarks."""
        cross_sections = self.coefficients @ self.file.part(self.partition).weights.sum(axis=0)
        return np.asarray(self.luminosity * cross_sections)

    @cached_property
    def true_coefficients(self) -> Array:
        """The morphing coefficients of the true point."""
        return np.asarray(self.file.coefficients(self.theta_true[np.newaxis])[0])

    @cached_property
    def n_expected(self) -> float:
        """The expected events N at the true point.

        :raises StepError: when the cross section there is not positive
        """
        n = float(self.luminosity * (self.true_coefficients @ self.file.part(self.partition).weights.sum(axis=0)))
        if not n > 0.0:
            raise StepError(f"the cross section at the true point is not positive ({n:g} events): generate more events")
        return n

    @cached_property
    def log_rate(self) -> Array:
        """:meth:`poisson` of the expected events at the true point."""
        return self.poisson(self.n_expected)

    def poisson(self, n: float) -> Array:
        """n ln μ - μ at each of :attr:`points`: the Poisson term without its constant. -inf where μ is not positive."""
        mu = self.expected
        safe = np.where(mu > 0.0, mu, 1.0)
        return np.where(mu > 0.0, n * np.log(safe) - safe, -np.inf)

    @cached_property
    def asimov(self) -> tuple[Array, Array]:
        """The Asimov data of the true point: observables of events generated next to it, and their probabilities."""
        events = self.file.part(self.partition, self.theta_true)
        return events.x, events.probabilities(self.true_coefficients)

    @cached_property
    def population(self) -> Events:
        """All events of the partition of the data: what means over other points, and toys, are taken from.

        Of events generated at one point few, with large weights, are where those of another point are many, so that a
        mean over the latter is off by more than its error says.
        """
        return self.file.balanced(self.partition)

    @cached_property
    def asimov_shares(self) -> Array:
        """The probabilities of the Asimov data, 0 for what else is in the :attr:`population`; shape (events,)."""
        shares = np.zeros(len(self.population.x))
        shares[self.file.is_near(self.partition, self.theta_true)] = self.asimov[1]
        return shares

    def named(self, point: Array) -> dict[str, float]:
        """A point as the results have it."""
        return dict(zip(self.grid.axes, map(float, point), strict=True))

    def limits(self, log_kinematics: Array | float, *, rate: bool = True) -> Limits:
        """The limits from the mean log ratio per event at each of :attr:`points`, and the rate if it is asked for."""
        return self._limits(log_kinematics, self.n_expected, rate=rate and bool(self.include_xsec))

    def variants(self, expected: ShapeLikelihood, observed: ShapeLikelihood | None) -> dict[str, Limits]:
        """Further limits that are asked for: ``without_rate``, ``observed`` and ``observed_without_rate``.

        Where nuisance parameters are profiled, ``with_systematics`` too, and the same of each of the others.

        :param observed: None where there are no observed events
        """
        rates = {"": bool(self.include_xsec)} | ({"without_rate": False} if self.include_xsec == "both" else {})
        data = {"": (expected, self.n_expected)} | (
            {} if observed is None else {"observed": (observed, self.n_observed)}
        )
        found = {}
        for (one, (kinematics, n)), (other, rate) in product(data.items(), rates.items()):
            kind, limits = [one, other], self._limits(kinematics.mean_log, n, rate=rate)
            found["_".join(filter(None, kind))] = limits
            if kinematics.gain is not None:
                gain = kinematics.gain(n, self.expected if rate else None)
                profiled = Limits(self.grid, limits.log_likelihood + gain)
                found["_".join(filter(None, [*kind, "with_systematics"]))] = profiled
        return {kind: limits for kind, limits in found.items() if kind}

    def variations(self, partition: Partition) -> Variations | None:
        """What nuisance parameters do to the events of a partition; None where none is profiled."""
        return (self.file.variations(partition) or None) if self.profiled else None

    def _limits(self, log_kinematics: Array | float, n: float, *, rate: bool) -> Limits:
        total = n * np.broadcast_to(log_kinematics, len(self.points))
        return Limits(self.grid, total + self.poisson(n) if rate else np.asarray(total))

    def summary(self) -> dict[str, Any]:
        """The figures of the Asimov data."""
        _, probabilities = self.asimov
        return {
            "n_expected": self.n_expected,
            "luminosity_pb": self.luminosity,
            "theta_true": self.named(self.theta_true),
            "include_xsec": bool(self.include_xsec),
            "asimov_events": len(probabilities),
            "asimov_effective_events": effective_size(probabilities),
            **({} if self.observed is None else {"n_observed": self.n_observed}),
        }
