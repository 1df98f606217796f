"""The likelihood of a region: what combinations read of it, on the grid and, if it has bins, at any point."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from mmc.jobs.madminer.event_file import Array
from mmc.jobs.statistics.closure.truth import FLOOR
from mmc.jobs.statistics.histograms import IMPOSSIBLE, ROUNDING, Template
from mmc.jobs.statistics.limits import Grid, Limits
from mmc.jobs.statistics.neyman import Cells, ToySource
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.profiling import FilledHistogram, VariedHistogram
from mmc.jobs.statistics.result import Result
from mmc.jobs.statistics.simulated import SimulatedSums, rate_share

LIKELIHOOD = "likelihood.npz"
"""What a combination reads of the limits in a region."""
KINDS = ("", "without_rate", "observed", "observed_without_rate")
"""The kinds of limits whose likelihoods are multiplied; the empty name stands for expected limits."""
_EXPECTED, _NUISANCE, _FLOATING, _SIMULATED, _TOYS = "expected", "nuisance.", "floating.", "simulated.", "toys."
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
    shared: tuple[float, ...] | None = None
    """The correlation of the error of its simulation with that of each region of a combination, 1 with itself; None if
    they share nothing."""
    toys: ToySource | None = None
    """What toys are drawn from, if it has bins; None without toys."""
    more_of_a_part: Array | float = 0.0
    """By how much f of one event is larger in :attr:`of_a_part`, with the rate."""

    @classmethod
    def of(cls, problem: LimitProblem, result: Result) -> "RegionLikelihood":
        """The likelihood behind a result."""
        own, every = result.own, {"": result.limits, **result.variants}
        n = {"": problem.n_expected, **({} if problem.observed is None else {"observed": problem.n_observed})}
        sums, of_a_part = own.simulated_sums, np.zeros(len(problem.points))
        if own.include_xsec:
            with_rate = result.limits.infinite_simulation
            of_a_part = own.per_simulated(1.0, with_rate, sums.of_a_part) - own.per_simulated(1.0, with_rate)
        return cls(
            limits={kind: _of_numbers(every[kind], own) for kind in KINDS if kind in every},
            n=n,
            expected=problem.expected,
            nuisance=tuple(problem.file.nuisance_parameters) if problem.profiled else (),
            histograms=result.histograms,
            floating=problem.file.floating,
            simulated=sums,
            rate=bool(own.include_xsec),
            toys=result.toys if result.histograms else None,
            more_of_a_part=of_a_part,
        )

    @property
    def of_a_part(self) -> "RegionLikelihood":
        """The likelihood of one of several regions of the same samples (:attr:`SimulatedSums.of_a_part`)."""
        assert self.simulated is not None
        limits, sums, toys = dict(self.limits), self.simulated.of_a_part, self.toys
        for data in self.n if self.rate else ():
            f = limits[data].per_simulated + self.n[data] * np.asarray(self.more_of_a_part)
            limits[data] = replace(limits[data], per_simulated=f)
        toys = None if toys is None else replace(toys, of_rate=sums.of_rate(toys.coefficients))
        return replace(self, limits=limits, simulated=sums, toys=toys)

    def arrays(self) -> dict[str, Array]:
        """The arrays of :data:`LIKELIHOOD`."""
        found: dict[str, Any] = {"events": self.expected, "rate": self.rate, "more_of_a_part": self.more_of_a_part}
        if self.simulated is not None:
            found |= {f"{_SIMULATED}{key}": item for key, item in vars(self.simulated).items() if item is not None}
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
            for key in ("replicas", "varied"):
                if (others := getattr(limits, key)) is not None:
                    found[f"{kind}.{key}"] = others
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
                log = own["log_likelihood"], measured, own["per_simulated"], own.get("replicas"), own.get("varied")
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
        simulated = None
        if f"{_SIMULATED}rates" in arrays:
            sums: dict[str, Any] = {item.name: arrays.get(_SIMULATED + item.name) for item in fields(SimulatedSums)}
            simulated = SimulatedSums(**sums)
        toys, rate = None, bool(arrays["rate"])
        if f"{_TOYS}{_CELLS[0]}" in arrays:
            table, filled, products, coefficients, of_rate = (arrays[f"{_TOYS}{key}"] for key in _CELLS)
            cells = Cells(len(filled), lambda: [(table, Template(filled, products))])
            toys = ToySource(cells, coefficients, filled.sum(axis=0), arrays["events"], of_rate)
        found = cls(limits, n, arrays["events"], nuisance, histograms, floating, simulated, rate)
        return replace(found, toys=toys, more_of_a_part=arrays["more_of_a_part"])

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
        share = rate_share(of_rates[""], of_rates[""] + shapes[""], np.ones(len(mu) - 1, dtype=bool))
        limits = {}
        for kind, old in self.limits.items():
            data = "observed" if kind.startswith("observed") else ""
            rate = self.rate and "without_rate" not in kind
            log = shapes[data] + of_rates[data] if rate else shapes[data]
            factor = self.n[data] * self.simulated.per_event(coefficients, share if rate else 0.0)
            limits[kind] = Limits(old.grid, np.asarray(log), old.n_measured, factor)
        return replace(self, limits=limits, histograms=histograms, expected=mu)


def _of_numbers(limits: Limits, problem: LimitProblem) -> Limits:
    """Limits that vary by the errors of the numbers of events that pass alone: regions share those of the integration,
    which are part of the verdict on a combination."""
    if limits.varied is None:
        return limits
    return replace(limits, varied=limits.varied[: len(problem.file.cross_sections.count_changes)])


def _log_rate(n: float, mu: Array) -> Array:
    """n ln μ - μ, -inf where μ is not positive."""
    return np.where(mu > 0.0, n * np.log(np.where(mu > 0.0, mu, 1.0)) - mu, -np.inf)


def _possible(histogram: VariedHistogram, coefficients: Array) -> Array:
    """Whether a distribution exists at each point, shape (points,)."""
    totals = histogram.nominal.sum(axis=0)
    return np.asarray(coefficients @ totals > ROUNDING * np.abs(coefficients) @ np.abs(totals))


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
