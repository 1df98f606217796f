"""The error of the simulation of a rate and a distribution together, against repeated simulations."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from mmc.jobs.madminer.cross_sections import CrossSections
from mmc.jobs.madminer.event_file import Block, EventFile, Events
from mmc.jobs.statistics.jackknife import standard_error
from mmc.jobs.statistics.simulated import SimulatedSums, rate_share, totals

GENERATED, SHARES, SLOPES = 2000, np.array([0.5, 0.3]), np.array([0.6, -0.2])
"""Of 2000 events, half are in the first bin, 30 % in the second, and 20 % do not pass; μ_b(θ) = μ_b(0) (1 + a_b θ)."""
N, THETA = 400.0, 0.01


def log_likelihoods(mu: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ln L of the number of events and of everything, for expected data, at each θ; ``mu`` are the bins at 0."""
    bins = mu * (1.0 + theta[:, np.newaxis] * SLOPES)
    whole = mu @ np.log(bins.T) - bins.sum(axis=1)
    return mu.sum() * np.log(bins.sum(axis=1)) - bins.sum(axis=1), whole


@pytest.mark.parametrize("slopes", [SLOPES, np.array([0.4, 0.4]), np.array([0.3, -0.5])])
def test_the_derivative_of_repeated_simulations(slopes: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its variance is f times that of the data: in between, of a rate alone, and of a distribution alone."""
    monkeypatch.setattr("tests.jobs.statistics.test_simulated.SLOPES", slopes)
    random = np.random.default_rng(1)
    truth = N * SHARES / SHARES.sum()
    data = random.poisson(truth, (200_000, 2)) @ slopes
    templates = random.multinomial(GENERATED, [*SHARES, 0.2], 200_000)[:, :2] * N / (GENERATED * SHARES.sum())
    expected = (templates @ slopes).var() / data.var()

    numbers, weight = GENERATED * SHARES, N / (GENERATED * SHARES.sum())
    each = weight * np.stack([np.ones(2), 1.0 + slopes], axis=1)  # weights at the benchmarks θ = 0 and 1
    sums, products = numbers @ each, np.einsum("b,bi,bj->ij", numbers, each, each)
    simulated = SimulatedSums(sums, sums, products, products - np.outer(sums, sums) / GENERATED, products)
    theta = np.array([THETA, -THETA, 0.0])
    share = rate_share(*log_likelihoods(truth, theta), np.ones(2, dtype=bool))
    found = N * simulated.per_event(np.stack([1.0 - theta, theta], axis=1), share)
    assert found == pytest.approx(expected, rel=0.02)
    assert found[-1] <= N / numbers.sum() * (1.0 + 1e-9)


def test_without_an_error_of_the_simulation() -> None:
    nothing = SimulatedSums(np.ones(1), np.ones(1), None, None, None)
    np.testing.assert_array_equal(nothing.per_event(np.ones((3, 1)), 0.5), np.zeros(3))


def test_a_point_without_a_likelihood() -> None:
    share = rate_share(np.array([-np.inf, -1.0, 0.0]), np.array([np.nan, -4.0, 0.0]), np.array([False, True]))
    np.testing.assert_allclose(share, 0.25)


def test_rounding_makes_no_variance_negative() -> None:
    """All events pass with equal weights: Σ w² - S²/n is 0, or what rounding leaves of it."""
    found = []
    for n in range(100, 200):
        weights = np.full(n, 0.7 / n)
        difference = float(weights @ weights - weights.sum() ** 2 / n)
        found.append(difference)
        simulated = SimulatedSums(np.array([0.7]), np.array([0.7]), None, np.array([[difference]]), None)
        assert 0.0 <= simulated.of_rate(np.ones((1, 1)))[0] < 1e-12
    assert min(found) < 0.0


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_the_numbers_of_two_samples_are_counted_once(spread: float) -> None:
    """Jackknife and numbers of events together: Σ w² - Σ S²/n of 1000 events of weight 10 and 1000 of 0.1 (316)."""
    random = np.random.default_rng(3)
    labels = random.permutation(np.repeat([0, 1], 1000))
    weights = np.array([10.0, 0.1])[labels] * (1.0 + spread * random.standard_normal(2000))

    def blocks(partition: str = "all") -> Any:
        for start, end in ((0, 700), (700, 2000)):
            w, own = weights[start:end, np.newaxis], labels[start:end]
            yield Block(Events(w, w), own, dict, start, lambda own=own: own)

    file = cast(EventFile, SimpleNamespace(benchmarks=["sm"], blocks=blocks))
    left = totals.__wrapped__(file, "all").left_out[:, 0, 0] * 20 / 19
    each = [(block.events.weights, np.zeros_like(block.origin), block.labels()) for block in blocks()]
    found = CrossSections.of(each, {"samples": [{"n_generated": n} for n in (5000, None)]}, ["sm"])
    exact = np.square(weights).sum() - weights[labels == 0].sum() ** 2 / 5000
    numbers = np.square(found.count_changes).sum()
    assert standard_error(left) ** 2 + numbers == pytest.approx(exact, rel=0.1 if spread else 0.03)
    assert bool(standard_error(left) ** 2 > 0.1 * numbers) is (spread > 0.0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_no_error_of_two_regions_of_one_sample_is_too_small(sign: float) -> None:
    """Half of 2000 events are in one region, 30 % in another: a difference has its error, and a sum a larger one."""
    random = np.random.default_rng(2)
    passed = random.multinomial(GENERATED, [*SHARES, 0.2], 100_000)[:, :2] / GENERATED
    slopes = np.array([1.0, sign * SHARES[0] / SHARES[1]])
    alone, parts = [], []
    for share in SHARES:
        squares, total = np.array([[share / GENERATED]]), np.array([share])
        sums = SimulatedSums(total, total, squares, squares - share**2 / GENERATED, squares)
        for found, each in ((alone, sums), (parts, sums.of_a_part)):
            found.append(float(each.of_rate(np.ones((1, 1)))[0]) * share**2)
    expected = (passed @ slopes).var()
    assert bool(np.square(slopes) @ alone < 0.9 * expected) is (sign < 0.0)
    found = np.square(slopes) @ parts
    assert found == pytest.approx(expected, rel=0.02) if sign < 0.0 else found > 2.0 * expected
