"""The statistical error of the simulation, in units of the error of the data.

The simulated events enter a likelihood twice. The expected number of events has the relative variance v of the cross
section (:mod:`mmc.jobs.madminer.cross_sections`), its integration included, to which N events of data compare as N v.
The distribution comes from n effective events of those that make the likelihood, so its derivatives have N/n times the
variance of the data. Both errors are taken as independent, and the variances of the derivatives of ln L add, each as
large as its part of the information. So with f for both,

    f(θ) = (q_rate N v + q_shape N/n) / (q_rate + q_shape),    q = ln L(θ_true) - ln L(θ) of expected data,

as in combinations of several regions (:mod:`mmc.jobs.statistics.joint_errors`).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mmc.jobs.madminer.event_file import Array, EventFile, Partition
from mmc.jobs.statistics.histograms import Filled

FARTHEST = 1e6
"""ln L is smaller by at most this number."""


@lru_cache(maxsize=4)
def totals(file: EventFile, partition: Partition) -> Filled:
    """The sums of all events of a partition, in one bin."""
    found = Filled(1, len(file.benchmarks), with_groups=False)
    for block in file.blocks(partition):
        found.add(np.zeros(len(block.origin), dtype=np.intp), block.events.weights, {})
    return found


@dataclass(frozen=True)
class SimulatedSums:
    """Sums over the simulated events, from which rates and the statistical error of the simulation follow."""

    rates: Array
    """Expected events at the benchmarks, shape (benchmarks,)."""
    sums: Array
    """Sums of the weights of the events that make the likelihood, shape (benchmarks,)."""
    products: Array | None
    """Sums of the products of two weights, shape (benchmarks, benchmarks); None if limits do not include this error."""
    covariance: Array | None
    """The covariance of the :attr:`rates`, of the same shape; None if limits do not include this error."""

    def of_rate(self, coefficients: Array) -> Array:
        """v at points with these morphing coefficients (points, benchmarks); shape (points,)."""
        return _relative(coefficients, self.covariance, self.rates)

    def of_shape(self, coefficients: Array) -> Array:
        """1/n at the same points."""
        return _relative(coefficients, self.products, self.sums)

    def per_event(self, coefficients: Array, rate_share: Array | float) -> Array:
        """f/N at the same points; ``rate_share`` is q_rate over the sum of both."""
        return np.asarray(rate_share * self.of_rate(coefficients) + (1.0 - rate_share) * self.of_shape(coefficients))

    def per_event_slope(self, coefficients: Array, gradients: Array, rate_share: float, share_slope: Array) -> Array:
        """The derivatives of f/N by the parameters at a point, shape (parameters,).

        :param coefficients: morphing coefficients of the point, shape (benchmarks,)
        :param gradients: their derivatives, shape (parameters, benchmarks)
        :param share_slope: the derivatives of ``rate_share``, shape (parameters,)
        """
        of_rate = _relative_slope(coefficients, self.covariance, self.rates)
        of_shape = _relative_slope(coefficients, self.products, self.sums)
        row = coefficients[np.newaxis]
        difference = float(self.of_rate(row)[0] - self.of_shape(row)[0])
        slopes = gradients @ (rate_share * of_rate + (1.0 - rate_share) * of_shape)
        return np.asarray(slopes + share_slope * difference)


def _relative(coefficients: Array, covariance: Array | None, sums: Array) -> Array:
    """The relative variance of a sum; 0 where it is not known.

    A sum of equal weights of all events that were generated has no variance, which rounding can make negative.
    """
    total = np.square(coefficients @ sums)
    if covariance is None:
        return np.zeros(len(total))
    variance = np.maximum(np.einsum("pi,ij,pj->p", coefficients, covariance, coefficients), 0.0)
    return np.asarray(np.divide(variance, total, out=np.zeros(len(total)), where=total > 0.0))


def _relative_slope(coefficients: Array, covariance: Array | None, sums: Array) -> Array:
    """The derivatives of the relative variance of a sum by the coefficients, both of shape (benchmarks,)."""
    total = float(coefficients @ sums)
    if covariance is None or total == 0.0:
        return np.zeros(len(coefficients))
    half = covariance @ coefficients
    return np.asarray(2.0 * (half - float(coefficients @ half) / total * sums) / total**2)


def rate_share(of_rate: Array, whole: Array, near: npt.NDArray[np.bool_]) -> Array:
    """q_rate over q at each point, from ln L of the rate and of everything; the last point is the true one.

    :param near: the points, without the last, that stand for the true point, where both vanish
    """
    distances = [values[-1] - np.maximum(values, values[-1] - FARTHEST) for values in (of_rate, whole)]
    q_rate, q = distances[0], np.maximum(*distances)
    inside = np.append(near, False)
    total = float(q[inside].sum())
    average = float(q_rate[inside].sum()) / total if total > 0.0 else 0.0
    return np.asarray(np.divide(q_rate, q, out=np.full(len(q), average), where=q > 0.0))


def per_trained(training: Array, log_likelihood: Array, n: float, near: npt.NDArray[np.bool_]) -> Array:
    """V/N: the variance of ln L(θ) - ln L(θ_true) from the training over that from N events, for expected limits.

    For a Gaussian likelihood, that from the events is 2 (ln L(θ_true) - ln L(θ)) of the Asimov data. So V is to the
    networks what N/n is to the simulated events. At the true point, where both variances vanish, it is the mean over
    the points ``near`` it, as in :func:`rate_share`.
    """
    from_data = 2.0 * (log_likelihood[-1] - log_likelihood) * n
    found = np.divide(training, from_data, out=np.zeros(len(training)), where=from_data > 0.0)
    inside = np.append(near, False) & (from_data > 0.0)
    found[from_data <= 0.0] = found[inside].mean() if inside.any() else 0.0
    return np.asarray(found)
