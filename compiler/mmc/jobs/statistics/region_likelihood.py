"""The likelihood of a region: what combinations read of it, on the grid and, if it has bins, at any point."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mmc.jobs.madminer.cross_sections import CrossSections
from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.histograms import FLOOR, IMPOSSIBLE, Template, are_possible
from mmc.jobs.statistics.limits import Grid, Limits
from mmc.jobs.statistics.neyman import Cells, ToySource
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.profiling import FilledHistogram, VariedHistogram
from mmc.jobs.statistics.result import Result
from mmc.jobs.statistics.simulated import SimulatedSums, TemplateErrors, TemplateSums, rate_share

LIKELIHOOD = "likelihood.npz"
"""What a combination reads of the limits in a region."""
KINDS = ("", "without_rate", "observed", "observed_without_rate")
"""The kinds of limits whose likelihoods are multiplied; the empty name stands for expected limits."""
_EXPECTED, _NUISANCE, _FLOATING, _TOYS = "expected", "nuisance.", "floating.", "toys."
_SUMS = {
    "simulated.": SimulatedSums,
    "cross_sections.": CrossSections,
    "template.": TemplateSums,
    "errors.": TemplateErrors,
}
_GROUPS = "groups"
_CELLS = ("log_ratios", "sums", "products", "coefficients", "of_rate")
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
    simulated: SimulatedSums | None = None
    """The sums of the simulated events."""
    rate: bool = True
    """Whether expected limits include the rate."""
    toys: ToySource | None = None
    """What toys are drawn from, if it has bins; None without toys."""
    cross_sections: CrossSections | None = None
    """The expected events at the benchmarks, with their errors; None if limits do not include the error of the
    simulation, or already do."""
    both: Mapping[int, Array] = field(default_factory=dict)
    """The sums of products of the weights here and in other regions of a combination, by their indices, of the
    simulated events that are in both, shape (benchmarks, benchmarks), in expected events."""
    part: float = 1.0
    """The part of the simulated events that make the distribution."""
    coefficients: Array | None = None
    """The morphing coefficients of the points at which :attr:`cross_sections` are known, shape (points + 1,
    benchmarks)."""

    @classmethod
    def of(cls, problem: LimitProblem, result: Result) -> "RegionLikelihood":
        """The likelihood behind a result."""
        own, every = result.own, {"": result.limits, **result.variants}
        n = {"": problem.n_expected, **({} if problem.observed is None else {"observed": problem.n_observed})}
        known = own.file.cross_sections.times(own.luminosity) if own.expects_simulation else None
        return cls(
            limits={kind: every[kind] for kind in KINDS if kind in every},
            n=n,
            expected=problem.expected,
            nuisance=tuple(problem.file.nuisance_parameters) if problem.profiled else (),
            histograms=result.histograms,
            floating=problem.file.floating,
            simulated=own.simulated_sums,
            rate=bool(own.include_xsec),
            toys=result.toys if result.histograms else None,
            cross_sections=known,
            part=own.simulated.n_events / own.file.n_events,
        )

    def arrays(self) -> dict[str, Array]:
        """The arrays of :data:`LIKELIHOOD`."""
        found: dict[str, Any] = {"events": self.expected, "rate": self.rate, "part": self.part}
        own = self.simulated
        template, errors = (None, None) if own is None else (own.template, own.errors)
        simulated = own and replace(own, template=None, errors=None)
        for start, sums in zip(_SUMS, (simulated, self.cross_sections, template, errors), strict=True):
            found |= {} if sums is None else {f"{start}{key}": item for key, item in vars(sums).items()}
        found = {key: item for key, item in found.items() if item is not None}
        if self.toys is not None:
            ((table, content),) = self.toys.cells.blocks()
            arrays = (table, content.sums, content.products, self.toys.coefficients, self.toys.of_rate)
            found |= {f"{_TOYS}{key}": item for key, item in zip(_CELLS, arrays, strict=True)}
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
            if filled.without_groups:
                found[_GROUPS] = np.stack([group.histogram.nominal for group in filled.without_groups])
                found[f"{name or _EXPECTED}.{_GROUPS}"] = np.stack([group.fractions for group in filled.without_groups])
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
                if _GROUPS in own:
                    groups = zip(arrays[_GROUPS], own[_GROUPS], strict=True)
                    each = [_of_group(histogram, *group, matches=not kind) for group in groups]
                    histograms[kind] = replace(histograms[kind], without_groups=each)
        nuisance, floating = (
            tuple(key.removeprefix(start) for key in arrays if key.startswith(start))
            for start in (_NUISANCE, _FLOATING)
        )
        sums: list[Any] = [
            kind(**{item.name: arrays.get(start + item.name) for item in fields(kind)})
            if any(key.startswith(start) for key in arrays)
            else None
            for start, kind in _SUMS.items()
        ]
        simulated, cross_sections, template, errors = sums
        simulated = simulated and replace(simulated, template=template, errors=errors)
        toys, rate = None, bool(arrays["rate"])
        if f"{_TOYS}{_CELLS[0]}" in arrays:
            table, filled, products, coefficients, of_rate = (arrays[f"{_TOYS}{key}"] for key in _CELLS)
            cells = Cells(len(filled), lambda: [(table, Template(filled, products))])
            toys = ToySource(cells, coefficients, filled.sum(axis=0), arrays["events"], of_rate, template)
        part = float(arrays["part"])
        every = limits, n, arrays["events"], nuisance, histograms, floating, simulated, rate, toys, cross_sections
        return cls(*every, part=part)

    @property
    def has_bins(self) -> bool:
        """Whether it has bins, in which nuisance parameters and normalisations are fitted with those of other regions.
        Then it is known at any point."""
        return set(self.histograms) == set(self.n)

    def at(self, coefficients: Array) -> "RegionLikelihood":
        """The likelihood with bins at other points; the last one is the true point.

        :param coefficients: morphing coefficients, shape (points, benchmarks)
        """
        assert self.simulated is not None
        mu = coefficients @ self.simulated.rates
        histograms = {
            data: replace(filled, histogram=_moved(filled.histogram, coefficients))
            for data, filled in self.histograms.items()
        }
        shapes = {data: n * _mean_log(histograms[data], coefficients) for data, n in self.n.items()}
        of_rates = {data: _log_rate(n, mu) for data, n in self.n.items()}
        near = np.arange(len(mu)) < len(mu) - 1
        share = rate_share(of_rates[""], of_rates[""] + shapes[""], near[:-1])
        limits = {}
        for kind, old in self.limits.items():
            data = "observed" if kind.startswith("observed") else ""
            rate = self.rate and "without_rate" not in kind
            log = shapes[data] + of_rates[data] if rate else shapes[data]
            factor = self.n[data] * self.simulated.per_event(coefficients, share if rate else 0.0, near)
            limits[kind] = Limits(old.grid, np.asarray(log), old.n_measured, factor)
        return replace(self, limits=limits, histograms=histograms, expected=mu, coefficients=coefficients)

    @property
    def without_replicas(self) -> "RegionLikelihood":
        """The same without the errors of areas and intervals."""
        return replace(self, limits={kind: replace(old, replicas=None) for kind, old in self.limits.items()})

    def without_group(self, group: int) -> "RegionLikelihood":
        """The same from the simulated events without one group, with the same expected events.

        Kinds without replicas stay as they are.
        """
        limits, histograms = dict(self.limits), dict(self.histograms)
        for kind, old in self.limits.items():
            if old.replicas is not None:
                limits[kind] = replace(old, log_likelihood=old.replicas[group])
        for data, filled in self.histograms.items():
            histograms[data] = filled.without_groups[group] if filled.without_groups else filled
        return replace(self, limits=limits, histograms=histograms)

    def changed(self, change: Array) -> "RegionLikelihood":
        """The same with other expected events at the benchmarks, which expected data follow.

        :param change: shape (benchmarks,)
        """
        assert self.coefficients is not None
        mu = self.expected + self.coefficients @ change
        n = {**self.n, "": float(mu[-1])}
        limits = dict(self.limits)
        for kind, old in self.limits.items() if self.rate else ():
            if "without_rate" not in kind:
                data = "observed" if kind.startswith("observed") else ""
                known = np.isfinite(old.log_likelihood) & (self.expected > 0.0) & (mu > 0.0)
                log, before, after = (np.where(known, each, 0.0) for each in (old.log_likelihood, self.expected, mu))
                of_shape = (log - _log_rate(self.n[data], before)) / self.n[data]
                moved = n[data] * of_shape + _log_rate(n[data], after)
                limits[kind] = replace(old, log_likelihood=np.where(known, moved, old.log_likelihood))
        return replace(self, limits=limits, n=n, expected=mu)


def _of_group(histogram: VariedHistogram, sums: Array, fractions: Array, *, matches: bool) -> FilledHistogram:
    """The histogram without one group of events, from its sums of weights and the fractions of the data."""
    found = histogram.refilled(sums)
    return FilledHistogram(found.matched(found.coefficients[-1], fractions) if matches else found, fractions)


def _log_rate(n: float, mu: Array) -> Array:
    """n ln μ - μ, -inf where μ is not positive."""
    return np.where(mu > 0.0, n * np.log(np.where(mu > 0.0, mu, 1.0)) - mu, -np.inf)


def _possible(histogram: VariedHistogram, coefficients: Array) -> npt.NDArray[np.bool_]:
    """Whether a distribution exists at each point, shape (points,)."""
    return are_possible(coefficients, histogram.nominal, histogram.known)


def _moved(histogram: VariedHistogram, coefficients: Array) -> VariedHistogram:
    """The histogram at other points; where no distribution exists, that of the true point."""
    possible = _possible(histogram, coefficients)[:, np.newaxis]
    rows = np.where(possible, coefficients, coefficients[-1])
    return replace(histogram, coefficients=rows / (rows @ histogram.nominal.sum(axis=0))[:, np.newaxis])


def _mean_log(filled: FilledHistogram, coefficients: Array) -> Array:
    """The mean log ratio to the true point per event of data, shape (points,)."""
    shares = filled.histogram.coefficients @ filled.histogram.nominal.T
    known = filled.histogram.known & (shares[-1] > 0.0)
    ratio = np.maximum(shares / np.where(known, shares[-1], 1.0), FLOOR)
    mean = np.where(known, np.log(ratio), 0.0) @ filled.fractions
    return np.where(_possible(filled.histogram, coefficients), mean, IMPOSSIBLE)
