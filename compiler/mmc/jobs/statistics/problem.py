"""The input of every limit: events, grid, true point, luminosity, and the likelihood of the number of events.

The likelihood of n events is the Poisson probability of n times the densities of the events (arXiv:1007.1727,
arXiv:1805.00020): at the Asimov data of a true point,

    ln L(θ) = N Σ_i p_i ln r(x_i | θ) + N ln(L σ(θ)) - L σ(θ),      N = L σ(θ_true),

where p_i are the normalised weights of simulated events at the true point, and r is the ratio to a fixed reference,
which cancels. MadMiner's ``AsymptoticLimits`` has the same formula, with N rounded to an integer in the Poisson term.
For observed events, N is the number of events and all p_i are equal.

The Asimov data are the simulated events that make the likelihood itself: those in the templates, or those that
calibrate a ratio. Then the likelihood of a histogram has its maximum at the true point. Other events, as in MadMiner,
would differ from these by the error of both, and the limit would be one draw instead of an expectation. Closure tests
use the test events, which neither train nor calibrate.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mmc.compiler.settings.limits import Experiments, LikelihoodScan, LimitSettings
from mmc.errors import StepError
from mmc.jobs.madminer.cross_sections import independent_changes
from mmc.jobs.madminer.event_file import Array, EventFile, Events, Partition, Variations
from mmc.jobs.statistics import simulated
from mmc.jobs.statistics.histograms import Filled
from mmc.jobs.statistics.limits import Cloud, Grid, Limits, effective_size
from mmc.jobs.statistics.observed import read_observed
from mmc.jobs.statistics.profiled_limits import profiled_limits
from mmc.jobs.statistics.profiling import ShapeLikelihood
from mmc.jobs.statistics.scanning.box import Box
from mmc.jobs.statistics.scanning.outcome import Fitted, Scans
from mmc.jobs.statistics.simulated import SimulatedSums, TemplateErrors, TemplateSums, rate_share, totals
from mmc.jobs.statistics.summaries import Summaries

PROBES = 512
"""The number of points all over the ranges where templates must be filled, if there is no grid."""


@dataclass(frozen=True)
class LimitProblem:
    """The input of every limit: the event file, the grid, the true point, the luminosity and the observed events."""

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
    """Whether there are further limits with profiled nuisance parameters."""
    n_measured: int | None = None
    """How many independent numbers the data consist of, the rate included; None for events that are not binned."""
    partition: Partition = "test"
    """The events of the closure tests. Tuning chooses hyperparameters with validation events instead of test events."""
    simulation: Partition = "validation"
    """The events that make the likelihood: they fill templates, and calibrate ratios."""
    whole: bool = False
    """Whether all events of :attr:`simulation` make the likelihood, read a block at a time, and not those in memory."""
    toys: bool = False
    """Whether critical values are from toys. Tuning compares trials without toys."""
    training: Array | None = None
    """The variance of ln L(θ) - ln L(θ_true) from the training of networks, for the expected events at each of
    :attr:`points`; None if limits do not include it."""
    trained: tuple[Array, Array] | None = None
    """The mean and the standard deviation of each parameter over the samples that a network has learned from, each of
    shape (parameters,); None if the network does not depend on the parameters, or it is not known."""
    scans: tuple[LikelihoodScan, ...] = ()
    """The scans that the study asks for."""
    box: Box | None = None
    """The ranges in which the best fit is looked for; None without scans."""
    scanned: Mapping[str, Scans] = field(default_factory=dict)
    """The best fit and the scans of each kind of limits, by the names of :meth:`all_limits`."""
    experiments: Experiments | None = None
    """The simulated experiments that the study asks for."""
    fitted: Mapping[str, Fitted] = field(default_factory=dict)
    """Their fits, by the kind of limits."""
    template: TemplateSums | None = None
    """What the error of the distribution follows from; None without bins that all points share."""
    errors: TemplateErrors | None = None
    """Without such bins, the error of the distribution at :attr:`points`."""

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
        """The problem from the settings of all limits and the file of the observed events.

        :param grouped: whether the events belong to a group; a group may lack nuisance parameters that others have
        :raises StepError: when the event file or the observed events do not fit the settings
        """
        theta_true = file.coordinates(settings.theta_true)
        profiled = settings.systematics == "profile"
        if profiled and not file.nuisance_parameters and not grouped:
            raise StepError(
                "the event file has no nuisance parameters to profile: remove `systematics` of `evaluation`"
            )
        if settings.confidence == "toys" and not (file.is_balanced and file.has_morphing):
            raise StepError("toys need morphing and balanced event weights: remove `confidence: toys`")
        box = Box.of(settings.ranges, file.parameters) if settings.ranges else None
        center = tuple(theta_true.tolist())
        if settings.grid or box is None:
            grid = Grid.of(settings.grid, file.parameters, center)
        else:
            grid = Cloud.among(box, file.parameters, center, box.spread(PROBES))
        events = None if observed is None else read_observed(observed, file.observables, settings.observed_cuts)
        return cls(
            file=file,
            grid=grid,
            scans=settings.scans,
            box=box,
            experiments=settings.experiments,
            theta_true=theta_true,
            luminosity=float(settings.luminosity_pb),
            levels=settings.confidence_levels,
            include_xsec=settings.include_xsec,
            observed=None if events is None else Summaries(events, np.full(len(events), 1.0 / len(events))),
            n_observed=0.0 if events is None else float(settings.n_observed or len(events)),
            profiled=profiled,
            partition=partition,
            simulation="validation" if partition == "test" else "train",
            toys=settings.confidence == "toys" and partition == "test",
        )

    @property
    def expects_simulation(self) -> bool:
        """Whether the Asimov data are the events that make the likelihood, whose statistical error is in the limits.

        With MadMiner's event weights, limits are those of MadMiner. Tuning judges by events that did not train.
        """
        return self.file.is_balanced and self.partition == "test"

    @cached_property
    def points(self) -> Array:
        """The points of the grid and, as the last row, the true point: shape (points + 1, parameters)."""
        return np.concatenate([self.grid.points, self.theta_true[np.newaxis]])

    @cached_property
    def coefficients(self) -> Array:
        """The morphing coefficients of :attr:`points`."""
        return self.file.coefficients(self.points)

    def dof(self, *, rate: bool) -> int:
        """The degrees of freedom of -2 ln λ: :attr:`mmc.jobs.statistics.limits.Limits.dof`."""
        n = len(self.theta_true)
        return n if self.n_measured is None else min(n, max(self.n_measured - (not rate), 1))

    @cached_property
    def probes(self) -> Array:
        """The morphing coefficients of points all over the grid, or all over the ranges: shape (points, benchmarks).

        Templates must be filled there, and adaptive bins are made for their mean.
        """
        if self.box is not None and isinstance(self.grid, Cloud):
            return self.file.coefficients(self.box.spread(PROBES))
        return self.coefficients[:-1]

    @cached_property
    def expected(self) -> Array:
        """The expected number of events at each of :attr:`points`, from the events of all benchmarks and partitions."""
        return np.asarray(self.luminosity * (self.coefficients @ self.rate_sums))

    @property
    def rate_partition(self) -> Partition:
        """The partition from which rates are calculated: all events, if the limits expect the simulation."""
        return "all" if self.expects_simulation else self.partition

    @property
    def rate_sums(self) -> Array:
        """The cross sections at the benchmarks in pb, shape (benchmarks,)."""
        if self.expects_simulation:
            return np.asarray(self.file.cross_sections.of_samples.sum(axis=0))
        return np.asarray(totals(self.file, self.partition).template.sums[0])

    @cached_property
    def true_coefficients(self) -> Array:
        """The morphing coefficients of the true point."""
        return np.asarray(self.file.coefficients(self.theta_true[np.newaxis])[0])

    @cached_property
    def n_expected(self) -> float:
        """The expected number of events N at the true point.

        :raises StepError: when the cross section at the true point is not positive
        """
        n = float(self.luminosity * (self.true_coefficients @ self.rate_sums))
        if not n > 0.0:
            raise StepError(f"the cross section at the true point is not positive ({n:g} events): generate more events")
        return n

    @cached_property
    def integration_error(self) -> float | None:
        """The relative error of the expected events from the integration of the cross sections; None if it is not known
        or the likelihood does not include the rate."""
        return self.file.cross_sections.integration_error(self.true_coefficients) if self.include_xsec else None

    @cached_property
    def log_rate(self) -> Array:
        """:meth:`poisson` for the expected number of events at the true point."""
        return self.poisson(self.n_expected)

    def poisson(self, n: float, expected: Array | None = None) -> Array:
        """n ln μ - μ at each of :attr:`points`: the Poisson term without its constant; -inf where μ is not positive."""
        mu = self.expected if expected is None else expected
        safe = np.where(mu > 0.0, mu, 1.0)
        return np.where(mu > 0.0, n * np.log(safe) - safe, -np.inf)

    @cached_property
    def asimov(self) -> tuple[Array, Array]:
        """The Asimov data of expected limits: observables of simulated events, and their probabilities."""
        return self._at_true_point(self.simulation if self.expects_simulation else self.partition)

    @property
    def asimov_events(self) -> Events:
        """The events of :attr:`asimov`."""
        return self.file.part(self.simulation if self.expects_simulation else self.partition, self.theta_true)

    @cached_property
    def tested(self) -> tuple[Array, Array]:
        """The Asimov data of closure tests: observables of test events near the true point, and their probabilities."""
        return self._at_true_point(self.partition)

    def _at_true_point(self, partition: Partition) -> tuple[Array, Array]:
        events = self.file.part(partition, self.theta_true)
        return events.x, events.probabilities(self.true_coefficients)

    @cached_property
    def simulated(self) -> Filled:
        """The sums of the events that make the likelihood, in one bin."""
        if self.whole:
            return totals(self.file, self.simulation)
        weights = self.file.part(self.simulation).weights
        return Filled.of(np.zeros(len(weights), dtype=np.intp), weights, 1)

    @cached_property
    def simulated_sums(self) -> SimulatedSums:
        """The sums that the error of the simulation follows from; without this error for MadMiner's weights."""
        whole, rates = self.simulated.template, self.luminosity * self.rate_sums
        if not self.expects_simulation:
            return SimulatedSums(rates, whole.sums[0], None, None, None)
        covariance = self.luminosity**2 * self.file.cross_sections.covariance()
        return SimulatedSums(rates, whole.sums[0], whole.products[0], covariance, self.template, errors=self.errors)

    @property
    def knows_errors(self) -> bool:
        """Whether limits include the error of the simulation, and weights are known at all points."""
        return self.expects_simulation and self.file.has_morphing

    @property
    def integration(self) -> Array | None:
        """The relative errors of the cross sections of the samples; 0 where they are not known, and None without."""
        return np.nan_to_num(self.file.cross_sections.integration) if self.knows_errors else None

    def with_template(self, filled: Filled, known: npt.NDArray[np.bool_]) -> "LimitProblem":
        """The same with the error of a distribution in bins, of which the likelihood uses the ``known`` ones."""
        if not (self.knows_errors and filled.of_samples.size):
            return self
        return replace(self, template=TemplateSums.of(self.file, filled, known, self.true_coefficients))

    def per_simulated(self, n: float | Array, limits: Limits, *, rate: bool) -> Array:
        """f of N events at each of :attr:`points` (:mod:`mmc.jobs.statistics.simulated`).

        :param limits: those of expected data
        :param rate: whether they include the rate
        """
        inside = limits.allowed(max(self.levels)).ravel()
        share = rate_share(self.log_rate, limits.log_likelihood, inside) if rate else 0.0
        return np.asarray(n * self.simulated_sums.per_event(self._known_coefficients, share, np.append(inside, False)))

    @cached_property
    def _known_coefficients(self) -> Array:
        """:attr:`coefficients`; without morphing only those of the true point are known, and used at all points."""
        return self.coefficients if self.file.has_morphing else np.tile(self.true_coefficients, (len(self.points), 1))

    @cached_property
    def _varied_rates(self) -> Array:
        """The expected events with each independent error of the cross sections: shape (changes, points).

        With MadMiner's weights it is that of a Poisson distributed number of events.
        """
        if self.expects_simulation:
            changes = self.file.cross_sections.changes
        else:
            changes = independent_changes(np.asarray(totals(self.file, self.partition).template.products[0]))
        return np.asarray(self.luminosity * (self.rate_sums + changes) @ self._known_coefficients.T)

    @cached_property
    def population(self) -> Events:
        """All events of the partition of the data, for toys and for means at points other than the true point.

        Events generated at one point are rare, with large weights, where events of another point are frequent. A mean
        at the other point from these events alone would be wrong by more than its error.
        """
        return self.file.balanced(self.partition)

    @cached_property
    def tested_shares(self) -> Array:
        """The probabilities of :attr:`tested`; 0 for all other events of the :attr:`population`; shape (events,)."""
        shares = np.zeros(len(self.population.x))
        shares[self.file.is_near(self.partition, self.theta_true)] = self.tested[1]
        return shares

    def named(self, point: Array) -> dict[str, float]:
        """A point by the names of its parameters, as in result files."""
        return dict(zip(self.grid.axes, map(float, point), strict=True))

    def limits(self, mean_log: Array | float, *, rate: bool = True) -> Limits:
        """Limits from the mean log ratio per event at each of :attr:`points`, without the error of the simulation.

        The rate is part of the likelihood if the problem includes it and ``rate`` is true.
        """
        return self._limits(ShapeLikelihood(mean_log), self.n_expected, rate=rate and bool(self.include_xsec))

    def all_limits(self, expected: ShapeLikelihood, observed: ShapeLikelihood | None) -> dict[str, Limits]:
        """The limits of the study by name; the expected limits are without a name.

        The others are ``without_rate``, ``observed`` and ``observed_without_rate``. With profiled nuisance parameters
        also ``with_systematics``, and each of the three with that ending.

        :param observed: None if there are no observed events
        """
        rates = {"": bool(self.include_xsec)} | ({"without_rate": False} if self.include_xsec == "both" else {})
        data = {"": (expected, self.n_expected), "observed": (observed, self.n_observed)}
        found, per_event = {}, {}
        for (data_name, (shape, n)), (rate_name, rate) in product(data.items(), rates.items()):
            if shape is None:
                continue
            names, limits = [data_name, rate_name], self._limits(shape, n, rate=rate, expected=not data_name)
            if not data_name:
                per_event[rate_name] = self.per_simulated(1.0, limits, rate=rate) + self.per_trained(limits)
            limits = replace(limits, per_simulated=n * per_event[rate_name])
            name = "_".join(filter(None, names))
            found[name] = replace(limits, scans=self.scanned.get(name), fitted=self.fitted.get(name))
            if shape.gain is not None:
                changes = self._changes(n, rate=rate, expected=not data_name)
                own = profiled_limits(limits, shape.gain, n, self.expected if rate else None, changes)
                name = "_".join([*filter(None, names), "with_systematics"])
                found[name] = replace(own, scans=self.scanned.get(name), fitted=self.fitted.get(name))
        return found

    def variations(self, partition: Partition) -> Variations | None:
        """The effects of nuisance parameters on the events of a partition; None if they are not profiled."""
        return (self.file.variations(partition) or None) if self.profiled else None

    def per_trained(self, limits: Limits) -> Array | float:
        """V/N from the training, for expected limits."""
        if self.training is None:
            return 0.0
        inside = limits.allowed(max(self.levels)).ravel()
        return simulated.per_trained(self.training, limits.log_likelihood, self.n_expected, inside)

    def _limits(self, shape: ShapeLikelihood, n: float, *, rate: bool, expected: bool = True) -> Limits:
        """Limits from ``n`` events; ``expected`` if n is an expectation, which changes with the cross sections."""
        of_rate = self.poisson(n) if rate else np.zeros(len(self.points))
        n_measured = None if self.n_measured is None else max(self.n_measured - (not rate), 1)
        limits = Limits(self.grid, n * shape.mean_log + of_rate, n_measured)
        if shape.replicas is None:
            return limits
        changes = self._changes(n, rate=rate, expected=expected)
        each = zip(changes, shape.with_errors(len(changes)), strict=True)
        varied = [m * mean + (of_rate if mu is None else self.poisson(m, mu)) for (m, mu), mean in each]
        return replace(limits, replicas=n * shape.replicas + of_rate, varied=np.reshape(varied, (-1, len(of_rate))))

    def _changes(self, n: float, *, rate: bool, expected: bool) -> list[tuple[float, Array | None]]:
        """The events of the data, and those expected at all points (None without the rate), with each error of σ."""
        return [(n * mu[-1] / self.n_expected if expected else n, mu if rate else None) for mu in self._varied_rates]

    def summary(self) -> dict[str, Any]:
        """The entries of result files that describe the data."""
        if self.expects_simulation:
            row = self.true_coefficients[np.newaxis]
            size, effective = self.simulated.n_events, float(1.0 / self.simulated_sums.per_effective(row)[0])
        else:
            size, effective = len(self.asimov[1]), effective_size(self.asimov[1])
        return {
            "n_expected": self.n_expected,
            "luminosity_pb": self.luminosity,
            "theta_true": self.named(self.theta_true),
            "include_xsec": bool(self.include_xsec),
            "asimov_events": size,
            "asimov_effective_events": effective,
            **({} if self.observed is None else {"n_observed": self.n_observed}),
        }
