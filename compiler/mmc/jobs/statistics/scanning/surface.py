"""-2 ln L of the limits of a study as functions of the parameters: :meth:`LimitProblem.all_limits` at any point."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np

from mmc.jobs.madminer.event_file import Array, EventFile, Events
from mmc.jobs.statistics.closure.toys import blocks
from mmc.jobs.statistics.event_errors import ScoreErrors
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.scanning.density import BinnedDensity, Density, EventDensity
from mmc.jobs.statistics.scanning.minimum import Gradient
from mmc.jobs.statistics.scanning.shape import Shape
from mmc.jobs.statistics.simulated import FARTHEST, SAME, SimulatedSums, rate_share, relative_slope

NEAR = 0.01
"""Points next to the true point are this part of the range of a parameter away from it."""


@dataclass(frozen=True)
class Simulation(SimulatedSums):
    """The sums over the simulated events, with the file that knows the morphing."""

    file: EventFile
    near: Array
    """Points next to the true point and, as the last row, the true point: shape (points, parameters)."""
    scores: ScoreErrors | None = None
    """The error of a distribution without bins; None with bins, or if it is N/n."""

    @classmethod
    def of(cls, problem: LimitProblem, density: Density) -> "Simulation":
        """The sums of a problem, with those of the bins of its likelihood if it has some."""
        steps = np.diag([NEAR * (axis[-1] - axis[0]) for axis in problem.grid.axes.values()])
        near = problem.theta_true + np.concatenate([steps, -steps, np.zeros((1, len(steps)))])
        if isinstance(density, BinnedDensity):
            own = replace(problem, template=density.template)
            return cls(**vars(own.simulated_sums), file=problem.file, near=near)
        scores = _score_errors(problem, density, near) if problem.knows_errors else None
        return cls(**vars(problem.simulated_sums), file=problem.file, near=near, scores=scores)

    def per_event_at(self, points: Array, share: Array) -> Array:
        """f/N at points (points, parameters) with these parts of the rate in ln L."""
        own, rows = self._with_near(points)
        shares, n = np.zeros(len(rows)), len(points)
        shares[:n] = share
        return own.per_event(rows, shares, np.arange(len(rows)) >= n)[:n]

    def _with_near(self, points: Array) -> tuple["Simulation", Array]:
        """The sums with the errors at some points and then at those next to the true point, if there are errors; and
        the morphing coefficients of all these points."""
        varies = self.template is not None or self.scores is not None
        every = np.concatenate([points, self.near[: None if varies else 0]])
        rows = self.file.coefficients(every)
        if self.scores is None:
            return self, rows
        grows = np.sign((rows - rows[-1]) @ self.rates)
        return replace(self, errors=self.scores.errors(every, grows)), rows

    def per_event_slope(
        self, point: Array, coefficients: Array, gradients: Array, rate_share: float, share_slope: Array
    ) -> Array:
        """The derivatives of f/N by the parameters at a point, of a likelihood without bins; shape (parameters,).

        :param coefficients: morphing coefficients of the point, shape (benchmarks,)
        :param gradients: their derivatives, shape (parameters, benchmarks)
        :param share_slope: the derivatives of ``rate_share``, shape (parameters,)
        """
        assert self.template is None
        row = coefficients[np.newaxis]
        of_rate, rate_slope = float(self.of_rate(row)[0]), relative_slope(coefficients, self.covariance, self.rates)
        own, rows = self._with_near(point[np.newaxis])
        of_shape, both = (float(values[0]) for values in own.of_shape(rows, np.arange(len(rows)) >= 1))
        if self.scores is None or own.errors is None:
            both_slope = np.zeros(len(point))
            shape_slope = gradients @ relative_slope(coefficients, self.products, self.sums)
        else:
            shape_slope, both_slope = self.scores.slopes(point, float(own.errors.grows[0]))
        root = (rate_share * (1.0 - rate_share)) ** 0.5
        by_share = of_rate - of_shape + (both * (1.0 - 2.0 * rate_share) / root if root > 0.0 else 0.0)
        alone = rate_share * (gradients @ rate_slope) + (1.0 - rate_share) * shape_slope
        return np.asarray(alone + 2.0 * root * both_slope + by_share * share_slope)


def _score_errors(problem: LimitProblem, density: EventDensity, near: Array) -> ScoreErrors | None:
    """The error of the Asimov data from differences of ln r between points next to the true one.

    None, for N/n, if they differ for no parameter, as for weights B + c² S at c = 0: the score says nothing about other
    points then. If it vanishes for some of the parameters, points that differ from the true one in these alone have the
    error of the points next to it along the others.
    """
    events, rows, n = problem.asimov_events, problem.file.coefficients(near), near.shape[1]
    scores, steps = np.empty((len(events.x), n)), np.diag(near[:n] - near[-1])
    for some in blocks(len(events.x), len(near)):
        logs = density.logs(near, rows, events.take(some))
        scores[some] = (logs[:n] - logs[n:-1]).T / (2.0 * steps)
    errors = ScoreErrors.of(problem, scores)
    return errors if (np.diag(errors.data) * np.square(steps)).max() > SAME else None


@dataclass(frozen=True)
class Surface:
    """-2 ln L of some data, at any point."""

    simulation: Simulation
    shape: Shape
    n: float
    """The number of events in the data."""
    rate: bool
    """Whether the rate is part of the likelihood."""
    expected: "Surface | None" = None
    """The same of expected data; None if these are they."""

    def minus_2_log(self, points: Array) -> Array:
        """-2 ln L at points (points, parameters), without the statistical error of the simulation; inf where no events
        are expected."""
        coefficients = self.simulation.file.coefficients(points)
        total = self.n * self.shape.mean_log(points, coefficients)
        mu = coefficients @ self.simulation.rates
        if self.rate:
            total = total + self._log_rate(mu)
        if self.shape.gain is not None:
            total = total + self.shape.gain(coefficients, self.n, mu if self.rate else None)
        return np.asarray(-2.0 * total)

    def _log_rate(self, mu: Array) -> Array:
        return np.where(mu > 0.0, self.n * np.log(np.where(mu > 0.0, mu, 1.0)) - mu, -np.inf)

    def _log_rate_slope(self, coefficients: Array, gradients: Array) -> Array:
        mu = float(coefficients @ self.simulation.rates)
        return np.asarray((self.n / mu - 1.0 if mu > 0.0 else 0.0) * (gradients @ self.simulation.rates))

    @property
    def slope(self) -> Gradient | None:
        """The derivatives of -2 ln L by the parameters; None if they are not known."""
        of_shape, file = self.shape.slope, self.simulation.file
        if of_shape is None or self.shape.gain is not None or not file.has_morphing:
            return None

        def slope(point: Array) -> Array:
            coefficients, gradients = file.coefficients(point[np.newaxis])[0], file.gradients(point)
            total = self.n * of_shape(point, coefficients, gradients)
            if self.rate:
                total = total + self._log_rate_slope(coefficients, gradients)
            return np.asarray(-2.0 * total)

        return slope

    def widening(self, points: Array) -> Array:
        """1 + f, by which -2 ln λ is divided, at points (points, parameters)."""
        if self.simulation.products is None:
            return np.ones(len(points))
        share = (self.expected or self).rate_share(points) if self.rate else np.zeros(len(points))
        return 1.0 + self.n * self.simulation.per_event_at(points, share)

    @property
    def widening_slope(self) -> Gradient | None:
        """The derivatives of 1 + f by the parameters; None if they are not known."""
        simulation, file, expected = self.simulation, self.simulation.file, self.expected or self
        of_expected = expected._nominal.slope
        if of_expected is None or simulation.template is not None:
            return None

        def slope(point: Array) -> Array:
            if simulation.products is None:
                return np.zeros(len(point))
            coefficients, gradients = file.coefficients(point[np.newaxis])[0], file.gradients(point)
            share, share_slope = 0.0, np.zeros(len(point))
            if self.rate:
                of_rate = expected._log_rate_slope(coefficients, gradients)
                share, share_slope = expected._share_with_slope(point, of_rate, -0.5 * of_expected(point))
            return self.n * simulation.per_event_slope(point, coefficients, gradients, share, share_slope)

        return slope

    def _share_with_slope(self, point: Array, of_rate: Array, whole: Array) -> tuple[float, Array]:
        """:meth:`rate_share` at a point and its derivatives, from those of ln L of the rate and of everything."""
        logs = self._logs(point[np.newaxis])
        share, (q_rate, q) = float(self._share(logs)[0]), self._near[:, -1] - logs[:, 0]
        varies = max(q_rate, 0.0) < q < FARTHEST
        return share, (q_rate * whole - q * of_rate) / q**2 if varies else np.zeros(len(point))

    def rate_share(self, points: Array) -> Array:
        """The part of the rate in -2 ln λ of expected data, at points (points, parameters)."""
        return self._share(self._logs(points))

    def _share(self, logs: Array) -> Array:
        of_rate, whole = np.concatenate([logs, self._near], axis=1)
        n = logs.shape[1]
        return rate_share(of_rate, whole, np.arange(len(whole) - 1) >= n)[:n]

    @cached_property
    def _near(self) -> Array:
        return self._logs(self.simulation.near)

    def _logs(self, points: Array) -> Array:
        """ln L of the rate and ln L at nominal nuisance parameters, shape (2, points)."""
        of_rate = self._log_rate(self.simulation.file.coefficients(points) @ self.simulation.rates)
        return np.stack([of_rate, -0.5 * self._nominal.minus_2_log(points)])

    @property
    def _nominal(self) -> "Surface":
        """The same at nominal nuisance parameters."""
        return replace(self, shape=replace(self.shape, gain=None))


def expected_surface(problem: LimitProblem, density: Density) -> Surface:
    """The surface of expected data, with the rate."""
    probabilities = problem.asimov_events.probabilities(problem.true_coefficients)
    shape = density.shape(problem.asimov_events, probabilities, expected=True)
    return Surface(Simulation.of(problem, density), shape, problem.n_expected, rate=True)


def surfaces(problem: LimitProblem, density: Density, expected: Surface) -> dict[str, Surface]:
    """The surface of each kind of limits, by the names of :meth:`LimitProblem.all_limits`.

    :param expected: :func:`expected_surface`
    """
    data = {"": (expected.shape, expected.n)}
    if problem.observed is not None:
        observed = Events(problem.observed.values, np.zeros((len(problem.observed.values), 0)))
        data["observed"] = density.shape(observed, problem.observed.probabilities), problem.n_observed
    rates = {"": bool(problem.include_xsec)} | ({"without_rate": False} if problem.include_xsec == "both" else {})
    found = {}
    for (data_name, (shape, n)), (rate_name, rate) in product(data.items(), rates.items()):
        names = [data_name, rate_name]
        surface = Surface(expected.simulation, replace(shape, gain=None), n, rate, expected)
        found["_".join(filter(None, names))] = surface
        if shape.gain is not None:
            found["_".join(filter(None, [*names, "with_systematics"]))] = replace(surface, shape=shape)
    return found
