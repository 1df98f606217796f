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
    template = TemplateSums(filled.of_samples, filled.template.products, known, ROWS[-1], *common)
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


def exact_regions(places: np.ndarray, regions: tuple[tuple[int, ...], ...], error: float) -> list[RegionLikelihood]:
    """Regions whose templates have no fluctuation; ttbar may float, and its integration has the relative error."""
    numbers = GENERATED[:, np.newaxis] * places
    weights = (EXPECTED / GENERATED)[:, np.newaxis] * [[1.0, 2.0], [1.0, 1.0]]  # (samples, benchmarks)
    found = []
    for bins in regions:
        own = numbers[:, list(bins)]
        of_samples = np.einsum("kb,ki->bki", own, weights)
        products = np.einsum("kb,ki,kj->bij", own, weights, weights)
        names, n, integration = np.arange(2), GENERATED.astype(float), np.array([0.0, error])
        sums = CrossSections(names, of_samples.sum(axis=0), n, integration, products.sum(axis=0))
        known, rates = np.ones(len(bins), dtype=bool), sums.of_samples.sum(axis=0)
        common = sums.of_samples, sums.common_of(), 1.0
        template = TemplateSums(of_samples, products, known, ROWS[-1], *common) if len(bins) > 1 else None
        simulated = SimulatedSums(rates, rates, sums.products, sums.covariance(), template)
        contents, mu = ROWS @ of_samples.sum(axis=1).T, ROWS @ rates
        nothing, shares = np.zeros((0, len(bins), 2)), contents[-1] / mu[-1]
        parts = of_samples[:, 1][np.newaxis]
        histogram = VariedHistogram(
            ROWS / mu[:, np.newaxis], of_samples.sum(axis=1), nothing, nothing, known, 1.0, parts
        )
        log, of_rate = np.log(np.maximum(contents, 0.1)) @ contents[-1] - mu, mu[-1] * np.log(mu) - mu
        f = mu[-1] * simulated.per_event(ROWS, rate_share(of_rate, log, NEAR[:-1]), NEAR)
        found.append(
            RegionLikelihood(
                {"": Limits(GRID, log, len(bins), f)},
                {"": float(mu[-1])},
                mu,
                (),
                {"": FilledHistogram(histogram, shares)},
                ("ttbar",),
                simulated,
                cross_sections=sums,
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
