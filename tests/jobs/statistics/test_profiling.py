"""Fits of nuisance parameters with histograms, compared with scipy and with a textbook formula."""

from typing import Any

import numpy as np
import pytest
from mmc.jobs.statistics.profiling import FilledHistogram, Likelihood, Response, ShapeLikelihood, VariedHistogram
from scipy.optimize import minimize


def random_case(seed: int, points: int = 15, bins: int = 7, nuisance: int = 3) -> tuple[Response, Any, Any]:
    """Asymmetric effects of some 8 % on each bin, and data that are excluded without them."""
    random = np.random.default_rng(seed)
    fractions = random.dirichlet(np.full(bins + 1, 2.0))
    shares = random.dirichlet(200.0 * fractions, points)[
        :, :bins
    ]  # the remaining events are in bins that are not known
    up = random.normal(0.0, 0.08, (points, bins, nuisance))
    down = -0.7 * up + random.normal(0.0, 0.03, up.shape)
    expected = random.uniform(600.0, 1000.0, points)
    return Response(shares, 0.5 * (up - down), 0.5 * (up + down)), expected, fractions


def change(case: Response, point: int, nu: Any, data: Any, n: float, expected: Any) -> float:
    """The change of ln L, by the formula of the module's docstring."""
    g = case.linear[point] @ nu + case.quadratic[point] @ np.square(nu)
    shares = case.shares[point]
    if expected is None:
        rest = 1.0 - shares.sum()
        return float(data @ g - n * np.log(rest + shares @ np.exp(g)) - 0.5 * nu @ nu)
    return float(data @ g - expected[point] * shares @ np.expm1(g) - 0.5 * nu @ nu)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("rate", [True, False])
def test_the_gain_is_the_largest_change_that_scipy_finds(seed: int, rate: bool) -> None:
    case, expected, fractions = random_case(seed)
    n = 800.0
    data, mu = n * fractions[:-1], expected if rate else None
    gain = Likelihood(case, data, n, mu).gain()
    assert (gain > 0.0).all()
    for point, found in enumerate(gain):

        def loss(nu: Any, point: int = point) -> float:
            return -change(case, point, nu, data, n, mu)

        starts = [np.zeros(3), *np.random.default_rng(seed).normal(size=(3, 3))]
        best = -min(minimize(loss, start, method="BFGS", options={"gtol": 1e-7}).fun for start in starts)
        assert found == pytest.approx(best, rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("rate", [True, False])
def test_of_several_maxima_the_largest_is_found(rate: bool) -> None:
    """An uncertainty with unrelated effects at 1 and -1, compared with a scan over ν."""
    case, expected, fractions = random_case(3, points=200, nuisance=1)
    up, down = np.random.default_rng(8).normal(0.0, 0.2, (2, 200, 7, 1))
    case = Response(case.shares, 0.5 * (up - down), 0.5 * (up + down))
    n, nu = 800.0, np.linspace(-5.0, 5.0, 1001)
    data, mu = n * fractions[:-1], expected if rate else None
    likelihood = Likelihood(case, data, n, mu)
    gain = likelihood.gain()
    scanned = np.max([likelihood.change(np.full((200, 1), value))[0] for value in nu], axis=0)
    assert (gain > scanned - 1e-3).mean() >= 0.99  # two maxima may be too close to each other
    assert gain.max() == pytest.approx(scanned.max(), abs=0.01)


def test_nothing_is_gained_at_a_point_without_events() -> None:
    """A negative cross section, from too few simulated events; the point is excluded with or without a fit."""
    case, expected, fractions = random_case(1)
    expected[[2, 5]] = -3.0, 0.0
    gain = Likelihood(case, 800.0 * fractions[:-1], 800.0, expected).gain()
    assert gain[[2, 5]].tolist() == [0.0, 0.0] and (np.delete(gain, [2, 5]) > 0.0).all()


@pytest.mark.parametrize("rate", [True, False])
def test_nothing_is_gained_where_nothing_varies(rate: bool) -> None:
    case, expected, fractions = random_case(1)
    fixed = Response(case.shares, 0.0 * case.linear, 0.0 * case.quadratic)
    gain = Likelihood(fixed, 100.0 * fractions[:-1], 100.0, expected if rate else None).gain()
    assert (gain == 0.0).all()


def test_one_bin_with_an_uncertain_rate_is_the_textbook() -> None:
    """For μ (1 + δ)^ν, δ ≪ 1, the profiled -2 ln λ is (n - μ)² / (μ + (μ δ)²). Without the rate, the gain is 0."""
    mu = np.linspace(9.0e5, 1.1e6, 11)
    log = np.log(1.1)
    case = Response(np.ones((11, 1)), np.full((11, 1, 1), log), np.zeros((11, 1, 1)))
    n = 1.0e6
    gain = Likelihood(case, np.array([n]), n, mu).gain()
    # the exact one: with m = μ exp(ν ln 1.1) the likelihood is largest where (n - m) ln 1.1 = ν
    nominal = n * np.log(mu / n) - mu + n
    textbook = -0.5 * np.square(np.log(n / mu)) / (log**2 + 1.0 / n)
    assert nominal + gain == pytest.approx(textbook, rel=1e-3, abs=1e-6)
    assert Likelihood(case, np.array([n]), n, None).gain() == pytest.approx(0.0, abs=1e-8)


def test_a_profiled_region_contains_the_nominal_one() -> None:
    """The data are the expected events at one of the points."""
    case, expected, _ = random_case(5, points=200)
    n, data = expected[0], expected[0] * case.shares[0]
    rest = 1.0 - case.shares.sum(axis=1)
    nominal = np.log(expected[:, np.newaxis] * case.shares) @ data + n * rest[0] * np.log(expected * rest) - expected
    profiled = nominal + Likelihood(case, data, n, expected).gain()
    assert profiled.argmax() == 0
    assert (profiled - profiled.max() >= nominal - nominal.max() - 1e-7).all()


def test_parameters_that_cannot_be_told_apart_share_what_they_do() -> None:
    """The same uncertainty twice equals one that is √2 times as large."""
    case, expected, fractions = random_case(2, nuisance=1)
    linear = 0.2 * case.linear
    twice = Response(case.shares, np.repeat(linear, 2, axis=2), np.zeros((15, 7, 2)))
    once = Response(case.shares, 2.0**0.5 * linear, np.zeros((15, 7, 1)))
    data = 300.0 * fractions[:-1]
    gains = [Likelihood(item, data, 300.0, expected).gain() for item in (twice, once)]
    assert gains[0] == pytest.approx(gains[1], abs=1e-6)


def test_templates_at_one_standard_deviation() -> None:
    """The response reproduces the templates; bins whose template is not positive or not known do not change."""
    random = np.random.default_rng(3)
    nominal = random.uniform(1.0, 2.0, (5, 4))
    up, down = (nominal * random.uniform(0.7, 1.4, (2, 5, 1)) for _ in range(2))
    down[1, 2] *= -1.0
    known = np.array([True, True, True, True, False])
    rows = random.uniform(0.0, 0.1, (6, 4))
    found = VariedHistogram(rows, nominal, up, down, known).response(slice(1, 4))
    for k, sums in ((0, up), (1, up), (0, down)):
        nu = np.zeros((3, 2))
        nu[:, k] = 1.0 if sums is up else -1.0
        varied = np.where(known, found.shares * np.exp(found.exponent(nu)), 0.0)
        expected = np.where(known, rows[1:4] @ sums[k].T, 0.0)
        if k == 1:
            expected[:, 2] = rows[1:4] @ nominal[2]
        assert varied == pytest.approx(expected)


@pytest.mark.parametrize("rate", [True, False])
def test_the_true_point_of_asimov_data_gains_nothing(rate: bool) -> None:
    """This holds although data and templates differ; an unknown bin is left out."""
    random = np.random.default_rng(6)
    nominal = random.uniform(1.0, 2.0, (5, 4))
    up, down = (nominal * random.uniform(0.7, 1.4, (2, 5, 1)) for _ in range(2))
    rows = random.uniform(0.5, 1.5, (6, 4))
    rows /= (rows @ nominal.sum(axis=0))[:, np.newaxis]
    fractions, expected = random.dirichlet(np.ones(5)), np.full(6, 700.0) if rate else None
    histogram = VariedHistogram(rows, nominal, up, down, np.array([True, True, True, True, False]))
    matched = histogram.matched(3.0 * rows[2], fractions)
    assert matched.gain(fractions, 700.0, expected)[2] == pytest.approx(0.0, abs=1e-6)
    assert histogram.gain(fractions, 700.0, expected)[2] > 1.0
    shares = matched.response(slice(None)).shares
    assert shares[2] == pytest.approx(np.append(fractions[:4], 0.0))
    assert shares[:, :4] / shares[2, :4] == pytest.approx((rows @ nominal.T / (rows[2] @ nominal.T))[:, :4])


def test_points_with_histograms_of_their_own_are_joined() -> None:
    random = np.random.default_rng(4)
    nominal = random.uniform(1.0, 2.0, (5, 4))
    up, down = nominal * random.uniform(1.0, 1.4, (1, 5, 1)), nominal * random.uniform(0.7, 1.0, (1, 5, 1))
    rows, fractions = random.uniform(0.0, 0.05, (6, 4)), random.dirichlet(np.ones(5))

    def histogram(points: slice) -> ShapeLikelihood:
        varied = VariedHistogram(rows[points], nominal, up, down, np.ones(5, dtype=bool))
        return ShapeLikelihood(np.zeros(len(rows[points])), FilledHistogram(varied, fractions))

    whole, joined = histogram(slice(6)), ShapeLikelihood.join([histogram(slice(0, 2)), histogram(slice(2, 6))])
    assert whole.gain is not None and joined.gain is not None
    for expected in (None, random.uniform(10.0, 200.0, 6)):
        assert joined.gain(100.0, expected) == pytest.approx(whole.gain(100.0, expected))
    assert ShapeLikelihood.join([ShapeLikelihood(0.0), ShapeLikelihood(np.zeros(3))]).gain is None
