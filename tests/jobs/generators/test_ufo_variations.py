"""Weights of other scales and parton distributions in events of the generator ufo, against Pythia's reader of grids."""

import json
from pathlib import Path
from typing import Any

import pytest
import pythia8mc
from mmc.compiler.settings.uncertainties import PdfUncertainty, ScaleUncertainty, Uncertainty
from mmc.errors import StepError
from mmc.jobs.formats import weight_groups
from mmc.jobs.formats.les_houches import EVENTS
from mmc.jobs.scattering import error_sets

from tests.jobs.generators.test_ufo import Chain, events_of, hadrons

GRIDS = Path(pythia8mc.Pythia("", False).settings.word("xmlPath")).parent / "pdfdata"
MEMBERS = ["NNPDF23_lo_as_0130_qed", "NNPDF31_lo_as_0130", "NNPDF31_lo_as_0118"]
"""The members of a set of errors that is none; the first is that of the events."""
COUPLINGS = [0.130, 0.130, 0.118]
INFO = "ErrorType: symmhessian\nNumMembers: 3\nSetIndex: 900000\nAlphaS_MZ: 0.130\nAlphaS_OrderQCD: 0\n"
SYSTEMATICS: dict[str, Any] = {
    "both": {"effect": "scale", "scale": "mu", "variations": [0.5, 1.0, 2.0]},
    "inside": {"effect": "scale", "scale": "muf", "variations": [0.5, 2.0]},
    "partons": {"effect": "pdf", "variation": "SomeSet"},
}
QCD: dict[str, Any] = {"processes": ["u u~ > s s~ QCD=2 QED=0"], "cuts": {"ptj": 100.0}, "background": True}
LEPTONS: dict[str, Any] = {"processes": ["u u~ > mu- mu+"], "cuts": {"mmll": 200.0}}
MOVING, FIXED = {"fixed_gev": None, "factor": 1.0}, {"fixed_gev": 91.188, "factor": 2.0}


@pytest.fixture
def some_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "lhapdf" / "SomeSet"
    folder.mkdir(parents=True)
    (folder / "SomeSet.info").write_text(INFO)
    for number, (name, coupling) in enumerate(zip(MEMBERS, COUPLINGS, strict=True)):
        text = (GRIDS / f"{name}_0000.dat").read_text()
        (folder / f"SomeSet_{number:04d}.dat").write_text(f"AlphaS_MZ: {coupling}\n{text}")
    monkeypatch.setenv("LHAPDF_DATA_PATH", str(folder.parent))
    return folder


@pytest.mark.parametrize(("process", "scale"), [(QCD, MOVING), (LEPTONS, FIXED)])
def test_weights_of_variations(tmp_path: Path, some_set: Path, process: dict[str, Any], scale: dict[str, Any]) -> None:
    chain, shared = Chain(tmp_path / "chain"), {**hadrons(), "scale": scale}
    chain.generate(shared, precision=0.08, **process)
    out = chain.simulate(shared, n=40, systematics=SYSTEMATICS, **process)
    uncertainties: dict[str, Uncertainty] = {
        "both": ScaleUncertainty(effect="scale", scale="mu", variations=(0.5, 1.0, 2.0)),
        "inside": ScaleUncertainty(effect="scale", scale="muf", variations=(0.5, 2.0)),
        "partons": PdfUncertainty(effect="pdf", variation="SomeSet"),
    }
    both, inside, *partons = weight_groups.find_nuisance(uncertainties, out / EVENTS)
    assert len(partons) == 2
    choices = {
        **dict(zip(both.weights.values(), [(0, 2.0, 2.0), (0, 0.5, 0.5)], strict=True)),
        **dict(zip(inside.weights.values(), [(0, 1.0, 2.0), (0, 1.0, 0.5)], strict=True)),
        partons[0].central: (0, 1.0, 1.0),
        **{one.weights[one.benchmarks[0]]: (member, 1.0, 1.0) for member, one in enumerate(partons, start=1)},
    }
    readers = [_reader(name) for name in MEMBERS]
    grids = [pythia.getPDFPtr(2212) for pythia in readers]
    couplings = [_running(coupling) for coupling in COUPLINGS]
    for head, particles, weights in events_of(out):
        (first, x1), (second, x2) = [(int(line[0]), line[9] / 6500.0) for line in particles[:2]]
        mu, nominal = head[3], couplings[0].alphaS(head[3] ** 2)
        assert head[5] == pytest.approx(nominal, rel=1e-6)
        for name, (member, mur, muf) in choices.items():
            ratio = grids[member].xf(first, x1, (muf * mu) ** 2) * grids[member].xf(second, x2, (muf * mu) ** 2)
            ratio /= grids[0].xf(first, x1, mu**2) * grids[0].xf(second, x2, mu**2)
            ratio *= 1.0 if process is LEPTONS else (couplings[member].alphaS((mur * mu) ** 2) / nominal) ** 2
            close = 5e-4 if member == 0 else 5e-3  # Pythia interpolates coarse grids by other polynomials
            assert weights[name] / weights["sm"] == pytest.approx(ratio, rel=close), (name, first, second, x1, x2, mu)
    assert not set(json.loads((out / "simulate.json").read_text())["mean_weights_pb"]) & set(choices)


def _reader(name: str) -> pythia8mc.Pythia:
    pythia = pythia8mc.Pythia("", False)
    for line in ("Print:quiet = on", "ProcessLevel:all = off", f"PDF:pSet = LHAGrid1:{name}_0000.dat"):
        pythia.readString(line)
    assert pythia.init()
    return pythia


def _running(coupling: float) -> pythia8mc.AlphaStrong:
    strong = pythia8mc.AlphaStrong()
    strong.init(coupling, 1, 5, False)
    return strong


def test_a_set_that_is_not_there(tmp_path: Path, some_set: Path) -> None:
    """It is missed before the integration; a damaged one before the first event."""
    chain, shared = Chain(tmp_path / "chain"), hadrons()
    line = chain.refusal({**shared, "error_sets": ["Other"]}, **LEPTONS)
    assert line.startswith("no folder of LHAPDF_DATA_PATH has the set of parton distributions Other: download")
    assert error_sets.find("SomeSet") == some_set
    (some_set / "SomeSet_0002.dat").unlink()
    with pytest.raises(StepError, match=r"SomeSet is damaged: .*SomeSet_0002.dat"):
        error_sets.load("SomeSet")
