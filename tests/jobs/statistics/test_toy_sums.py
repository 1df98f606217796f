"""The events of toys against their probabilities, and their sums against those over all events."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mmc.jobs.statistics import toy_sums
from mmc.jobs.statistics.toy_sums import TOLERANCE, Contents, EventSamples, ToySums, add_events, draw_single, extended
from scipy.stats import geom, ks_2samp

NO_SAMPLES = np.zeros(0)
THETA = np.linspace(-1.0, 1.0, 60)


def independent(means: Any, squares: Any) -> Contents:
    """Cells whose errors are independent."""
    return Contents(means, squares, np.zeros((len(means), 0)), NO_SAMPLES)


def smooth(n_events: int, random: np.random.Generator) -> Any:
    """Log ratios that are no polynomial in θ, shape (points, events)."""
    x = random.standard_normal(n_events)
    return np.log1p(np.square(0.7 + np.outer(THETA, x))) - np.outer(THETA, x > 1.0)


def test_the_number_of_times_of_an_event_follows_a_geometric_distribution() -> None:
    means, toys = np.array([0.0, 0.05, 1.0, 20.0]), 200_000
    counts = sum(part.toarray() for part in draw_single(means, toys, np.random.default_rng(3)))
    assert not counts[:, 0].any()
    for own, mean in zip(counts.T[1:], means[1:], strict=True):
        found = np.bincount(own.astype(int))
        expected = toys * geom.pmf(np.arange(len(found)) + 1, 1.0 / (1.0 + mean))
        often = expected > 50.0
        chi_square = float((np.square(found - expected) / expected)[often].mean())
        assert chi_square < 1.0 + 4.0 * (2.0 / np.count_nonzero(often)) ** 0.5
    np.testing.assert_allclose(np.corrcoef(counts[:, 1:].T), np.eye(3), atol=0.01)


def test_single_events_are_bins_of_one_event() -> None:
    """Sums over events that are drawn as groups, and over gamma distributed means with Poisson numbers around them."""
    random, means, values = np.random.default_rng(5), np.linspace(0.01, 0.6, 300), np.linspace(-1.0, 2.0, 300)
    contents = replace(
        independent(means, means**2), members=EventSamples(np.zeros(300, int), np.zeros(1)).members(0, 300)
    )
    single = sum(np.asarray(part @ values) for part in contents.draw(20_000, random))
    bins = contents.draw_bins(20_000, random) @ values
    assert ks_2samp(single, bins).pvalue > 1e-3
    assert single.mean() == pytest.approx(means @ values, rel=0.01)
    assert single.var() == pytest.approx((means + means**2) @ values**2, rel=0.04)
    assert isinstance(independent(means, 0.1 * means).draw(2, random)[0], np.ndarray)


@pytest.mark.parametrize("entries", [2_000_000, 200_000])
def test_sums_over_toys_are_those_over_their_events(monkeypatch: pytest.MonkeyPatch, entries: int) -> None:
    """To the error that is stated, in blocks of any size, with events that only the second block has."""
    monkeypatch.setattr(toy_sums, "ENTRIES", entries)
    random, drawn, real = np.random.default_rng(6), [], Contents.draw_bins

    def recorded(contents: Contents, toys: int, generator: np.random.Generator) -> list[Any]:
        drawn.append(real(contents, toys, generator))
        return drawn[-1:]

    monkeypatch.setattr(Contents, "draw", recorded)
    sums, exact, sizes = ToySums(len(THETA), 2, 400, 900.0), np.zeros((2, 60, 400)), np.zeros((2, 400))
    for stretch in (1.0, 3.0):
        logs, means = stretch * smooth(1500, random), random.exponential(0.3, (2, 1500))
        drawn.clear()
        add_events([sums], [logs], [[independent(own, np.square(own)) for own in means]], 0.5, random)
        for k, counts in enumerate(np.split(np.vstack(drawn), 2)):
            exact[k] += logs @ counts.T
            sizes[k] += counts.sum(axis=1)
    np.testing.assert_array_equal(sums.sizes, sizes)
    for k in range(2):
        errors = sums.at(k) - exact[k]
        assert errors.std(axis=1).max() < TOLERANCE < 100.0 * errors.std(axis=1).max()
        assert np.abs(errors.mean(axis=1)).max() < 5.0 * TOLERANCE / 400**0.5
    assert sums._directions.shape[1] < 40


def test_directions_are_orthonormal_and_as_many_as_needed() -> None:
    random = np.random.default_rng(7)
    logs, variances = smooth(1000, random), random.exponential(1.0, 1000)
    few, many = (extended(np.zeros((60, 0)), logs, variances, allowed) for allowed in (1.0, 1e-4))
    assert few.shape[1] < many.shape[1] < 60
    for directions, allowed in ((few, 1.0), (many, 1e-4)):
        np.testing.assert_allclose(directions.T @ directions, np.eye(directions.shape[1]), atol=1e-9)
        left = logs - directions @ (directions.T @ logs)
        assert (np.square(left) @ variances).max() <= allowed
    assert extended(many, logs, variances, 1e-4) is many
    noise = random.standard_normal((60, 1000))
    assert extended(many, noise, variances, 1e-4).shape == (60, 60)  # nothing is left out of what is not smooth
    assert extended(np.zeros((60, 0)), np.zeros((60, 1)), np.ones(1), 1e-4).shape == (60, 0)  # as for the rate


def test_a_toy_of_the_rate_has_a_number_of_events_alone() -> None:
    sums = ToySums(3, 1, 50_000, 100.0)
    content = independent(np.array([100.0]), np.array([200.0]))
    covariance = add_events([sums], [np.zeros((3, 1))], [[content]], 1.0, np.random.default_rng(8))
    np.testing.assert_allclose(covariance, [[[300.0]]])
    assert sums.sizes.mean() == pytest.approx(100.0, rel=0.003)
    assert sums.sizes.var() == pytest.approx(300.0, rel=0.03)
    np.testing.assert_array_equal(sums.at(0), np.zeros((3, 50_000)))


def test_bins_fluctuate_with_the_covariance_of_their_samples() -> None:
    """Two samples: one with a fixed number of events, all of which are in the bins, and one with a coarse integration.

    The last bin is empty, as its content is negative.
    """
    means, squares = np.array([400.0, 300.0, 500.0, -1.0]), np.array([200.0, 60.0, 250.0, 1.0])
    of_samples = np.array([[400.0, 0.0], [100.0, 200.0], [500.0, 0.0], [-1.0, 0.0]])
    own, toys = Contents(means, squares, of_samples, np.array([-5e-4, 0.04])), 200_000
    for contents, factors in (
        (own, np.ones(4)),
        (own.times(np.array([1.2, 0.7, 1.0, 1.0])), np.array([1.2, 0.7, 1.0, 1.0])),
    ):
        (counts,) = contents.draw(toys, np.random.default_rng(9))
        expected = np.diag(squares) + (of_samples * own.common) @ of_samples.T
        expected = (np.diag(means * factors) + expected * np.outer(factors, factors))[:3, :3]
        assert not counts[:, 3].any()
        assert counts[:, :3].mean(axis=0) == pytest.approx((means * factors)[:3], rel=2e-3)
        found = np.cov(counts[:, :3].T)
        errors = np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / toys)
        assert np.abs((found - expected) / errors).max() < 4.5
        values = np.array([1.0, -2.0, 0.5, 3.0])
        assert contents.variances @ values**2 >= values[:3] @ expected @ values[:3]
        groups = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])  # the last one has the empty bin too
        np.testing.assert_allclose(contents.covariance([0, 2]), groups @ expected @ groups.T)


def test_single_events_of_a_sample_fluctuate_together() -> None:
    """A sample of which all events pass, one with a coarse integration, and an event of negative weight, in two blocks.

    The covariance of the number of events and two sums over them is that of Poisson numbers and V of all events.
    """
    random, toys, n_events = np.random.default_rng(10), 100_000, 300
    labels = np.sort(random.integers(2, size=n_events))
    samples = EventSamples(labels, np.array([-1.0 / np.count_nonzero(labels == 0), 0.1**2]))
    means, logs = np.where(labels == 0, 0.5, 1.5), np.stack([1.0 + labels, 1.5 - labels]) + random.random((2, n_events))
    means[7] = -0.1
    sums, variance = ToySums(2, 1, toys, means.sum(), 2), np.zeros(1)
    for start in (0, 200):
        rows = slice(start, min(start + 200, n_events))
        members = samples.members(start, len(means[rows]))
        contents = replace(independent(means[rows], means[rows] ** 2), members=members)
        variance += add_events([sums], [logs[:, rows]], [[contents]], 0.5, random)[:, 0, 0]
    variance += sums.correlate(samples.common)

    own = np.maximum(means, 0.0)
    numbers = np.stack([np.ones(n_events), *logs])
    of_samples = np.stack([(numbers * own)[:, labels == k].sum(axis=1) for k in range(2)], axis=1)
    expected = (numbers * (own + own**2)) @ numbers.T + (of_samples * samples.common) @ of_samples.T
    found = np.stack([sums.sizes[0], *sums.at(0)])
    np.testing.assert_allclose(found.mean(axis=1), numbers @ own, rtol=2e-3)
    np.testing.assert_allclose(np.cov(found), expected, rtol=0.03)
    np.testing.assert_allclose(variance, expected[0, 0])


def test_no_sample_has_fewer_than_no_events() -> None:
    samples, random = EventSamples(np.zeros(3, dtype=np.intp), np.array([4.0])), np.random.default_rng(11)
    sums, contents = ToySums(1, 1, 1000, 3.0, 1), independent(np.ones(3), np.ones(3))
    contents = replace(contents, members=samples.members(0, 3))
    add_events([sums], [np.ones((1, 3))], [[contents]], 1.0, random)
    sums.correlate(samples.common)
    assert sums.sizes.min() == 0.0
    np.testing.assert_allclose(sums.at(0), sums.sizes, atol=1e-5)
