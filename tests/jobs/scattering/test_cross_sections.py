"""Cross sections against formulas and against Pythia."""

import math

import numpy as np
import pytest
import pythia8mc
from mmc.jobs.matrix_elements import Model

from tests.jobs.scattering.processes import cross_section, hadron_collider, lepton_collider

PB = 0.3893793721e9


@pytest.fixture(scope="module")
def sm() -> Model:
    return Model.load("ufo_sm")


def z_boson(model: Model) -> tuple[float, float, float, float, float]:
    """α, sin²θ, mass and width of the Z, and the square of its coupling in units of e²."""
    parameters = model.parameters({})
    sine = parameters["sw2"].real
    return 1.0 / parameters["aEWM1"].real, sine, model.mass(23), model.width(23), 1.0 / (4.0 * sine * (1.0 - sine))


def muon_pairs(model: Model, energy: float) -> float:
    """σ(e⁻e⁺ → γ, Z → μ⁻μ⁺) in pb, with a fixed width."""
    alpha, sine, mass, width, coupling = z_boson(model)
    s, vector, axial = energy**2, -0.5 + 2.0 * sine, -0.5
    z = coupling * s / (s - mass**2 + 1j * mass * width)
    shape = 1.0 + 2.0 * vector**2 * z.real + (vector**2 + axial**2) ** 2 * abs(z) ** 2
    return PB * 4.0 * math.pi * alpha**2 / (3.0 * s) * shape


@pytest.mark.parametrize("energy", [40.0, 91.188, 500.0])
def test_muon_pairs_of_an_electron_positron_collider(sm: Model, energy: float) -> None:
    value, error = cross_section(sm, "e- e+ > mu- mu+", lepton_collider(energy), 4e-4)
    assert error <= 4e-4 * value
    assert value == pytest.approx(muon_pairs(sm, energy), rel=1e-3, abs=3.0 * error)


def higgs_and_z(model: Model, energy: float) -> float:
    """σ(e⁻e⁺ → Z*→ Z H) in pb (Ellis, Gaillard, Nanopoulos 1976)."""
    alpha, sine, mass, width, coupling = z_boson(model)
    s, higgs = energy**2, model.mass(25)
    vector, axial = -0.5 + 2.0 * sine, -0.5
    size = (1.0 - (mass**2 + higgs**2) / s) ** 2 - 4.0 * mass**2 * higgs**2 / s**2
    propagator = (1.0 - mass**2 / s) ** 2 + (mass * width / s) ** 2
    factor = math.pi * alpha**2 * coupling**2 / (3.0 * s) * (vector**2 + axial**2)
    return PB * factor * math.sqrt(size) * (size + 12.0 * mass**2 / s) / propagator


def test_higgs_and_z(sm: Model) -> None:
    value, error = cross_section(sm, "e- e+ > z h", lepton_collider(250.0), 1e-3)
    assert value == pytest.approx(higgs_and_z(sm, 250.0), rel=1e-3, abs=3.0 * error)


def test_a_narrow_resonance_decays_as_it_should(sm: Model) -> None:
    """With a Z of 10 MeV, e⁻e⁺ → H μ⁻μ⁺ is e⁻e⁺ → Z H times Γ(Z → μ⁻μ⁺)/Γ(Z)."""
    narrow = Model.load("ufo_sm", values={"decay 23": 0.01})
    alpha, sine, mass, _, coupling = z_boson(narrow)
    partial = alpha * coupling * mass / 3.0 * ((-0.5 + 2.0 * sine) ** 2 + 0.25)
    value, error = cross_section(narrow, "e- e+ > h mu- mu+", lepton_collider(250.0), 4e-3)
    assert value == pytest.approx(higgs_and_z(narrow, 250.0) * partial / 0.01, rel=5e-3, abs=3.0 * error)


SETTINGS = """Print:quiet = on
Beams:eCM = 13000.
PDF:pSet = 13
ContactInteractions:QCffbar2mumubar = on
ContactInteractions:Lambda = 1e6
PartonLevel:all = off
HadronLevel:all = off
SigmaProcess:alphaEMorder = -1
SigmaProcess:factorScale1 = 2
SigmaProcess:factorScale2 = 5
SigmaProcess:factorFixScale = 10000.
PhaseSpace:mHatMin = 200.
PhaseSpace:mHatMax = 1000.
Random:setSeed = on
Random:seed = 5"""


def _pythia(sine: float, alpha: float, model: Model, n_events: int) -> tuple[float, float]:
    """The cross section of q q̄ → μ⁻μ⁺ in pb by Pythia, and its error."""
    pythia = pythia8mc.Pythia("", False)
    lines = [*SETTINGS.split("\n"), f"23:m0 = {model.mass(23)}", f"23:mWidth = {model.width(23)}"]
    lines += [f"ContactInteractions:eta{pair} = 0" for pair in ("LL", "LR", "RL", "RR")]
    lines += [f"StandardModel:{name} = {sine}" for name in ("sin2thetaW", "sin2thetaWbar")]
    lines.append(f"StandardModel:alphaEMmZ = {alpha}")
    assert all(pythia.readString(line) for line in lines)
    assert pythia.init()
    for _ in range(n_events):
        pythia.next()
    info = pythia.infoPython()
    return info.sigmaGen() * 1e9, info.sigmaErr() * 1e9


def test_muon_pairs_of_the_lhc_as_by_pythia() -> None:
    """The same parton distributions, couplings and fixed scale; α does not run."""
    alpha, sine, mass = 1.0 / 128.0, 0.2312, 91.1876
    fermi = math.pi * alpha / (math.sqrt(2.0) * sine * (1.0 - sine) * mass**2)
    values = {"sminputs 1": 1.0 / alpha, "sminputs 2": fermi, "mass 23": mass}
    model = Model.load("ufo_sm", restriction="no_b_mass", values=values)
    assert model.parameters({})["sw2"].real == pytest.approx(sine, abs=1e-6)
    collider = hadron_collider({"mmll": 200.0, "mmllmax": 1000.0}, scale=100.0)
    quarks = "u c d s b u~ c~ d~ s~ b~"
    ours, error = cross_section(model, "q q > mu+ mu-", collider, 6e-3, q=quarks)
    theirs, their_error = _pythia(sine, alpha, model, 12_000)
    assert error < 6e-3 * ours
    assert their_error < 6e-3 * theirs
    assert ours == pytest.approx(theirs, abs=3.0 * float(np.hypot(error, their_error)))
