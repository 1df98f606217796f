"""Squared matrix elements, against formulas."""

from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from mmc.errors import StepError
from mmc.jobs.matrix_elements import Allowed, MatrixElement, Model, Part
from numpy.typing import NDArray

from tests.jobs.matrix_elements import ufo_models

pytest.importorskip("ufoamp", reason="needs mmc[ufo]")

Floats = NDArray[np.float64]
METRIC = np.diag([1.0, -1.0, -1.0, -1.0])


@pytest.fixture(scope="module")
def standard_model() -> Model:
    return Model.load("ufo_sm")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model.load(ufo_models.write(tmp_path_factory.mktemp("ufo") / "small"), values={"new all": 0.0, "new 1": 1.0})


def pairs(n: int, energy: float) -> tuple[Floats, Floats]:
    """Two massless particles that become two others at random angles, and cos θ."""
    rng = np.random.default_rng(7)
    cos, phi = rng.uniform(-1, 1, n), rng.uniform(0, 2 * np.pi, n)
    out = np.stack([np.ones(n), *np.sqrt(1 - cos**2) * [np.cos(phi), np.sin(phi)], cos], axis=1)
    along = np.tile([1.0, 0.0, 0.0, 1.0], (n, 1))
    flipped = [1, -1, -1, -1]
    return energy / 2 * np.stack([along, along * flipped, out, out * flipped], axis=1), cos


def with_higgs(n: int, mass: float) -> Floats:
    """Two massless particles that become a particle with a mass and two massless particles, at random."""
    rng = np.random.default_rng(3)
    second, third = rng.normal(scale=200.0, size=(2, n, 3))
    first = -second - third
    out = [np.column_stack([np.sqrt(m**2 + (p**2).sum(1)), p]) for m, p in ((mass, first), (0, second), (0, third))]
    half = sum(out)[:, :1] / 2
    zero = np.zeros_like(half)
    beams = [np.hstack([half, zero, zero, sign * half]) for sign in (1, -1)]
    return np.stack([*beams, *out], axis=1)


@pytest.mark.parametrize(("quark", "charge", "isospin", "colours"), [(11, -1, -0.5, 1), (2, 2 / 3, 0.5, 3)])
def test_lepton_pairs_through_photon_and_z(
    standard_model: Model, quark: int, charge: float, isospin: float, colours: int
) -> None:
    """The textbook formula, over chiralities i and j: |Q Qμ e²/s + g_i g_j/(s - mZ² + i mZ ΓZ)|² s² (1 ± cos θ)²."""
    energy = 180.0
    momenta, cos = pairs(200, energy)
    known, s = standard_model.parameters(), energy**2
    e, sine2, mass, width = (known[name].real for name in ("ee", "sw", "MZ", "WZ"))
    sine2 = sine2**2
    unit = e / np.sqrt(sine2 * (1 - sine2))

    def couplings(q: float, third: float) -> tuple[float, float]:
        return unit * (third - q * sine2), -unit * q * sine2

    expected = np.zeros_like(cos)
    for i, first in enumerate(couplings(charge, isospin)):
        for j, second in enumerate(couplings(-1, -0.5)):
            amplitude = -charge * e**2 / s + first * second / (s - mass**2 + 1j * mass * width)
            expected += abs(amplitude) ** 2 * s**2 * (1 + (1 if i == j else -1) * cos) ** 2
    element = MatrixElement(standard_model, [quark, -quark], [13, -13])
    np.testing.assert_allclose(element.squared(momenta), expected / 4 / colours, rtol=1e-6)


def test_values_do_not_depend_on_the_frame(standard_model: Model) -> None:
    momenta = with_higgs(20, standard_model.mass(25))
    element = MatrixElement(standard_model, [2, 1], [25, 2, 1], Allowed(Part({"QCD": 0})))
    gamma = 1.4
    boost = np.eye(4)
    boost[:2, :2] = [[gamma, np.sqrt(gamma**2 - 1)], [np.sqrt(gamma**2 - 1), gamma]]
    rotation = np.eye(4)
    rotation[1:, 1:] = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    rotation[1:, 1:] *= np.linalg.det(rotation[1:, 1:])
    moved = momenta @ (rotation @ boost).T
    np.testing.assert_allclose(element.squared(moved), element.squared(momenta), rtol=1e-7)


def test_w_pairs_do_not_grow_with_energy(standard_model: Model) -> None:
    """Each diagram grows with s²; gauge invariance cancels this."""
    element = MatrixElement(standard_model, [11, -11], [24, -24])
    values = []
    for energy in (4000.0, 8000.0):
        momenta = pairs(5, energy)[0]
        momenta[:, 2:, 1:] *= np.sqrt(1 - (2 * standard_model.mass(24) / energy) ** 2)
        values.append(element.squared(momenta))
    np.testing.assert_allclose(values[1], values[0], rtol=0.05)


def test_gluons_and_quarks(standard_model: Model) -> None:
    """q q̄ → g g with its sum over colours (Ellis, Stirling and Webber, table 7.1)."""
    momenta, cos = pairs(20, 500.0)
    s, t, u = 1.0, -(1 - cos) / 2, -(1 + cos) / 2
    g4 = (4 * np.pi * standard_model.parameters()["aS"].real) ** 2
    expected = g4 * (32 / 27 * (t**2 + u**2) / (t * u) - 8 / 3 * (t**2 + u**2) / s**2)
    element = MatrixElement(standard_model, [2, -2], [21, 21], Allowed(Part({"QED": 0})))
    np.testing.assert_allclose(element.squared(momenta), expected, rtol=1e-6)


def fusion(momenta: Floats, even: float, odd: float, boson: float) -> Floats:
    """|M|² of q k → h q k in the small model by traces of gamma matrices; ε^{0123} = -1, as in MadGraph."""
    pauli = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    gamma = [np.kron([[1, 0], [0, -1]], np.eye(2)), *(np.kron([[0, 1], [-1, 0]], sigma) for sigma in pauli)]
    gamma5 = 1j * gamma[0] @ gamma[1] @ gamma[2] @ gamma[3]
    left = [matrix @ (np.eye(4) - gamma5) / 2 for matrix in gamma]
    epsilon = np.zeros((4, 4, 4, 4))
    for order in np.ndindex(4, 4, 4, 4):
        epsilon[order] = -np.linalg.det(np.eye(4)[list(order)])
    values = []
    for first, second, _, third, fourth in momenta:
        slashed = [sum(METRIC[i, i] * p[i] * gamma[i] for i in range(4)) for p in (first, second, third, fourth)]
        lines = [
            np.array([[np.trace(slashed[out] @ a @ slashed[into] @ b) for b in gamma] for a in left])
            for into, out in ((0, 2), (1, 3))
        ]
        bosons = first - third, second - fourth
        lowered = [METRIC @ q for q in bosons]
        vertex = 50 * even * METRIC + 0.01 * odd * np.einsum("mnrs,r,s->mn", epsilon, *lowered)
        lower = METRIC @ vertex @ METRIC
        total = np.einsum("ma,nb,mn,ab->", *lines, lower, lower).real
        poles = np.prod([(q @ METRIC @ q - boson**2) ** 2 for q in bosons])
        values.append(0.3**4 * total / poles / 4)
    return np.array(values)


def test_the_sign_of_an_operator_that_violates_cp(small: Model) -> None:
    momenta = with_higgs(20, 125.0)
    element = MatrixElement(small, [1, 2], [25, 1, 2])
    plus, minus = (element.squared(momenta, {"new 2": sign}) for sign in (1.0, -1.0))
    np.testing.assert_allclose(plus, fusion(momenta, 1.0, 1.0, 80.0), rtol=1e-6)
    interference = (plus - minus) / (plus + minus)
    assert interference.max() > 0.02
    assert interference.min() < -0.02


def test_couplings_in_lists_are_summed(small: Model) -> None:
    """Each keeps its orders; an internal parameter follows an external one."""
    momenta = np.ones((2, 4, 4))
    everything = MatrixElement(small, [25, 25], [25, 25])
    np.testing.assert_allclose(everything.squared(momenta, {"new 3": 0.5}), (-0.7 + 2 * 0.5) ** 2)
    standard = MatrixElement(small, [25, 25], [25, 25], Allowed(Part({"NP": 0})))
    np.testing.assert_allclose(standard.squared(momenta, {"new 3": 0.5}), 0.7**2)


def test_helicities_that_appear_at_another_point(tmp_path: Path) -> None:
    """Amplitudes of right-handed fermions vanish at one point and not at the next."""
    right = 'RIGHT = Coupling(name="RIGHT", value="0.2*odd*complex(0,1)", order={"NP": 1})'
    structure = 'FFR = Lorentz(name="FFR", spins=[2, 2, 3], structure="Gamma(3,2,-1)*ProjP(-1,1)")'
    couplings = dedent(ufo_models.FILES["couplings"]) + right
    lorentz = dedent(ufo_models.FILES["lorentz"]) + structure
    vertices = ufo_models.FILES["vertices"].replace(
        "lorentz=[L.FFV],\n                     couplings={(0, 0): C.CURRENT}",
        "lorentz=[L.FFV, L.FFR],\n                     couplings={(0, 0): C.CURRENT, (0, 1): C.RIGHT}",
    )
    folder = ufo_models.write(tmp_path / "both", couplings=couplings, lorentz=lorentz, vertices=vertices)
    model = Model.load(folder, values={"new all": 0.0})
    element, momenta = MatrixElement(model, [1, -1], [2, -2]), pairs(10, 500.0)[0]
    left = element.squared(momenta)
    assert [len(element.squared_by_helicity(momenta, {"new 2": value})[0]) for value in (0.0, 1.0, 0.0)] == [1, 4, 1]
    both = element.squared(momenta, {"new 2": 1.5})
    cos2 = ((1 - momenta[:, 2, 3] / momenta[:, 2, 0]) / (1 + momenta[:, 2, 3] / momenta[:, 2, 0])) ** 2
    np.testing.assert_allclose(both, 2 * left * (1 + cos2), rtol=1e-9)
    np.testing.assert_array_equal(element.squared(momenta), left)


def test_four_fermions_on_different_lines(tmp_path: Path) -> None:
    """A structure with both ways to join q q > q q is the sum of two structures with one way each."""
    first, second = (f"Gamma(-1,{a},-2)*ProjM(-2,1)*Gamma(-1,{b},-3)*ProjM(-3,3)" for a, b in (("2", "4"), ("4", "2")))
    new = 'NEW = Coupling(name="NEW", value="0.002*odd*complex(0,1)", order={"NP": 1})'
    vertex = """
        V_5 = Vertex(name="V_5", particles=[P.q__tilde__, P.q, P.q__tilde__, P.q], color=["1"],
                     lorentz=[%s], couplings={%s})
    """
    found = []
    for structures in ([f"{first} - 0.5*{second}"], [first, f"-0.5*{second}"]):
        lines = [
            f'L{n} = Lorentz(name="L{n}", spins=[2, 2, 2, 2], structure="{text}")' for n, text in enumerate(structures)
        ]
        words = [(f"L.L{n}", f"(0, {n}): C.NEW") for n in range(len(structures))]
        folder = ufo_models.write(
            tmp_path / str(len(structures)),
            couplings=dedent(ufo_models.FILES["couplings"]) + new,
            lorentz=dedent(ufo_models.FILES["lorentz"]) + "\n".join(lines),
            vertices=ufo_models.FILES["vertices"]
            + vertex % tuple(", ".join(word) for word in zip(*words, strict=True)),
        )
        element = MatrixElement(Model.load(folder, values={"new all": 0.0, "new 2": 1.0}), [1, 1], [1, 1])
        found.append(element.squared(pairs(8, 500.0)[0]))
    np.testing.assert_allclose(*found, rtol=1e-12)


def test_propagators_of_the_model(tmp_path: Path) -> None:
    """They are not supported: a process in which one takes part is refused."""
    particles = ufo_models.FILES["particles"].replace(
        'name="v", antiname="v"', 'name="v", antiname="v", propagator="own"'
    )
    model = Model.load(ufo_models.write(tmp_path / "own", particles=particles), values={"new all": 1.0})
    momenta = pairs(2, 500.0)[0]
    with pytest.raises(StepError, match="q q~ > k k~: the model defines a propagator for v, which is not supported"):
        MatrixElement(model, [1, -1], [2, -2]).squared(momenta)
    assert MatrixElement(model, [25, 25], [25, 25], Allowed(Part(without=frozenset({23})))).squared(momenta).all()


def test_structures_that_ufoamp_does_not_know(tmp_path: Path) -> None:
    lorentz = ufo_models.FILES["lorentz"].replace('structure="1"', 'structure="Form(1,2)"')
    model = Model.load(ufo_models.write(tmp_path / "form", lorentz=lorentz), values={"new all": 1.0})
    with pytest.raises(StepError, match="h h > h h: ufoamp cannot compute it: unsupported Lorentz atom Form"):
        MatrixElement(model, [25, 25], [25, 25])


def test_excluded_particles(standard_model: Model) -> None:
    momenta = pairs(5, 300.0)[0]
    photon = MatrixElement(standard_model, [11, -11], [13, -13], Allowed(Part(without=frozenset({23}))))
    assert str(photon) == "e- e+ > mu- mu+ / Z"
    cos = momenta[:, 2, 3] / momenta[:, 2, 0]
    e = standard_model.parameters()["ee"].real
    np.testing.assert_allclose(photon.squared(momenta), e**4 * (1 + cos**2), rtol=1e-9)


def test_a_process_that_vanishes_at_a_point(small: Model) -> None:
    element = MatrixElement(small, [1, 2], [25, 1, 2])
    zero = {"new 1": 0.0, "new 2": 0.0}
    np.testing.assert_array_equal(element.squared(with_higgs(3, 125.0), zero), 0.0)
    assert element.squared(np.empty((0, 5, 4))).shape == (0,)


@pytest.mark.parametrize(("n", "at"), [(1, 0), (9, 8), (9, 1)])
def test_momenta_that_are_not_finite(small: Model, n: int, at: int) -> None:
    """Whether or not the event is one of those that tell which helicities vanish."""
    momenta = with_higgs(n, 125.0)
    momenta[at, 2, 1] = np.nan
    with pytest.raises(StepError, match="the matrix element is not finite for 1 events"):
        MatrixElement(small, [1, 2], [25, 1, 2]).squared(momenta)


@pytest.mark.parametrize(
    ("process", "message"),
    [
        (([1, -1], [6, -6], {}), "the model small does not have a particle 6"),
        (([1, -1], [2, 2], {}), "q q~ > k k: the model small does not have a diagram for this process"),
        (([1, 2], [25, 1, 2], {"SM": 1}), "q k > h q k SM=1: the model small does not have a diagram"),
        (
            ([1, -1], [2, -2], {"QCD": 0}),
            "q q~ > k k~ QCD=0: the model small does not have an order QCD, only SM, NP",
        ),
    ],
)
def test_processes_that_are_refused(
    small: Model, process: tuple[list[int], list[int], dict[str, int]], message: str
) -> None:
    incoming, outgoing, orders = process
    with pytest.raises(StepError, match=message):
        MatrixElement(small, incoming, outgoing, Allowed(Part(orders)))
