"""The likelihood of several regions: the product of their likelihoods.

The data of the regions are independent, so the variances of the derivatives of ln L = Σ_r ln L_r by the parameters add;
the errors of the simulation may be correlated (:mod:`mmc.jobs.statistics.joint_errors`).

Nuisance parameters with the same name are the same in all regions, and are fitted to all regions together. So are
normalisations of samples that float (:mod:`mmc.jobs.statistics.floating`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.floating import FloatingLikelihood, Normalisations, check_constrained, check_measures
from mmc.jobs.statistics.joint_errors import JointError, relative_covariance, with_changed_rates, without_groups
from mmc.jobs.statistics.limits import Limits
from mmc.jobs.statistics.neyman import ToySource, critical_values
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
    fit = None if data == kind else JointFit(regions, data, nuisance=True)
    return _product(regions, data, JointError.of(regions, data), fit)


def combine_floating(
    regions: Sequence[RegionLikelihood], names: Sequence[str], kind: str = ""
) -> tuple[Limits, Normalisations]:
    """The limits as in :func:`combine`, and the normalisations of samples that are fitted with the parameters.

    :param names: the samples that float
    """
    data, profiled = "observed" if kind.startswith("observed") else "", kind.endswith(PROFILED)
    fit = JointFit(regions, data, names, nuisance=profiled)
    of_expected = JointFit(regions, "", names, nuisance=profiled) if data else fit
    limits = _product(regions, data, JointError.floating(regions, data, names, of_expected.normalisations), fit)
    if limits.n_measured is not None:
        limits = replace(limits, n_measured=max(limits.n_measured - len(names), 1))
    return limits, fit.normalisations


def check_floating(regions: Sequence[RegionLikelihood], names: Sequence[str]) -> None:
    """Check that regions can measure the normalisations of samples, and the parameters too.

    :raises StepError: when they cannot
    """
    if not all(region.has_bins for region in regions):
        raise StepError("normalisations float in regions whose likelihoods have bins")
    regions = [region.without_replicas for region in regions]
    n_measured = combine(regions).n_measured
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


def sources_of(regions: Sequence[RegionLikelihood]) -> list[ToySource]:
    """What the toys of regions with bins are drawn from; a sample is the same in all regions.

    Regions with common events are in different sets: all sets have the integration of a sample in common, and each has
    the fixed number of generated events for itself, also for a third region that is in one of these sets.
    """
    sets: list[int] = []
    for r, region in enumerate(regions):
        sets.append(min(set(range(r + 1)) - {sets[s] for s in region.both if s < r}))
    found, columns = [], dict[tuple[int, int], int]()
    for region, own_set in zip(regions, sets, strict=True):
        source, known = region.toys, region.cross_sections
        if source is None:
            continue
        template, keys = source.template, list[tuple[int, int]]()
        if template is not None and known is not None:
            keys = [(own_set, int(name)) for name in known.names]
            if any(sets):
                integration = np.square(np.nan_to_num(known.integration))
                common = np.concatenate([integration, template.common - integration])
                template = replace(template, of_samples=np.tile(template.of_samples, (1, 2, 1)), common=common)
                keys = [(-1, name) for _, name in keys] + keys
        own = [columns.setdefault(key, len(columns)) for key in keys]
        found.append(replace(source, template=template, columns=np.array(own, dtype=np.intp)))
    return found


def with_common_toys(
    regions: Sequence[RegionLikelihood],
    limits: Mapping[str, Limits],
    levels: Sequence[float],
    random: np.random.Generator,
) -> dict[str, Limits]:
    """The limits with critical values from toys of all regions, as :func:`mmc.jobs.statistics.neyman.with_toys`.

    :raises StepError: when a likelihood has no bins, or too much of the cross section is in bins of negative weight
    """
    toys = sources_of(regions)
    if len(toys) < len(regions):
        raise StepError("toys of a combination need likelihoods with bins: the rate, a histogram or sally")
    found: dict[str, Limits] = {}
    relative = relative_covariance(regions)
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
            critical = critical_values(sources, list(together.values()), levels, random, relative)
            found |= {kind: replace(entry, critical=critical) for kind, entry in together.items()}
    return found


def _product(regions: Sequence[RegionLikelihood], kind: str, error: JointError, fit: "JointFit | None") -> Limits:
    """The limits of a kind, with variations if the errors of the simulation are known in all regions.

    The variations keep the values of the fit, where ln L is at its maximum.
    """
    every = [region.limits[kind] for region in regions]
    measured = [limits.n_measured for limits in every if limits.n_measured is not None]
    total = np.sum([limits.log_likelihood for limits in every], axis=0) + (0.0 if fit is None else fit.gain)
    n_measured = sum(measured) if len(measured) == len(every) else None
    found = Limits(every[0].grid, total, n_measured, error.factor)
    rates = [region for region in regions if region.rate and "without_rate" not in kind]
    if any(limits.replicas is None for limits in every) or any(region.cross_sections is None for region in rates):
        return found
    known = np.isfinite(total)

    def changes(others: Iterable[Sequence[RegionLikelihood]]) -> Array:
        """The changes of ln L at all points by variations of the regions, relative to that at the true point."""
        each = []
        for other in others:
            changed = np.sum([region.limits[kind].log_likelihood for region in other], axis=0)
            changed = changed + (0.0 if fit is None else fit.at(other))
            change = np.subtract(changed, total, out=np.zeros(len(total)), where=known & np.isfinite(changed))
            each.append(change - change[-1])
        return np.reshape(each, (len(each), len(total)))

    nominal = np.where(known, total, -np.inf)
    found = replace(found, replicas=nominal + error.wider * changes(without_groups(regions)))
    return replace(found, varied=nominal + changes(with_changed_rates(regions))) if rates else found


class JointFit:
    """Nuisance parameters, and normalisations of samples that float, fitted to all regions together, with the rates.

    The bins of all regions are those of one histogram.
    """

    def __init__(
        self, regions: Sequence[RegionLikelihood], data: str, floating: Sequence[str] = (), *, nuisance: bool
    ) -> None:
        """
        :param data: what fills the regions, as in :attr:`RegionLikelihood.n`
        :param floating: the samples that float
        :param nuisance: whether nuisance parameters are fitted
        """
        self._data, self._floating, self._kept = data, floating, dict[int, Response]()
        self._used = [k for k, region in enumerate(regions) if floating or region.nuisance]
        self._regions = [regions[k] for k in self._used]
        self._names = tuple(dict.fromkeys(name for one in regions for name in one.nuisance)) if nuisance else ()
        found, self._parts = [], list[Normalisations]()
        for rows in self._blocks:
            likelihood = self._likelihood(self._regions, rows)
            if isinstance(likelihood, Likelihood):
                found.append(likelihood.fit())
            else:
                self._parts.append(likelihood.fit())
                found.append((self._parts[-1].gain, self._parts[-1].place))
        self.gain = np.concatenate([gain for gain, _ in found])
        """The change of ln L at each point, shape (points,)."""
        self._place = np.concatenate([place for _, place in found])

    @property
    def normalisations(self) -> Normalisations:
        """The factors of the samples that float."""
        return Normalisations.join(self._parts)

    def at(self, regions: Sequence[RegionLikelihood]) -> Array:
        """The change of ln L of varied regions by the values that were fitted, shape (points,).

        The relative effects of nuisance parameters, and the parts of the samples in each bin, do not vary.
        """
        used = [regions[k] for k in self._used]
        each = [self._likelihood(used, rows).change(self._place[rows])[0] for rows in self._blocks]
        return np.concatenate(each)

    @property
    def _blocks(self) -> list[slice]:
        """Blocks of points whose responses fit into memory."""
        points, n_bins = len(self._regions[0].expected), len(_events(self._regions, self._data))
        size = max(1, BLOCK // max(1, (len(self._names) + len(self._floating)) * n_bins))
        return [slice(start, start + size) for start in range(0, points, size)]

    def _likelihood(self, regions: Sequence[RegionLikelihood], rows: slice) -> Likelihood | FloatingLikelihood:
        """The likelihood of varied regions at some points."""
        if rows.start not in self._kept:  # the last block is kept: the only one, as a rule, for all variations
            each = [_response(region, self._data, self._names, self._floating, rows) for region in self._regions]
            self._kept = {rows.start: _join(each)}
        shares = np.concatenate([_contents(region, self._data, rows) for region in regions], axis=1)
        response, events = replace(self._kept[rows.start], shares=shares), _events(regions, self._data)
        expected = np.sum([np.maximum(region.expected[rows], 0.0) for region in regions], axis=0)
        if self._floating:
            return FloatingLikelihood(response, (expected > 0.0)[:, np.newaxis] * events)
        scale = np.where(expected > 0.0, expected, 1.0)
        n = sum(region.n[self._data] for region in regions)
        return Likelihood(replace(response, shares=shares / scale[:, np.newaxis]), events, n, expected)


def _events(regions: Sequence[RegionLikelihood], data: str) -> Array:
    """The data in the bins of all regions."""
    return np.concatenate([region.n[data] * region.histograms[data].fractions for region in regions])


def _contents(region: RegionLikelihood, data: str, rows: slice) -> Array:
    """The expected numbers of events in the bins of a region at some points, shape (points, bins)."""
    shares = region.histograms[data].histogram.shares(rows)
    whole = np.maximum(shares.sum(axis=1), 1.0)  # the rest is in unknown bins
    return np.asarray(shares * (np.maximum(region.expected[rows], 0.0) / whole)[:, np.newaxis])


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
    return Response(_contents(region, data, rows), linear, quadratic, parts)


def _join(parts: Sequence[Response]) -> Response:
    """The response of the bins of all regions."""
    each = (np.concatenate([getattr(part, field.name) for part in parts], axis=1) for field in fields(Response))
    return Response(*each)
