"""Decay chains, excluded particles and MadGraph's default orders."""

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.matrix_elements import Allowed, Decay, MatrixElement, Model, Part
from mmc.jobs.matrix_elements.invariance import collisions
from mmc.jobs.scattering.diagrams import Vertices, diagrams
from mmc.jobs.scattering.integration import Channelled, accepted, integrate

from tests.jobs.scattering.processes import cross_section, differentials, found, hadron_collider, lepton_collider
from tests.jobs.scattering.test_cross_sections import higgs_and_z, muon_pairs, z_boson

MUON, UP = (-0.5, -1.0), (0.5, 2.0 / 3.0)


@pytest.fixture(scope="module")
def sm() -> Model:
    return Model.load("ufo_sm", restriction="no_b_mass")


@pytest.fixture(scope="module")
def narrow() -> Model:
    """With a Z and a W of 1 MeV."""
    return Model.load("ufo_sm", restriction="no_b_mass", values={"decay 23": 0.001, "decay 24": 0.001})


def z_branching(model: Model, isospin: float, charge: float, colours: int = 1) -> float:
    """Γ(Z → f f̄)/Γ(Z)."""
    alpha, sine, mass, width, coupling = z_boson(model)
    return colours * alpha * coupling * mass / 3.0 * ((isospin - 2.0 * charge * sine) ** 2 + isospin**2) / width


def within(widths: float) -> float:
    """The part of a resonance within so many widths."""
    return float(2.0 / np.pi * np.arctan(2.0 * widths))


def test_production_times_branching_ratio(narrow: Model) -> None:
    process, labels = "e- e+ > h z, z > f f~", {"f": "mu- u", "f~": "mu+ u~"}
    value, error = cross_section(narrow, process, lepton_collider(250.0), 3e-3, **labels)
    expected = higgs_and_z(narrow, 250.0) * (z_branching(narrow, *MUON) + z_branching(narrow, *UP, colours=3))
    assert error < 3e-3 * value
    assert value == pytest.approx(expected * within(15.0), rel=1e-3, abs=3.0 * error)


def test_cuts_spare_decay_products(narrow: Model) -> None:
    """As in MadGraph without ``cut_decays``."""
    (one,) = differentials(narrow, "e- e+ > h z, z > mu- mu+", lepton_collider(250.0, {"ptl": 1e3}))
    (other,) = differentials(narrow, "e- e+ > h mu- mu+", lepton_collider(250.0, {"ptl": 1e3}))
    numbers = np.random.default_rng(1).random((200, one.channels[0].dimension))
    assert one.sampled(0, numbers)[0].any()
    assert not other.sampled(0, numbers)[0].any()


def test_products_of_a_decay_do_not_meet_others() -> None:
    """Z W W at one vertex is not a decay of the Higgs boson, whose propagator every diagram has."""
    model = Model.load("ufo_sm", restriction="no_b_mass", values={"mass 25": 500.0, "decay 25": 50.0})
    incoming, outgoing = (2, -2), (23, 24, -24)
    allowed = Allowed(Part({"QCD": 0}), (Decay(25, frozenset({3, 4}), Part()),))
    assert len(diagrams(Vertices(model, [{}]), incoming, outgoing, allowed)) == 1
    element = MatrixElement(model, incoming, outgoing, allowed)
    momenta = collisions([0.0, 0.0, *(model.mass(pdg) for pdg in outgoing)], 4)
    higgs = momenta[:, 3] + momenta[:, 4]
    distance = higgs[:, 0] ** 2 - (higgs[:, 1:] ** 2).sum(axis=1) - 500.0**2
    widths = [distance**2 + (500.0 * width) ** 2 for width in (50.0, 5.0)]
    narrow = element.squared(momenta, {"decay 25": 5.0}) / element.squared(momenta, {})
    np.testing.assert_allclose(narrow, widths[0] / widths[1])


def test_spin_correlation(narrow: Model) -> None:
    """The Z of e⁻e⁺ → Z H has the helicities 0 and ±1 as γ² : 2, and decays like sin²θ and 1 + cos²θ."""
    energy, higgs, mass = 1000.0, narrow.mass(25), narrow.mass(23)
    parts = differentials(narrow, "e- e+ > h z, z > mu- mu+", lepton_collider(energy))
    random = np.random.default_rng(2)
    grids = integrate(parts, 0.02, random)[2]
    channels = [Channelled(part.subprocess, part.channel, part.grid.edges.tolist(), part.largest()) for part in grids]
    momenta = np.concatenate([batch.points.momenta for batch in accepted(parts, channels, random, 20_000)])
    z, muon = momenta[:, 3] + momenta[:, 4], momenta[:, 3]
    size = np.linalg.norm(z[:, 1:], axis=1)
    along = (muon[:, 1:] * z[:, 1:]).sum(axis=1) / size
    cosine = 2.0 * (z[:, 0] * along - size * muon[:, 0]) / (z[:, 0] ** 2 - size**2)
    square = ((energy**2 + mass**2 - higgs**2) / (2.0 * energy * mass)) ** 2
    expected = (square / 5.0 + 2.0 * 2.0 / 5.0) / (square + 2.0)
    error = (cosine**2).std() / np.sqrt(len(cosine))
    assert error < 0.004
    assert (cosine**2).mean() == pytest.approx(expected, abs=4.0 * error)
    assert expected < 0.25 < 1.0 / 3.0


def test_on_its_mass_shell_a_chain_is_the_whole_process(narrow: Model) -> None:
    """Two W bosons with their spins: all other diagrams are negligible."""
    ends = [(24, (2, 3)), (-24, (4, 5))]
    decays = tuple(Decay(pdg, frozenset(legs), Part()) for pdg, legs in ends)
    incoming, outgoing = (11, -11), (-13, 14, 15, -16)
    momenta = _pairs(narrow.mass(24), 300.0)
    chain = MatrixElement(narrow, incoming, outgoing, Allowed(decays=decays)).squared(momenta)
    whole = MatrixElement(narrow, incoming, outgoing).squared(momenta)
    np.testing.assert_allclose(chain, whole, rtol=1e-3)
    vertices = Vertices(narrow, [{}])
    drawn = diagrams(vertices, incoming, outgoing, Allowed(decays=decays))
    assert len(drawn) == 3 < len(diagrams(vertices, incoming, outgoing, Allowed()))
    assert {(line.pdg, line.legs) for one in drawn for line in one.propagators()} >= {
        (pdg, frozenset(legs)) for pdg, legs in ends
    }


def _pairs(mass: float, energy: float) -> np.ndarray:
    """e⁻e⁺ → two particles of this mass → two massless particles each: (events, legs, 4)."""
    random = np.random.default_rng(4)

    def directions() -> np.ndarray:
        vectors = random.normal(size=(20, 3))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    beam, total = energy / 2.0, directions() * np.sqrt((energy / 2.0) ** 2 - mass**2)
    legs = [np.tile([beam, 0.0, 0.0, sign * beam], (20, 1)) for sign in (1.0, -1.0)]
    for moving in (total, -total):
        own = directions() * mass / 2.0
        for rest in (own, -own):
            along = (rest * moving).sum(axis=1, keepdims=True)
            three = rest + moving * (along / (mass * (beam + mass)) + 0.5)
            legs.append(np.hstack([(beam / 2.0 + along / mass), three]))
    return np.stack(legs, axis=1)


@pytest.mark.parametrize(
    ("decays", "factors"),
    [
        ("z > mu- mu+", {(13, -13, 13, -13): 0.5}),
        ("z > mu- mu+, z > e- e+", {(11, -11, 13, -13): 1.0}),
        ("z > l- l+", {(11, -11, 11, -11): 0.5, (11, -11, 13, -13): 1.0, (13, -13, 13, -13): 0.5}),
    ],
)
def test_equal_particles_decay(sm: Model, decays: str, factors: dict[tuple[int, ...], float]) -> None:
    groups = found(sm, f"e- e+ > z z, {decays}", lepton_collider(200.0))
    ends = {outgoing: group.symmetry for group in groups for _, outgoing in group.members}
    assert {tuple(sorted(outgoing)): factor for outgoing, factor in ends.items()} == {
        tuple(sorted(outgoing)): factor for outgoing, factor in factors.items()
    }


def test_decays_within_decays(sm: Model) -> None:
    (group,) = found(sm, "e- e+ > t t~ QED=2, (t > w+ b, w+ > l+ vl), t~ > w- b~ @1", lepton_collider(500.0))
    assert {outgoing for _, outgoing in group.members} == {(-11, 12, 5, -24, -5), (-13, 14, 5, -24, -5)}
    assert {(decay.pdg, tuple(sorted(decay.legs))) for decay in group.allowed.decays} == {
        (24, (2, 3)),
        (6, (2, 3, 4)),
        (-6, (5, 6)),
    }
    assert {tuple(decay.part.orders.items()) for decay in group.allowed.decays} == {(("QCD", 0), ("QED", 1))}


def test_excluded_particles(sm: Model) -> None:
    """The photon alone is left by ``/ z`` and ``$$ z``; ``$ z`` leaves the photon's channel where the Z is on its mass
    shell, and everything elsewhere."""
    energy = sm.mass(23)
    value, error = cross_section(sm, "e- e+ > mu- mu+ / z", lepton_collider(energy), 2e-3)
    alpha = z_boson(sm)[0]
    photon = 0.3893793721e9 * 4.0 * np.pi * alpha**2 / (3.0 * energy**2)
    assert value == pytest.approx(photon, rel=1e-3, abs=3.0 * error)
    assert cross_section(sm, "e- e+ > mu- mu+ $$ z", lepton_collider(energy), 2e-3)[0] == value
    shell, error = cross_section(sm, "e- e+ > mu- mu+ $ z", lepton_collider(energy), 2e-3)
    share = 1.0 / (1.0 + (energy / sm.width(23)) ** 2)
    assert shell == pytest.approx(muon_pairs(sm, energy) * share, rel=1e-3, abs=3.0 * error)
    far, error = cross_section(sm, "e- e+ > mu- mu+ $ z", lepton_collider(200.0), 2e-3)
    assert far == pytest.approx(muon_pairs(sm, 200.0), rel=1e-3, abs=3.0 * error)
    assert found(sm, "e- e+ > w+ w- / ve", lepton_collider(200.0))[0].allowed.core.without == {12}
    assert found(sm, "e- e+ > a a / a", lepton_collider(200.0)), "particles outside diagrams are not excluded"


def test_orders_as_madgraph_chooses_them(sm: Model) -> None:
    """The smallest WEIGHTED at which some subprocess has a diagram: here two gluon vertices."""
    strong = found(sm, "p p > j j", hadron_collider({"ptj": 20.0}, 91.0), p="u u~", j="u u~ d d~")
    assert all(group.allowed.core.orders == {"QCD": 2, "QED": 0} for group in strong)
    assert found(sm, "u u~ > d d~ WEIGHTED=4", hadron_collider({}, 91.0))[0].allowed.core.orders == {"QCD": 2, "QED": 2}


@pytest.mark.parametrize(
    ("process", "words"),
    [
        ("e- e+ > h z, z > mu- e+", "does not have the decay `z > mu- e\\+`"),
        ("e- e+ > mu- mu+, mu+ > e+ ve vm~", "mu\\+ decays, but its width is 0 in the model ufo_sm: set `decay 13`"),
        ("e- e+ > z h, h > w+ w-", "h is lighter than its decay products"),
        ("e- e+ > z h, w+ > l+ vl", "`w\\+` decays, but is not among the outgoing particles `z h`"),
    ],
)
def test_decays_that_do_not_happen(sm: Model, process: str, words: str) -> None:
    with pytest.raises(StepError, match=words):
        found(sm, process, lepton_collider(300.0))
