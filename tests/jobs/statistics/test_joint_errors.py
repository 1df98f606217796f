"""Errors of limits of several regions together, against the spread of repeated simulations."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mmc.jobs.madminer.cross_sections import CrossSections
from mmc.jobs.statistics.binned_ratio import histogram_figures
from mmc.jobs.statistics.combination import combine, combine_floating
from mmc.jobs.statistics.histograms import Binning, Filled
from mmc.jobs.statistics.jackknife import group_of
from mmc.jobs.statistics.joint_errors import JointError
from mmc.jobs.statistics.limits import Grid, Limits
from mmc.jobs.statistics.profiling import FilledHistogram, VariedHistogram
from mmc.jobs.statistics.region_likelihood import RegionLikelihood
from mmc.jobs.statistics.simulated import SimulatedSums, TemplateSums, rate_share
from mmc.jobs.statistics.summaries import Summaries

GENERATED = np.array([3000, 2500])
"""Events of the signal and of ttbar; the signal is 1 + θ times as large as at θ = 0."""
EXPECTED = np.array([400.0, 1500.0])
"""Events of data of each that are produced at θ = 0."""
PLACES = np.array([[0.3, 0.4, 0.1, 0.2], [0.3, 0.1, 0.4, 0.2]])
"""The probability to be in the two bins of the signal region, in the control region, and in none."""
REGIONS = ((0, 1), (2,))
INTEGRATION = np.array([0.0, 0.01])
GRID = Grid({"theta": np.linspace(-1.0, 1.0, 13)}, (0.0,))
NEAR = np.append(np.ones(13, dtype=bool), False)
THETA = np.append(GRID.points[:, 0], 0.0)
ROWS = np.stack([1.0 - THETA, THETA], axis=1)
SAMPLES = [
    {"sample": name, "n_generated": int(n), "integration_error": error}
    for name, n, error in zip(("signal", "ttbar"), GENERATED, INTEGRATION, strict=True)
]


def simulate(random: np.random.Generator, *, floating: bool, data: np.ndarray) -> list[RegionLikelihood]:
    """Both regions of one simulation; the ``data`` in the three bins are always the same."""
    place = np.concatenate([random.choice(4, n, p=p) for n, p in zip(GENERATED, PLACES, strict=True)])
    labels = np.repeat([0, 1], GENERATED)
    order = random.permutation(len(labels))
    place, labels = place[order], labels[order]
    factors = EXPECTED / GENERATED * (1.0 + INTEGRATION * random.standard_normal(2))
    each = factors[labels] * random.uniform(0.5, 1.5, len(labels))
    weights = np.stack([each, np.where(labels == 0, 2.0, 1.0) * each], axis=1)
    return [_region(weights, labels, place, bins, data[list(bins)], floating=floating) for bins in REGIONS]


def _region(
    weights: np.ndarray, labels: np.ndarray, place: np.ndarray, bins: tuple[int, ...], data: np.ndarray, floating: bool
) -> RegionLikelihood:
    inside = np.isin(place, bins)
    w, own, index = weights[inside], labels[inside], place[inside] - bins[0]
    up = np.where(own == 1, 1.1, 1.0)
    filled = Filled(len(bins), 2, () if floating else ("scale",), floating=("ttbar",) if floating else (), n_samples=2)
    filled.add(index, w, {"scale": (up, 1.0 / up)}, group_of(len(w)), {"ttbar": own == 1}, labels=own)
    binning = Binning((np.arange(1, len(bins)) - 0.5,))
    values = Summaries(np.arange(len(bins), dtype=float)[:, np.newaxis], data / data.sum())
    figures = histogram_figures(
        filled, binning, ROWS, ROWS[-1], data=None, reference=values, observed=values, truth=ROWS[-1]
    )
    sums, n = CrossSections.of([(w, own)], SAMPLES, 2), float(data.sum())
    rates = sums.of_samples.sum(axis=0)
    mu = ROWS @ rates
    common = sums.of_samples, sums.common_of(), 1.0
    known = np.ones(len(bins), dtype=bool)
    members = np.array([[False, True]])[: len(filled.parts)]
    of_floating = np.array([part.products for part in filled.parts.values()]).reshape(-1, len(bins), 2, 2)
    floats = members, of_floating
    template = TemplateSums(filled.of_samples, filled.template.products, known, ROWS[-1], *common, *floats)
    simulated = SimulatedSums(rates, w.sum(axis=0), w.T @ w, sums.covariance(), template)
    limits, numbers = {}, {"": float(mu[-1]), "observed": n}
    assert figures.observed is not None
    for kind, shape in (("", figures.expected), ("observed", figures.observed)):
        rate = numbers[kind] * np.log(mu) - mu
        replicas = numbers[kind] * np.asarray(shape.replicas) + rate
        limits[kind] = Limits(GRID, numbers[kind] * shape.mean_log + rate, len(bins), np.zeros(14), replicas)
    histograms: Any = {"": figures.expected.histogram, "observed": figures.observed.histogram}
    names = ((), ("ttbar",)) if floating else (("scale",), ())
    return RegionLikelihood(
        limits, numbers, mu, names[0], histograms, names[1], simulated, cross_sections=sums, coefficients=ROWS
    )


@pytest.mark.parametrize("floating", [True, False])
def test_errors_of_intervals_are_the_spread_of_repeated_simulations(floating: bool) -> None:
    """With a normalisation that floats, or a nuisance parameter, in two regions of the same samples."""
    random, data = np.random.default_rng(6), (EXPECTED @ PLACES)[:3] * [1.03, 0.98, 1.01]
    ends, errors, nominal = [], [], []
    for k in range(30):
        regions = simulate(random, floating=floating, data=data)
        if floating:
            limits, _ = combine_floating(regions, ["ttbar"], "observed")
        else:
            limits = combine(regions, "observed_with_systematics")
        found = limits.infinite_simulation.summary([0.68])
        ends.append(found["intervals"]["theta"]["0.68"][0])
        errors.append(found["interval_errors"]["theta"]["0.68"][0])
        if k < 3:
            nominal.append(combine(regions, "observed").summary([0.68])["interval_errors"]["theta"]["0.68"][0])
    assert np.sqrt(np.square(errors).mean(axis=0)) == pytest.approx(np.std(ends, axis=0), rel=0.3)
    assert np.mean(nominal) < 0.9 * np.mean(errors), "with everything known, the counts of ttbar matter less"


@pytest.mark.parametrize("binned", [False, True])
def test_f_is_the_variance_of_repeated_simulations(binned: bool) -> None:
    """The derivative of ln L of both regions: its variance from the simulation over that from the data."""
    random, data = np.random.default_rng(7), (EXPECTED @ PLACES)[:3]
    groups = [[0], [1], [2]] if binned else [[0, 1], [2]]
    of_signal = np.array([EXPECTED[0] * PLACES[0, bins].sum() for bins in groups])
    contents = np.array([data[bins].sum() for bins in groups])
    counts = np.stack(
        [random.multinomial(n, p, 20_000)[:, :3] for n, p in zip(GENERATED, PLACES, strict=True)], axis=1
    ).astype(float)
    counts += np.sqrt(counts / 12.0) * random.standard_normal(counts.shape)  # weights between 0.5 and 1.5
    scale = EXPECTED / GENERATED * (1.0 + INTEGRATION * random.standard_normal((20_000, 2)))
    events = np.einsum("tk,tkb->tb", scale, counts)
    grouped = np.stack([events[:, bins].sum(axis=1) for bins in groups], axis=1)
    expected = (grouped @ (of_signal / contents)).var() / float((of_signal / contents) ** 2 @ contents)

    each = []
    for region in simulate(random, floating=True, data=data):
        assert region.simulated is not None
        of_rates = region.n[""] * np.log(region.expected) - region.expected
        log, share = of_rates, np.ones(14)
        if binned:
            log = region.limits[""].log_likelihood
            q = log[-1] - log
            share = np.divide(of_rates[-1] - of_rates, q, out=share, where=q > 1e-9)
        f = region.n[""] * region.simulated.per_event(ROWS, share, NEAR)
        each.append(replace(region, limits={"": Limits(GRID, log, 1, f)}))
    found = np.asarray(combine(each).per_simulated)[[5, 7, 13]]
    assert found[2] == pytest.approx(expected, rel=0.04) and found[:2].mean() == pytest.approx(expected, rel=0.04)


def exact_regions(
    places: np.ndarray,
    regions: tuple[tuple[int, ...], ...],
    error: float,
    generated: np.ndarray = GENERATED,
    expected: np.ndarray = EXPECTED,
    effect: float = 0.0,
) -> list[RegionLikelihood]:
    """Regions whose templates have no fluctuation; ttbar may float, and its integration has the relative error.

    :param effect: that of a nuisance parameter on the first bin
    """
    numbers = generated[:, np.newaxis] * places
    weights = (expected / generated)[:, np.newaxis] * [[1.0, 2.0], [1.0, 1.0]]  # (samples, benchmarks)
    found = []
    for bins in regions:
        own = numbers[:, list(bins)]
        of_samples = np.einsum("kb,ki->bki", own, weights)
        of_each = np.einsum("kb,ki,kj->kbij", own, weights, weights)
        products, floats = of_each.sum(axis=0), (np.array([[False, True]]), of_each[1:])
        names, n, integration = np.arange(2), generated.astype(float), np.array([0.0, error])
        rate = CrossSections(names, of_samples.sum(axis=0), n, integration, products.sum(axis=0))
        known, rates = np.ones(len(bins), dtype=bool), rate.of_samples.sum(axis=0)
        common = rate.of_samples, rate.common_of(), 1.0
        template = TemplateSums(of_samples, products, known, ROWS[-1], *common, *floats)
        simulated = SimulatedSums(rates, rates, rate.products, rate.covariance(), template)
        contents, mu = ROWS @ of_samples.sum(axis=1).T, ROWS @ rates
        sums, shares = of_samples.sum(axis=1), contents[-1] / mu[-1]
        sizes = np.where(np.array(bins) == 0, 1.0 + effect, 1.0)[:, np.newaxis]
        varied = (
            [(sums * sizes)[np.newaxis], (sums / sizes)[np.newaxis]] if effect else [np.zeros((0, *sums.shape))] * 2
        )
        parts = of_samples[:, 1][np.newaxis]
        histogram = VariedHistogram(ROWS / mu[:, np.newaxis], sums, *varied, known, 1.0, parts)
        log, of_rate = np.log(np.maximum(contents, 0.1)) @ contents[-1] - mu, mu[-1] * np.log(mu) - mu
        f = mu[-1] * simulated.per_event(ROWS, rate_share(of_rate, log, NEAR[:-1]), NEAR)
        found.append(
            RegionLikelihood(
                {"": Limits(GRID, log, len(bins), f)},
                {"": float(mu[-1])},
                mu,
                ("scale",) if effect else (),
                {"": FilledHistogram(histogram, shares)},
                ("ttbar",),
                simulated,
                cross_sections=rate,
                coefficients=ROWS,
            )
        )
    return found


@pytest.mark.parametrize(
    ("places", "regions", "error"),
    [
        ([[0.4, 0.3, 0.1], [0.1, 0.5, 0.2]], ((0, 1), (2,)), 0.05),
        ([[0.4, 0.2, 0.2], [0.0, 0.5, 0.3]], ((0, 1), (2,)), 0.08),
        ([[0.4, 0.3], [0.1, 0.5]], ((0, 1),), 0.05),
        ([[0.2, 0.2, 0.1, 0.3], [0.1, 0.5, 0.2, 0.1]], ((0, 1), (2, 3)), 0.05),
    ],
    ids=["control", "counting", "one", "two"],
)
@pytest.mark.parametrize("floating", [True, False])
def test_f_of_the_error_of_an_integration(places: Any, regions: Any, error: float, floating: bool) -> None:
    """The fit of θ, and of the factor of ttbar if it floats, to data that repeated simulations do not describe.

    The bins tell θ from the factor, which takes the error of the integration.
    """
    random, places = np.random.default_rng(8), np.array(places)
    rest = 1.0 - places.sum(axis=1, keepdims=True)
    each = [random.multinomial(n, p, 4000) for n, p in zip(GENERATED, np.hstack([places, rest]), strict=True)]
    scale = EXPECTED / GENERATED * (1.0 + error * np.array([0.0, 1.0]) * random.standard_normal((4000, 2)))
    events = np.einsum("tk,ktb->tb", scale, np.array(each)[:, :, :-1])
    samples = EXPECTED[:, np.newaxis] * places
    moved = (samples if floating else samples[:1]) / samples.sum(axis=0)
    information = moved * samples.sum(axis=0) @ moved.T
    shifts = np.linalg.solve(information, moved @ (events - samples.sum(axis=0)).T)[0]
    expected = shifts.var() / np.linalg.inv(information)[0, 0]
    exact = exact_regions(places, regions, error)
    limits = combine_floating(exact, ["ttbar"])[0] if floating else combine(exact)
    found = np.asarray(limits.per_simulated)
    assert found[-1] == pytest.approx(expected, rel=0.1), "the mean of points around"
    assert found[[5, 7]].mean() == pytest.approx(expected, rel=0.12), "next to the true point"


def profiled(theta: float, events: np.ndarray, data: np.ndarray, size: float = 1.0) -> np.ndarray:
    """ln L at θ for the events of both samples in the bins of each simulation, shape (simulations,).

    It is at its maximum over the factor of ttbar and, if the ``size`` is not 1, over a nuisance parameter with this
    effect on the first bin.
    """
    place, found = np.tile([1.0, 0.0], (len(events), 1)), np.zeros(len(events))
    for _ in range(40):
        grown = np.where(np.arange(len(data)) == 0, size ** place[:, 1:], 1.0)
        mu = (events[:, 0] * (1.0 + theta) + place[:, :1] * events[:, 1]) * grown
        slopes = np.stack([events[:, 1] * grown / mu, np.log(size) * (grown * 0.0 + (np.arange(len(data)) == 0))], 1)
        gradient = np.einsum("tkb,tb->tk", slopes, data - mu) - place * [0.0, 1.0]
        information = np.einsum("tkb,tlb,tb->tkl", slopes, slopes, np.broadcast_to(data, mu.shape))
        step = np.linalg.solve(information + np.diag([0.0, 1.0]), gradient[:, :, np.newaxis])[:, :, 0]
        place = np.maximum(place + step, [0.05, -np.inf])
        found = (data * np.log(mu) - mu).sum(axis=1) - 0.5 * place[:, 1] ** 2
    return found


@pytest.mark.parametrize(
    ("expected", "generated", "places", "effect", "points"),
    [
        ([40.0, 30.0], [30_000, 1000], [[0.4, 0.3, 0.05], [0.3, 0.4, 0.2]], 0.0, (2, 10)),
        ([4000.0, 15_000.0], [300_000, 250_000], [[0.4, 0.002, 0.02], [0.3, 0.02, 0.4]], 0.3, (1, 5, 7, 12)),
    ],
    ids=["factors", "nuisance"],
)
def test_f_on_each_side_is_the_variance_of_fits(
    expected: Any, generated: Any, places: Any, effect: float, points: tuple[int, ...]
) -> None:
    """The variance of ln L(θ) - ln L(θ_true), each fitted, over that from the data: events, and the measurement of the
    nuisance parameter. The fitted factor of ttbar is far from 1, or a nuisance parameter takes most of the change."""
    random, expected, generated, places = np.random.default_rng(9), *map(np.array, (expected, generated, places))
    rest = 1.0 - places.sum(axis=1, keepdims=True)
    counts = [random.multinomial(n, p, 4000)[:, :3] for n, p in zip(generated, np.hstack([places, rest]), strict=True)]
    scale = expected / generated * (1.0 + 0.05 * np.array([0.0, 1.0]) * random.standard_normal((4000, 2)))
    events, exact = np.einsum("tk,ktb->tkb", scale, np.array(counts)), expected[:, np.newaxis] * places
    data = exact.sum(axis=0)
    kind = "with_systematics" if effect else ""
    limits, fit = combine_floating(
        exact_regions(places, ((0, 1), (2,)), 0.05, generated, expected, effect), ["ttbar"], kind
    )
    for k in points:
        theta = float(THETA[k])
        change = profiled(theta, events, data, 1.0 + effect) - profiled(0.0, events, data, 1.0 + effect)
        ratio = data / fit.events[k]
        of_data = np.square(1.0 - ratio) @ fit.events[k] + (fit.place[k, 0] ** 2 if effect else 0.0)
        assert np.asarray(limits.per_simulated)[k] == pytest.approx(change.var() / of_data, rel=0.08)


def test_without_sums_of_the_samples_in_bins() -> None:
    """Events of nearly equal weights, few of which pass: f is nearly the same."""
    places, expected = np.array([[0.04, 0.03, 0.005], [0.03, 0.04, 0.02]]), np.array([400.0, 300.0])
    exact = exact_regions(places, ((0, 1), (2,)), 0.0, 10.0 * expected, expected)
    without = [replace(one, simulated=replace(one.simulated, template=None)) for one in exact]  # type: ignore[type-var]
    found, other = (np.asarray(combine_floating(each, ["ttbar"])[0].per_simulated) for each in (exact, without))
    np.testing.assert_allclose(other[[5, 7]], found[[5, 7]], rtol=0.1)


def test_the_integration_is_common_to_regions_with_common_events() -> None:
    """With hardly any error of the simulated events, f is that of regions without common events."""
    apart = exact_regions(np.array([[0.4, 0.3], [0.1, 0.5]]), ((0, 1), (0, 1)), 0.05, 1000 * GENERATED)
    shared = []
    for k, region in enumerate(apart):
        assert region.cross_sections is not None
        shared.append(replace(region, both={1 - k: region.cross_sections.products}))
    f, found = (JointError.of(regions, "") for regions in (apart, shared))
    assert f.factor[-1] > 0.5
    assert found.factor == pytest.approx(f.factor, rel=0.01)
    assert found.of_shared < 0.01 * f.factor[-1]


def test_distributions_without_bins_have_the_errors_of_their_samples_too() -> None:
    """Single events whose errors are known at all points, as they are written and read."""
    places = np.array([[0.2, 0.2, 0.1, 0.3], [0.1, 0.5, 0.2, 0.1]])
    binned, single, unknown = exact_regions(places, ((0, 1), (2, 3)), 0.05), [], []
    for region in binned:
        assert region.simulated is not None and region.simulated.template is not None
        errors = region.simulated.template.errors(ROWS)
        for found, known in ((single, errors), (unknown, None)):
            own = replace(region, histograms={}, simulated=replace(region.simulated, template=None, errors=known))
            found.append(replace(RegionLikelihood.read(own.arrays(), GRID), coefficients=ROWS))
    factors = [JointError.of(regions, "").factor for regions in (binned, single, unknown)]
    np.testing.assert_allclose(factors[1], factors[0])
    assert np.abs(factors[2] / factors[0] - 1.0).max() > 0.05
