"""The statistical error of the simulation in a likelihood of single events.

Every event is a bin of its own in the formulas of :mod:`mmc.jobs.statistics.simulated`, with the probability p_i of the
event at the true point and l_i = ln r(x_i | θ) / r(x_i | θ_true), less its mean:

    D = Σ_i l_i² p_i,    V = Σ_i l_i² p_i² + Σ_k (ε_k² - 1/n_k) (Σ_{i in k} l_i p_i)².

N² V is the variance of ln L(θ) - ln L(θ_true) of N expected events from the simulated ones. To first order it is also
that of N data from the normalisation of the ratio over these events, and from the cross section of sample k with which
the ratio was learned.

Scans have the same at any point to first order, with l_i = (θ - θ_true) t_i and the score t_i at the true point. If the
score of every parameter vanishes in all events, they have N/n.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.histograms import IMPOSSIBLE
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.simulated import SAME, TemplateErrors

ROUNDING = 1e-12
"""The smallest D in units of Σ_i l_i² p_i, from which it is a difference."""


class EventErrors:
    """Sums of the log ratios of the events that make a likelihood, at all points."""

    def __init__(self, problem: LimitProblem, probabilities: Array, labels: npt.NDArray[np.intp]) -> None:
        """
        :param probabilities: of the events at the true point, shape (events,)
        :param labels: the sample of each event, shape (events,)
        """
        self._problem, self._shares, self._labels = problem, probabilities, labels
        n_points, self._n_samples = len(problem.points), max(len(problem.file.samples), 1)
        self._of_samples = np.zeros((n_points, self._n_samples))
        self._linear, self._quadratic = np.zeros(n_points), np.zeros((n_points, 2))
        self._ratios, self._reference = np.zeros((n_points, self._n_samples)), np.zeros(self._n_samples)

    @classmethod
    def of(cls, problem: LimitProblem) -> "EventErrors | None":
        """Those of the events of :attr:`LimitProblem.asimov`; None if the error of the simulation is not known."""
        if not problem.knows_errors:
            return None
        return cls(problem, problem.asimov[1], problem.file.labels(problem.simulation))

    def add(self, logs: Array, rows: slice) -> None:
        """Add the log ratios of some of the events, shape (points, events); the last point is the true one."""
        p, changes = self._shares[rows], np.clip(logs - logs[-1], IMPOSSIBLE, -IMPOSSIBLE)
        self._of_samples += changes @ self._by_sample(p, rows)
        self._linear += changes @ np.square(p)
        self._quadratic += np.square(changes) @ np.stack([p, np.square(p)], axis=1)

    def add_ratios(self, ratios: Array, reference: Array, rows: slice) -> None:
        """Add the ratios, whose mean is 1, of some events with these probabilities at the denominator."""
        own = self._by_sample(reference, rows)
        self._ratios += ratios @ own
        self._reference += own.sum(axis=0)

    def _by_sample(self, values: Array, rows: slice) -> Array:
        """The values of some events in the column of the sample of each, shape (events, samples)."""
        found = np.zeros((len(values), self._n_samples))
        found[np.arange(len(values)), self._labels[rows]] = values
        return found

    @property
    def changes(self) -> Array:
        """By how much the mean of ln r / r(θ_true) over the events changes with the error of the integration of each
        sample, shape (samples, points)."""
        shares, errors = np.bincount(self._labels, self._shares, self._n_samples), self._integration
        mean = self._of_samples.sum(axis=1)
        changed = (mean[:, np.newaxis] + errors * self._of_samples) / (1.0 + errors * shares)
        return np.asarray(changed.T - mean)

    @property
    def normalisation_changes(self) -> Array:
        """By how much ln r changes if these events normalise it; 0 if they do not, of the same shape."""
        errors = self._integration
        whole, norms = self._reference.sum(), self._ratios.sum(axis=1)
        if not whole:
            return np.zeros(self._ratios.T.shape)
        changed = (norms[:, np.newaxis] + errors * self._ratios) / (whole + errors * self._reference)
        return np.asarray(-np.log(np.maximum(changed, 1e-12) / np.maximum(norms / whole, 1e-12)[:, np.newaxis]).T)

    @property
    def _integration(self) -> Array:
        return np.nan_to_num(self._problem.file.cross_sections.integration)

    @property
    def errors(self) -> TemplateErrors:
        """The error of the distribution at all points."""
        problem, p = self._problem, self._shares
        cross_sections, part = problem.file.cross_sections, len(p) / problem.file.n_events
        mean, whole = self._of_samples.sum(axis=1), np.square(p).sum()
        shares = np.bincount(self._labels, p, self._n_samples)
        of_samples = self._of_samples - np.outer(mean, shares)
        data = self._quadratic[:, 0] - np.square(mean)
        data[data < ROUNDING * self._quadratic[:, 0]] = 0.0
        variance = self._quadratic[:, 1] - 2.0 * mean * self._linear + np.square(mean) * whole
        rates, common = cross_sections.of_samples @ problem.true_coefficients, cross_sections.common_of()
        covariance = part * (self._linear - mean * whole) + (of_samples * rates / rates.sum()) @ common
        return TemplateErrors(
            mean,
            data,
            np.maximum(variance + np.square(of_samples) @ common, 0.0),
            covariance,
            of_samples,
            np.sign(problem.expected - problem.expected[-1]),
        )


@dataclass(frozen=True)
class ScoreErrors:
    """The same errors to first order in the distance δ from the true point: D = δ B δ, V = δ A δ and C = h δ."""

    truth: Array
    """The true point, shape (parameters,)."""
    data: Array
    """B, shape (parameters, parameters)."""
    variance: Array
    """A, of the same shape."""
    covariance: Array
    """h, shape (parameters,)."""

    @classmethod
    def of(cls, problem: LimitProblem, scores: Array) -> "ScoreErrors":
        """The errors of the events of :attr:`LimitProblem.asimov`, from their scores at the true point.

        :param scores: shape (events, parameters)
        """
        p, labels, cross_sections = (
            problem.asimov[1],
            problem.file.labels(problem.simulation),
            problem.file.cross_sections,
        )
        rates, common = cross_sections.of_samples @ problem.true_coefficients, cross_sections.common_of()
        centred = scores - p @ scores
        of_samples = np.stack([np.bincount(labels, p * t, len(common)) for t in centred.T], axis=1)
        squared = np.square(p)[:, np.newaxis] * centred
        return cls(
            problem.theta_true,
            (p[:, np.newaxis] * centred).T @ centred,
            squared.T @ centred + (of_samples.T * common) @ of_samples,
            len(p) / problem.file.n_events * squared.sum(axis=0) + (rates / rates.sum() * common) @ of_samples,
        )

    def errors(self, points: Array, grows: Array) -> TemplateErrors:
        """The error of the distribution at points (points, parameters), without its parts of the samples.

        :param grows: the sign of μ(θ) - μ(θ_true), shape (points,)
        """
        away = points - self.truth
        data, variance = (np.einsum("pi,ij,pj->p", away, own, away) for own in (self.data, self.variance))
        nothing = np.zeros(len(points))
        return TemplateErrors(
            nothing,
            np.maximum(data, 0.0),
            np.maximum(variance, 0.0),
            away @ self.covariance,
            nothing[:, np.newaxis],
            grows,
        )

    def slopes(self, point: Array, sign: float) -> tuple[Array, Array]:
        """The derivatives of V/D and ± C/√D by the parameters at a point; 0 where D vanishes."""
        away = point - self.truth
        own = self.data @ away
        data = float(away @ own)
        if data <= SAME:
            return np.zeros(len(point)), np.zeros(len(point))
        ratio, both = float(away @ self.variance @ away) / data, float(away @ self.covariance) / data**0.5
        of_shape = 2.0 * (self.variance @ away - ratio * own) / data
        return of_shape, sign * (self.covariance / data**0.5 - both * own / data)
