"""Toys with fitted nuisance parameters, against closed forms and scipy."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.jobs.statistics import neyman, profiled_toys
from mmc.jobs.statistics.closure.toys import lowest
from mmc.jobs.statistics.limits import Grid
from mmc.jobs.statistics.profiled_toys import ProfiledToys
from mmc.jobs.statistics.profiling import VariedHistogram
from scipy.optimize import minimize
from scipy.stats import chi2, norm

from tests.jobs.learning_jobs import Learning
from tests.jobs.statistics.test_profiled_limits_of_counting import (
    EFFECT,
    POINTS,
    C,
    counting,
    gain,
    log_likelihood,
    rate,
)


def test_a_count_with_one_uncertain_normalisation() -> None:
    """With ν = a + δ, the count is as one whose mean is larger by exp(a ln 1.1), with a constraint of δ around 0."""
    grid, random = Grid({"c": C}), np.random.default_rng(3)
    toys = ProfiledToys(grid, counting().histogram, np.zeros((len(POINTS), 1)), rate(POINTS))
    for probe, nu in ((20, 0.0), (10, 1.5)):
        n = random.poisson(rate(POINTS[probe]) * np.exp(EFFECT * nu), 4000).astype(float)
        auxiliary = nu + random.standard_normal((4000, 1))
        found = toys.statistic(probe, n[np.newaxis], auxiliary)
        mu = rate(POINTS)[:, np.newaxis] * np.exp(EFFECT * auxiliary[:, 0])
        q = -2.0 * (log_likelihood(n, mu) + gain(n, mu))
        np.testing.assert_allclose(found, q[probe] - lowest(grid, q), atol=2e-3)
        assert np.quantile(found, 0.68) == pytest.approx(chi2.ppf(0.68, 1), rel=0.1)


@pytest.mark.parametrize("with_rate", [True, False])
def test_three_bins_with_two_nuisance_parameters(with_rate: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every toy is fitted by scipy, at its point and at the best one; points may be looked at in blocks."""
    nominal = np.array([[30.0, 20.0], [40.0, -10.0], [30.0, 50.0]])
    up = np.stack([nominal * np.array([[1.2], [1.0], [0.9]]), nominal * np.array([[1.1], [1.3], [1.0]])])
    down = np.stack([nominal * np.array([[0.9], [1.0], [1.1]]), nominal * np.array([[0.9], [0.8], [1.0]])])
    c = np.append(np.linspace(-0.5, 1.0, 13), 0.0)
    rows = np.stack([np.ones(14), c], axis=1)
    mu = rows @ nominal.sum(axis=0)
    histogram = VariedHistogram(rows / mu[:, np.newaxis], nominal, up, down, np.ones(3, dtype=bool))
    shares = rows @ nominal.T / mu[:, np.newaxis]
    toys = ProfiledToys(Grid({"c": c[:-1]}), histogram, np.log(shares / shares[-1]), mu if with_rate else None)
    random = np.random.default_rng(1)
    counts = random.poisson((rows @ nominal.T)[5][:, np.newaxis], (3, 6)).astype(float)
    auxiliary = random.standard_normal((6, 2))
    found = toys.statistic(5, counts, auxiliary)
    monkeypatch.setattr(profiled_toys, "BLOCK", 36)  # three points
    np.testing.assert_allclose(toys.statistic(5, counts, auxiliary), found, atol=1e-9)
    a, b = (0.5 * np.log(up / down))[:, :, 0].T, (0.5 * np.log(up * down / nominal**2))[:, :, 0].T

    def q(point: int, toy: int) -> float:
        def minus(nu: Any) -> Any:
            events = (rows @ nominal.T)[point] * np.exp(a @ nu + b @ nu**2)
            d, constraint = counts[:, toy], np.square(nu - auxiliary[toy]).sum()
            if with_rate:
                return -2.0 * (d @ np.log(events) - events.sum()) + constraint
            return -2.0 * d @ np.log(events / events.sum()) + constraint

        return float(minimize(minus, np.zeros(2), tol=1e-10).fun)

    every = np.array([[q(point, toy) for toy in range(6)] for point in range(14)])
    np.testing.assert_allclose(found, every[5] - lowest(toys.grid, every), atol=0.02)


def test_rate_and_histogram(tmp_path: Path, uncertain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neyman, "TOYS", 1000)
    monkeypatch.setattr(neyman, "PROBES", 10)
    learning = Learning(tmp_path, uncertain, confidence="toys", systematics="profile")
    for folder in (learning.baseline("rate"), learning.histogram(["x1"], [[-9.0, -1.0, 0.0, 1.0, 9.0]])):
        record = json.loads((folder / "baseline.json").read_text())
        for found in (record, record["with_systematics"]):
            assert found["toys"]["per_point"] == 100
            entries = found["toys"]["map"]
            coverage = np.mean([entry["coverage"] for entry in entries if entry["level"] == 0.68])
            half = norm.pdf(1.0) / record["n_expected"] ** 0.5  # numbers are whole: half an event at both ends
            assert coverage == pytest.approx(0.68, abs=half + 4.0 * (0.68 * 0.32 / 1000) ** 0.5)
