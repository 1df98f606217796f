"""Fisher information: how fast the expected data change with the parameters, at one point.

    I_ij = L Σ_b ∂_i σ_b ∂_j σ_b / σ_b

with σ_b the cross section in bin b: of one bin for the rate, of the bins of a histogram, of every simulated event for
the truth. By the Cramér-Rao bound the covariance of any unbiased estimate is at least its inverse. The matrices are
those of MadMiner's ``FisherInformation``. Its covariances of the entries are not used: 0.9.6 has a sign wrong in the
derivative.

Nuisance parameters, each with a normal distribution of width 1 as its constraint, take some of it away: what is left
when they are profiled is I_θθ - I_θν (I_νν + 1)^-1 I_νθ.
"""

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError
from mmc.steps.events import Array, Events
from mmc.steps.histograms import Template


def truth_information(events: Events, row: Array, gradients: Array, luminosity: float) -> tuple[Array, Array]:
    """Information of the simulated process with nothing lost, and the covariance of its entries.

    ``row`` are the morphing coefficients of the point, shape (benchmarks,), ``gradients`` their derivatives, shape
    (parameters, benchmarks); luminosity in pb^-1. An event's term is of first degree in its weight, so its square is
    the event's part of the variance.
    """
    weights, slopes = events.weights @ row, events.weights @ gradients.T
    possible = weights > 0.0
    terms = np.einsum("ni,nj,n->nij", slopes[possible], slopes[possible], luminosity / weights[possible])
    return _finite(terms.sum(axis=0), np.einsum("nij,nkl->ijkl", terms, terms, optimize=True))


def binned_information(template: Template, row: Array, gradients: Array, luminosity: float) -> tuple[Array, Array]:
    """Information of the numbers of events in bins, and the covariance of its entries from that of the weights."""
    filled = template.sums @ row > 0.0
    sums, products = template.sums[filled], template.products[filled]
    inverse, slopes = 1.0 / (sums @ row), sums @ gradients.T
    information = np.einsum("ni,nj,n->ij", slopes, slopes, luminosity * inverse)
    one = np.einsum("ib,nj,n->nijb", gradients, slopes, inverse)
    both = np.einsum("b,ni,nj,n->nijb", row, slopes, slopes, np.square(inverse))
    jacobian = luminosity * (one + one.transpose(0, 2, 1, 3) - both)
    return _finite(information, np.einsum("nijb,nbc,nklc->ijkl", jacobian, products, jacobian, optimize=True))


def profiled_information(
    weights: Array, theta_slopes: Array, nu_slopes: Array, luminosity: float, index: npt.NDArray[np.intp]
) -> Array:
    """Information on the parameters alone when the nuisance parameters are profiled, without its covariance.

    :param weights: of the events at the point, shape (events,)
    :param theta_slopes: derivatives of the weights by the parameters, shape (events, parameters)
    :param nu_slopes: derivatives of the logarithm of the weights by the nuisance parameters
    :param index: the bin of each event
    """
    size, n = int(index.max()) + 1, theta_slopes.shape[1]
    columns = np.hstack([weights[:, np.newaxis], theta_slopes, weights[:, np.newaxis] * nu_slopes])
    sums = np.stack([np.bincount(index, weights=column, minlength=size) for column in columns.T], axis=1)
    filled = sums[sums[:, 0] > 0.0]
    information = np.einsum("ni,nj,n->ij", filled[:, 1:], filled[:, 1:], luminosity / filled[:, 0])
    both, nuisance = information[:n, n:], information[n:, n:] + np.eye(information.shape[0] - n)
    profiled = information[:n, :n] - both @ np.linalg.solve(nuisance, both.T)
    if not np.isfinite(profiled).all():
        raise StepError("the Fisher information with nuisance parameters is not finite: generate more events")
    return np.asarray(profiled)


def _finite(information: Array, covariance: Array) -> tuple[Array, Array]:
    if not (np.isfinite(information).all() and np.isfinite(covariance).all()):
        raise StepError("the Fisher information at the true point is not finite: generate more events")
    return information, covariance
