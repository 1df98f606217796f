"""The scales of MadGraph's run card, against sums written by hand and against events of MadGraph."""

import math

import numpy as np
import pytest
from mmc.jobs.scattering.dynamical_scales import CHOICES

BEAMS = ((400.0, 0.0, 0.0, 400.0), (100.0, 0.0, 0.0, -100.0))
MASSES, PT, RAPIDITIES = (173.0, 80.0), 90.0, (1.1, -0.2)


def _outgoing() -> list[tuple[float, float, float, float]]:
    transverse = [math.hypot(mass, PT) for mass in MASSES]
    return [
        (mt * math.cosh(y), sign * PT * 0.6, sign * PT * 0.8, mt * math.sinh(y))
        for mt, y, sign in zip(transverse, RAPIDITIES, (1, -1), strict=True)
    ]


@pytest.mark.parametrize("choice", [1, 2, 3, 4])
def test_scales_follow_from_the_momenta(choice: int) -> None:
    transverse_mass = sum(math.hypot(mass, PT) for mass in MASSES)
    transverse_energy = sum(
        p[0] * PT / math.hypot(PT, math.hypot(mass, PT) * math.sinh(y))
        for p, mass, y in zip(_outgoing(), MASSES, RAPIDITIES, strict=True)
    )
    expected = {1: transverse_energy, 2: transverse_mass, 3: transverse_mass / 2, 4: math.sqrt(4 * 400.0 * 100.0)}
    momenta = np.array([[*BEAMS, *_outgoing()]])
    assert CHOICES[choice](momenta) == pytest.approx([expected[choice]], rel=1e-12)


def test_a_particle_at_rest_has_no_transverse_energy() -> None:
    at_rest = np.array([[(1.0, 0.0, 0.0, 1.0), (1.0, 0.0, 0.0, -1.0), (2.0, 0.0, 0.0, 0.0)]])
    assert CHOICES[1](at_rest).tolist() == [0.0]
    assert CHOICES[2](at_rest).tolist() == [2.0]
