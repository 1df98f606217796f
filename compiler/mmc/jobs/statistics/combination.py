"""The likelihood of several regions: the product of their likelihoods.

With ln L_r of region r, its N_r events of data and their number per effective simulated event f_r = N_r/n_r, the
statistical error of the simulation widens the limits of a region by 1 + f_r (:mod:`mmc.jobs.statistics.limits`): the
variance of the derivative of ln L_r is its information times this factor. The data of the regions are independent, so
their variances add. The errors of the simulation have the correlation ρ_rs, from the part that two regions share of
Σ w² at the true point (they share none, unless their data are different:
:func:`mmc.jobs.statistics.combined_verdict.shared_events`). So with ln L = Σ_r ln L_r

    1 + f(θ) = 1 + Σ_rs ρ_rs √(q_r f_r q_s f_s) / Σ_r q_r,    q_r = ln L_r(θ_true) - ln L_r(θ),

for expected data, whose q_r is to a good approximation the information of the region times the same distance. This is
exact for the rates, and if the events that are shared tell as much of the parameters as others, alike in both regions;
ρ is 1 if all events are shared, and never too small then. At the true point, where all q_r vanish, f is weighted with
the numbers of events.

Regions are parts of the same samples, and their f_r those of :attr:`RegionLikelihood.of_a_part`; groups of samples have
the f_r of their own limits.

Nuisance parameters with the same name are the same in all regions, and are fitted to all regions together. So are
normalisations of samples that float (:mod:`mmc.jobs.statistics.floating`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.floating import Normalisations, check_constrained, check_measures, fit
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.neyman import critical_values
from mmc.jobs.statistics.profiled_toys import PROFILED
from mmc.jobs.statistics.profiling import BLOCK, Likelihood, Response
from mmc.jobs.statistics.region_likelihood import KINDS, RegionLikelihood


def kinds_of(regions: Sequence[RegionLikelihood]) -> list[str]:
    """The kinds of limits that all regions have.

    ``with_systematics`` and ``observed_with_systematics`` are added if there are nuisance parameters and all can be
    fitted together.
    """
    kinds = [kind for kind in KINDS if all(kind in region.limits for region in regions)]
    varied = [region for region in regions if region.nuisance]
    fitted = bool(varied) and all(region.has_bins for region in varied)
    return kinds + [f"{kind}_{PROFILED}".strip("_") for kind in ("", "observed") if fitted and kind in kinds]


def combine(regions: Sequence[RegionLikelihood], kind: str = "") -> Limits:
    """The limits of all regions together, of one of :func:`kinds_of`."""
    data = kind.removesuffix(PROFILED).strip("_")
    limits = _product(regions, data)
    if data == kind:
        return limits
    fitted = limits.log_likelihood + joint_gain(regions, data)
    return replace(limits, log_likelihood=fitted, replicas=None, varied=None)


def combine_floating(
    regions: Sequence[RegionLikelihood], names: Sequence[str], kind: str = ""
) -> tuple[Limits, Normalisations]:
    """The limits as in :func:`combine`, and the normalisations of samples that are fitted with the parameters.

    :param names: the samples that float
    """
    data, profiled = "observed" if kind.startswith("observed") else "", kind.endswith(PROFILED)
    found = joint_normalisations(regions, data, names, nuisance=profiled)
    of_expected = joint_normalisations(regions, "", names, nuisance=profiled) if data else found
    expected = np.array([region.limits[""].log_likelihood for region in regions]) + _of_regions(of_expected, regions)
    nominal = _product(regions, data)
    limits = replace(
        nominal,
        log_likelihood=nominal.log_likelihood + found.gain,
        n_measured=None if nominal.n_measured is None else max(nominal.n_measured - len(names), 1),
        per_simulated=_mean_factor(expected, _factors(regions, data), regions),
        replicas=None,
        varied=None,
    )
    return limits, found


def check_floating(regions: Sequence[RegionLikelihood], names: Sequence[str]) -> None:
    """Check that regions can measure the normalisations of samples, and the parameters too.

    :raises StepError: when they cannot
    """
    if not all(region.has_bins for region in regions):
        raise StepError("normalisations float in regions whose likelihoods have bins")
    n_measured = _product(regions, "").n_measured
    if n_measured is not None and n_measured <= len(names):
        raise StepError(
            f"the regions measure {n_measured} numbers, and {len(names)} normalisations float: nothing is left to "
            "measure the parameters; add a region or bins"
        )
    last = len(regions[0].expected) - 1
    at_truth = [_response(region, "", (), names, slice(last, last + 1)) for region in regions]
    check_constrained(names, _join(at_truth))
    limits, fits = combine_floating(regions, names)
    check_measures(names, combine(regions), limits, fits.values)


def with_common_toys(
    regions: Sequence[RegionLikelihood],
    limits: Mapping[str, Limits],
    levels: Sequence[float],
    random: np.random.Generator,
) -> dict[str, Limits]:
    """The limits with critical values from toys of all regions, as :func:`mmc.jobs.statistics.neyman.with_toys`.

    :raises StepError: when a likelihood has no bins, or too much of the cross section is in bins of negative weight
    """
    toys = [region.toys for region in regions if region.toys is not None]
    if len(toys) < len(regions):
        raise StepError("toys of a combination need likelihoods with bins: the rate, a histogram or sally")
    found: dict[str, Limits] = {}
    for kinds in (("", "observed"), ("without_rate", "observed_without_rate")):
        named = {kind: limits[kind] for kind in kinds if kind in limits}
        with_rate = [region.rate and kinds[0] == "" for region in regions]
        sets = [named] if all(with_rate) else [{kind: entry} for kind, entry in named.items()]
        for together in filter(None, sets):
            data = "observed" if "observed" in next(iter(together)) else ""
            sources = [
                source if rate else replace(source, n=region.n[data])
                for source, rate, region in zip(toys, with_rate, regions, strict=True)
            ]
            critical = critical_values(sources, list(together.values()), levels, random)
            found |= {kind: replace(entry, critical=critical) for kind, entry in together.items()}
    return found


def _product(regions: Sequence[RegionLikelihood], kind: str) -> Limits:
    every = [region.limits[kind] for region in regions]
    expected = [region.limits[kind.replace("observed", "").strip("_")].log_likelihood for region in regions]
    measured = [limits.n_measured for limits in every if limits.n_measured is not None]
    replicas = [limits.replicas for limits in every if limits.replicas is not None]
    total = np.sum([limits.log_likelihood for limits in every], axis=0)
    factors = _factors(regions, kind)
    factor = _mean_factor(np.array(expected), factors, regions)
    n_measured = sum(measured) if len(measured) == len(every) else None
    found = Limits(every[0].grid, total, n_measured, factor)
    if len(replicas) < len(every):
        return found
    # groups are not the same events in all regions, so what these share is added here
    alone = _mean_factor(np.array(expected), factors, [replace(region, shared=None) for region in regions])
    wider = np.sqrt(np.divide(factor, alone, out=np.ones_like(factor), where=alone > 0.0))
    known = np.isfinite(total)

    def moved(changed: Array, nominal: Array) -> Array:
        change = np.subtract(changed, nominal, out=np.zeros(np.shape(changed)), where=known)
        return np.asarray(np.where(known, total, -np.inf) + wider * change)

    varied = [moved(limits.varied, limits.log_likelihood) for limits in every if limits.varied is not None]
    of_numbers = np.concatenate(varied) if varied else None
    return replace(found, replicas=moved(np.sum(replicas, axis=0), total), varied=of_numbers)


def _factors(regions: Sequence[RegionLikelihood], kind: str) -> Array:
    """f of each region, shape (regions, points)."""
    return np.array([region.limits[kind].per_simulated for region in regions])


def _of_regions(fitted: Normalisations, regions: Sequence[RegionLikelihood]) -> Array:
    """What the bins of each region gain, shape (regions, points).

    The score of the parameters, with the factors fitted, has contributions of all regions whose factors change: the
    distance of a region is that at the fitted factors.
    """
    ends = np.cumsum([len(region.histograms[""].fractions) for region in regions])[:-1]
    return np.array([bins.sum(axis=1) for bins in np.split(fitted.per_bin, ends, axis=1)])


def _mean_factor(expected: Array, factors: Array, regions: Sequence[RegionLikelihood]) -> Array:
    """f at each point, from ln L of expected data and f of each region, both of shape (regions, points)."""
    distance = expected[:, -1:] - np.where(np.isfinite(expected), expected, -1e6)
    weights = np.maximum(distance, 0.0)
    numbers = np.array([region.n[""] for region in regions])[:, np.newaxis]
    weights = np.where(weights.sum(axis=0) > 0.0, weights, numbers)
    alone = np.eye(len(regions))
    shared = np.stack(
        [row if region.shared is None else region.shared for row, region in zip(alone, regions, strict=True)]
    )
    errors = np.sqrt(weights * factors)
    return np.asarray(np.einsum("rp,rs,sp->p", errors, shared, errors) / weights.sum(axis=0))


def joint_gain(regions: Sequence[RegionLikelihood], data: str) -> Array:
    """What the fit of all nuisance parameters to all regions together gains at each point, with the rates.

    The bins of all regions are those of one histogram.
    """
    varied = [region for region in regions if region.nuisance]
    names = tuple(dict.fromkeys(name for region in regions for name in region.nuisance))
    expected, events = _expected(varied), _events(varied, data)
    gains = []
    for rows in _blocks(len(expected), len(names) * len(events)):
        response = _join([_response(region, data, names, (), rows) for region in varied])
        scale = np.where(expected[rows] > 0.0, expected[rows], 1.0)
        response = replace(response, shares=response.shares / scale[:, np.newaxis])
        n = sum(region.n[data] for region in varied)
        gains.append(Likelihood(response, events, n, expected[rows]).gain())
    return np.concatenate(gains)


def joint_normalisations(
    regions: Sequence[RegionLikelihood], data: str, floating: Sequence[str], *, nuisance: bool
) -> Normalisations:
    """The fit of the normalisations of some samples to all regions together, with the rates.

    :param nuisance: whether nuisance parameters are fitted too
    """
    names = tuple(dict.fromkeys(name for region in regions for name in region.nuisance)) if nuisance else ()
    expected, events = _expected(regions), _events(regions, data)
    parts = []
    for rows in _blocks(len(expected), (len(names) + len(floating)) * len(events)):
        response = _join([_response(region, data, names, floating, rows) for region in regions])
        parts.append(fit(response, events, expected[rows]))
    return Normalisations.join(parts)


def _expected(regions: Sequence[RegionLikelihood]) -> Array:
    return np.asarray(np.sum([np.maximum(region.expected, 0.0) for region in regions], axis=0))


def _events(regions: Sequence[RegionLikelihood], data: str) -> Array:
    """The data in the bins of all regions."""
    return np.concatenate([region.n[data] * region.histograms[data].fractions for region in regions])


def _blocks(points: int, width: int) -> Iterator[slice]:
    """Blocks of points at which so many numbers are in memory for each."""
    size = max(1, BLOCK // max(1, width))
    return (slice(start, start + size) for start in range(0, points, size))


def _response(
    region: RegionLikelihood, data: str, names: Sequence[str], floating: Sequence[str], rows: slice
) -> Response:
    """The response of a region's bins to all nuisance parameters, and the parts of the samples that float.

    ``shares`` are expected numbers of events.
    """
    own = region.histograms[data].histogram.response(rows)
    linear, quadratic = np.zeros((2, *own.shares.shape, len(names)))
    for k, name in enumerate(region.nuisance):
        if name in names:
            linear[:, :, names.index(name)] = own.linear[:, :, k]
            quadratic[:, :, names.index(name)] = own.quadratic[:, :, k]
    parts = np.zeros((*own.shares.shape, len(floating)))
    for k, name in enumerate(region.floating):
        if name in floating:
            parts[:, :, floating.index(name)] = own.parts[:, :, k]
    total = own.shares.sum(axis=1)
    whole = np.maximum(total, 1.0)  # the rest is in unknown bins
    events = np.maximum(region.expected[rows], 0.0) / whole
    return Response(own.shares * events[:, np.newaxis], linear, quadratic, parts)


def _join(parts: Sequence[Response]) -> Response:
    """The response of the bins of all regions."""
    each = (np.concatenate([getattr(part, field.name) for part in parts], axis=1) for field in fields(Response))
    return Response(*each)
