"""The error of the simulation of a rate and a distribution together, against repeated simulations."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mmc.jobs.madminer.event_file import EventFile
from mmc.jobs.statistics.event_errors import EventErrors
from mmc.jobs.statistics.histograms import Filled
from mmc.jobs.statistics.problem import LimitProblem
from mmc.jobs.statistics.simulated import SimulatedSums, TemplateErrors, TemplateSums, n_samples, rate_share

from tests.jobs.learning_jobs import Learning

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
    simulated = SimulatedSums(sums, sums, products, products - np.outer(sums, sums) / GENERATED, None)
    theta, near = np.array([THETA, -THETA, 0.0]), np.array([True, True, False])
    share = rate_share(*log_likelihoods(truth, theta), near[:-1])
    found = N * simulated.per_event(np.stack([1.0 - theta, theta], axis=1), share, near)
    assert found == pytest.approx(expected, rel=0.02)
    assert found[-1] <= N / numbers.sum() * (1.0 + 1e-9)


def test_without_an_error_of_the_simulation() -> None:
    nothing = SimulatedSums(np.ones(1), np.ones(1), None, None, None)
    np.testing.assert_array_equal(nothing.per_event(np.ones((3, 1)), 0.5, np.ones(3, dtype=bool)), np.zeros(3))


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


BINS = np.array([[0.35, 0.25, 0.12, 0.08], [0.1, 0.2, 0.2, 0.3]])
"""The probability of signal and background to be in each of four bins; 20 % pass in none."""
SAMPLES, AT_ONE = np.array([20_000, 5_000]), np.array([0.1, 0.4, 1.0, 2.0])
"""The numbers of events that are generated; the signal at θ is 1 + θ times these as large as at 0, bin by bin."""
PRODUCED, SETS = np.array([1500.0, 2500.0]), 4000


@pytest.mark.parametrize("rate", [True, False])
@pytest.mark.parametrize("integration", [np.zeros(2), np.array([0.02, 0.05])], ids=["cuts", "integration"])
def test_minus_2_log_at_the_true_point_of_repeated_simulations(rate: bool, integration: np.ndarray) -> None:
    """On data without fluctuations its mean is f, where 80 % of the events pass, and where the integration dominates.

    The fit is that of a numerical maximum over θ.
    """
    random = np.random.default_rng(3)
    factors = PRODUCED / SAMPLES * (1.0 + integration * random.standard_normal((SETS, 2)))
    counts = [random.multinomial(n, [*p, 0.2], SETS)[:, :4] for n, p in zip(SAMPLES, BINS, strict=True)]
    signal, background = (counts[k] * factors[:, [k]] for k in (0, 1))
    truth = (PRODUCED[:, np.newaxis] * BINS).sum(axis=0)
    best, at_zero = np.full(SETS, -np.inf), np.zeros(SETS)
    for theta in np.append(np.linspace(-0.4, 0.4, 161), 0.0):
        mu = signal * (1.0 + theta * AT_ONE) + background
        at_zero = np.log(mu) @ truth - (mu.sum(axis=1) if rate else truth.sum() * np.log(mu.sum(axis=1)))
        best = np.maximum(best, at_zero)
    expected = 2.0 * (best - at_zero).mean()

    weights = (PRODUCED / SAMPLES)[:, np.newaxis, np.newaxis] * np.stack(
        [np.ones((2, 4)), np.stack([1.0 + AT_ONE, np.ones(4)])], axis=2
    )  # of an event of each sample in each bin at the benchmarks θ = 0 and 1
    numbers = SAMPLES[:, np.newaxis] * BINS
    of_samples = np.einsum("kb,kbi->bki", numbers, weights)
    products = np.einsum("kb,kbi,kbj->bij", numbers, weights, weights)
    rates, common = of_samples.sum(axis=0), integration**2 - 1.0 / SAMPLES
    row, whole = np.array([1.0, 0.0]), products.sum(axis=0)
    template = TemplateSums(of_samples, products, np.ones(4, dtype=bool), row, rates, common, 1.0)
    sums, covariance = rates.sum(axis=0), whole + (rates.T * common) @ rates
    simulated = SimulatedSums(sums, sums, whole, covariance, template)
    theta, near = np.array([THETA, -THETA, 0.0]), np.array([True, True, False])
    rows = np.stack([1.0 - theta, theta], axis=1)
    bins = rows @ of_samples.sum(axis=1).T
    mu, of_data = bins.sum(axis=1), np.log(bins) @ truth
    share = rate_share(truth.sum() * np.log(mu) - mu, of_data - mu, near[:-1]) if rate else 0.0
    found = truth.sum() * simulated.per_event(rows, share, near)
    assert found == pytest.approx(expected, rel=0.06)
    poisson = truth.sum() * simulated.per_effective(rows[-1:])
    assert poisson != pytest.approx(expected, rel=0.2), "N/n is another number"

    single = replace(simulated, template=None, errors=errors_of_events(np.log(bins), of_samples, numbers, integration))
    np.testing.assert_allclose(truth.sum() * single.per_event(rows, share, near), found, rtol=0.02)


def errors_of_events(
    logs: np.ndarray, of_samples: np.ndarray, numbers: np.ndarray, integration: np.ndarray
) -> TemplateErrors:
    """The errors of the same likelihood without bins: of all events of each sample in each bin, in two blocks.

    :param logs: ln r of an event in each bin up to a number for each point, shape (points, bins)
    """
    counts = np.rint(numbers).astype(int).T.ravel()  # of each sample in each bin
    bins, labels = (np.repeat(each.ravel(), counts) for each in np.indices((4, 2)))
    weights = np.repeat((of_samples / numbers.T[:, :, np.newaxis]).reshape(-1, 2), counts, axis=0)
    common, of_all = integration**2 - 1.0 / SAMPLES, of_samples.sum(axis=0)
    file = SimpleNamespace(
        samples=[{}, {}],
        n_events=len(bins),
        cross_sections=SimpleNamespace(of_samples=of_all, common_of=lambda: common),
    )
    problem: Any = SimpleNamespace(
        points=np.zeros((len(logs), 1)),
        file=file,
        true_coefficients=np.array([1.0, 0.0]),
        expected=np.array([1.0 + THETA, 1.0 - THETA, 1.0]),
    )
    errors = EventErrors(problem, weights[:, 0] / weights[:, 0].sum(), labels)
    for rows in (slice(0, 5000), slice(5000, None)):
        errors.add(logs[:, bins[rows]] + np.array([[0.3], [-0.2], [2.0]]), rows)
    return errors.errors


def test_at_the_true_point_without_other_points_in_the_region() -> None:
    """Two bins of 500 events of one sample with equal weights, of 2000 that were generated: V/D is 1/n."""
    weights = np.stack([np.full(2, 0.01), [0.012, 0.008]], axis=1)
    of_samples = 500.0 * weights[:, np.newaxis]
    products = 500.0 * np.einsum("bi,bj->bij", weights, weights)
    row, rates = np.array([1.0, 0.0]), of_samples.sum(axis=0)
    template = TemplateSums(of_samples, products, np.ones(2, dtype=bool), row, rates, np.array([-1.0 / 2000.0]), 1.0)
    simulated = SimulatedSums(rates[0], rates[0], products.sum(axis=0), np.zeros((2, 2)), template)
    theta = np.array([0.5, 0.1, -0.1, 0.0])
    rows = np.stack([1.0 - theta, theta], axis=1)
    for near in (np.zeros(4, dtype=bool), np.array([False, False, False, True])):
        assert simulated.of_shape(rows, near)[0] == pytest.approx(1e-3, rel=0.02)
    assert rate_share(np.array([-9.0, -1.0, 0.0]), np.array([-18.0, -4.0, 0.0]), np.zeros(2, dtype=bool))[-1] == 0.25


def test_memory_of_the_errors_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of points give the same numbers, one point at a time too."""
    random = np.random.default_rng(2)
    of_samples, products = random.uniform(1.0, 2.0, (30, 2, 3)), random.uniform(0.0, 0.1, (30, 3, 3))
    known, row = np.ones(30, dtype=bool), np.array([1.0, 0.0, 0.0])
    own = TemplateSums(of_samples, products, known, row, of_samples.sum(axis=0), np.zeros(2), 1.0)
    rows, sizes = random.uniform(0.1, 1.0, (20, 3)), []
    whole, real = own.errors(rows), TemplateSums._errors
    monkeypatch.setattr("mmc.jobs.statistics.simulated.BLOCK", 500)
    monkeypatch.setattr(
        TemplateSums, "_errors", lambda self, some, *rest: sizes.append(len(some)) or real(self, some, *rest)
    )
    np.testing.assert_allclose(own.errors(rows).variance, whole.variance)
    assert max(sizes) * 30 * 3 <= 500 and sum(sizes) == 20


def test_bins_whose_sums_do_not_fit_into_memory(tmp_path: Path, toy_events: Path) -> None:
    """Then f is that of N/n, with a likelihood in bins as without."""
    limits = Learning(tmp_path, toy_events).limits
    file = EventFile.of(toy_events / "events.h5", limits)
    assert n_samples(file, 10) == 6 and n_samples(file, 10_000_000) == 0
    problem, events = LimitProblem.of(file, limits), file.part("validation")
    index, labels = (events.x[:, 0] > 0.0).astype(np.intp), file.labels("validation")
    found = []
    for n in (6, 0):
        filled = Filled.of(index, events.weights, 2, labels=labels, n_samples=n)
        own = problem.with_template(filled, np.ones(2, dtype=bool))
        found.append(own.per_simulated(1.0, own.limits(np.zeros(82)), rate=False))
        assert (own.template is None) == (n == 0)
    np.testing.assert_allclose(found[1], problem.per_simulated(1.0, own.limits(np.zeros(82)), rate=False))
    assert (found[0] > 0.0).all() and not np.allclose(found[0], found[1])


def test_the_same_distribution_at_all_points_has_1_over_n() -> None:
    nothing, products = np.zeros(3), np.array([[2.0]])
    errors = TemplateErrors(nothing, nothing, nothing, nothing, nothing[:, np.newaxis], np.ones(3))
    simulated = SimulatedSums(np.ones(1), np.array([10.0]), products, np.zeros((1, 1)), None, errors=errors)
    of_shape, both = simulated.of_shape(np.ones((3, 1)), np.ones(3, dtype=bool))
    assert of_shape == pytest.approx(0.02) and not both.any()


def test_rounding_makes_no_distribution_different() -> None:
    """ln r that differs from that of the true point by the same number in all events, before rounding."""
    random, n = np.random.default_rng(3), 100
    points = random.normal(size=n) + np.append(5.0 * random.normal(size=200), 0.0)[:, np.newaxis]
    cross_sections = SimpleNamespace(of_samples=np.ones((1, 1)), common_of=lambda: np.zeros(1))
    file = SimpleNamespace(samples=[{}], n_events=n, cross_sections=cross_sections)
    problem: Any = SimpleNamespace(points=points, file=file, true_coefficients=np.ones(1), expected=np.ones(201))
    errors = EventErrors(problem, random.dirichlet(np.ones(n)), np.zeros(n, dtype=np.intp))
    errors.add(points, slice(None))
    assert not errors.errors.data.any()
