"""The error of the simulation of a rate and a distribution together, against repeated simulations."""

import numpy as np
import pytest
from mmc.jobs.statistics.simulated import SimulatedSums, rate_share

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
    simulated = SimulatedSums(sums, sums, products, products - np.outer(sums, sums) / GENERATED)
    theta = np.array([THETA, -THETA, 0.0])
    share = rate_share(*log_likelihoods(truth, theta), np.ones(2, dtype=bool))
    found = N * simulated.per_event(np.stack([1.0 - theta, theta], axis=1), share)
    assert found == pytest.approx(expected, rel=0.02)
    assert found[-1] <= N / numbers.sum() * (1.0 + 1e-9)


def test_without_an_error_of_the_simulation() -> None:
    nothing = SimulatedSums(np.ones(1), np.ones(1), None, None)
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
        simulated = SimulatedSums(np.array([0.7]), np.array([0.7]), None, np.array([[difference]]))
        assert 0.0 <= simulated.of_rate(np.ones((1, 1)))[0] < 1e-12
    assert min(found) < 0.0
