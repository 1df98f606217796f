"""The adaptive grid."""

import numpy as np
import pytest
from mmc.jobs.scattering.grid import Grid

N = 5_000


def test_an_even_grid_is_the_identity() -> None:
    even = np.random.default_rng(1).random((100, 3))
    points, jacobian = Grid.even(3).mapped(even)
    assert points == pytest.approx(even)
    assert jacobian == pytest.approx(np.ones(100))


def test_a_narrow_peak_is_found() -> None:
    """Of a Gaussian with a width of 0.005 in two dimensions, and a line in the third."""
    random, grid = np.random.default_rng(1), Grid.even(3)

    def weights(even: np.ndarray) -> np.ndarray:
        points, jacobian = grid.mapped(even)
        peak = np.exp(-(((points[:, :2] - 0.3) / 0.005) ** 2) / 2.0).prod(axis=1)
        return np.asarray(2.0 * points[:, 2] * peak * jacobian)

    before = weights(random.random((N, 3)))
    for _ in range(8):
        even = random.random((N, 3))
        grid = grid.adapted(even, weights(even))
    after = weights(random.random((N, 3)))
    exact = 2.0 * np.pi * 0.005**2
    assert before.std() > 20.0 * before.mean()
    assert after.std() < after.mean()
    assert after.mean() == pytest.approx(exact, abs=4.0 * after.std() / np.sqrt(N))


def test_nothing_to_adapt_to() -> None:
    grid = Grid.even(2)
    assert (grid.adapted(np.random.default_rng(1).random((10, 2)), np.zeros(10)).edges == grid.edges).all()
