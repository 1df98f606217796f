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
    centre = math.log(400.0 / 100.0) / 2  # the rapidity of the partonic centre-of-mass frame
    transverse_energy = sum(
        math.hypot(mass, PT) * math.cosh(y - centre) * PT / math.hypot(PT, math.hypot(mass, PT) * math.sinh(y - centre))
        for mass, y in zip(MASSES, RAPIDITIES, strict=True)
    )
    expected = {1: transverse_energy, 2: transverse_mass, 3: transverse_mass / 2, 4: math.sqrt(4 * 400.0 * 100.0)}
    momenta = np.array([[*BEAMS, *_outgoing()]])
    assert CHOICES[choice](momenta) == pytest.approx([expected[choice]], rel=1e-12)


def test_a_particle_at_rest_has_no_transverse_energy() -> None:
    at_rest = np.array([[(1.0, 0.0, 0.0, 1.0), (1.0, 0.0, 0.0, -1.0), (2.0, 0.0, 0.0, 0.0)]])
    assert CHOICES[1](at_rest).tolist() == [0.0]
    assert CHOICES[2](at_rest).tolist() == [2.0]


def test_the_transverse_energy_of_an_event_of_madgraph() -> None:
    """u u~ > t t~ h of MadGraph 2.6.0 with beams of 800 and 400 GeV, and its SCALUP; their frame matters."""
    event = (
        (800.0, 0.0, 0.0, 800.0),
        (400.0, 0.0, 0.0, -400.0),
        (194.05137463, -34.655502865, 37.519416570, 71.541774479),
        (420.19054098, 136.58569704, -320.86802585, -158.17442297),
        (585.75808440, -101.93019417, 283.34860928, 486.63264849),
    )
    assert CHOICES[1](np.array([event])) == pytest.approx([863.7561], rel=1e-6)
