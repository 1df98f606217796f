"""The likelihood of several regions: the product of their likelihoods.

With ln L_r of region r, its N_r events of data and their number per effective simulated event f_r = N_r/n_r, the
statistical error of the simulation widens the limits of a region by 1 + f_r (:mod:`mmc.jobs.statistics.limits`): the
variance of the derivative of ln L_r is its information times this factor. The regions are independent, so the variances
add, and with ln L = Σ_r ln L_r

    1 + f(θ) = Σ_r q_r (1 + f_r) / Σ_r q_r,    q_r = ln L_r(θ_true) - ln L_r(θ),

for expected data, whose q_r is to a good approximation the information of the region times the same distance. At the
true point, where all q_r vanish, f is weighted with the numbers of events.

Nuisance parameters with the same name are the same in all regions, and are fitted to all regions together. So are
normalisations of samples that float (:mod:`mmc.jobs.statistics.floating`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.floating import Normalisations, check_constrained, check_measures, fit
from mmc.jobs.statistics.limits import Grid, Limits
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.profiling import BLOCK, FilledHistogram, Likelihood, Response, VariedHistogram
from mmc.jobs.statistics.result import Result

LIKELIHOOD = "likelihood.npz"
"""What a combination reads of the limits in a region."""
KINDS = ("", "without_rate", "observed", "observed_without_rate")
"""The kinds of limits whose likelihoods are multiplied; the empty name stands for expected limits."""
_EXPECTED, _NUISANCE, _FLOATING = "expected", "nuisance.", "floating."
_HISTOGRAM = tuple(item.name for item in fields(VariedHistogram))


@dataclass(frozen=True)
class RegionLikelihood:
    """The likelihood of one region at all points of the grid and the true point."""

    limits: Mapping[str, Limits]
    """Limits by kind, at nominal values of the nuisance parameters."""
    n: Mapping[str, float]
    """The number of events of the data, expected (an empty name) and ``observed``."""
    expected: Array
    """The expected numbers of events, shape (points + 1,)."""
    nuisance: tuple[str, ...]
    """The nuisance parameters that are fitted; empty if none are."""
    histograms: Mapping[str, FilledHistogram]
    """The histogram with nuisance parameters and samples that float, by the data that fill it, as in :attr:`n`; empty
    if the likelihood has no bins that all points share."""
    floating: tuple[str, ...] = ()
    """The samples that may float, in the order of the parts of the histograms."""

    @classmethod
    def of(cls, problem: LimitProblem, result: Result) -> "RegionLikelihood":
        """The likelihood behind a result."""
        every = {"": result.limits, **result.variants}
        return cls(
            limits={kind: every[kind] for kind in KINDS if kind in every},
            n={"": problem.n_expected, **({} if problem.observed is None else {"observed": problem.n_observed})},
            expected=problem.expected,
            nuisance=tuple(problem.file.nuisance_parameters) if problem.profiled else (),
            histograms=result.histograms,
            floating=problem.file.floating,
        )

    def arrays(self) -> dict[str, Array]:
        """The arrays of :data:`LIKELIHOOD`."""
        found: dict[str, Any] = {"events": self.expected}
        found |= {f"{_NUISANCE}{name}": k for k, name in enumerate(self.nuisance)}
        found |= {f"{_FLOATING}{name}": k for k, name in enumerate(self.floating)}
        found |= {f"{name or _EXPECTED}.n": n for name, n in self.n.items()}
        for name, limits in self.limits.items():
            kind = name or _EXPECTED
            found[f"{kind}.log_likelihood"] = limits.log_likelihood
            found[f"{kind}.n_measured"] = -1 if limits.n_measured is None else limits.n_measured
            found[f"{kind}.per_simulated"] = np.broadcast_to(limits.per_simulated, limits.log_likelihood.shape)
            if limits.replicas is not None:
                found[f"{kind}.replicas"] = limits.replicas
        for name, filled in self.histograms.items():
            found |= {f"{name or _EXPECTED}.{key}": getattr(filled.histogram, key) for key in _HISTOGRAM}
            found[f"{name or _EXPECTED}.fractions"] = filled.fractions
        return found

    @classmethod
    def read(cls, arrays: Mapping[str, Any], grid: Grid) -> "RegionLikelihood":
        """The likelihood from :meth:`arrays`."""
        limits, n, histograms = {}, {}, {}
        for kind in KINDS:
            own: dict[str, Any] = {
                key.partition(".")[2]: item for key, item in arrays.items() if key.split(".")[0] == (kind or _EXPECTED)
            }
            if "log_likelihood" in own:
                measured = None if own["n_measured"] < 0 else int(own["n_measured"])
                log = own["log_likelihood"], measured, own["per_simulated"], own.get("replicas")
                limits[kind] = Limits(grid, *log)
            if "n" in own:
                n[kind] = float(own["n"])
            if "fractions" in own:
                histogram = VariedHistogram(**{key: own[key] for key in _HISTOGRAM})
                histograms[kind] = FilledHistogram(histogram, own["fractions"])
        nuisance, floating = (
            tuple(key.removeprefix(start) for key in arrays if key.startswith(start))
            for start in (_NUISANCE, _FLOATING)
        )
        return cls(limits, n, arrays["events"], nuisance, histograms, floating)

    @property
    def is_fitted(self) -> bool:
        """Whether its nuisance parameters, if it has any, can be fitted together with those of other regions."""
        return not self.nuisance or set(self.histograms) == set(self.n)


def combine(regions: Sequence[RegionLikelihood]) -> dict[str, Limits]:
    """The limits of all regions together, by kind: the kinds that all regions have.

    ``with_systematics`` and ``observed_with_systematics`` are added if there are nuisance parameters and all can be
    fitted together.
    """
    kinds = [kind for kind in KINDS if all(kind in region.limits for region in regions)]
    found = {kind: _product(regions, kind) for kind in kinds}
    if any(region.nuisance for region in regions) and all(region.is_fitted for region in regions):
        for data in [kind for kind in ("", "observed") if kind in kinds]:
            limits = found[data]
            fitted = limits.log_likelihood + joint_gain(regions, data)
            name = "_".join(filter(None, (data, "with_systematics")))
            found[name] = replace(limits, log_likelihood=fitted, replicas=None)
    return found


def combine_floating(
    regions: Sequence[RegionLikelihood], names: Sequence[str]
) -> tuple[dict[str, Limits], dict[str, Normalisations]]:
    """The limits as in :func:`combine`, with the rates, and the normalisations of samples that are fitted with them.

    :param names: the samples that float
    :raises StepError: when nothing constrains a normalisation
    """
    found: dict[str, Limits] = {}
    fits: dict[str, Normalisations] = {}
    if not all(set(region.histograms) == set(region.n) for region in regions):
        raise StepError("normalisations float in regions whose likelihoods have bins")
    nominal = combine(regions)
    for kind, limits in nominal.items():
        if "without_rate" in kind:
            continue
        data = "observed" if "observed" in kind else ""
        normalisations = joint_normalisations(regions, data, names, nuisance="with_systematics" in kind)
        n_measured = None if limits.n_measured is None else limits.n_measured - len(names)
        if n_measured is not None and n_measured < 1:
            raise StepError(
                f"the regions measure {limits.n_measured} numbers, and {len(names)} normalisations float: nothing is "
                "left to measure the parameters; add a region or bins"
            )
        fits[kind] = normalisations
        expected = np.array([region.limits[""].log_likelihood for region in regions])
        expected += _of_regions(fits[kind.replace("observed", "").strip("_")], regions)
        found[kind] = replace(
            limits,
            log_likelihood=nominal[data].log_likelihood + normalisations.gain,
            n_measured=n_measured,
            per_simulated=_mean_factor(expected, _factors(regions, data), regions),
            replicas=None,
        )
    check_measures(names, nominal[""], found[""], fits[""].values)
    return found, fits


def _product(regions: Sequence[RegionLikelihood], kind: str) -> Limits:
    every = [region.limits[kind] for region in regions]
    expected = [region.limits[kind.replace("observed", "").strip("_")].log_likelihood for region in regions]
    measured = [limits.n_measured for limits in every if limits.n_measured is not None]
    replicas = [limits.replicas for limits in every if limits.replicas is not None]
    return Limits(
        every[0].grid,
        np.sum([limits.log_likelihood for limits in every], axis=0),
        sum(measured) if len(measured) == len(every) else None,
        _mean_factor(np.array(expected), _factors(regions, kind), regions),
        np.sum(replicas, axis=0) if len(replicas) == len(every) else None,
    )


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
    return np.asarray((weights * factors).sum(axis=0) / weights.sum(axis=0))


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
    :raises StepError: when the regions do not tell the normalisations apart
    """
    names = tuple(dict.fromkeys(name for region in regions for name in region.nuisance)) if nuisance else ()
    expected, events = _expected(regions), _events(regions, data)
    parts = []
    for rows in _blocks(len(expected), (len(names) + len(floating)) * len(events)):
        response = _join([_response(region, data, names, floating, rows) for region in regions])
        if rows.stop >= len(expected):
            check_constrained(floating, response, -1)
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
