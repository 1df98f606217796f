"""Sums over channels, errors that are right, and integrals that do not converge."""

from typing import Any

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.scattering.integration import Channelled, accepted, integrate
from mmc.jobs.scattering.phase_space import Points


class Fake:
    """A differential cross section of one variable in each of two channels: powers of it."""

    def __init__(self, *powers: float, scale: float = 1.0) -> None:
        self.powers, self.scale = powers, scale
        self.channels = [type("Channel", (), {"dimension": 1})() for _ in powers]
        self.element = "a process"

    def sampled(self, channel: int, numbers: np.ndarray) -> tuple[np.ndarray, Points]:
        momenta = np.repeat(numbers[:, :, np.newaxis], 4, axis=2)
        values = self.scale * numbers[:, 0] ** self.powers[channel]
        return values, Points(momenta, numbers, np.ones(len(numbers)))


def _integrated(*fakes: Any, precision: float = 2e-3) -> tuple[float, float, list[Any]]:
    return integrate(fakes, precision, np.random.default_rng(1))


def test_the_channels_add_up() -> None:
    value, error, parts = _integrated(Fake(2.0, -0.5), Fake(1.0))
    assert value == pytest.approx(1 / 3 + 2 + 1 / 2, abs=4.0 * error)
    assert 0.0 < error <= 2e-3 * value
    assert [(part.subprocess, part.channel) for part in parts] == [(0, 0), (0, 1), (1, 0)]


def test_unweighted_events_follow_the_integrand() -> None:
    fakes = (Fake(2.0), Fake(1.0, scale=2.0))
    _, _, parts = _integrated(*fakes)
    channels = [Channelled(part.subprocess, part.channel, part.grid.edges.tolist(), part.largest()) for part in parts]
    batches = accepted(fakes, channels, np.random.default_rng(2), 40_000)  # type: ignore[arg-type]
    numbers = {batch.subprocess: batch.points.x[:, 0] for batch in batches}
    assert len(numbers[1]) / len(numbers[0]) == pytest.approx(3.0, rel=0.05)
    assert numbers[0].mean() == pytest.approx(3 / 4, abs=0.01)
    assert numbers[1].mean() == pytest.approx(2 / 3, abs=0.01)
    weights = np.concatenate([batch.weights for batch in batches])
    assert (weights >= 1.0).all()
    assert weights.mean() < 1.01


def test_a_channel_without_a_cross_section_is_left_out() -> None:
    _, _, parts = _integrated(Fake(1.0), Fake(1.0, scale=0.0))
    assert [part.subprocess for part in parts] == [0]
    with pytest.raises(StepError, match="no point of phase space passes the cuts"):
        _integrated(Fake(1.0, scale=0.0))


def test_a_pole_does_not_converge() -> None:
    with pytest.raises(StepError, match=r"the cross section does not converge: .* is there a cut on each pole"):
        _integrated(Fake(-1.5), precision=1e-3)


def test_a_value_that_is_not_finite() -> None:
    with pytest.raises(StepError, match="a process: the cross section is not finite at some points"):
        _integrated(Fake(1.0, scale=np.inf))
