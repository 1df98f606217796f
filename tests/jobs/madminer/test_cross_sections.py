"""Errors of cross sections against the spread of simulations that are repeated with the same numbers of events."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mmc.compiler.settings.combine import AnalysedJob
from mmc.jobs.madminer.balance import balance_shares
from mmc.jobs.madminer.cross_sections import CrossSections, independent_changes
from mmc.jobs.steps.combine import samples

GENERATED = np.array([600, 200, 400])
WEIGHTS = np.array([[2.0, 3.0], [1.0, 0.5], [4.0, 4.0]])
"""The cross sections of two benchmarks, for each of three samples; the last is background."""


def record(numbers: Any) -> list[dict[str, Any]]:
    return [{"sample": str(k), "n_generated": number} for k, number in enumerate(numbers)]


def simulate(random: np.random.Generator, numbers: Any = GENERATED) -> CrossSections:
    """Events of benchmark 0 and 1 and of a background, of which 80 % pass; the two densities are 1 and 2 x."""
    origin = np.repeat([0, 1, -1], GENERATED)
    x = random.random(len(origin))
    x = np.where(origin == 1, np.sqrt(x), x)
    densities = np.stack([np.ones(len(x)), 2.0 * x], axis=1)  # σ = 2 and 0.5
    signal = densities * [2.0, 0.5] / densities[range(len(x)), np.maximum(origin, 0)][:, np.newaxis]
    weights = np.where(origin[:, np.newaxis] >= 0, signal, [4.0, 4.0])
    weights /= np.repeat(GENERATED, GENERATED)[:, np.newaxis]
    passed = random.random(len(x)) < 0.8
    labels, origin, weights = np.repeat([0, 1, 2], GENERATED)[passed], origin[passed], weights[passed]
    shares = balance_shares(weights * GENERATED[labels][:, np.newaxis], origin, {0: 2.0, 1: 0.5})
    # the densities with which the generator made the events are known: n_b p_b(x) / Σ_k n_k p_k(x)
    weights = weights * shares[:, np.newaxis]
    return CrossSections.of([(weights, labels)], record(numbers), 2)


def test_the_variance_is_that_of_repeated_simulations() -> None:
    """For samples of several benchmarks that are balanced, with an efficiency of 80 %."""
    random = np.random.default_rng(1)
    found, variances = [], []
    for _ in range(3000):
        sums = simulate(random)
        found.append(sums.of_samples.sum(axis=0))
        variances.append(sums.covariance())
    expected = np.cov(np.array(found).T)
    np.testing.assert_allclose(np.mean(variances, axis=0), expected, rtol=0.08)
    poisson = np.mean([simulate(random, [None] * 3).products for _ in range(50)], axis=0)
    assert poisson[0, 0] > 2.5 * expected[0, 0], "if the numbers that pass were Poisson distributed"


def test_equal_weights_have_the_variance_of_a_binomial_number() -> None:
    weights, zeros = np.full((800, 1), 0.002), np.zeros(800, dtype=np.intp)
    known = CrossSections.of([(weights, zeros)], record([1000]), 1)
    assert known.covariance()[0, 0] / 1.6**2 == pytest.approx(0.2 / 800)
    assert independent_changes(known.covariance())[0, 0] ** 2 == pytest.approx(1.6**2 * 0.2 / 800)
    unknown = CrossSections.of([(weights, zeros)], record([None]), 1)
    assert unknown.covariance()[0, 0] == pytest.approx((weights**2).sum())
    for n in range(100, 130):  # rounding makes no variance negative
        each = np.full((n, 1), 0.7 / n)
        whole = CrossSections.of([(each, zeros[:n])], record([n]), 1)
        assert (np.abs(independent_changes(whole.covariance())) < 1e-8).all()


def test_without_a_record_numbers_are_poisson_distributed() -> None:
    """All events are one sample, whose 4 events have an error of 1/2."""
    weights, zeros = np.array([[1.0, 2.0]] * 4), np.zeros(4, dtype=np.intp)
    alone = CrossSections.of([(weights, zeros)], [], 2)
    np.testing.assert_array_equal(alone.covariance(), weights.T @ weights)
    assert np.linalg.norm(independent_changes(alone.covariance()), axis=0) / [4.0, 8.0] == pytest.approx(0.5)


def test_how_many_events_of_a_sample_were_generated() -> None:
    """The numbers of jobs that are averaged add up, unless one is not known."""
    job = AnalysedJob(job="x", sample="signal", benchmark="sm", n_events=None, k_factor=1.0, background=False)
    jobs = [job, job, replace(job, slice="high"), replace(job, sample="table"), replace(job, sample="table")]
    records = [{"n_generated": n, "size": 10, "integrated_pb": [2.0, 0.1]} for n in (100, 50, 70, 30, None)]
    found = samples(jobs, records)
    assert [entry["integration_error"] for entry in found] == pytest.approx([0.05] * 3)
    assert [(entry["sample"], entry["slice"], entry["n_generated"]) for entry in found] == [
        ("signal", None, 150),
        ("signal", "high", 70),
        ("table", None, None),
    ]
