"""Fisher information: how fast the expected data change with the parameters, at one point.

    I_ij = L Σ_b ∂_i σ_b ∂_j σ_b / σ_b

with σ_b the cross section in bin b: of one bin for the rate, of the bins of a histogram, of every simulated event for
the truth. By the Cramér-Rao bound the covariance of any unbiased estimate is at least its inverse. The matrices are
those of MadMiner's ``FisherInformation``. Its covariances of the entries are not used: 0.9.6 has a sign wrong in the
derivative.

What a trained estimator sees is the information of the rate and that in its estimated score t, the covariance of t
over the events that are expected: I_ij = L σ cov(t_i, t_j).

Of the parameters A alone, what is left when all others B are fitted with them is I_AA - I_AB I_BB^-1 I_BA; with the
others known it is I_AA.

Nuisance parameters, each with a normal distribution of width 1 as its constraint, take some of it away: what is left
when they are profiled is I_θθ - I_θν (I_νν + 1)^-1 I_νθ.
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array, Events
from mmc.jobs.statistics.histograms import Template

SINGULAR = 1e-9
"""What is left of an information, as a part of what there was, that counts as nothing."""


class Information(NamedTuple):
    """An information matrix, shape (parameters, parameters), and the covariance of its entries from that of events."""

    matrix: Array
    covariance: Array
    """shape (parameters, parameters, parameters, parameters)"""

    def profiled(self, keep: Sequence[int]) -> "Information":
        """What is left of the parameters with these numbers when all others are fitted with them.

        The error is propagated to first order: with P = (1, -I_AB I_BB^-1), dI is projected to P dI P^T.
        """
        others = [k for k in range(len(self.matrix)) if k not in keep]
        projection = np.zeros((len(keep), len(self.matrix)))
        projection[range(len(keep)), list(keep)] = 1.0
        between, rest = self.matrix[np.ix_(keep, others)], self.matrix[np.ix_(others, others)]
        projection[:, others] = -between @ np.linalg.pinv(rest, rcond=SINGULAR, hermitian=True)
        p = projection
        covariance = np.einsum("ai,bj,ijkl,ck,dl->abcd", p, p, self.covariance, p, p, optimize=True)
        return Information(np.asarray(p @ self.matrix @ p.T), np.asarray(covariance))

    def constrained(self, n_nuisance: int) -> "Information":
        """With what is known of the nuisance parameters, which are the last ones: a normal distribution of width 1."""
        known = np.diag([0.0] * (len(self.matrix) - n_nuisance) + [1.0] * n_nuisance)
        return Information(self.matrix + known, self.covariance)

    def known(self, n: int) -> "Information":
        """Of the first n parameters, with all others known."""
        return Information(self.matrix[:n, :n], self.covariance[:n, :n, :n, :n])

    def figures(self, names: Sequence[str]) -> dict[str, Any]:
        """As result files hold it: ``errors`` of single parameters, and ``pairs`` where there are more than two.

        An error is None where the data say nothing of the parameter.
        """
        left = [float(self.profiled([k]).matrix[0, 0]) for k in range(len(names))]
        known = np.diag(self.matrix)
        errors = {
            name: {
                "fixed": float(whole**-0.5) if whole > 0.0 else None,
                "profiled": float(rest**-0.5) if rest > SINGULAR * whole else None,
            }
            for name, whole, rest in zip(names, known, left, strict=True)
        }
        pairs = {name: pair.basics for name, pair in self._pairs(names).items()}
        return {**self.basics, "errors": errors, **({"pairs": pairs} if pairs else {})}

    @property
    def basics(self) -> dict[str, Any]:
        """The matrix and the standard errors of its entries."""
        variances = np.einsum("ijij->ij", self.covariance)
        return {"matrix": self.matrix.tolist(), "standard_errors": np.sqrt(np.maximum(variances, 0.0)).tolist()}

    def arrays(self, name: str, names: Sequence[str]) -> dict[str, Array]:
        """What ``fisher.npz`` holds: ``NAME``, ``NAME_covariance`` and the same of ``NAME_pair_A-B``."""
        pairs = {f"{name}_pair_{key}": pair for key, pair in self._pairs(names).items()}
        every = {name: self, **pairs}
        return {key: item.matrix for key, item in every.items()} | {
            f"{key}_covariance": item.covariance for key, item in every.items()
        }

    def _pairs(self, names: Sequence[str]) -> dict[str, "Information"]:
        """Of each pair, all others fitted with them; none where there are no others."""
        if len(names) <= 2:
            return {}
        return {f"{names[i]}-{names[j]}": self.profiled([i, j]) for i, j in combinations(range(len(names)), 2)}


def truth_information(events: Events, row: Array, gradients: Array, luminosity: float) -> Information:
    """Information of the simulated process with nothing lost.

    ``row`` are the morphing coefficients of the point, shape (benchmarks,), ``gradients`` their derivatives, shape
    (parameters, benchmarks); luminosity in pb^-1. An event's term is of first degree in its weight, so its square is
    the event's part of the variance.
    """
    weights, slopes = events.weights @ row, events.weights @ gradients.T
    possible = weights > 0.0
    terms = np.einsum("ni,nj,n->nij", slopes[possible], slopes[possible], luminosity / weights[possible])
    return _finite(terms.sum(axis=0), np.einsum("nij,nkl->ijkl", terms, terms, optimize=True))


def binned_information(template: Template, row: Array, gradients: Array, luminosity: float) -> Information:
    """Information of the numbers of events in bins."""
    filled = template.sums @ row > 0.0
    sums, products = template.sums[filled], template.products[filled]
    inverse, slopes = 1.0 / (sums @ row), sums @ gradients.T
    information = np.einsum("ni,nj,n->ij", slopes, slopes, luminosity * inverse)
    one = np.einsum("ib,nj,n->nijb", gradients, slopes, inverse)
    both = np.einsum("b,ni,nj,n->nijb", row, slopes, slopes, np.square(inverse))
    jacobian = luminosity * (one + one.transpose(0, 2, 1, 3) - both)
    return _finite(information, np.einsum("nijb,nbc,nklc->ijkl", jacobian, products, jacobian, optimize=True))


def full_information(scores: Array, weights: Array, slopes: Array, luminosity: float) -> Information:
    """Information of the number of events and of an estimated score.

    The score of the true density has mean 0 over the events at its point. An estimate that has not would pass its bias
    off as information, so that its mean is taken out, unlike in MadMiner. Every event moves the matrix, to first order,
    by its own term, of which the covariance is the sum of the squares.

    :param scores: of the events at the point, shape (events, parameters)
    :param weights: of the events there, shape (events,)
    :param slopes: derivatives of the weights by the parameters, shape (events, parameters)
    """
    total, slope = weights.sum(), slopes.sum(axis=0)
    centred = scores - weights @ scores / total
    terms = np.einsum("ni,nj,n->nij", centred, centred, weights)
    information = terms.sum(axis=0) + np.outer(slope, slope) / total
    moved = np.einsum("ni,j->nij", slopes, slope) / total
    terms += moved + moved.transpose(0, 2, 1) - np.einsum("n,i,j->nij", weights, slope, slope) / total**2
    covariance = np.einsum("nij,nkl->ijkl", terms, terms, optimize=True)
    return _finite(luminosity * information, luminosity**2 * covariance)


def score_of(log_ratio: Callable[[Array, Array], Array], point: Array, steps: Array, x: Array) -> Array:
    """The score of an estimated ratio at a point by central differences: shape (events, parameters).

    :param log_ratio: ln r for points (n, parameters) and events (m, observables), shape (n, m)
    :param steps: the difference to each side, by parameter
    """
    offsets = np.diag(steps)
    values = log_ratio(np.concatenate([point + offsets, point - offsets]), x)
    return np.asarray((values[: len(point)] - values[len(point) :]).T / (2.0 * steps))


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


def _finite(information: Array, covariance: Array) -> Information:
    if not (np.isfinite(information).all() and np.isfinite(covariance).all()):
        raise StepError("the Fisher information at the true point is not finite: generate more events")
    return Information(information, covariance)
