"""-2 ln L of the limits of a study as functions of the parameters: :meth:`LimitProblem.all_limits` at any point."""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from mmc.jobs.madminer.event_file import Array, EventFile, Events
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.scanning.density import Density
from mmc.jobs.statistics.scanning.minimum import Gradient
from mmc.jobs.statistics.scanning.shape import Shape


@dataclass(frozen=True)
class SimulatedSums:
    """Sums over the simulated events, from which rates and the statistical error of the simulation follow."""

    rates: Array
    """Expected events at the benchmarks, shape (benchmarks,)."""
    sums: Array
    """Sums of the weights of the events that make the likelihood, shape (benchmarks,)."""
    products: Array | None
    """Sums of the products of two weights, shape (benchmarks, benchmarks); None if limits do not include this error."""

    @classmethod
    def from_problem(cls, problem: LimitProblem) -> "SimulatedSums":
        """The sums of a problem."""
        template = problem.simulated.template
        products = template.products[0] if problem.expects_simulation else None
        return cls(problem.luminosity * problem.rate_sums, template.sums[0], products)

    def per_simulated(self, coefficients: Array, n: float) -> Array:
        """N/n for N events of data, from morphing coefficients (points, benchmarks); shape (points,)."""
        if self.products is None:
            return np.zeros(len(coefficients))
        squares = ((coefficients @ self.products) * coefficients).sum(axis=1)
        sums = np.square(coefficients @ self.sums)
        return np.asarray(np.divide(n * squares, sums, out=np.zeros(len(sums)), where=sums > 0.0))


@dataclass(frozen=True)
class Simulation(SimulatedSums):
    """The same, with the file that knows the morphing."""

    file: EventFile

    @classmethod
    def of(cls, problem: LimitProblem) -> "Simulation":
        """The sums of a problem."""
        sums = SimulatedSums.from_problem(problem)
        return cls(sums.rates, sums.sums, sums.products, problem.file)


@dataclass(frozen=True)
class Surface:
    """-2 ln L of some data, at any point."""

    simulation: Simulation
    shape: Shape
    n: float
    """The number of events in the data."""
    rate: bool
    """Whether the rate is part of the likelihood."""

    def minus_2_log(self, points: Array) -> Array:
        """-2 ln L at points (points, parameters), without the statistical error of the simulation; inf where no events
        are expected."""
        coefficients = self.simulation.file.coefficients(points)
        total = self.n * self.shape.mean_log(points, coefficients)
        mu = coefficients @ self.simulation.rates
        if self.rate:
            total = total + np.where(mu > 0.0, self.n * np.log(np.where(mu > 0.0, mu, 1.0)) - mu, -np.inf)
        if self.shape.gain is not None:
            total = total + self.shape.gain(coefficients, self.n, mu if self.rate else None)
        return np.asarray(-2.0 * total)

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
                mu = float(coefficients @ self.simulation.rates)
                total = total + (self.n / mu - 1.0 if mu > 0.0 else 0.0) * (gradients @ self.simulation.rates)
            return np.asarray(-2.0 * total)

        return slope

    def widening(self, points: Array) -> Array:
        """1 + N/n, by which -2 ln λ is divided, at points (points, parameters)."""
        return 1.0 + self.simulation.per_simulated(self.simulation.file.coefficients(points), self.n)


def surfaces(problem: LimitProblem, density: Density) -> dict[str, Surface]:
    """The surface of each kind of limits, by the names of :meth:`LimitProblem.all_limits`."""
    simulation = Simulation.of(problem)
    events = problem.asimov_events
    probabilities = events.probabilities(problem.true_coefficients)
    data = {"": (density.shape(events, probabilities, expected=True), problem.n_expected)}
    if problem.observed is not None:
        observed = Events(problem.observed.values, np.zeros((len(problem.observed.values), 0)))
        data["observed"] = density.shape(observed, problem.observed.probabilities), problem.n_observed
    rates = {"": bool(problem.include_xsec)} | ({"without_rate": False} if problem.include_xsec == "both" else {})
    found = {}
    for (data_name, (shape, n)), (rate_name, rate) in product(data.items(), rates.items()):
        names = [data_name, rate_name]
        found["_".join(filter(None, names))] = Surface(simulation, replace(shape, gain=None), n, rate)
        if shape.gain is not None:
            found["_".join(filter(None, [*names, "with_systematics"]))] = Surface(simulation, shape, n, rate)
    return found
