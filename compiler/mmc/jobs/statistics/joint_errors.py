"""The statistical error of the simulation of several regions together.

With ln L = Σ_r ln L_r, the errors of the simulation and of the integration change ln L(θ) - ln L(θ_true) by

    Σ_r a_r δμ_r + Σ_r δs_r,    a_r = ln μ_r(θ) / μ_r(θ_true),

with the expected events μ_r of region r, and s_r of its distribution. The errors of the rates have the covariance
C_rs of :mod:`mmc.jobs.madminer.cross_sections`: regions of the same samples, disjoint or not, and groups that share
samples, are cases of one formula. With the q_r = ln L_r(θ_true) - ln L_r(θ) of expected data, of which
the part q_rate,r ≈ μ_r a_r² / 2 is from the rate, the variance from the data is 2 Σ_r q_r. So -2 ln λ is divided by
1 + f with

    f(θ) = Σ_rs (± √(q_rate,r q_rate,s N_r N_s) C_rs / (μ_r μ_s) + t_rs + c_rs √(q_r g_r q_s g_s)) / Σ_r q_r,

where ± is the sign of a_r a_s, and q_r g_r is what the rate leaves of q_r f_r, the error of region r alone
(:mod:`mmc.jobs.statistics.simulated`): that of the distribution, and of the training if limits include it.

Distributions of two regions without common events depend on the same samples, as their rates do. With the parts

    x_rk = ± √(q_rate,r N_r) S_rk / μ_r,    y_rk = √((q_r - q_rate,r) N_r / D_r) Σ_b l_b S_rbk / S_r

of sample k, t_rs = Σ_k (ε_k² - 1/n_k) (x_rk y_sk + y_rk x_sk + y_rk y_sk), with y_rk = 0 where it is not known, and
c_rs = 0.
Between regions with common events t_rs has the integration alone, ε_k², and the distributions without the part of the
integration, Σ_k ε_k² (2 x_rk + y_rk) y_rk of q_r g_r, have the correlation
c_rs = √(p_r p_s) Σ_{both} w_r w_s / (Σ w_r² Σ w_s²)^½ with the sums over all events. The part
p_r of them makes the distribution of region r: every region draws these events anew, so an event of both makes both
distributions with the probability p_r p_s. It is exact if the events of both have as much information on the parameters
as others, alike in both regions. The q_r g_r may be negative, as the errors of the rate and of the distribution may be
opposite; then it does not count in c_rs.

Where normalisations are fitted, everything follows from the bins. ln L changes by Σ_bk a_b e_b ν_k δμ_bk with a_b = 1 -
μ_b(θ_true) / μ_b, where ν_k is the fitted factor of sample k, or 1, e_b that of the fitted nuisance parameters η̂, and
μ_b = e_b Σ_k ν_k μ_bk are the expected events. The variance from the data is Σ_b a_b² μ_b + Σ η̂², as measurements of
nuisance parameters are data too: q_r = Σ_b a_b² μ_b / 2, and Σ η̂² / 2 is added to Σ_r q_r. With the probabilities p_bk
of a region, m_r = Σ_bk a_b e_b ν_k p_bk takes the place of a_r, and l_bk = a_b e_b ν_k - m_r that of l_b: the errors of
the expected events are those at the nominal factors. At the maximum Σ_b a_b e_b S_bk is 0 over all bins, so neither the
integration nor the number of generated events of a sample whose factor is fitted matters. Without sums of the samples
in bins, the error of a distribution is that of events with equal weights.

The errors of areas and intervals are those of independent variations: the distributions without one group of the
simulated events each (a jackknife), and the expected events changed by each principal component of their covariance,
in all regions at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from mmc.jobs.madminer.cross_sections import CrossSections, independent_changes
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.floating import Normalisations
from mmc.jobs.statistics.histograms import FLOOR
from mmc.jobs.statistics.jackknife import GROUPS
from mmc.jobs.statistics.region_likelihood import RegionLikelihood
from mmc.jobs.statistics.simulated import FARTHEST, SAME, TemplateErrors, TemplateSums, moments, rate_share

NEAR = 4.6
"""At the true point the directions count as at points where ln L of expected data is smaller by at most this number."""


def rate_covariance(regions: Sequence[RegionLikelihood]) -> Array:
    """The covariance of the expected events at the benchmarks, shape (regions, regions, benchmarks, benchmarks).

    Zero for regions whose errors are not known, or are part of their likelihood.
    """
    sums = [region.cross_sections for region in regions]
    n_benchmarks = max([len(own.products) for own in sums if own is not None], default=0)
    found = np.zeros((len(regions), len(regions), n_benchmarks, n_benchmarks))
    for r, one in enumerate(sums):
        for s, other in enumerate(sums):
            if one is not None and other is not None:
                found[r, s] = one.covariance() if r == s else one.covariance(other, regions[r].both.get(s, 0.0))
    return found


def relative_covariance(regions: Sequence[RegionLikelihood]) -> Array:
    """The relative covariance of the expected events of two regions, shape (regions, regions, points)."""
    return _between(regions, rate_covariance(regions), np.array([region.expected for region in regions]))


def _between(regions: Sequence[RegionLikelihood], covariance: Array, expected: Array) -> Array:
    rows = [region.coefficients for region in regions if region.coefficients is not None]
    if not (rows and covariance.size):
        return np.zeros((len(regions), *expected.shape))
    found: Array = np.einsum("pi,rsij,pj->rsp", rows[0], covariance, rows[0], optimize=True)
    size = np.where(expected > 0.0, expected, np.inf)
    return np.asarray(found / (size[:, np.newaxis] * size[np.newaxis]))


def correlation_of_shapes(regions: Sequence[RegionLikelihood]) -> Array:
    """c_rs at all points, shape (regions, regions, points); 0 where the errors of a region are not known."""
    n_points = len(regions[0].expected)
    found = np.tile(np.eye(len(regions))[:, :, np.newaxis], (1, 1, n_points))
    for r, one in enumerate(regions):
        for s, both in one.both.items():
            other, rows = regions[s], one.coefficients
            if one.cross_sections is None or other.cross_sections is None or rows is None:
                continue
            products, *squares = (
                np.einsum("pi,ij,pj->p", rows, sums, rows, optimize=True)
                for sums in (both, one.cross_sections.products, other.cross_sections.products)
            )
            size = np.sqrt(np.prod(squares, axis=0))
            whole = np.clip(np.divide(products, size, out=np.zeros(n_points), where=size > 0.0), -1.0, 1.0)
            found[r, s] = (one.part * other.part) ** 0.5 * whole
    return found


@dataclass(frozen=True)
class JointError:
    """The error of the simulation of several regions in units of that of the data, at all points."""

    factor: Array
    """f, shape (points,)."""
    wider: Array
    """By how much the error of the distributions is larger than if regions shared no events, shape (points,)."""
    of_shared: float
    """The part of f at the true point from events that make the distributions of two regions."""

    @classmethod
    def of(cls, regions: Sequence[RegionLikelihood], kind: str) -> "JointError":
        """The error for limits of a kind, with known normalisations."""
        return cls._of(regions, kind, [_Part.nominal(region, kind) for region in regions])

    @classmethod
    def floating(
        cls, regions: Sequence[RegionLikelihood], kind: str, names: Sequence[str], fit: Normalisations
    ) -> "JointError":
        """The error for limits of a kind in which the normalisations of these samples are fitted.

        :param fit: that to expected data
        """
        ends = np.cumsum([len(region.histograms[""].fractions) for region in regions])[:-1]
        values = dict(zip(names, fit.values.T, strict=True))
        events, effects = (np.split(bins, ends, axis=1) for bins in (fit.events, fit.effects))
        each = zip(regions, events, effects, strict=True)
        parts = [_Part.fitted(region, kind, own, grown, values) for region, own, grown in each]
        return cls._of(regions, kind, parts, fit.constraints)

    @classmethod
    def _of(
        cls, regions: Sequence[RegionLikelihood], kind: str, parts: "Sequence[_Part]", constraints: Array | float = 0.0
    ) -> "JointError":
        q, rates, own = (np.array([getattr(part, name) for part in parts]) for name in ("q", "rate", "own"))
        relative, correlation = relative_covariance(regions), correlation_of_shapes(regions)
        correlation *= 1.0 - np.eye(len(regions))[:, :, np.newaxis]
        effects = _effects_of_samples(regions, parts)
        shapes = np.sqrt(np.maximum(own - _of_integration(effects, own.shape), 0.0))
        whole, of_samples = q.sum(axis=0) + constraints, _of_samples(regions, effects, own.shape[1])
        of_both = np.einsum("rp,rsp,sp->p", shapes, correlation, shapes)
        of_rates = np.einsum("rp,rsp,sp->p", rates, relative, rates)
        total = np.maximum(of_rates + own.sum(axis=0) + of_both + of_samples, 0.0)
        near = whole <= max(NEAR, whole[whole > 0.0].min(initial=np.inf))
        n = np.array([region.n[_data_of(kind)] for region in regions])
        at_truth = n @ [region.limits[kind].per_simulated[-1] for region in regions] / n.sum()  # type: ignore[index]
        of_shared = 0.0
        if whole[near].any():
            rates_near, shapes_near = (some[:, near] @ some[:, near].T / whole[near].sum() for some in (rates, shapes))
            of_shared = float((shapes_near * correlation[:, :, -1]).sum())
            alone = (own.sum(axis=0) + of_samples)[near].sum() / whole[near].sum()
            at_truth = max((rates_near * relative[:, :, -1]).sum() + of_shared + alone, 0.0)
        alone = np.square(shapes).sum(axis=0)
        wider = np.sqrt(1.0 + np.divide(of_both, alone, out=np.zeros_like(alone), where=alone > 0.0))
        return cls(np.divide(total, whole, out=np.full_like(total, at_truth), where=whole > 0.0), wider, of_shared)


@dataclass(frozen=True)
class _Part:
    """What one region contributes at all points."""

    q: Array
    """ln L(θ_true) - ln L(θ) of expected data, shape (points,)."""
    rate: Array
    """± √(q_rate N), shape (points,)."""
    own: Array
    """q g, shape (points,): negative where the distribution takes back more of the error of the rate than it adds."""
    of_samples: Array | None
    """y_k, shape (points, samples); None without bins."""

    @classmethod
    def nominal(cls, region: RegionLikelihood, kind: str) -> "_Part":
        """That of a likelihood whose normalisations are known."""
        n, of_expected = region.n[_data_of(kind)], kind.replace("observed", "").strip("_")
        log = region.limits[of_expected].log_likelihood
        q = np.maximum(log[-1] - np.where(np.isfinite(log), log, -FARTHEST), 0.0)
        share = _rate_share(region, log) if _knows_rate(region, kind) else np.zeros(len(q))
        own = q * (region.limits[kind].per_simulated - share * n * relative_covariance([region])[0, 0])
        rate = np.sign(region.expected - region.expected[-1]) * np.sqrt(q * share * n)
        errors = _errors(region)
        if errors is None:
            return cls(q, rate, own, None)
        size = np.sqrt(np.divide(q * (1.0 - share) * n, errors.data, out=np.zeros(len(q)), where=errors.data > SAME))
        return cls(q, rate, own, size[:, np.newaxis] * errors.of_samples)

    @classmethod
    def fitted(
        cls, region: RegionLikelihood, kind: str, events: Array, effects: Array, values: Mapping[str, Array]
    ) -> "_Part":
        """That of a likelihood whose normalisations are fitted.

        :param events: in its bins, shape (points, bins)
        :param effects: factors on these by nuisance parameters, of the same shape
        :param values: the factor of each sample that floats, shape (points,)
        """
        known = events.any(axis=1, keepdims=True) & (events[-1] > 0.0)
        mu = np.where(known, np.maximum(events, FLOOR * events[-1]), 1.0)
        numbers = np.where(known, 1.0 - events[-1] / mu, 0.0)
        q = 0.5 * (np.square(numbers) * mu).sum(axis=1)
        numbers = numbers * effects
        if region.coefficients is None or region.simulated is None or region.cross_sections is None:
            return cls(q, np.zeros(len(q)), q * region.limits[kind].per_simulated, None)
        scale = np.maximum(region.expected, 0.0) * (0.5 * region.n[_data_of(kind)] / region.n[""]) ** 0.5
        factors = np.array([values.get(name, np.ones(len(q))) for name in region.floating]).reshape(-1, len(q)).T
        template, of_samples, both = _template(region), None, np.zeros(len(q))
        if template is None:
            histogram = region.histograms[""].histogram
            every = [
                replace(histogram, nominal=own).shares(slice(None)) for own in (histogram.nominal, *histogram.parts)
            ]
            size = np.where(every[0].any(axis=1), every[0].sum(axis=1), 1.0)[:, np.newaxis]
            shares, *of_floating = (own / size for own in every)
            mean, _ = moments(numbers, np.zeros(len(q)), shares, of_floating, factors)
            data = moments(numbers, mean, shares, of_floating, factors)[1]
            variance = data * region.simulated.per_effective(region.coefficients)
        else:
            errors = template.errors(region.coefficients, numbers, factors)
            mean, variance, both = errors.mean, errors.variance, errors.covariance
            of_samples = scale[:, np.newaxis] * errors.of_samples
        rate = scale * mean if _knows_rate(region, kind) else np.zeros(len(q))
        return cls(q, rate, np.square(scale) * variance + 2.0 * rate * scale * both, of_samples)


_Effects = Mapping[int, tuple[CrossSections, Array, Array]]
"""Of regions by number: the sums of their samples, and x and y of these, each (points, samples)."""


def _effects_of_samples(regions: Sequence[RegionLikelihood], parts: Sequence[_Part]) -> _Effects:
    """Those of the regions whose samples are known."""
    known = dict[int, tuple[CrossSections, Array, Array]]()
    for r, (region, part) in enumerate(zip(regions, parts, strict=True)):
        if region.cross_sections is not None and region.coefficients is not None:
            mus, mu = region.coefficients @ region.cross_sections.of_samples.T, region.expected[:, np.newaxis]
            x = part.rate[:, np.newaxis] * np.divide(mus, mu, out=np.zeros_like(mus), where=mu > 0.0)
            known[r] = region.cross_sections, x, np.zeros_like(x) if part.of_samples is None else part.of_samples
    return known


def _of_integration(effects: _Effects, shape: tuple[int, ...]) -> Array:
    """The part of the integration in q g of each region, shape (regions, points)."""
    found = np.zeros(shape)
    for r, (sums, x, y) in effects.items():
        found[r] = ((2.0 * x + y) * y) @ _squared_integration(sums)
    return found


def _of_samples(regions: Sequence[RegionLikelihood], effects: _Effects, n_points: int) -> Array:
    """Σ_rs t_rs of all pairs of regions, shape (points,)."""
    found = np.zeros(n_points)
    for (r, (sums, x, y)), (s, (others, x_s, y_s)) in combinations(effects.items(), 2):
        _, here, there = np.intersect1d(sums.names, others.names, return_indices=True)
        both = x[:, here] * y_s[:, there] + y[:, here] * (x_s + y_s)[:, there]
        common = _squared_integration(sums) if s in regions[r].both else sums.common_of()
        found += 2.0 * both @ common[here]
    return found


def _squared_integration(sums: CrossSections) -> Array:
    """ε_k² of all samples; 0 where it is not known."""
    return np.square(np.nan_to_num(sums.integration))


def _data_of(kind: str) -> str:
    return "observed" if kind.startswith("observed") else ""


def _knows_rate(region: RegionLikelihood, kind: str) -> bool:
    """Whether limits of this kind include the rate, and the error of the rate from the simulation."""
    return region.rate and "without_rate" not in kind and region.cross_sections is not None


def _errors(region: RegionLikelihood) -> TemplateErrors | None:
    """The error of the distribution at all points; None if it is not known for each sample."""
    if region.simulated is None or region.cross_sections is None or region.coefficients is None:
        return None
    template = region.simulated.template
    return region.simulated.errors if template is None else template.errors(region.coefficients)


def _template(region: RegionLikelihood) -> TemplateSums | None:
    """The sums in the bins; None if the errors of the simulation are not known, or there are no bins."""
    return None if region.simulated is None or region.cross_sections is None else region.simulated.template


def _rate_share(region: RegionLikelihood, log: Array) -> Array:
    """The part of the rate in -2 ln λ of expected data with this ln L, shape (points,)."""
    mu, every = region.expected, np.ones(len(log) - 1, dtype=bool)
    safe = np.where(mu > 0.0, mu, 1.0)
    of_rate = np.where(mu > 0.0, region.n[""] * np.log(safe) - safe, -np.inf)
    return np.clip(rate_share(of_rate, np.where(np.isfinite(log), log, -FARTHEST), every), 0.0, 1.0)


def without_groups(regions: Sequence[RegionLikelihood]) -> Iterator[list[RegionLikelihood]]:
    """The regions without one group of the simulated events each, the errors of the rates left out."""
    for group in range(GROUPS):
        yield [region.without_group(group) for region in regions]


def with_changed_rates(regions: Sequence[RegionLikelihood]) -> Iterator[list[RegionLikelihood]]:
    """The regions with each independent error of their expected events."""
    covariance = rate_covariance(regions)
    size = len(regions) * covariance.shape[2]
    for changes in independent_changes(covariance.transpose(0, 2, 1, 3).reshape(size, size)):
        each = zip(regions, changes.reshape(len(regions), -1), strict=True)
        yield [region.changed(change) if region.cross_sections is not None else region for region, change in each]
