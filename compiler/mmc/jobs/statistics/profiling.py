"""Nuisance parameters fitted with a histogram: the increase of the log likelihood from the fit, at each point.

The content of a bin with one nuisance parameter at ν = ±1 is linear in the benchmark weights, like the nominal content.
At other values of ν the content is

    n_b(θ, ν) = n_b(θ) exp(g_b),   g_b = Σ_k (a_bk ν_k + b_bk ν_k²),   a = ½ ln(n⁺ / n⁻),   b = ½ ln(n⁺ n⁻ / n²),

which is MadMiner's form for the weight of an event (arXiv:1907.10621). Every nuisance parameter has a normal constraint
of width 1. For N events of data, a fraction f_b of them in bin b, the likelihood of
:mod:`mmc.jobs.statistics.problem` changes by

    ln L(θ, ν) - ln L(θ, 0) = N Σ_b f_b g_b - Σ_b n_b(θ) (exp(g_b) - 1) - ½ Σ_k ν_k²,

and without the rate by N Σ_b f_b g_b - N ln Σ_b p_b(θ) exp(g_b) - ½ Σ_k ν_k², with the probabilities p_b of the bins.
The largest value over ν is the *gain*. The gain is never negative; it is 0 if no bin depends on ν.

The data of expected limits are events that are not in the templates. A fit would take the statistical difference
between data and templates for an effect of the nuisance parameters. So for expected limits the templates only give the
ratio of a bin to its content at the true point, as in the nominal likelihood: N f_b n_b(θ) / n_b(θ_true) events are
expected, and the gain of the true point is 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array

MOST_STEPS, MOST_HALVINGS = 200, 40
"""The largest number of steps in a fit, and of halvings of a step that does not increase ln L."""
PRECISION = 1e-8
"""A fit ends when the expected increase of ln L in the next step is smaller than this."""
FLATTEST = 1e-3
"""Smaller second derivatives of ln L are replaced by this value."""
LARGEST_DEFICIT = 1000.0
"""A second fit does not start at a point where ln L is smaller by more than this."""
BLOCK = 4_000_000
"""The largest number of bin responses in memory at once."""


class Gain(Protocol):
    """The gain at all points, for n events of data and the expected numbers of events, which are None without the
    rate."""

    def __call__(self, n: float, expected: Array | None) -> Array:
        """The gain, shape (points,)."""
        ...

    def fit(self, n: float, expected: Array | None) -> tuple[Array, Array]:
        """The gain and the fitted nuisance parameters, shapes (points,) and (points, nuisance)."""
        ...

    def at(self, nu: Array, n: float, expected: Array | None, group: int | None = None) -> Array:
        """The change of ln L at ν of shape (points, nuisance), which is the gain if ν maximises it: shape (points,).

        With a ``group`` it is that of the simulated events without this group. The statistical error of the effects of
        nuisance parameters is left out, because both sides of a ratio have the same events.
        """
        ...


@dataclass(frozen=True)
class ShapeLikelihood:
    """The likelihood of the distribution of some events at each point: the part of the likelihood without the rate."""

    mean_log: Array | float
    """The mean log ratio per event, shape (points,), or 0."""
    gain: Gain | None = None
    """None if nuisance parameters stay at their nominal values."""
    replicas: Array | None = None
    """The mean log ratios without one group of the simulated events each, shape (groups, points)."""
    changed: Array | None = None
    """The mean log ratios with the error of the integration of each sample, shape (samples, points); None if it is not
    known."""
    histogram: "FilledHistogram | None" = None
    """The histogram with the data, for fits together with other regions; None without bins that all points share."""

    def with_errors(self, n: int) -> list[Array | float]:
        """The mean log ratios with n errors of the cross sections, of which the last are those in :attr:`changed`."""
        changed = [] if self.changed is None else list(self.changed)
        return [self.mean_log] * (n - len(changed)) + changed

    @classmethod
    def join(cls, items: Sequence["ShapeLikelihood"]) -> "ShapeLikelihood":
        """One likelihood with the points of all items."""
        gains = [item.gain for item in items if item.gain is not None]
        mean_log = np.concatenate([np.atleast_1d(item.mean_log) for item in items])
        replicas, changed = (
            [own for item in items if (own := getattr(item, name)) is not None] for name in ("replicas", "changed")
        )
        return cls(
            mean_log,
            _Joined(gains, np.cumsum([np.size(item.mean_log) for item in items])[:-1]) if gains else None,
            np.concatenate(replicas, axis=1) if replicas else None,
            np.concatenate(changed, axis=1) if changed else None,
        )


@dataclass(frozen=True)
class _Joined:
    """The gains of several sets of points as one."""

    gains: Sequence[Gain]
    ends: npt.NDArray[np.intp]

    def _parts(self, expected: Array | None) -> Sequence[Array | None]:
        return [None] * len(self.gains) if expected is None else np.split(expected, self.ends)

    def __call__(self, n: float, expected: Array | None) -> Array:
        return self.fit(n, expected)[0]

    def fit(self, n: float, expected: Array | None) -> tuple[Array, Array]:
        found = [gain.fit(n, part) for gain, part in zip(self.gains, self._parts(expected), strict=True)]
        return np.concatenate([gain for gain, _ in found]), np.concatenate([nu for _, nu in found])

    def at(self, nu: Array, n: float, expected: Array | None, group: int | None = None) -> Array:
        parts = zip(self.gains, np.split(nu, self.ends), self._parts(expected), strict=True)
        return np.concatenate([gain.at(own, n, part, group) for gain, own, part in parts])


@dataclass(frozen=True)
class Response:
    """The dependence of bins on the nuisance parameters at some points."""

    shares: Array
    """Probabilities p of the bins, shape (points, bins)."""
    linear: Array
    """Coefficients a, shape (points, bins, nuisance)."""
    quadratic: Array
    """Coefficients b, shape (points, bins, nuisance)."""
    parts: Array = field(default_factory=lambda: np.zeros((0, 0, 0)))
    """The part of each bin that is of each sample that floats, shape (points, bins, samples)."""

    def exponent(self, nu: Array) -> Array:
        """g at nuisance parameters of shape (points, nuisance); shape (points, bins)."""
        linear = np.einsum("pbk,pk->pb", self.linear, nu)
        return np.asarray(linear + np.einsum("pbk,pk->pb", self.quadratic, np.square(nu)))

    def slope(self, nu: Array) -> Array:
        """The derivatives of g, shape (points, bins, nuisance)."""
        return self.linear + 2.0 * self.quadratic * nu[:, np.newaxis, :]


@dataclass(frozen=True)
class VariedHistogram:
    """A histogram at all points, with each nuisance parameter at 1 and at -1.

    ``coefficients`` (points, benchmarks) times the sums of weights are the probabilities of the bins. Bins that are not
    ``known`` do not depend on the nuisance parameters.
    """

    coefficients: Array
    nominal: Array
    """Sums of benchmark weights, shape (bins, benchmarks)."""
    up: Array
    """The same sums at ν = 1, shape (nuisance, bins, benchmarks)."""
    down: Array
    """The same sums at ν = -1."""
    known: npt.NDArray[np.bool_]
    factors: Array | float = 1.0
    """Factors of the probabilities, shape (bins,)."""
    parts: Array = field(default_factory=lambda: np.zeros((0, 0, 0)))
    """The sums of weights of each sample that floats, shape (samples, bins, benchmarks)."""

    def matched(self, row: Array, fractions: Array) -> "VariedHistogram":
        """For Asimov data: this histogram scaled to the ``fractions`` of the data at coefficients ``row``."""
        shares = row @ self.nominal.T / (row @ self.nominal.sum(axis=0))
        known = self.known & (shares > 0.0)
        return replace(self, known=known, factors=np.where(known, fractions / np.where(known, shares, 1.0), 1.0))

    def refilled(self, sums: Array) -> "VariedHistogram":
        """This histogram with other sums of benchmark weights, shape (bins, benchmarks), for :meth:`shares` alone."""
        totals = self.coefficients @ sums.sum(axis=0)
        scaled = self.coefficients / np.where(totals > 0.0, totals, np.inf)[:, np.newaxis]
        return replace(self, coefficients=scaled, nominal=sums)

    def gain(self, fractions: Array, n: float, expected: Array | None) -> Array:
        """The gain of n events at all points; the bins contain the ``fractions`` of the events, shape (bins,)."""
        return FilledHistogram(self, fractions)(n, expected)

    def blocks(self) -> list[slice]:
        """Blocks of points whose responses fit into memory."""
        size = max(1, BLOCK // max(1, self.up.shape[0] * self.up.shape[1]))
        return [slice(start, start + size) for start in range(0, len(self.coefficients), size)]

    def response(self, points: slice | npt.NDArray[np.intp]) -> Response:
        """The response at some points. A bin whose template is not positive at ν = ±1 does not depend on ν."""
        rows = self.coefficients[points]
        nominal = np.where(self.known, rows @ self.nominal.T, 1.0)
        up, down = (np.einsum("pi,kbi->pbk", rows, sums, optimize=True) for sums in (self.up, self.down))
        varies = self.known[:, np.newaxis] & (up > 0.0) & (down > 0.0)
        log_up, log_down = (np.log(np.where(varies, sums / nominal[:, :, np.newaxis], 1.0)) for sums in (up, down))
        parts = np.zeros((*nominal.shape, len(self.parts)))
        for k, sums in enumerate(self.parts):
            parts[:, :, k] = np.where(self.known, rows @ sums.T / nominal, 0.0)
        return Response(self.shares(points), 0.5 * (log_up - log_down), 0.5 * (log_up + log_down), parts)

    def shares(self, points: slice | npt.NDArray[np.intp]) -> Array:
        """The probabilities of the bins at some points, shape (points, bins)."""
        return np.where(self.known, self.factors * (self.coefficients[points] @ self.nominal.T), 0.0)


@dataclass(frozen=True)
class FilledHistogram:
    """A histogram with the ``fractions`` of the data in its bins, shape (bins,): a :data:`Gain`."""

    histogram: VariedHistogram
    fractions: Array
    without_groups: Sequence["FilledHistogram"] = ()
    """The same without one group of the simulated events each; empty if they make no difference."""

    def __call__(self, n: float, expected: Array | None) -> Array:
        """The gain of n events at all points."""
        return self.fit(n, expected)[0]

    def fit(self, n: float, expected: Array | None) -> tuple[Array, Array]:
        """The gain and the fitted nuisance parameters."""
        found = [self._likelihood(rows, n, expected).fit() for rows in self.histogram.blocks()]
        return np.concatenate([gain for gain, _ in found]), np.concatenate([nu for _, nu in found])

    def at(self, nu: Array, n: float, expected: Array | None, group: int | None = None) -> Array:
        """The change of ln L at ν."""
        blocks = self.histogram.blocks()
        return np.concatenate([self._likelihood(rows, n, expected, group).change(nu[rows])[0] for rows in blocks])

    def _likelihood(self, rows: slice, n: float, expected: Array | None, group: int | None = None) -> "Likelihood":
        response, fractions = self.histogram.response(rows), self.fractions
        if group is not None and self.without_groups:
            other = self.without_groups[group]
            response, fractions = replace(response, shares=other.histogram.shares(rows)), other.fractions
        return Likelihood(response, n * fractions, n, None if expected is None else expected[rows])


def maximise(
    nu: Array,
    change: Callable[[Array], tuple[Array, Array]],
    step: Callable[[Array, Array], tuple[Array, Array]],
    bounds: tuple[Array | float, Array | float] = (-np.inf, np.inf),
) -> tuple[Array, Array]:
    """The maximum at each point and its position, by Newton's method, starting at ν of shape (points, nuisance).

    A step that does not increase the function is halved; a step beyond the ``bounds`` ends there.

    :param change: gives the function to be maximised at ν, shape (points,), and a further argument of ``step``
    :param step: gives a step uphill, also where the function is not concave, and the expected increase to first order
    :raises StepError: when a fit does not converge
    """
    unfinished = np.ones(len(nu), dtype=bool)
    value, state = change(nu)
    for _ in range(MOST_STEPS):
        along, promised = step(nu, state)
        unfinished &= promised > PRECISION
        if not unfinished.any():
            return value, nu
        length = unfinished.astype(float)
        for _ in range(MOST_HALVINGS):
            there = np.clip(nu + length[:, np.newaxis] * along, *bounds)
            worse = ~(change(there)[0] >= value)
            if not worse.any():
                break
            length[worse] *= 0.5
        else:  # the remaining increase is below the rounding error
            unfinished &= ~worse
            length[worse] = 0.0
        nu = np.clip(nu + length[:, np.newaxis] * along, *bounds)
        value, state = change(nu)
    raise StepError("the fit of the nuisance parameters does not converge: use fewer bins, or generate more events")


def ascent_step(gradient: Array, hessian: Array) -> tuple[Array, Array]:
    """A Newton step uphill, and the increase that is expected to first order.

    The step uses the absolute eigenvalues of the Hessian, so that it goes uphill where the function is not concave.

    :param gradient: of the function to be maximised, shape (points, nuisance)
    :param hessian: of minus that function, shape (points, nuisance, nuisance)
    """
    values, vectors = np.linalg.eigh(hessian)
    along = np.einsum("pkl,pk->pl", vectors, gradient) / np.maximum(np.abs(values), FLATTEST)
    step = np.einsum("pkl,pl->pk", vectors, along)
    return step, (gradient * step).sum(axis=1)


class Likelihood:
    """The change of ln L with the nuisance parameters, for several points at once."""

    def __init__(
        self,
        response: Response,
        data: Array,
        n: float | Array,
        expected: Array | None,
        auxiliary: Array | float = 0.0,
    ) -> None:
        """
        :param data: the numbers of events in the bins, (bins,) or (points, bins)
        :param n: the number of all events, in unknown bins too; one for all points, or (points,)
        :param expected: the expected numbers of events, shape (points,); None without the rate
        :param auxiliary: the centres of the constraints, shape (points, nuisance)
        """
        rest = np.maximum(1.0 - response.shares.sum(axis=1), 0.0)  # probability of the unknown bins
        self._shares = response.shares / (rest + response.shares.sum(axis=1))[:, np.newaxis]
        self._scale = np.full(len(rest), n) if expected is None else np.maximum(expected, 0.0)
        possible = self._scale > 0.0  # the gain is 0 at all other points
        self._number = np.where(possible, self._scale, 1.0)
        self._data = possible[:, np.newaxis] * data
        self._response, self._rate, self._auxiliary = response, expected is not None, auxiliary

    def gain(self) -> Array:
        """The largest change of ln L that the fits find, shape (points,)."""
        return self.fit()[0]

    def fit(self) -> tuple[Array, Array]:
        """The largest change of ln L that the fits find, and where: shapes (points,) and (points, nuisance).

        If ν = 1 and ν = -1 change a bin in the same direction, there may be several maxima. So a second fit follows the
        fit from ν = 0: it starts on the other side of each nuisance parameter, if ln L is not concave on the way.

        :raises StepError: when a fit does not converge
        """
        gain, nu = maximise(np.zeros((len(self._shares), self._response.linear.shape[2])), self.change, self._step)
        for k in range(nu.shape[1]):
            start = nu.copy()
            start[:, k] -= np.copysign(np.clip(2.0 * np.abs(nu[:, k]), 1.0, 5.0), nu[:, k])
            convex = [self._curvature(at, k) <= 0.0 for at in (0.5 * (nu + start), start)]
            worthwhile = np.any(convex, axis=0) & (self.change(start)[0] >= gain - LARGEST_DEFICIT)
            if not worthwhile.any():
                continue
            second_gain, second_nu = maximise(np.where(worthwhile[:, np.newaxis], start, nu), self.change, self._step)
            better = second_gain > gain
            gain, nu = np.where(better, second_gain, gain), np.where(better[:, np.newaxis], second_nu, nu)
        return gain, nu

    def change(self, nu: Array) -> tuple[Array, Array]:
        """The change of ln L at ν (points, nuisance), and the expected events in each bin at ν."""
        with np.errstate(over="ignore", invalid="ignore"):  # at |ν| far from 0
            exponent = self._response.exponent(nu)
            grown = (self._shares * np.expm1(exponent)).sum(axis=1)
            events = self._scale[:, np.newaxis] * self._shares * np.exp(exponent)
            if not self._rate:
                events = events / (1.0 + grown)[:, np.newaxis]
                grown = np.log1p(grown)
            gained = (exponent * self._data).sum(axis=1) - self._scale * grown
            return gained - 0.5 * np.square(nu - self._auxiliary).sum(axis=1), events

    def _curvature(self, nu: Array, k: int) -> Array:
        """The second derivative of -ln L by nuisance parameter k, shape (points,)."""
        with np.errstate(over="ignore", invalid="ignore"):  # at |ν| far from 0
            events, quadratic = self.change(nu)[1], self._response.quadratic[:, :, k]
            slope = self._response.linear[:, :, k] + 2.0 * quadratic * nu[:, [k]]
            curvature = 1.0 + (events * np.square(slope) - 2.0 * (self._data - events) * quadratic).sum(axis=1)
            total = 0.0 if self._rate else np.square((events * slope).sum(axis=1)) / self._number
            return np.asarray(curvature - total)

    def _step(self, nu: Array, events: Array) -> tuple[Array, Array]:
        slope, excess, identity = self._response.slope(nu), self._data - events, np.eye(nu.shape[1])
        gradient = np.einsum("pb,pbk->pk", excess, slope) - (nu - self._auxiliary)
        hessian = identity + np.swapaxes(slope * events[:, :, np.newaxis], 1, 2) @ slope
        if not self._rate:
            total = np.einsum("pb,pbk->pk", events, slope)
            hessian -= np.einsum("pk,pl,p->pkl", total, total, 1.0 / self._number)
        curved = np.einsum("pb,pbk->pk", excess, self._response.quadratic)
        return ascent_step(gradient, hessian - 2.0 * curved[:, :, np.newaxis] * identity)
