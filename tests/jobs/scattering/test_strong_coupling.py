"""The strong coupling of processes in which gluons and electroweak bosons interfere."""

import numpy as np
import pytest
from mmc.jobs.matrix_elements import Model
from mmc.jobs.scattering.collision import ALPHA_S
from mmc.jobs.scattering.partons import Partons

from tests.jobs.scattering.processes import differentials, hadron_collider


def test_the_coupling_at_a_fixed_scale_is_in_the_matrix_element() -> None:
    model, other = Model.load("ufo_sm"), Partons.of_pythia("NNPDF31_lo_as_0118")
    (found,) = differentials(model, "u u > u u QCD=2 QED=2", hadron_collider({}, 182.376))
    assert found.strong_power is None
    channel = found.channels[0]
    momenta = channel.points(np.random.default_rng(1).random((5, channel.dimension))).momenta
    coupling, varied = found.alpha_s(momenta)[0], other.alpha_s(np.array([2.0 * 182.376]))[0]
    assert varied < 0.9 * coupling < 0.9 * 0.118
    squared = found.element.squared(momenta, {ALPHA_S: coupling})
    np.testing.assert_allclose(found.squared(momenta, {}), squared)
    expected = found.element.squared(momenta, {ALPHA_S: varied}) / squared
    np.testing.assert_allclose(found.strong_ratio(momenta, {}, 2.0, other), expected)
    assert expected == pytest.approx((varied / coupling) ** 2, rel=0.2) and np.ptp(expected) > 1e-6
