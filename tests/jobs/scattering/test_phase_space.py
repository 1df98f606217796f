"""Maps of phase space: volumes, and shares of channels."""

import math

import numpy as np
import pytest
from mmc.jobs.matrix_elements import Model
from mmc.jobs.scattering.phase_space import Channel, shares

from tests.jobs.scattering.processes import differentials, hadron_collider, lepton_collider

N = 20_000


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_volume_of_flat_phase_space(n: int) -> None:
    """Φ_n of massless particles (Kleiss, Stirling, Ellis 1986)."""
    energy = 500.0
    channel = Channel([0.0] * n, energy, hadrons=False)
    points = channel.points(np.random.default_rng(1).random((N, channel.dimension)))
    volume = (2 * math.pi) ** (4 - 3 * n) * (math.pi / 2) ** (n - 1) * energy ** (2 * n - 4)
    volume /= math.factorial(n - 1) * math.factorial(n - 2)
    error = points.volume.std() / math.sqrt(N)
    assert points.volume.mean() == pytest.approx(volume, rel=1e-9, abs=4.0 * error)
    assert error < 0.01 * volume


@pytest.mark.parametrize("process", ["e- e+ > ve ve~ h", "e- e+ > w+ w- z"])
def test_all_channels_together_cover_phase_space(process: str) -> None:
    """∫ dΦ of a smooth function by channels, each with its share, is the integral by flat phase space."""
    (differential,) = differentials(Model.load("ufo_sm"), process, lepton_collider(400.0))
    channels = differential.channels
    assert len(channels) > 1
    random = np.random.default_rng(1)
    total, variance = 0.0, 0.0
    for at, channel in enumerate(channels):
        points = channel.points(random.random((N, channel.dimension)))
        values = points.volume * shares(points.momenta, channels)[:, at] * _smooth(points.momenta, channels)
        total, variance = total + values.mean(), variance + values.var() / N
    flat = Channel([differential.element.model.mass(p) for p in differential.subprocess.outgoing], 400.0, hadrons=False)
    points = flat.points(random.random((5 * N, flat.dimension)))
    values = points.volume * _smooth(points.momenta, channels)
    error = math.sqrt(variance + values.var() / len(values))
    assert total == pytest.approx(values.mean(), abs=4.0 * error)
    assert error < 0.03 * total


def _smooth(momenta: np.ndarray, channels: list[Channel]) -> np.ndarray:
    """A function with the peaks of all channels, cut off near them so that flat phase space can integrate it."""
    peaks = np.stack([np.exp(channel.log_propagators(momenta)) for channel in channels], axis=1).sum(axis=1)
    return peaks / (1.0 + peaks * 400.0**4 / 3.0)


def test_momenta_are_conserved_and_on_shell() -> None:
    collider = hadron_collider({})
    differential = differentials(Model.load("ufo_sm"), "u d~ > h mu+ vm", collider)[0]
    for channel in differential.channels:
        points = channel.points(np.random.default_rng(1).random((1000, channel.dimension)))
        good = points.volume > 0.0
        assert good.mean() > 0.99
        momenta = points.momenta[good]
        scale = momenta[:, :2, 0].max()
        assert np.abs(momenta[:, :2].sum(axis=1) - momenta[:, 2:].sum(axis=1)).max() < 1e-9 * scale
        squares = momenta[..., 0] ** 2 - (momenta[..., 1:] ** 2).sum(axis=2)
        assert np.abs(squares - np.array([0.0, 0.0, 125.0**2, 0.0, 0.0])).max() < 1e-4 * 125.0**2 + 1e-9 * scale**2
        s = momenta[:, :2].sum(axis=1)
        s_hat = s[:, 0] ** 2 - s[:, 3] ** 2
        assert s_hat == pytest.approx(points.x[good].prod(axis=1) * collider.energy**2, rel=1e-9)
