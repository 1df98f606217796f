"""Widths at tree level, against formulas."""

import math

import pytest
from mmc.errors import StepError
from mmc.jobs.matrix_elements import Model
from mmc.jobs.scattering import widths


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


def test_resonances_on_and_off_their_mass_shells_are_refused(sm: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if h > b b~ and b > W- c were possible beside h > W+ W-*."""
    monkeypatch.setattr(widths._Decays, "_merging", lambda *_: (5, -5))
    with pytest.raises(StepError, match="on and off their mass shells: write the width as a number"):
        widths.total(sm, 25, {})
