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

of sample k, t_rs = Σ_k (ε_k² - 1/n_k) (x_rk y_sk + y_rk x_sk + y_rk y_sk) where both have bins, and c_rs = 0. Between
regions with common events t_rs = 0, and the distributions have the correlation
c_rs = √(p_r p_s) Σ_{both} w_r w_s / (Σ w_r² Σ w_s²)^½ with the sums over all events. The part
p_r of them makes the distribution of region r: every region draws these events anew, so an event of both makes both
distributions with the probability p_r p_s. It is exact if the events of both tell as much of the parameters as others,
alike in both regions.

The errors of areas and intervals are those of independent variations: the distributions without one group of the
simulated events each (a jackknife), and the expected events changed by each principal component of their covariance,
in all regions at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mmc.jobs.madminer.cross_sections import CrossSections, independent_changes
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.jackknife import GROUPS
from mmc.jobs.statistics.region_likelihood import RegionLikelihood
from mmc.jobs.statistics.simulated import FARTHEST, SAME, rate_share

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
    def of(
        cls,
        regions: Sequence[RegionLikelihood],
        kind: str,
        expected: Array | None = None,
        log_likelihoods: Array | None = None,
    ) -> "JointError":
        """The error for limits of a kind.

        :param expected: the expected events of each region, shape (regions, points); by default with nominal
            normalisations
        :param log_likelihoods: ln L of expected data of each region with them, shape (regions, points)
        """
        data = "observed" if kind.startswith("observed") else ""
        of_expected = kind.replace("observed", "").strip("_")
        n_expected, n = (np.array([region.n[name] for region in regions])[:, np.newaxis] for name in ("", data))
        factors = np.array([region.limits[kind].per_simulated for region in regions])
        nominal = np.array([region.limits[of_expected].log_likelihood for region in regions])
        mu = np.array([region.expected for region in regions])
        with_rate = np.array(
            [region.rate and "without_rate" not in kind and region.cross_sections is not None for region in regions]
        )
        relative = relative_covariance(regions)
        shares = _rate_shares(n_expected, mu, nominal) * with_rate[:, np.newaxis]
        of_shape = factors - shares * n * np.einsum("rrp->rp", relative)
        if expected is not None and log_likelihoods is not None:
            fitted = _rate_shares(n_expected, expected, log_likelihoods) * with_rate[:, np.newaxis]
            of_shape += (shares - fitted) * n * np.array([_of_shape(region) for region in regions])
            mu, nominal, shares = expected, log_likelihoods, fitted
        q, correlation, of_shape = _distances(nominal), correlation_of_shapes(regions), np.maximum(of_shape, 0.0)
        rates, shapes = np.sign(mu - mu[:, -1:]) * np.sqrt(q * shares * n), np.sqrt(q * of_shape)
        whole, alone = q.sum(axis=0), np.square(shapes).sum(axis=0)
        of_shapes = np.einsum("rp,rsp,sp->p", shapes, correlation, shapes)
        of_samples = _of_samples(regions, rates, np.sqrt(q * (1.0 - shares) * n))
        total = np.maximum(np.einsum("rp,rsp,sp->p", rates, relative, rates) + of_shapes + of_samples, 0.0)
        near = whole <= max(NEAR, whole[whole > 0.0].min(initial=np.inf))
        at_truth, of_shared = (n[:, 0] @ factors[:, -1]) / n.sum(), 0.0
        if whole[near].any():
            of_rates, of_both = (some[:, near] @ some[:, near].T / whole[near].sum() for some in (rates, shapes))
            of_both *= correlation[:, :, -1]
            at_truth = (of_rates * relative[:, :, -1] + of_both).sum() + of_samples[near].sum() / whole[near].sum()
            of_shared = float(of_both.sum() - np.trace(of_both))
        wider = np.sqrt(np.divide(of_shapes, alone, out=np.ones_like(alone), where=alone > 0.0))
        return cls(np.divide(total, whole, out=np.full_like(total, at_truth), where=whole > 0.0), wider, of_shared)


def _of_samples(regions: Sequence[RegionLikelihood], rates: Array, shapes: Array) -> Array:
    """Σ_rs t_rs of all pairs of regions, shape (points,).

    :param rates: ± √(q_rate N) of each region, shape (regions, points)
    :param shapes: √((q - q_rate) N), of the same shape
    """
    found, parts = np.zeros(rates.shape[1]), list[tuple[CrossSections, Array, Array] | None]()
    for region, of_rate, of_shape in zip(regions, rates, shapes, strict=True):
        template = None if region.simulated is None else region.simulated.template
        if template is None or region.cross_sections is None or region.coefficients is None:
            parts.append(None)
            continue
        own, mus = template.errors(region.coefficients), region.coefficients @ region.cross_sections.of_samples.T
        mu = region.expected[:, np.newaxis]
        x = of_rate[:, np.newaxis] * np.divide(mus, mu, out=np.zeros_like(mus), where=mu > 0.0)
        size = np.divide(of_shape, np.sqrt(own.data), out=np.zeros_like(of_shape), where=own.data > SAME)
        parts.append((region.cross_sections, x, size[:, np.newaxis] * own.of_samples))
    for (r, one), (s, other) in combinations(enumerate(parts), 2):
        if one is None or other is None or s in regions[r].both:
            continue
        (sums, x, y), (others, x_s, y_s) = one, other
        _, here, there = np.intersect1d(sums.names, others.names, return_indices=True)
        both = x[:, here] * y_s[:, there] + y[:, here] * (x_s + y_s)[:, there]
        found += 2.0 * both @ sums.common_of()[here]
    return found


def _distances(log_likelihoods: Array) -> Array:
    """ln L(θ_true) - ln L(θ) of each region, not negative: shape (regions, points)."""
    logs = np.where(np.isfinite(log_likelihoods), log_likelihoods, -FARTHEST)
    return np.asarray(np.maximum(logs[:, -1:] - logs, 0.0))


def _rate_shares(n: Array, expected: Array, log_likelihoods: Array) -> Array:
    """The part of the rate in the distance of each region, shape (regions, points)."""
    safe = np.where(expected > 0.0, expected, 1.0)
    of_rates = np.where(expected > 0.0, n * np.log(safe) - safe, -np.inf)
    every = np.ones(expected.shape[1] - 1, dtype=bool)
    logs = np.where(np.isfinite(log_likelihoods), log_likelihoods, -FARTHEST)
    found = [rate_share(*pair, every) for pair in zip(of_rates, logs, strict=True)]
    return np.clip(found, 0.0, 1.0)


def _of_shape(region: RegionLikelihood) -> Array:
    """V/D of the distribution of a region at all points; 0 where it is not known."""
    if region.simulated is None or region.coefficients is None:
        return np.zeros(len(region.expected))
    near = np.arange(len(region.expected)) < len(region.expected) - 1
    return region.simulated.of_shape(region.coefficients, near)[0]


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
