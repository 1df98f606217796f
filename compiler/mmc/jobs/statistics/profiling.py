"""Nuisance parameters fitted with a histogram: what the fit adds to the log likelihood at each point.

The content of a bin with one nuisance parameter at ν = ±1 is linear in the benchmark weights, as the nominal one is.
Anywhere else it is taken for

    n_b(θ, ν) = n_b(θ) exp(g_b),   g_b = Σ_k (a_bk ν_k + b_bk ν_k²),   a = ½ ln(n⁺ / n⁻),   b = ½ ln(n⁺ n⁻ / n²),

the form that MadMiner gives the weight of an event (arXiv:1907.10621). Every nuisance parameter has a normal constraint
of width 1. For N events of data, a part f_b of them in bin b, the likelihood of :mod:`mmc.jobs.statistics.limits`
changes by

    ln L(θ, ν) - ln L(θ, 0) = N Σ_b f_b g_b - Σ_b n_b(θ) (exp(g_b) - 1) - ½ Σ_k ν_k²,

and without the rate, with the shares p_b of the bins, by N Σ_b f_b g_b - N ln Σ_b p_b(θ) exp(g_b) - ½ Σ_k ν_k². The
largest value over ν is the *gain*: it is never negative, and 0 where no bin changes.

The data of expected limits are events that the templates have not seen. A fit would take the difference of the two for
an effect of the nuisance parameters. So templates say nothing there but by what factor a bin differs from the true
point, as in the nominal likelihood: N f_b n_b(θ) / n_b(θ_true) events are expected, and the true point gains nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array

Gain = Callable[[float, Array | None], Array]
"""The gain of some data at all points, from their number and the expected numbers of events; None without the rate."""
MOST_STEPS, MOST_HALVINGS = 200, 40
"""Of a fit, and of a step that does not go up."""
PRECISION = 1e-8
"""A fit ends when the next step promises less in ln L than this."""
FLATTEST = 1e-3
"""Smaller second derivatives of ln L count as this."""
HOPELESS = 1000.0
"""A fit does not start where ln L is smaller by this."""
BLOCK = 4_000_000
"""Responses of bins that are held at once."""


@dataclass(frozen=True)
class ShapeLikelihood:
    """What the distribution of some events says at each point: the mean log ratio per event, shape (points,), or 0."""

    mean_log: Array | float
    gain: Gain | None = None
    """None where nuisance parameters are at their nominal values."""

    @classmethod
    def join(cls, items: Sequence["ShapeLikelihood"]) -> "ShapeLikelihood":
        """All points of several."""
        ends = np.cumsum([np.size(item.mean_log) for item in items])[:-1]

        def gain(n: float, expected: Array | None) -> Array:
            parts = [None] * len(items) if expected is None else np.split(expected, ends)
            return np.concatenate(
                [item.gain(n, part) for item, part in zip(items, parts, strict=True) if item.gain is not None]
            )

        mean_log = np.concatenate([np.atleast_1d(item.mean_log) for item in items])
        return cls(mean_log, None if items[0].gain is None else gain)


@dataclass(frozen=True)
class Response:
    """What bins do at some points: their shares p, shape (points, bins), and a and b, (points, bins, nuisance)."""

    shares: Array
    linear: Array
    quadratic: Array

    def exponent(self, nu: Array) -> Array:
        """g of nuisance parameters (points, nuisance), shape (points, bins)."""
        linear = np.einsum("pbk,pk->pb", self.linear, nu)
        return np.asarray(linear + np.einsum("pbk,pk->pb", self.quadratic, np.square(nu)))

    def slope(self, nu: Array) -> Array:
        """The derivatives of g, shape (points, bins, nuisance)."""
        return self.linear + 2.0 * self.quadratic * nu[:, np.newaxis, :]


@dataclass(frozen=True)
class VariedHistogram:
    """A histogram anywhere in parameter space, with each nuisance parameter at 1 and at -1.

    ``coefficients`` (points, benchmarks) times the sums of weights are the shares of the bins. In bins that are not
    ``known`` nothing varies.
    """

    coefficients: Array
    nominal: Array
    """Sums of benchmark weights, shape (bins, benchmarks)."""
    up: Array
    """The same at ν = 1, shape (nuisance, bins, benchmarks)."""
    down: Array
    known: npt.NDArray[np.bool_]
    factors: Array | float = 1.0
    """What shares are multiplied with, shape (bins,)."""

    def matched(self, row: Array, fractions: Array) -> "VariedHistogram":
        """With the ``fractions`` of the data as its shares at a point of coefficients ``row``: for Asimov data."""
        shares = row @ self.nominal.T / (row @ self.nominal.sum(axis=0))
        known = self.known & (shares > 0.0)
        return replace(self, known=known, factors=np.where(known, fractions / np.where(known, shares, 1.0), 1.0))

    def gain(self, fractions: Array, n: float, expected: Array | None) -> Array:
        """The gain of n events at all points; ``fractions`` of them, shape (bins,), are in the bins."""
        size = max(1, BLOCK // max(1, self.up.shape[0] * self.up.shape[1]))
        blocks = [slice(start, start + size) for start in range(0, len(self.coefficients), size)]
        return np.concatenate(
            [
                Likelihood(self.response(rows), n * fractions, n, None if expected is None else expected[rows]).gain()
                for rows in blocks
            ]
        )

    def response(self, points: slice) -> Response:
        """At some of the points. A template that is not positive at ν = ±1 says nothing of its bin."""
        rows = self.coefficients[points]
        nominal = np.where(self.known, rows @ self.nominal.T, 1.0)
        up, down = (np.einsum("pi,kbi->pbk", rows, sums, optimize=True) for sums in (self.up, self.down))
        varies = self.known[:, np.newaxis] & (up > 0.0) & (down > 0.0)
        log_up, log_down = (np.log(np.where(varies, sums / nominal[:, :, np.newaxis], 1.0)) for sums in (up, down))
        shares = np.where(self.known, self.factors * nominal, 0.0)
        return Response(shares, 0.5 * (log_up - log_down), 0.5 * (log_up + log_down))


def climb(
    nu: Array,
    change: Callable[[Array], tuple[Array, Array]],
    step: Callable[[Array, Array], tuple[Array, Array]],
    reach: float = np.inf,
) -> tuple[Array, Array]:
    """A maximum at each of some points and where it is, by Newton's method, from ν of shape (points, nuisance).

    A step that does not go up is halved, and one beyond ±``reach`` ends there.

    :param change: from ν to what is to be as large as possible, shape (points,), and what ``step`` needs besides ν
    :param step: to a step that goes up, also where the function is not concave, and what it promises to first order
    :raises StepError: when a fit finds no end
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
            there = np.clip(nu + length[:, np.newaxis] * along, -reach, reach)
            worse = ~(change(there)[0] >= value)
            if not worse.any():
                break
            length[worse] *= 0.5
        else:  # what is left to gain is lost in rounding
            unfinished &= ~worse
            length[worse] = 0.0
        nu = np.clip(nu + length[:, np.newaxis] * along, -reach, reach)
        value, state = change(nu)
    raise StepError("the nuisance parameters cannot be fitted: take fewer bins, or generate more events")


def uphill(gradient: Array, hessian: Array) -> tuple[Array, Array]:
    """Newton's step with the absolute eigenvalues of the Hessian of what is to be small, and what it promises.

    Where the function is not concave it goes up nevertheless, as far as it would go down. Shapes (points, nuisance)
    and (points, nuisance, nuisance).
    """
    values, vectors = np.linalg.eigh(hessian)
    along = np.einsum("pkl,pk->pl", vectors, gradient) / np.maximum(np.abs(values), FLATTEST)
    step = np.einsum("pkl,pl->pk", vectors, along)
    return step, (gradient * step).sum(axis=1)


class Likelihood:
    """The change of ln L with the nuisance parameters at some points, all at once."""

    def __init__(self, response: Response, data: Array, n: float, expected: Array | None) -> None:
        """``data`` are the events in each bin, ``n`` all events, also those in bins that are not known."""
        rest = np.maximum(1.0 - response.shares.sum(axis=1), 0.0)  # in bins that are not known
        self._shares = response.shares / (rest + response.shares.sum(axis=1))[:, np.newaxis]
        self._scale = np.full(len(rest), n) if expected is None else np.maximum(expected, 0.0)
        possible = self._scale > 0.0  # elsewhere nothing can be gained
        self._data = possible[:, np.newaxis] * data
        self._response, self._n, self._rate = response, n, expected is not None

    def gain(self) -> Array:
        """The largest change that is found, shape (points,).

        Where the effects of ν = 1 and ν = -1 on a bin go the same way there may be several maxima. So after a fit from
        ν = 0 there is one from the other side of each nuisance parameter, if ln L is not concave on the way there.

        :raises StepError: when a fit finds no end
        """
        gain, nu = climb(np.zeros((len(self._shares), self._response.linear.shape[2])), self.change, self._step)
        for k in range(nu.shape[1]):
            start = nu.copy()
            start[:, k] -= np.copysign(np.clip(2.0 * np.abs(nu[:, k]), 1.0, 5.0), nu[:, k])
            convex = [self._curvature(at, k) <= 0.0 for at in (0.5 * (nu + start), start)]
            worthwhile = np.any(convex, axis=0) & (self.change(start)[0] >= gain - HOPELESS)
            if not worthwhile.any():
                continue
            other, there = climb(np.where(worthwhile[:, np.newaxis], start, nu), self.change, self._step)
            better = other > gain
            gain, nu = np.where(better, other, gain), np.where(better[:, np.newaxis], there, nu)
        return gain

    def change(self, nu: Array) -> tuple[Array, Array]:
        """At ν (points, nuisance), and the events that are expected there in each bin."""
        with np.errstate(over="ignore", invalid="ignore"):  # far away
            exponent = self._response.exponent(nu)
            grown = (self._shares * np.expm1(exponent)).sum(axis=1)
            events = self._scale[:, np.newaxis] * self._shares * np.exp(exponent)
            if not self._rate:
                events = events / (1.0 + grown)[:, np.newaxis]
                grown = np.log1p(grown)
            gained = (exponent * self._data).sum(axis=1) - self._scale * grown
            return gained - 0.5 * np.square(nu).sum(axis=1), events

    def _curvature(self, nu: Array, k: int) -> Array:
        """The second derivative of -ln L by a nuisance parameter, shape (points,)."""
        with np.errstate(over="ignore", invalid="ignore"):  # far away
            events, quadratic = self.change(nu)[1], self._response.quadratic[:, :, k]
            slope = self._response.linear[:, :, k] + 2.0 * quadratic * nu[:, [k]]
            curvature = 1.0 + (events * np.square(slope) - 2.0 * (self._data - events) * quadratic).sum(axis=1)
            total = 0.0 if self._rate else np.square((events * slope).sum(axis=1)) / self._n
            return np.asarray(curvature - total)

    def _step(self, nu: Array, events: Array) -> tuple[Array, Array]:
        slope, excess, identity = self._response.slope(nu), self._data - events, np.eye(nu.shape[1])
        gradient = np.einsum("pb,pbk->pk", excess, slope) - nu
        hessian = identity + np.swapaxes(slope * events[:, :, np.newaxis], 1, 2) @ slope
        if not self._rate:
            total = np.einsum("pb,pbk->pk", events, slope)
            hessian -= np.einsum("pk,pl->pkl", total, total) / self._n
        curved = np.einsum("pb,pbk->pk", excess, self._response.quadratic)
        return uphill(gradient, hessian - 2.0 * curved[:, :, np.newaxis] * identity)
