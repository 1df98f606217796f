"""Limits with critical values from toys, for a mixture (1 - θ) p₀ + θ p₁ of two distributions over six bins."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import pytest
from mmc.jobs.madminer.cross_sections import CrossSections
from mmc.jobs.madminer.event_file import Array, Block, EventFile, Events
from mmc.jobs.statistics import neyman
from mmc.jobs.statistics.binned_ratio import BinnedRatio
from mmc.jobs.statistics.histograms import Binning, Template
from mmc.jobs.statistics.limits import Grid, Limits
from mmc.jobs.statistics.neyman import Cells, ToySource, critical_values, narrowing, with_toys
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.profiling import ShapeLikelihood
from mmc.jobs.statistics.simulated import SimulatedSums, TemplateSums, rate_share
from mmc.jobs.statistics.toy_sums import EventSamples
from scipy.stats import chi2, poisson

from tests.jobs.statistics.test_simulated import AT_ONE, BINS

SHARES = np.array([[0.05, 0.1, 0.15, 0.2, 0.25, 0.25], [0.3, 0.25, 0.2, 0.1, 0.1, 0.05]])
BINNING = Binning((np.arange(5) + 0.5,))
LEVELS = (0.68, 0.95)
POINT = np.array([[0.7, 3.0]])


class Mixture:
    """An event file with events of both distributions in every partition; ``sigma`` are their cross sections."""

    is_balanced = has_morphing = True
    benchmarks = ("first", "second")

    def __init__(self, sizes: Mapping[str, int], random: np.random.Generator, sigma: tuple[float, float]) -> None:
        self._parts = {}
        for name, size in sizes.items():
            x = random.choice(6, size=size, p=SHARES.mean(axis=0))
            weights = np.array(sigma)[:, np.newaxis] * SHARES[:, x] / SHARES.mean(axis=0)[x] / size
            self._parts[name] = Events(x[:, np.newaxis].astype(float), weights.T)

    def part(self, partition: str, near: Any = None) -> Events:
        return self._parts[partition]

    def blocks(self, partition: str) -> Iterator[Block]:
        events = self._parts[partition]
        zeros = np.zeros(len(events.x), dtype=np.intp)
        yield Block(events, zeros, dict, 0, lambda: zeros)

    def labels(self, partition: str) -> Any:
        return np.zeros(len(self._parts[partition].x), dtype=np.intp)

    @property
    def cross_sections(self) -> CrossSections:
        """Without a record of how many events were generated."""
        blocks = ((block.events.weights, block.labels()) for block in self.blocks("all"))
        return CrossSections.of(blocks, [], len(self.benchmarks))

    def coefficients(self, points: Array) -> Array:
        return np.hstack([1.0 - points, points])


@dataclass(frozen=True)
class Model:
    """A problem with a histogram of all bins."""

    problem: LimitProblem

    @classmethod
    def of(
        cls, n: float, simulated: int, seed: int = 1, *, rate: bool = False, sigma: tuple[float, float] = (1.0, 1.0)
    ) -> "Model":
        """``n`` events expected at θ = 0.5; ``simulated`` events make the likelihood, and as many are test events."""
        sizes = {"test": simulated, "validation": simulated, "all": 2 * simulated}
        file = Mixture(sizes, np.random.default_rng(seed), sigma)
        grid = Grid({"a": np.linspace(0.0, 1.0, 41)}, (0.5,))
        problem = LimitProblem(
            cast(EventFile, file), grid, np.array([0.5]), n, LEVELS, include_xsec=rate, n_observed=n, toys=True
        )
        return cls(problem)

    @cached_property
    def table(self) -> Array:
        """The log ratios of the bins at all points."""
        events = self.problem.file.part(self.problem.simulation)
        template = Template.of(BINNING.index(events.x), events, 6)
        return BinnedRatio.of(template.sums, self.problem.coefficients, self.problem.true_coefficients).log

    @cached_property
    def asymptotic(self) -> dict[str, Limits]:
        x, probabilities = self.problem.asimov
        fractions = np.bincount(BINNING.index(x), probabilities, minlength=6)
        data = ShapeLikelihood(self.table @ fractions)
        return self.problem.all_limits(data, data)

    @cached_property
    def with_toys(self) -> dict[str, Limits]:
        cells = Cells.binned(self.problem, self.table, BINNING, lambda events: events.x)
        return with_toys(self.problem, self.asymptotic, cells, np.random.default_rng(5))

    def coverage(self, limits: Limits, random: np.random.Generator) -> list[float]:
        """The part of real data at the true point whose region includes it."""
        data = random.poisson(self.problem.luminosity * SHARES.mean(axis=0), size=(500, 6))
        q = -2.0 * self.table @ data.T
        return [float((q[-1] - q.min(axis=0) <= limits.critical_values(level)[-1]).mean()) for level in LEVELS]


@pytest.fixture(autouse=True)
def fewer_toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neyman, "TOYS", 4000)


def test_limits_from_few_simulated_events_cover_with_toys() -> None:
    """With as many simulated as real events, regions of χ² cover too little; averaged over simulations, toys cover."""
    random, covered = np.random.default_rng(4), []
    for seed in range(1000, 1040):
        model = Model.of(300.0, 300, seed)
        kinds = (model.asymptotic[""].infinite_simulation, model.asymptotic[""], model.with_toys[""])
        covered.append([model.coverage(limits, random) for limits in kinds])
    infinite, asymptotic, toys = np.mean(covered, axis=0)
    errors = np.std(covered, axis=0)[2] / 40**0.5
    assert infinite[0] < 0.6 and infinite[1] < 0.9
    assert np.all(np.abs(toys - LEVELS) < 3.0 * errors) and errors[0] < 0.04 and errors[1] < 0.015
    assert toys == pytest.approx(asymptotic, abs=0.03)


def test_with_many_events_the_critical_values_are_those_of_a_chi_square() -> None:
    limits = Model.of(300.0, 300_000).with_toys[""]
    inside = np.flatnonzero(limits.p_values > 0.05)
    for level in LEVELS:
        assert limits.critical is not None
        values, errors = limits.critical_values(level)[inside], limits.critical.error_at(level)[inside]
        assert np.all(np.abs(values - chi2.ppf(level, 1)) < 4.0 * errors)
        assert values.mean() == pytest.approx(chi2.ppf(level, 1), rel=0.1)
    assert limits.critical is not None
    assert limits.critical.coverage.mean(axis=1) == pytest.approx(LEVELS, abs=0.02)


def test_the_construction_for_a_poisson_mean_is_exact() -> None:
    """The mean is 40 (1 + θ); -2 ln λ is relative to the best mean on the grid, between 40 and 80.

    Numbers are whole, so the exact construction covers a little more than the level.
    """
    model = Model.of(40.0, 1_000_000, rate=True, sigma=(1.0, 2.0))
    problem = replace(model.problem, n_measured=1, simulation="all")
    nothing = ShapeLikelihood(0.0)
    cells = Cells.binned(problem, np.zeros((42, 1)), Binning((np.zeros(0),)), lambda events: events.x)
    limits = with_toys(problem, problem.all_limits(nothing, None), cells, np.random.default_rng(6))[""]
    assert limits.critical is not None
    n, mu = np.arange(200), problem.expected[:-1]
    q = -2.0 * (n * np.log(mu)[:, np.newaxis] - mu[:, np.newaxis])
    probability = poisson.pmf(n, mu[:, np.newaxis])
    error = (0.05 * 0.95 / limits.critical.toys) ** 0.5
    ordered = np.take_along_axis(probability, np.argsort(q - q.min(axis=0), axis=1), axis=1).cumsum(axis=1)
    for k, level in enumerate(LEVELS):
        exact = np.mean([row[np.searchsorted(row, level)] for row in ordered])
        covered = (probability * (q - q.min(axis=0) <= chi2.ppf(level, 1))).sum(axis=1)
        assert limits.critical.coverage[k] == pytest.approx(covered[limits.critical.probes], abs=10.0 * error)
        own = (probability * (q - q.min(axis=0) <= limits.critical_values(level)[:-1, np.newaxis])).sum(axis=1)
        assert own.mean() == pytest.approx(exact, abs=0.02) and own.min() > level - 0.08
    assert limits.critical_values(0.95)[0] < 3.3 < limits.critical_values(0.95)[20]  # at the edge only n > 40 can tell


def test_bins_and_single_events_give_the_same_critical_values() -> None:
    model = Model.of(100.0, 500)
    cells = Cells.of_ratio(model.problem, lambda events: model.table[:, BINNING.index(events.x)])
    assert cells.samples is not None
    single = with_toys(model.problem, model.asymptotic, cells, np.random.default_rng(7))[""]
    for level in LEVELS:
        assert single.critical is not None and model.with_toys[""].critical is not None
        errors = np.hypot(single.critical.error_at(level), model.with_toys[""].critical.error_at(level))
        difference = single.critical_values(level) - model.with_toys[""].critical_values(level)
        assert np.abs(difference / errors).mean() < 2.0


def test_the_error_of_critical_values_is_part_of_the_error_of_areas() -> None:
    limits = Model.of(100.0, 500).with_toys[""]
    summary = limits.summary(LEVELS)
    assert limits.replicas is None and summary["allowed_area_error"]["0.95"] > 0.0
    assert summary["interval_errors"]["a"]["0.68"][0][0] > 0.0
    exact = replace(limits, critical=replace(limits.critical, errors=np.zeros_like(limits.critical.errors)))  # type: ignore[type-var, union-attr]
    assert exact.summary(LEVELS)["allowed_area_error"]["0.95"] == 0.0
    entries = summary["toys"]["map"]
    assert {entry["level"] for entry in entries} == set(LEVELS)
    assert len(entries) == 2 * len(limits.critical.probes)  # type: ignore[union-attr]
    # a point is in the region exactly if its own -2 ln λ is at most its critical value
    q = -2.0 * (limits.log_likelihood - limits.log_likelihood.max())
    for level in LEVELS:
        assert limits.allowed(level).tolist() == (q <= limits.critical_values(level))[:-1].tolist()


def test_observed_limits_without_the_rate_have_toys_with_their_own_number_of_events() -> None:
    model = Model.of(300.0, 300)
    few = replace(model.problem, n_observed=30.0)
    limits = few.all_limits(ShapeLikelihood(model.asymptotic[""].log_likelihood / 300.0), ShapeLikelihood(0.0))
    cells = Cells.binned(few, model.table, BINNING, lambda events: events.x)
    found = with_toys(few, limits, cells, np.random.default_rng(8))
    assert list(found) == list(limits) == ["", "observed"]
    ratio = [found[kind].critical_values(0.95)[-1] / chi2.ppf(0.95, 1) for kind in found]
    assert ratio[0] - 1.0 > 3.0 * abs(ratio[1] - 1.0)  # 30 events do not see the error of 300 simulated events


def test_numbers_of_events_fluctuate_as_the_rate_does() -> None:
    """100 events are expected, from 50 simulated ones of the 60 that were generated: the rate has an error of 1/6 of
    1/50, and the cells one of 1/50."""
    content = Template(np.array([[50.0]]), np.array([[[50.0]]]))
    one, nothing = np.ones((1, 1)), np.zeros((1, 1))
    cells = Cells(1, lambda: [(nothing, content)])
    source = ToySource(cells, one, np.array([50.0]), np.array([100.0]), np.array([1.0 / 300.0]))
    contents, _ = source.contents(0, content)
    counts = contents.draw_bins(100_000, np.random.default_rng(1))[:, 0]
    assert counts.var() == pytest.approx(100.0 + 100.0**2 / 50.0, rel=0.02)
    narrowed = counts * source.narrowing(0, counts, contents)
    assert narrowed.mean() == pytest.approx(100.0, rel=0.003)
    assert narrowed.var() == pytest.approx(100.0 + 100.0**2 / 300.0, rel=0.02)
    fixed = replace(source, n=100.0)
    np.testing.assert_array_equal(fixed.narrowing(0, counts, contents), np.ones(100_000))


def test_no_toy_has_fewer_than_no_events() -> None:
    """Where the integration is known worse than the cells are."""
    sizes = np.array([[0.0, 5.0, 100.0, 200.0]])
    means = np.array([100.0])
    factors = narrowing(sizes, means, means, np.array([[101.0]]), np.array([[4.0]]))
    assert factors.min() == 0.0 and factors[0, 2:] * sizes[0, 2:] == pytest.approx(
        [100.0, 100.0 + 100.0 * (40100.0 / 101.0) ** 0.5]
    )


def test_memory_is_shared_by_all_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neyman, "BUDGET", 60_000)
    cells = Cells(1, lambda: [])
    source = ToySource(cells, np.ones((100, 1)), np.ones(1), np.ones(100), np.zeros(100))
    assert [neyman.n_toys([source] * n, np.arange(3)) for n in (1, 3)] == [200, 66]


def test_the_number_of_toys_is_limited_by_the_events_that_they_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of many single events are in no toy; an event that is there several times is drawn in groups."""
    monkeypatch.setattr(neyman, "DRAWS", 1_200_000)
    probes = np.arange(2)
    found = [
        neyman.n_toys([ToySource(Cells(size, lambda: []), one, one, np.full(4, n), np.zeros(4))], probes)
        for one in [np.ones((4, 1))]
        for size, n in ((1_000_000, 1000.0), (1000, 1000.0 * np.expm1(2.0)), (1_000_000, 1e6))
    ]
    assert found == [600, 300, neyman.FEWEST]


def test_the_numbers_of_events_of_two_regions_fluctuate_together() -> None:
    """As Poisson numbers around means with the covariance of the simulation, whatever the cells make of them."""
    random, means, drawn = np.random.default_rng(3), np.array([400.0, 900.0]), np.array([410.0, 905.0])
    covariance, relative = np.array([[700.0, 300.0], [300.0, 1000.0]]), np.array([[0.001, -0.0004], [-0.0004, 0.0005]])
    sizes = random.multivariate_normal(drawn, covariance, 50_000).T
    narrowed = sizes * narrowing(sizes, means, drawn, covariance, relative)
    np.testing.assert_allclose(narrowed.mean(axis=1), means, atol=0.6)
    np.testing.assert_allclose(np.cov(narrowed), np.diag(means) + relative * np.outer(means, means), atol=25.0)
    same = narrowing(sizes, drawn, drawn, covariance, (covariance - np.diag(drawn)) / np.outer(drawn, drawn))
    np.testing.assert_allclose(same, 1.0, atol=1e-12)  # they fluctuate so already


@pytest.mark.parametrize("rate", [True, False])
@pytest.mark.parametrize("single", [False, True])
def test_with_many_events_toys_know_the_error_that_asymptotic_limits_know(
    single: bool, rate: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signal and background that differ in the bins, with integration errors of 1.3 and 3.8 %: f is 3, or 0.6 without
    the rate. Toys whose bins, or whose single events, are independent would have smaller critical values."""
    monkeypatch.setattr(neyman, "TOYS", 12_000)
    monkeypatch.setattr(neyman, "PROBES", 8)
    produced, generated, integration = np.array([2400.0, 4000.0]), np.array([32_000, 8000]), np.array([0.0125, 0.0375])
    at_benchmarks = np.stack([np.ones((2, 4)), np.stack([1.0 + AT_ONE, np.ones(4)])], axis=2)  # θ = 0 and 1
    weights, numbers = (
        (produced / generated)[:, np.newaxis, np.newaxis] * at_benchmarks,
        generated[:, np.newaxis] * BINS,
    )
    of_samples = np.einsum("kb,kbi->bki", numbers, weights)
    products, sums = np.einsum("kb,kbi,kbj->bij", numbers, weights, weights), of_samples.sum(axis=(0, 1))
    rates, common, whole = of_samples.sum(axis=0), integration**2 - 1.0 / generated, products.sum(axis=0)
    template = TemplateSums(of_samples, products, np.ones(4, dtype=bool), np.array([1.0, 0.0]), rates, common, 1.0)
    simulated = SimulatedSums(sums, sums, whole, whole + (rates.T * common) @ rates, template)

    axis = np.linspace(-0.7, 0.7, 41)
    rows = np.stack([1.0 - np.append(axis, 0.0), np.append(axis, 0.0)], axis=1)
    bins = rows @ of_samples.sum(axis=1).T
    mu, n = bins.sum(axis=1), float(bins[-1].sum())
    table, of_rate = np.log(bins / mu[:, np.newaxis]), n * np.log(mu) - mu
    log = table @ bins[-1] + (of_rate if rate else 0.0)
    near = np.append(log[-1] - log[:-1] < 3.0, False)
    f = n * simulated.per_event(rows, rate_share(of_rate, log, near[:-1]) if rate else 0.0, near)
    limits = Limits(Grid({"a": axis}, (0.0,)), log, None, f)
    if single:
        labels, index = (np.repeat(own.ravel(), np.rint(numbers).astype(int).ravel()) for own in np.indices((2, 4)))
        content = Template(weights[labels, index], np.zeros((0, 0, 0)))
        cells = Cells(len(index), lambda: [(table[:, index], content)], EventSamples(labels, common))
        alone = replace(cells, samples=EventSamples(labels, np.zeros(2)))
        source = ToySource(cells, rows, sums, mu, simulated.of_rate(rows), None, None if rate else n)
        independent = replace(source, cells=alone)
    else:
        cells = Cells(4, lambda: [(table, Template(of_samples.sum(axis=1), products))])
        source = ToySource(cells, rows, sums, mu, simulated.of_rate(rows), template, None if rate else n)
        independent = replace(source, template=None)
    found = []
    for own in (source, independent):
        critical = critical_values([own], [limits], LEVELS, np.random.default_rng(2))
        inside = critical.probes[np.abs(rows[critical.probes, 1]) < 0.4]
        found.append([(critical.at(level) / limits.critical_values(level))[inside].mean() for level in LEVELS])
    assert f[-1] == pytest.approx(3.2 if rate else 0.6, abs=0.2)
    np.testing.assert_allclose(found[0], 1.0, atol=0.05)
    assert np.max(found[1]) < 0.92


@pytest.mark.parametrize("rate", [True, False])
def test_a_sample_changes_two_regions_together(rate: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """15,000 and 25,000 events of two samples in each of two regions; all bins of the first share an error of 3 %."""
    monkeypatch.setattr(neyman, "TOYS", 24_000)
    monkeypatch.setattr(neyman, "PROBES", 10)
    random, axis, columns = np.random.default_rng(5), np.linspace(-0.6, 0.6, 61), np.arange(2)
    shares = np.array([[[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]], [[0.1, 0.15, 0.3, 0.45], [0.4, 0.2, 0.2, 0.2]]])
    rows = np.stack([1.0 - np.append(axis, 0.0), np.append(axis, 0.0)], axis=1)
    changed = np.array([[0.2, 0.05, -0.1, -0.2], [-0.2, -0.1, 0.1, 0.2]])
    sources, tables, logs = [], [], np.zeros(62)
    for share, change in zip(shares, changed, strict=True):
        events = (np.array([[15e3], [25e3]]) * share)[:, :, np.newaxis] * np.ones(2)
        events[0, :, 1] *= 1.0 + change
        of_samples, sums = events.transpose(1, 0, 2), events.sum(axis=0)
        products = 1e-6 * np.einsum("bi,bj->bij", sums, sums)
        bins, rates, common = rows @ sums.T, events.sum(axis=1), np.array([0.03**2, 0.0])
        mu, table = bins.sum(axis=1), np.log(bins / bins.sum(axis=1, keepdims=True))
        template = TemplateSums(of_samples, products, np.ones(4, dtype=bool), rows[-1], rates, common, 1.0)
        cells = Cells(4, lambda table=table, sums=sums, products=products: [(table, Template(sums, products))])  # type: ignore[misc]
        n = None if rate else float(mu[-1])
        sources.append(ToySource(cells, rows, sums.sum(axis=0), mu, np.zeros(62), template, n, columns))
        tables.append(bins if rate else bins / mu[:, np.newaxis])
        logs += table @ bins[-1] + (mu[-1] * np.log(mu) - mu if rate else 0.0)
    of_first = np.array([rows @ own.template.rates[0] / own.expected for own in sources])  # type: ignore[union-attr]
    relative = 0.03**2 * np.einsum("rp,sp->rsp", of_first, of_first)
    limits = Limits(Grid({"a": axis}, (0.0,)), logs, None, np.full(62, 3.0))
    critical = critical_values(sources, [limits], LEVELS, np.random.default_rng(2), relative)

    signal, other = 15e3 * shares[:, 0], 25e3 * shares[:, 1]
    moved = signal * (1.0 + 0.03 * random.standard_normal((20_000, 1, 1))) + other
    counts = random.poisson(moved)
    q = -2.0 * sum(np.log(table) @ counts[:, r].T for r, table in enumerate(tables))
    q = q + (2.0 * np.sum([own.expected for own in sources], axis=0)[:, np.newaxis] if rate else 0.0)
    q = q[-1] - q.min(axis=0)
    for level in LEVELS:
        assert critical.at(level)[-1] == pytest.approx(np.quantile(q, level), rel=0.06)


def test_cells_of_negative_content_do_not_change_the_rate() -> None:
    """Cells hold 0.9 % more than 10,000 events, nine tenths of their error; the critical values are those of χ²."""
    axis, sums = np.linspace(-0.06, 0.06, 41), np.array([[6000.0], [4090.0], [-90.0]])
    rows, content = 1.0 + np.append(axis, 0.0)[:, np.newaxis], Template(sums, 1e-8 * np.square(sums)[:, :, np.newaxis])
    mu = 1e4 * rows[:, 0]
    source = ToySource(Cells(3, lambda: [(np.zeros((42, 3)), content)]), rows, sums.sum(axis=0), mu, np.zeros(42))
    limits = Limits(Grid({"a": axis}, (0.0,)), 1e4 * np.log(mu) - mu, None, np.zeros(42))
    critical = critical_values([source], [limits], LEVELS, np.random.default_rng(1))
    for level in LEVELS:
        assert critical.at(level)[-1] == pytest.approx(chi2.ppf(level, 1), rel=0.1)


def test_events_of_nearly_no_weight_are_drawn() -> None:
    """Squares of a real amplitude, which vanishes near the point for some events; rounding is far larger there."""
    random, benchmarks = np.random.default_rng(1), np.array([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1], [1, 1]])
    amplitude = random.standard_normal((3, 20_000))
    weights = np.square(amplitude[0, :, np.newaxis] + amplitude[1:].T @ benchmarks.T)
    squares = [np.stack([np.ones(len(t)), *t.T, *np.square(t).T, t[:, 0] * t[:, 1]]) for t in (benchmarks, POINT)]
    row = np.linalg.solve(squares[0], squares[1][:, 0])
    small = weights[np.argsort(weights @ row)[:2000]]
    products = small[:, :, np.newaxis] * small[:, np.newaxis, :]
    bins = products @ row @ row
    assert not np.allclose(bins, np.square(small @ row), atol=0.0)
    for samples in (EventSamples(np.zeros(len(small), dtype=np.intp), np.zeros(1)), None):
        content = Template(small, products if samples is None else np.zeros((0, 0, 0)))
        cells = Cells(len(small), lambda content=content: [(np.zeros((1, len(small))), content)], samples)  # type: ignore[misc]
        source = ToySource(cells, row[np.newaxis], small.sum(axis=0), np.full(1, 500.0), np.zeros(1))
        found, _ = source.contents(0, content, samples and samples.members(0, len(small)))
        (counts, *more) = found.draw(200, random)
        assert len(more) == (samples is not None) == (not isinstance(counts, np.ndarray))
        assert sum(part.sum() for part in (counts, *more)) / 200 == pytest.approx(500.0, rel=0.03)
