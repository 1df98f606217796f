from itertools import islice
from math import pi

import numpy as np
import pytest
from mmc.compiler.settings.generation import Pythia8Beams, RunCard
from mmc.errors import StepError
from mmc.jobs.generators import contact_interactions as ci
from mmc.jobs.generators import pythia8
from mmc.jobs.generators.contact_interactions import Floats, Kinematics, squared, vector
from mmc.jobs.generators.event_weights import kinematics

BEAMS = Pythia8Beams(energy_gev=6500.0, particles=("p", "p"), pdf_set=14)


def _toy(n: int = 200, seed: int = 1) -> Kinematics:
    generator = np.random.default_rng(seed)
    s = generator.uniform(300.0, 3000.0, n) ** 2
    t = -s * generator.uniform(0.0, 1.0, n)
    return Kinematics(s, t, -s - t, generator.random(n) < 0.5, np.full(n, 1.0 / 127.0))


def test_vector_orders_coefficients() -> None:
    point = {"c_RL": 0.1, "c_LL": -0.2}
    assert vector(point, {"c_RL": "RL", "c_LL": "LL"}).tolist() == [-0.2, 0.0, 0.1, 0.0]


def test_pythia_couplings() -> None:
    scale, etas = ci.pythia_couplings(np.array([0.05, 0.0, 0.0, -0.05]))
    assert etas == (1, 0, 0, -1)
    assert 4.0 * pi / scale**2 == pytest.approx(0.05e-6)
    assert ci.pythia_couplings(np.zeros(4))[1] == (0, 0, 0, 0)
    with pytest.raises(StepError, match=r"cannot sample the point LL = 0\.05, LR = 0\.02, RL = 0, RR = 0"):
        ci.pythia_couplings(np.array([0.05, 0.02, 0.0, 0.0]))


def test_squared_is_positive_and_quadratic_in_the_coefficients() -> None:
    events = _toy()
    a, b = np.array([0.05, -0.02, 0.01, 0.03]), np.array([-0.01, 0.04, 0.02, -0.05])
    zero, at_a, at_b, sum_ab, twice = squared(events, np.stack([0 * a, a, b, a + b, 2 * a])).T
    assert (zero > 0).all()
    quadratic = (twice - 2 * at_a + zero) / 2
    cross = sum_ab - at_a - at_b + zero
    predicted = squared(events, np.stack([3 * a, 3 * a + b])).T
    np.testing.assert_allclose(predicted[0], zero + 3 * (at_a - zero - quadratic) + 9 * quadratic, rtol=1e-9)
    np.testing.assert_allclose(predicted[1], predicted[0] + at_b - zero + 3 * cross, rtol=1e-9)


def test_destructive_and_constructive_signs() -> None:
    """Pythia's η = -1, that is a negative c_LL, adds to the photon's and the Z's amplitude of a u quark."""
    toy = _toy()
    events = Kinematics(toy.s, toy.t, toy.u, np.ones_like(toy.up_type), toy.alpha_em)
    minus, zero, plus = squared(events, np.outer([-0.02, 0.0, 0.02], [1.0, 0.0, 0.0, 0.0])).T
    assert (minus > zero).all()
    heavy = events.s < 1500.0**2  # beyond, the square of the contact term is the larger part
    assert (plus < zero)[heavy].all()


def test_kinematics_follow_the_quark_not_beam_1() -> None:
    quark, muon = np.array([0.0, 0.0, 500.0, 500.0]), np.array([300.0, 0.0, 400.0, 500.0])
    antiquark, antimuon = quark * [1, 1, -1, 1], muon * [-1, 1, -1, 1]
    alpha = np.array([1.0 / 128.0])
    one = Kinematics.from_momenta(np.array([[2, -2, 13, -13]]), np.array([[quark, antiquark, muon, antimuon]]), alpha)
    two = Kinematics.from_momenta(np.array([[-2, 2, 13, -13]]), np.array([[antiquark, quark, muon, antimuon]]), alpha)
    assert one.t == two.t == -2.0 * (500.0 * 500.0 - 500.0 * 400.0)
    assert one.s == 1000.0**2
    assert one.s + one.t + one.u == 0.0
    assert one.up_type.all()
    with pytest.raises(ValueError, match="not q qbar"):
        Kinematics.from_momenta(np.array([[2, 21, 13, -13]]), np.array([[quark, antiquark, muon, antimuon]]), alpha)


def test_constants_are_pythias() -> None:
    limits = RunCard(m_min_gev=500.0, m_max_gev=None, pt_min_gev=None)
    generator = pythia8.start(pythia8.settings("dimuon", limits, BEAMS, (1000.0, (0, 0, 0, 0))), 1)
    assert generator.coupSM.sin2thetaW() == ci.SIN2_THETA_W
    assert generator.coupSM.sin2thetaWbar() == ci.SIN2_THETA_W_EFFECTIVE
    assert generator.particleData.m0(23) == ci.M_Z
    assert generator.particleData.mWidth(23) == pytest.approx(ci.GAMMA_Z, rel=1e-12)
    for pdg_id, charge, isospin in ((1, -1 / 3, -0.5), (2, 2 / 3, 0.5), (13, -1.0, -0.5)):
        left, right = ci._z_couplings(np.float64(charge), np.float64(isospin))
        vector_part, axial = generator.coupSM.vf(pdg_id), generator.coupSM.af(pdg_id)
        assert float(left) == pytest.approx((vector_part + axial) / 4)
        assert float(right) == pytest.approx((vector_part - axial) / 4)


POINTS = {
    "sm": (0.0, 0.0, 0.0, 0.0),
    "ll": (-0.12, 0.0, 0.0, 0.0),
    "lr": (0.0, 0.12, 0.0, 0.0),
    "rr+rl": (0.0, 0.0, 0.12, -0.12),
}
N_EVENTS = 40_000


@pytest.fixture(scope="module")
def samples() -> dict[str, tuple[Kinematics, float, float]]:
    """The kinematics of Pythia's events at every point, with the cross section and its relative error."""
    found = {}
    for seed, (name, point) in enumerate(POINTS.items(), start=1):
        couplings = ci.pythia_couplings(np.array(point))
        limits = RunCard(m_min_gev=300.0, m_max_gev=2000.0, pt_min_gev=None)
        lines = pythia8.settings("dimuon", limits, BEAMS, couplings)
        generator = pythia8.start(lines, seed)
        events = kinematics(list(islice(pythia8.events(generator), N_EVENTS)))
        info = generator.infoPython()
        found[name] = (events, info.sigmaGen() * 1e9, info.sigmaErr() / info.sigmaGen())
    return found


@pytest.mark.parametrize(
    ("sampled", "target"),
    [(a, b) for other in ("ll", "lr", "rr+rl") for a, b in (("sm", other), (other, "sm"))],
)
def test_reweighted_events_agree_with_events_that_pythia_generates(
    samples: dict[str, tuple[Kinematics, float, float]], sampled: str, target: str
) -> None:
    events, cross_section, error = samples[sampled]
    expected_events, expected, expected_error = samples[target]
    matrix_elements = squared(events, np.array([POINTS[sampled], POINTS[target]]))
    ratio = matrix_elements[:, 1] / matrix_elements[:, 0]
    assert ratio.sum() ** 2 / (ratio**2).sum() > 0.2 * N_EVENTS, (
        "too few effective events for the test to mean anything"
    )
    assert ratio.max() < 100.0 * ratio.mean(), "an extreme weight"

    found = cross_section * ratio.mean()
    relative = float(np.hypot(error, ratio.std() / ratio.mean() / np.sqrt(N_EVENTS)))
    assert abs(found / expected - 1.0) < 4.0 * np.hypot(relative, expected_error)

    weights = ratio * cross_section / N_EVENTS
    for observable, edges in (
        (_mass, np.geomspace(300.0, 2000.0, 13)),
        (_cos_theta, np.linspace(-1.0, 1.0, 21)),
    ):
        chi2 = _chi2(observable(events), weights, observable(expected_events), expected / N_EVENTS, edges)
        bins = len(edges) - 1
        assert chi2 < bins + 4.0 * np.sqrt(2.0 * bins), f"chi2 {chi2:.1f} in {bins} bins of {observable.__name__}"


def _mass(events: Kinematics) -> Floats:
    return np.sqrt(events.s)


def _cos_theta(events: Kinematics) -> Floats:
    """Cosine of the angle of the negative muon to the quark, in the frame of the pair."""
    return np.asarray((events.t - events.u) / events.s)


def _chi2(values: Floats, weights: Floats, expected_values: Floats, expected_weight: float, edges: Floats) -> float:
    """Of the shapes: both histograms are scaled to the same sum, for the cross sections are compared on their own."""
    counts = np.histogram(values, edges, weights=weights)[0]
    variances = np.histogram(values, edges, weights=weights**2)[0]
    expected = np.histogram(expected_values, edges)[0] * expected_weight
    scale = expected.sum() / counts.sum()
    differences = (counts * scale - expected) ** 2 / (variances * scale**2 + expected * expected_weight)
    return float(differences.sum())
