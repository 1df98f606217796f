"""Fisher information: how fast the expected data change with the parameters, at one point.

    I_ij = L Σ_b ∂_i σ_b ∂_j σ_b / σ_b

with σ_b the cross section in bin b. The rate has one bin, a histogram its bins, and for the truth every simulated event
is a bin. By the Cramér-Rao bound, the covariance of an unbiased estimate is at least the inverse of I. The matrices
equal those of MadMiner's ``FisherInformation``. MadMiner's covariances of the entries are not used: version 0.9.6 has a
wrong sign in the derivative.

A trained estimator sees the information in the rate and the information in its estimated score t. The latter is the
covariance of t over the expected events: I_ij = L σ cov(t_i, t_j).

The information on parameters A is I_AA - I_AB I_BB^-1 I_BA if all other parameters B are fitted together with them, and
I_AA if B are known.

Each nuisance parameter has a normal distribution of width 1 as its constraint. The information on θ with profiled
nuisance parameters ν is I_θθ - I_θν (I_νν + 1)^-1 I_νθ.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array, Events
from mmc.jobs.statistics.histograms import Template

SINGULAR = 1e-9
"""Profiled information counts as 0 if it is at most this fraction of the information before profiling."""


Indices = npt.NDArray[np.intp]
Directions = Mapping[str, Mapping[str, float]]
"""Combinations of parameters by name, each with the coefficients by parameter."""


class Information(NamedTuple):
    """An information matrix, shape (parameters, parameters), and the Monte Carlo covariance of its entries."""

    matrix: Array
    covariance: Array
    """shape (parameters, parameters, parameters, parameters)"""

    def __add__(self, other: object) -> "Information":
        """The information in two independent sets of events."""
        assert isinstance(other, Information)
        return Information(self.matrix + other.matrix, self.covariance + other.covariance)

    def with_samples(self, of_samples: Array, common: Array) -> "Information":
        """With the covariance of sums over the events of the same samples (:mod:`mmc.jobs.madminer.cross_sections`).

        :param of_samples: what the events of each sample contribute, shape (samples, parameters, parameters)
        :param common: shape (samples,)
        """
        return Information(self.matrix, self.covariance + np.einsum("k,kab,kcd->abcd", common, of_samples, of_samples))

    def profiled(self, keep: Sequence[int]) -> "Information":
        """The information on the parameters with the indices ``keep`` when all other parameters are fitted with them.

        The error is propagated to first order: with P = (1, -I_AB I_BB^-1), dI is projected to P dI P^T.
        """
        fitted = [k for k in range(len(self.matrix)) if k not in keep]
        projection = np.zeros((len(keep), len(self.matrix)))
        projection[range(len(keep)), list(keep)] = 1.0
        between, rest = self.matrix[np.ix_(keep, fitted)], self.matrix[np.ix_(fitted, fitted)]
        unit = np.sqrt(np.where(np.diag(rest) > 0.0, np.diag(rest), 1.0))  # the parameters may have any units
        inverse = np.linalg.pinv(rest / np.outer(unit, unit), rcond=SINGULAR, hermitian=True) / np.outer(unit, unit)
        projection[:, fitted] = -between @ inverse
        p = projection
        covariance = np.einsum("ai,bj,ijkl,ck,dl->abcd", p, p, self.covariance, p, p, optimize=True)
        return Information(np.asarray(p @ self.matrix @ p.T), np.asarray(covariance))

    def constrained(self, n_nuisance: int) -> "Information":
        """This information plus the constraints of the nuisance parameters, which are the last parameters."""
        known = np.diag([0.0] * (len(self.matrix) - n_nuisance) + [1.0] * n_nuisance)
        return Information(self.matrix + known, self.covariance)

    def known(self, n: int) -> "Information":
        """The information on the first n parameters, if all other parameters are known."""
        return Information(self.matrix[:n, :n], self.covariance[:n, :n, :n, :n])

    def figures(self, names: Sequence[str], directions: Directions | None = None) -> dict[str, Any]:
        """The entries of result files: ``errors`` of single parameters, ``pairs`` with more than two parameters, the
        ``eigenvectors``, and the errors of combinations of parameters, ``directions``.

        An error is None if the data have no information on the parameter.
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
        along = {
            name: self._along(np.array([values.get(key, 0.0) for key in names]))
            for name, values in (directions or {}).items()
        }
        return {
            **self.basics,
            "errors": errors,
            **({"directions": along} if along else {}),
            "eigenvectors": self._eigenvectors(names),
            **({"pairs": pairs} if pairs else {}),
        }

    def _along(self, coefficients: Array) -> dict[str, float | None]:
        """The smallest errors of the combination c = v · θ: (vIv)^-1/2 |v|² if all orthogonal combinations are known,
        and (v I^-1 v)^1/2 if they are fitted too."""
        length, whole = float(coefficients @ coefficients), float(coefficients @ self.matrix @ coefficients)
        diagonal = np.diag(self.matrix)
        unit = np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))  # the parameters may have any units
        v, scaled = coefficients / unit, self.matrix / np.outer(unit, unit)
        inverse = np.linalg.pinv(scaled, rcond=SINGULAR, hermitian=True)
        is_measured = bool(np.linalg.norm(v - scaled @ inverse @ v) <= np.sqrt(SINGULAR) * np.linalg.norm(v))
        return {
            "fixed": length * whole**-0.5 if whole > 0.0 else None,
            "profiled": float(v @ inverse @ v) ** 0.5 if is_measured and whole > 0.0 else None,
        }

    def _eigenvectors(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """The eigenvectors by falling information, whose ``standard_error`` is to first order; the largest component of
        each is positive."""
        values, vectors = np.linalg.eigh(self.matrix)
        found = []
        for value, vector in zip(values[::-1].tolist(), vectors.T[::-1], strict=True):
            signed = vector * np.sign(vector[np.argmax(np.abs(vector))])
            error = value**-0.5 if value > SINGULAR * values[-1] else None
            direction = dict(zip(names, signed.tolist(), strict=True))
            variance = np.einsum("i,j,ijkl,k,l", vector, vector, self.covariance, vector, vector)
            figures = {"information": value, "standard_error": float(max(variance, 0.0)) ** 0.5, "error": error}
            found.append({**figures, "direction": direction})
        return found

    @property
    def basics(self) -> dict[str, Any]:
        """The matrix and the standard errors of its entries."""
        variances = np.einsum("ijij->ij", self.covariance)
        return {"matrix": self.matrix.tolist(), "standard_errors": np.sqrt(np.maximum(variances, 0.0)).tolist()}

    def arrays(self, name: str, names: Sequence[str]) -> dict[str, Array]:
        """The arrays of ``fisher.npz``: ``NAME``, ``NAME_covariance``, and the same two for each ``NAME_pair_A-B``."""
        pairs = {f"{name}_pair_{key}": pair for key, pair in self._pairs(names).items()}
        matrices = {name: self, **pairs}
        return {key: item.matrix for key, item in matrices.items()} | {
            f"{key}_covariance": item.covariance for key, item in matrices.items()
        }

    def _pairs(self, names: Sequence[str]) -> dict[str, "Information"]:
        """The information on each pair, with all other parameters fitted; empty with two parameters or fewer."""
        if len(names) <= 2:
            return {}
        return {f"{names[i]}-{names[j]}": self.profiled([i, j]) for i, j in combinations(range(len(names)), 2)}


def truth_information(events: Events, row: Array, gradients: Array, luminosity: float) -> Information:
    """The full information of the simulated process, latent variables included.

    ``row`` are the morphing coefficients of the point, shape (benchmarks,), ``gradients`` their derivatives, shape
    (parameters, benchmarks); luminosity in pb^-1. The term of an event is linear in its weights, so the square of the
    term is the contribution of the event to the variance. Events with negative weights count negatively, so that they
    cancel others with the same score.
    """
    terms = _terms(events, row, gradients, luminosity)
    return _finite(terms.sum(axis=0), np.einsum("nij,nkl->ijkl", terms, terms, optimize=True))


def of_each_sample(events: Events, labels: Indices, n: int, where: tuple[Array, Array, float]) -> Array:
    """The part of :func:`truth_information` of the events of each of n samples, shape (n, parameters, parameters)."""
    terms = _terms(events, *where)
    return np.stack([terms[labels == k].sum(axis=0) for k in range(n)])


def _terms(events: Events, row: Array, gradients: Array, luminosity: float) -> Array:
    """What each event contributes, shape (events, parameters, parameters); 0 without a weight at the point."""
    weights, slopes = events.weights @ row, events.weights @ gradients.T
    factors = np.divide(luminosity, weights, out=np.zeros_like(weights), where=weights != 0.0)
    return np.asarray(np.einsum("ni,nj,n->nij", slopes, slopes, factors))


def binned_information(
    template: Template,
    row: Array,
    gradients: Array,
    luminosity: float,
    *,
    of_samples: Array | None = None,
    common: Array | None = None,
) -> Information:
    """The information in the numbers of events in bins.

    :param of_samples: the sums of the events of each sample, shape (bins, samples, benchmarks); by default the errors
        of all events are independent
    :param common: as in :meth:`Information.with_samples`
    """
    filled = template.sums @ row > 0.0
    sums, products = template.sums[filled], template.products[filled]
    inverse, slopes = 1.0 / (sums @ row), sums @ gradients.T
    information = np.einsum("ni,nj,n->ij", slopes, slopes, luminosity * inverse)
    one = np.einsum("ib,nj,n->nijb", gradients, slopes, inverse)
    both = np.einsum("b,ni,nj,n->nijb", row, slopes, slopes, np.square(inverse))
    jacobian = luminosity * (one + one.transpose(0, 2, 1, 3) - both)
    found = _finite(information, np.einsum("nijb,nbc,nklc->ijkl", jacobian, products, jacobian, optimize=True))
    if of_samples is None or common is None:
        return found
    return found.with_samples(np.einsum("nijb,nkb->kij", jacobian, of_samples[filled]), common)


def full_information(
    scores: Array,
    weights: Array,
    slopes: Array,
    luminosity: float,
    *,
    labels: Indices | None = None,
    common: Array | None = None,
) -> Information:
    """The information in the number of events and in an estimated score.

    The score of the true density has mean 0 over the events at its point. The mean of an estimated score may differ
    from 0, and this bias is not information. So the mean is subtracted, unlike in MadMiner. To first order, each event
    changes the matrix by its own term; the covariance is the sum of the squares of these terms.

    :param scores: of the events at the point, shape (events, parameters)
    :param weights: of the events there, shape (events,)
    :param slopes: derivatives of the weights by the parameters, shape (events, parameters)
    :param labels: the sample of each event, shape (events,); by default the errors of all events are independent
    :param common: as in :meth:`Information.with_samples`
    """
    total, slope = weights.sum(), slopes.sum(axis=0)
    centred = scores - weights @ scores / total
    terms = np.einsum("ni,nj,n->nij", centred, centred, weights)
    information = terms.sum(axis=0) + np.outer(slope, slope) / total
    moved = np.einsum("ni,j->nij", slopes, slope) / total
    terms += moved + moved.transpose(0, 2, 1) - np.einsum("n,i,j->nij", weights, slope, slope) / total**2
    covariance = np.einsum("nij,nkl->ijkl", terms, terms, optimize=True)
    found = _finite(luminosity * information, luminosity**2 * covariance)
    if labels is None or common is None:
        return found
    each = [terms[labels == k].sum(axis=0) for k in range(len(common))]
    return found.with_samples(luminosity * np.array(each), common)


def score_of(log_ratio: Callable[[Array, Array], Array], point: Array, steps: Array, x: Array) -> Array:
    """The score of an estimated ratio at a point, by central differences: shape (events, parameters).

    :param log_ratio: ln r for points (n, parameters) and events (m, observables), shape (n, m)
    :param steps: the step to each side, for each parameter
    """
    offsets = np.diag(steps)
    values = log_ratio(np.concatenate([point + offsets, point - offsets]), x)
    return np.asarray((values[: len(point)] - values[len(point) :]).T / (2.0 * steps))


def joint_matrix(sums: Array, luminosity: float) -> Array:
    """The information matrix of the parameters and the nuisance parameters, without its covariance.

    :param sums: in each bin the sum of the weights at the point, and of their derivatives by the parameters and by the
        nuisance parameters, shape (bins, 1 + parameters + nuisance parameters); an event may be a bin
    """
    filled = sums[sums[:, 0] > 0.0]
    return np.asarray(np.einsum("ni,nj,n->ij", filled[:, 1:], filled[:, 1:], luminosity / filled[:, 0]))


def profiled_matrix(information: Array, n: int) -> Array:
    """The information matrix of the first n parameters when the others, nuisance parameters, are profiled."""
    both, nuisance = information[:n, n:], information[n:, n:] + np.eye(information.shape[0] - n)
    profiled = information[:n, :n] - both @ np.linalg.solve(nuisance, both.T)
    if not np.isfinite(profiled).all():
        raise StepError("the Fisher information with nuisance parameters is not finite: generate more events")
    return np.asarray(profiled)


def _finite(information: Array, covariance: Array) -> Information:
    if not (np.isfinite(information).all() and np.isfinite(covariance).all()):
        raise StepError("the Fisher information at the true point is not finite: generate more events")
    return Information(information, covariance)
