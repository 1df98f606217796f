"""The likelihood of a density that is a polynomial in the parameters, at any point."""

from dataclasses import dataclass

from mmc.jobs.learning.estimators import Estimator
from mmc.jobs.learning.polynomials import FLOOR
from mmc.jobs.madminer.event_file import Array, Events
from mmc.jobs.statistics.scanning.density import RatioDensity
from mmc.jobs.statistics.scanning.linear import linear_shape
from mmc.jobs.statistics.scanning.shape import Shape

MOST = 1 << 29
"""The bytes of coefficients that are kept in memory; of more events the network is evaluated at every point."""


@dataclass(frozen=True)
class PolynomialDensity:
    """The ratio of an estimator whose density is a polynomial, divided by its mean over some events if it is
    normalised."""

    estimator: Estimator
    calibration: tuple[Array, Array] | None = None
    """Observables (events, observables) and probabilities (events,) of the events that normalise the ratio."""

    def shape(self, data: Events, probabilities: Array, *, expected: bool = False) -> Shape:
        """The likelihood of some events. Expected data may be the events that normalise the ratio."""
        estimator, normalised = self.estimator, self.calibration
        n_events = len(data.x) + (0 if normalised is None else len(normalised[0]))
        if 8 * n_events * estimator.direction(estimator.members[0].reference[None]).shape[1] > MOST:
            return RatioDensity(estimator.log_ratio, normalised).shape(data, probabilities, expected=expected)
        rows = estimator.coefficients(data.x)
        means = None
        if normalised is not None:
            same = data.x is normalised[0]
            means = (rows if same else estimator.coefficients(normalised[0]), normalised[1])
        return linear_shape(
            rows,
            probabilities,
            lambda points, _: estimator.direction(points),
            lambda point, _coefficients, _gradients: estimator.slopes(point),
            floor=FLOOR,
            normalised=means,
        )

    def logs(self, points: Array, _coefficients: Array, events: Events) -> Array:
        """ln r of the estimator, which is not normalised."""
        return self.estimator.log_ratio(points, events.x)
