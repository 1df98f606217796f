"""Widths at tree level, against formulas."""

import math
from pathlib import Path

import pytest
from mmc.errors import StepError
from mmc.jobs.matrix_elements import Model
from mmc.jobs.scattering import widths

from tests.jobs.matrix_elements import ufo_models


@pytest.fixture(scope="module")
def sm() -> Model:
    return Model.load("ufo_sm")


def _fermi(model: Model) -> float:
    return model.value("sminputs 2")


def test_width_of_the_top(sm: Model) -> None:
    """t > b W with a massive b (Bigi, Dokshitzer, Khoze, Kühn, Zerwas, 1986)."""
    mass, w, b = sm.mass(6), sm.mass(24), sm.mass(5)
    x, y = (w / mass) ** 2, (b / mass) ** 2
    factor = math.sqrt((1 - (math.sqrt(x) + math.sqrt(y)) ** 2) * (1 - (math.sqrt(x) - math.sqrt(y)) ** 2))
    expected = _fermi(sm) * mass**3 / (8 * math.sqrt(2) * math.pi) * factor * ((1 - y) ** 2 + x * (1 + y) - 2 * x * x)
    assert widths.total(sm, 6, {}) == pytest.approx(expected, rel=1e-9)


def test_width_of_the_w(sm: Model) -> None:
    """Three leptons and two pairs of quarks; only the τ has a mass."""
    each = _fermi(sm) * sm.mass(24) ** 3 / (6 * math.sqrt(2) * math.pi)
    x = (sm.mass(15) / sm.mass(24)) ** 2
    assert widths.total(sm, 24, {}) == pytest.approx(each * (8 + (1 - x) ** 2 * (1 + x / 2)), rel=1e-9)


def test_width_of_a_light_higgs_boson(sm: Model) -> None:
    """Pairs of b quarks and of τ."""
    higgs = 60.0
    expected = sum(
        n * _fermi(sm) * mass**2 * higgs / (4 * math.sqrt(2) * math.pi) * (1 - 4 * (mass / higgs) ** 2) ** 1.5
        for n, mass in ((3, sm.mass(5)), (1, sm.mass(15)))
    )
    assert widths.total(sm, 25, {"mass 25": higgs}) == pytest.approx(expected, rel=1e-9)


def test_higgs_boson_to_a_virtual_boson(sm: Model) -> None:
    """h > W W* and h > Z Z* with massless fermions (Rizzo, 1980; Keung and Marciano, 1984)."""
    massless = {f"{block} {pdg}": 0.0 for block in ("mass", "yukawa") for pdg in (5, 15)}
    higgs, w, z = sm.mass(25), sm.mass(24), sm.mass(23)
    sine = 1 - (w / z) ** 2
    couplings = {w: 1.0, z: 7 / 12 - 10 / 9 * sine + 40 / 27 * sine**2}
    expected = sum(
        3 * _fermi(sm) ** 2 * mass**4 * higgs / (16 * math.pi**3) * coupling * _three_body((mass / higgs) ** 2)
        for mass, coupling in couplings.items()
    )
    assert widths.total(sm, 25, massless) == pytest.approx(expected, rel=1e-6)


def _three_body(x: float) -> float:
    angle = math.acos((3 * x - 1) / (2 * x**1.5))
    return (
        3 * (1 - 8 * x + 20 * x**2) / math.sqrt(4 * x - 1) * angle
        - (1 - x) / (2 * x) * (2 - 13 * x + 47 * x**2)
        - 1.5 * (1 - 6 * x + 4 * x**2) * math.log(x)
    )


SCALARS = {
    "particles": """
        from object_library import all_particles, Particle
        import parameters as Param
        s = Particle(pdg_code=35, name="s", antiname="s", spin=1, color=1, mass=Param.ZERO, width=Param.ZERO)
        e = Particle(pdg_code=23, name="e", antiname="e", spin=1, color=1, mass=Param.ME, width=Param.ZERO)
        h = Particle(pdg_code=25, name="h", antiname="h", spin=1, color=1, mass=Param.MH, width=Param.ZERO)
        x = Particle(pdg_code=36, name="x", antiname="x", spin=1, color=1, mass=Param.MX, width=Param.ZERO)
    """,
    "parameters": """
        from object_library import all_parameters, Parameter
        ZERO = Parameter(name="ZERO", nature="internal", type="real", value="0.0")
        ME = Parameter(name="ME", nature="external", type="real", value=80.0, lhablock="MASS", lhacode=[23])
        MH = Parameter(name="MH", nature="external", type="real", value=125.0, lhablock="MASS", lhacode=[25])
        MX = Parameter(name="MX", nature="external", type="real", value=200.0, lhablock="MASS", lhacode=[36])
    """,
    "couplings": """
        from object_library import all_couplings, Coupling
        THREE = Coupling(name="THREE", value="10*complex(0,1)", order={"SM": 1})
    """,
    "lorentz": """
        from object_library import all_lorentz, Lorentz
        SSS = Lorentz(name="SSS", spins=[1, 1, 1], structure="1")
    """,
    "vertices": """
        from object_library import all_vertices, Vertex
        import particles as P
        import couplings as C
        import lorentz as L
        V_1 = Vertex(name="V_1", particles=[P.h, P.s, P.e], color=["1"], lorentz=[L.SSS], couplings={(0, 0): C.THREE})
        V_2 = Vertex(name="V_2", particles=[P.h, P.s, P.x], color=["1"], lorentz=[L.SSS], couplings={(0, 0): C.THREE})
        V_3 = Vertex(name="V_3", particles=[P.s, P.s, P.e], color=["1"], lorentz=[L.SSS], couplings={(0, 0): C.THREE})
        V_4 = Vertex(name="V_4", particles=[P.s, P.s, P.x], color=["1"], lorentz=[L.SSS], couplings={(0, 0): C.THREE})
    """,
}
"""A scalar h of 125 GeV decays to three massless s, through e of 80 GeV and through x of 200 GeV."""


def test_resonances_on_and_off_their_mass_shells_are_refused(tmp_path: Path) -> None:
    """h > s e and e > s s are possible, and h > s x is not."""
    model = Model.load(ufo_models.write(tmp_path / "scalars", **SCALARS))
    text = r"`decay 25: auto`: h > s s s has resonances on and off their mass shells: write the width as a number"
    with pytest.raises(StepError, match=text):
        widths.total(model, 25, {})
    two = {mass: 100.0 * (1 - (mass / 125.0) ** 2) / (16 * math.pi * 125.0) for mass in (80.0, 110.0)}
    assert widths.total(model, 25, {"mass 36": 110.0}) == pytest.approx(sum(two.values()), rel=1e-9)
    assert widths._Decays(model, {"mass 23": 150.0}).to_three(25) == [(35, 35, 35)]


def test_photons_of_decays_to_two_are_not_resonances() -> None:
    """h > a Z is possible beside h > Z e+ e-, where a virtual photon of the same vertex could make the pair."""
    model = Model.load(ufo_models.installed("EWdim6"))
    decays = widths._Decays(model, {f"dim6 {number}": 1.0 for number in range(1, 9)})
    assert (22, 23) in decays.to_two(25)
    assert (23, -11, 11) in decays.to_three(25)
