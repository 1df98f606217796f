"""The jobs of the generator ufo: a cross section, then events with weights."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pylhe
import pytest
from mmc.jobs.formats.les_houches import EVENTS
from mmc.jobs.matrix_elements import MatrixElement, Model

from tests.jobs.physics import Folder

SHARED: dict[str, Any] = {
    "generator": "ufo",
    "parameters": {"alpha": {"lha_block": "sminputs", "lha_id": 1, "transform": "132.507*(1 - theta)"}},
    "beams": {"energy_gev": 125.0, "particles": ["e-", "e+"], "pdf": "NNPDF23_lo_as_0130_qed"},
    "model": {"name": "ufo_sm", "file": None, "restriction": None},
    "scale": {"fixed_gev": None, "factor": 1.0},
}
BENCHMARKS = {"sm": {"alpha": 0.0}, "more": {"alpha": 0.1}}
PROCESS: dict[str, Any] = {
    "processes": ["e- e+ > mu- mu+ QED=2"],
    "definitions": {},
    "cuts": {"etal": 2.0},
    "param_card": {},
    "param_card_file": None,
}
N = 400


class Chain:
    """The outputs of ``generate`` and ``simulate``, run in small."""

    def __init__(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        self.folder = Folder(path)
        self.at(BENCHMARKS)

    def at(self, benchmarks: Mapping[str, Mapping[str, float]]) -> None:
        settings = {
            "parameters": {"alpha": {**SHARED["parameters"]["alpha"], "range": [-1, 1], "max_power": 2}},
            "benchmarks": benchmarks,
            "morphing": None,
            "outside_basis": [],
            "systematics": {},
        }
        self.setup = self.folder.run("configure", "configure", settings)

    def generate(self, shared: dict[str, Any] = SHARED, **process: Any) -> Path:
        return self.folder.run("generate", "signal.sm", _generate(shared, process), setup=self.setup)

    def refusal(self, shared: dict[str, Any] = SHARED, **process: Any) -> str:
        return self.folder.refusal("generate", "signal.sm", _generate(shared, process), setup=self.setup)

    def simulate(
        self, shared: dict[str, Any] = SHARED, n: int = N, seed: int = 1, shower: Any = None, **process: Any
    ) -> Path:
        settings = {
            **shared,
            "shower": shower,
            "sample": "signal",
            "benchmark": "sm",
            "background": False,
            "process": {**PROCESS, **process},
            "process_job": "signal.sm",
            "n_events": n,
        }
        made = self.folder.out("generate", "signal.sm")
        return self.folder.run("simulate", f"signal.sm.{seed}", settings, seed=seed, setup=self.setup, process=made)


def _generate(shared: dict[str, Any], process: dict[str, Any]) -> dict[str, Any]:
    return {
        **shared,
        "precision": 0.01,
        "sample": "signal",
        "benchmark": "sm",
        "background": False,
        "process": {**PROCESS, **process},
    }


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


def _hadrons(**beams: Any) -> dict[str, Any]:
    return {**SHARED, "beams": {**SHARED["beams"], "energy_gev": 6500.0, "particles": ["p", "p"], **beams}}


def test_events_and_weights(chain: Chain) -> None:
    process = json.loads((chain.generate() / "process.json").read_text())
    out = chain.simulate()
    record = json.loads((out / "simulate.json").read_text())
    assert record["cross_section_pb"] == process["cross_section_pb"]
    assert record["n_events"] == N
    for name in BENCHMARKS:
        assert record["mean_weights_pb"][name] == pytest.approx(_exact(BENCHMARKS[name]["alpha"]), rel=0.04)
    assert record["effective_sample_size"]["sm"] > 0.99 * N
    events = list(pylhe.read_lhe_with_attributes(str(out / EVENTS)))
    momenta = np.array([[[p.e, p.px, p.py, p.pz] for p in event.particles if p.status != 2] for event in events])
    element = MatrixElement(Model.load("ufo_sm"), (11, -11), (13, -13))
    squared = [element.squared(momenta, {"sminputs 1": 132.507 * (1.0 - theta)}) for theta in (0.0, 0.1)]
    weights = np.array([[event.weights["sm"], event.weights["more"]] for event in events])
    assert weights[:, 1] / weights[:, 0] == pytest.approx(squared[1] / squared[0], rel=1e-8)
    assert (np.abs(momenta[:, 2, 3] / momenta[:, 2, 0]) < np.tanh(2.0)).all()


def _exact(theta: float) -> float:
    """σ(e⁻e⁺ → μ⁻μ⁺) at 250 GeV within |y| < 2 in pb, integrated over the angle with fresh matrix elements."""
    cosines = np.linspace(-np.tanh(2.0), np.tanh(2.0), 2001)
    sines = np.sqrt(1.0 - cosines**2)
    zero, beam = np.zeros_like(cosines), 125.0
    legs = [(0.0, 1.0), (0.0, -1.0), (sines, cosines), (-sines, -cosines)]
    momenta = beam * np.stack([np.stack([zero + 1.0, zero + x, zero, zero + z], axis=1) for x, z in legs], axis=1)
    element = MatrixElement(Model.load("ufo_sm"), (11, -11), (13, -13))
    squared = element.squared(momenta, {"sminputs 1": 132.507 * (1.0 - theta)})
    return float(0.3893793721e9 * np.trapezoid(squared, cosines) / (32.0 * np.pi * (2.0 * beam) ** 2))


def test_the_same_seed_makes_the_same_events(chain: Chain) -> None:
    chain.generate()
    first = gzip.decompress((chain.simulate(n=50, seed=1) / EVENTS).read_bytes())
    other = gzip.decompress((chain.simulate(n=50, seed=2) / EVENTS).read_bytes())
    second = Chain(chain.folder.path / "again")
    second.generate()
    assert gzip.decompress((second.simulate(n=50, seed=1) / EVENTS).read_bytes()) == first
    assert other != first


def test_resonances_and_mothers(chain: Chain) -> None:
    process = {"processes": ["e- e+ > h mu- mu+"], "cuts": {}}
    chain.generate(**process)
    events = list(pylhe.read_lhe(str(chain.simulate(n=100, **process) / EVENTS)))
    with_z = [event for event in events if [p.id for p in event.particles if p.status == 2] == [23]]
    assert len(with_z) > 90
    for event in with_z:
        ids = [(int(p.id), int(p.status), int(p.mother1), int(p.mother2)) for p in event.particles]
        assert ids == [(11, -1, 0, 0), (-11, -1, 0, 0), (23, 2, 1, 2), (25, 1, 1, 2), (13, 1, 3, 3), (-13, 1, 3, 3)]
        assert abs(event.particles[2].m - 91.188) < 15.0 * 2.45


@pytest.mark.engine
def test_showered_events_of_gluons_and_quarks(chain: Chain) -> None:
    """Pythia accepts the colours, and the event record has the strong coupling at each event's scale."""
    shared = _hadrons()
    process = {"processes": ["p p > z j QED=1"], "definitions": {"p": "g u u~", "j": "g u u~"}, "cuts": {"ptj": 30.0}}
    written = json.loads((chain.generate(shared, **process) / "process.json").read_text())
    assert len(written["subprocesses"]) == 6
    shower = {"card": None, "settings": {"PartonLevel:MPI": False}}
    out = chain.simulate(shared, n=60, shower=shower, **process)
    assert json.loads((out / "simulate.json").read_text())["n_events"] >= 57
    assert (out / "events.hepmc.gz").stat().st_size > 10_000
    events = list(pylhe.read_lhe(str(out / EVENTS)))
    scales = np.array([event.eventinfo.scale for event in events])
    couplings = np.array([event.eventinfo.aqcd for event in events])
    assert (np.argsort(scales) == np.argsort(-couplings)).all()
    assert 0.1 < couplings.min() < couplings.max() < 0.13


@pytest.mark.parametrize(
    ("process", "words"),
    [
        ({"cuts": {"ptl": 200.0}}, "no point of phase space passes the cuts"),
        ({"processes": ["e- e+ > mu- mu+ QED=1"]}, "does not have a tree diagram for"),
        ({"processes": ["e- e+ > mu- ghost"]}, "does not have a particle ghost"),
        ({"processes": ["e- e+ > e- e+"], "cuts": {}}, "does not converge"),
        ({"param_card": {"dim6 2": 1.0}}, "does not have a parameter dim6 2"),
    ],
)
def test_what_cannot_be_generated(chain: Chain, process: dict[str, Any], words: str) -> None:
    assert words in chain.refusal(**process)


@pytest.mark.parametrize(
    ("model", "words"), [({"name": "nowhere"}, "no UFO model 'nowhere'"), ({"file": "file_sm_zip"}, "does not trust")]
)
def test_a_model_that_nobody_has_or_trusts(chain: Chain, model: dict[str, str], words: str) -> None:
    known = {"name": None, "file": None, "restriction": None}
    assert words in chain.refusal({**SHARED, "model": {**known, **model}})


def test_a_benchmark_without_a_cross_section(chain: Chain) -> None:
    """At an electric charge of 1e-100, the squared matrix element is too small for a number."""
    chain.at({**BENCHMARKS, "none": {"alpha": -1e200}})
    assert chain.refusal() == "the cross section vanishes at the benchmark none: take another point"
