"""The jobs of the generator ufo: a cross section, then events with weights."""

import gzip
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.jobs.formats.les_houches import EVENTS
from mmc.jobs.matrix_elements import MatrixElement, Model
from mmc.jobs.scattering import widths

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
        settings = {**_simulate(shared, process), "shower": shower, "n_events": n}
        made = self.folder.out("generate", "signal.sm")
        return self.folder.run("simulate", f"signal.sm.{seed}", settings, seed=seed, setup=self.setup, process=made)


def _generate(shared: dict[str, Any], process: dict[str, Any]) -> dict[str, Any]:
    return {
        **shared,
        "precision": process.pop("precision", 0.03),
        "sample": "signal",
        "benchmark": "sm",
        "background": process.pop("background", False),
        "process": {**PROCESS, **process},
    }


def _simulate(shared: dict[str, Any], process: dict[str, Any]) -> dict[str, Any]:
    return {
        **shared,
        "shower": None,
        "sample": "signal",
        "benchmark": "sm",
        "background": process.pop("background", False),
        "systematics": process.pop("systematics", {}),
        "process": {**PROCESS, **process},
        "process_job": "signal.sm",
        "n_events": 10,
    }


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


def hadrons(**beams: Any) -> dict[str, Any]:
    return {**SHARED, "beams": {**SHARED["beams"], "energy_gev": 6500.0, "particles": ["p", "p"], **beams}}


def test_events_and_weights(chain: Chain) -> None:
    process = json.loads((chain.generate(precision=0.01) / "process.json").read_text())
    out = chain.simulate()
    record = json.loads((out / "simulate.json").read_text())
    assert record["cross_section_pb"] == process["cross_section_pb"]
    assert record["n_events"] == N
    for name in BENCHMARKS:
        assert record["mean_weights_pb"][name] == pytest.approx(_exact(BENCHMARKS[name]["alpha"]), rel=0.04)
    assert record["effective_sample_size"]["sm"] > 0.99 * N
    momenta, weights = _momenta_and_weights(out)
    element = MatrixElement(Model.load("ufo_sm"), (11, -11), (13, -13))
    squared = [element.squared(momenta, {"sminputs 1": 132.507 * (1.0 - theta)}) for theta in (0.0, 0.1)]
    assert weights[:, 1] / weights[:, 0] == pytest.approx(squared[1] / squared[0], rel=1e-8)
    assert (np.abs(momenta[:, 2, 3] / momenta[:, 2, 0]) < np.tanh(2.0)).all()


def test_widths_follow_from_the_model(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Near the Z, the weight at another α depends on the width of the Z there, which takes a second to compute."""
    total = cache(lambda pdg, *point: width_of(Model.load("ufo_sm"), pdg, dict(point)))
    width_of = widths.total
    monkeypatch.setattr(widths, "total", lambda _, pdg, point: total(pdg, *sorted(point.items())))
    on_the_z = {**SHARED, "beams": {**SHARED["beams"], "energy_gev": 45.594}}
    chain.generate(on_the_z, auto_widths=[23])
    momenta, weights = _momenta_and_weights(chain.simulate(on_the_z, auto_widths=[23], n=20))
    model, other = Model.load("ufo_sm"), {"sminputs 1": 132.507 * 0.9}
    element = MatrixElement(model, (11, -11), (13, -13))
    squared = [element.squared(momenta, {**card, "decay 23": widths.total(model, 23, card)}) for card in ({}, other)]
    assert weights[:, 1] / weights[:, 0] == pytest.approx(squared[1] / squared[0], rel=1e-8)
    fixed = element.squared(momenta, other) / element.squared(momenta)
    assert (np.abs(fixed / (weights[:, 1] / weights[:, 0]) - 1) > 0.01).all()


def _momenta_and_weights(out: Path) -> tuple[Any, Any]:
    events = events_of(out)
    momenta = np.array([[p[[9, 6, 7, 8]] for p in particles if p[1] != 2] for _, particles, _ in events])
    return momenta, np.array([list(values.values()) for _, _, values in events])


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


@pytest.mark.parametrize(("process", "least"), [("e- e+ > h mu- mu+", 90), ("e- e+ > h z, z > mu- mu+", 100)])
def test_resonances_and_mothers(chain: Chain, process: str, least: int) -> None:
    chosen = {"processes": [process], "cuts": {}}
    chain.generate(**chosen)
    events = events_of(chain.simulate(n=100, **chosen))
    with_z = [particles for _, particles, _ in events if [p[0] for p in particles if p[1] == 2] == [23]]
    assert len(with_z) >= least
    for particles in with_z:
        lines = [tuple(map(int, particle[:4])) for particle in particles]
        assert lines == [(11, -1, 0, 0), (-11, -1, 0, 0), (23, 2, 1, 2), (25, 1, 1, 2), (13, 1, 3, 3), (-13, 1, 3, 3)]
        assert abs(particles[2][10] - 91.188) < 15.0 * 2.45


def events_of(out: Path) -> list[tuple[Any, Any, dict[str, float]]]:
    """The first line, the particles and the weights of each event, in numbers."""
    text = gzip.decompress((out / EVENTS).read_bytes()).decode()
    found = []
    for event in text.split("<event>\n")[1:]:
        lines = event.partition("<rwgt>")[0].splitlines()
        weights = re.findall(r"<wgt id='(.*?)'> (\S+) </wgt>", event)
        numbers = [np.array(line.split(), dtype=float) for line in lines]
        found.append((numbers[0], numbers[1:], {name: float(value) for name, value in weights}))
    return found


def test_showered_events(chain: Chain) -> None:
    """Pythia accepts the colours. Two flavours and both directions are one process; the scale is that of each event."""
    shared = hadrons()
    decays = "p p > w+ h, w+ > mu+ vm, h > b b~"
    process = {"processes": [decays], "definitions": {"p": "u c d~ s~"}, "cuts": {"ptl": 1e4}, "bwcutoff": 5.0}
    written = json.loads((chain.generate(shared, **process) / "process.json").read_text())
    assert sorted(len(entry["members"]) for entry in written["subprocesses"]) == [2, 2]
    out = chain.simulate(shared, n=60, shower={"card": None, "settings": {"PartonLevel:MPI": False}}, **process)
    assert json.loads((out / "simulate.json").read_text())["n_events"] >= 57
    assert (out / "events.hepmc.gz").stat().st_size > 10_000
    events = events_of(out)
    quarks = {abs(int(particle[0])) for _, particles, _ in events for particle in particles[:2]}
    assert quarks == {1, 2, 3, 4}
    for head, particles, _ in events:
        lines = [tuple(map(int, particle[:4])) for particle in particles[2:]]
        assert lines[:2] in ([(24, 2, 1, 2), (25, 2, 1, 2)], [(25, 2, 1, 2), (24, 2, 1, 2)])
        masses = {int(particle[0]): particle[10] for particle in particles[2:4]}
        assert abs(masses[24] - 79.82) < 5.0 * 2.1
        mothers = {(pdg, lines[mother - 3][0]) for pdg, status, mother, _ in lines if status == 1}
        assert mothers == {(-13, 24), (14, 24), (5, 25), (-5, 25)}
        transverse = [np.hypot(np.hypot(p[6], p[7]), p[10]) for p in particles[2:] if p[1] == 1]
        assert head[3] == pytest.approx(sum(transverse) / 2.0, rel=1e-5)
    couplings = [head[5] for head, _, _ in sorted(events, key=lambda event: event[0][3])]
    assert couplings == sorted(couplings, reverse=True)
    assert 0.08 < couplings[-1] < couplings[0] < 0.2


@pytest.mark.parametrize(
    ("process", "words"),
    [
        ({"cuts": {"ptl": 200.0}}, "no point of phase space passes the cuts"),
        ({"processes": ["e- e+ > mu- mu+ QED=1"]}, "does not have a tree diagram for"),
        ({"processes": ["e- e+ > mu- ghost"]}, "does not have a particle ghost"),
        ({"param_card": {"dim6 2": 1.0}}, "does not have a parameter dim6 2"),
        (
            {"processes": ["e- e+ > mu- mu+ h"], "cuts": {}, "param_card": {"decay 23": 0.0}},
            "Z may be on its mass shell, and its width is 0 in the model ufo_sm: set `decay 23` in `param_card`",
        ),
        (
            {"processes": ["e- e+ > z h, z > mu- mu+"], "cuts": {}, "param_card": {"decay 23": 0.0}},
            "Z decays, but its width is 0 in the model ufo_sm: set `decay 23` in `param_card`",
        ),
    ],
)
def test_what_cannot_be_generated(chain: Chain, process: dict[str, Any], words: str) -> None:
    assert words in chain.refusal(**process)


@pytest.mark.parametrize(
    ("model", "words"),
    [({"name": "nowhere"}, "there is no UFO model nowhere"), ({"file": "file_sm_zip"}, "does not trust")],
)
def test_a_model_that_nobody_has_or_trusts(chain: Chain, model: dict[str, str], words: str) -> None:
    known = {"name": None, "file": None, "restriction": None}
    assert words in chain.refusal({**SHARED, "model": {**known, **model}})


def test_weights_that_are_not_a_polynomial(chain: Chain) -> None:
    """The amplitude of γ and Z depends on α in the electric charge and in the mixing angle."""
    three = {"sm": {"alpha": 0.0}, "more": {"alpha": 0.1}, "less": {"alpha": -0.1}}
    chain.at(three)
    powers = {"max_powers": {"alpha": 2}, "max_overall_power": 2, "basis": 3}
    settings = {**_generate(SHARED, {}), "powers": powers}
    refusal = chain.folder.refusal("generate", "signal.sm", settings, setup=chain.setup)
    assert "|M|² is not a polynomial with the study's powers of the parameters: at alpha = " in refusal


def test_a_signal_without_the_parameters(chain: Chain) -> None:
    """The parameter is the Yukawa coupling of the b quark."""
    yukawa = {"lha_block": "yukawa", "lha_id": 5, "transform": "4.7*(1 - theta)"}
    refusal = chain.refusal({**SHARED, "parameters": {"alpha": yukawa}})
    assert refusal.startswith("the sample signal does not depend on the parameters: allow their order in the process")


def test_a_benchmark_without_a_cross_section(chain: Chain) -> None:
    """The parameter is the Yukawa coupling of the b quark, and the process vanishes without it."""
    chain.at({**BENCHMARKS, "none": {"alpha": 1.0}})
    yukawa = {"lha_block": "yukawa", "lha_id": 5, "transform": "4.7*(1 - theta)"}
    model = {"name": "ufo_sm", "file": None, "restriction": "no_b_mass"}
    shared = {**hadrons(), "parameters": {"alpha": yukawa}, "model": model}
    refusal = chain.refusal(shared, processes=["b b~ > h h"], cuts={})
    assert refusal == "the cross section vanishes at the benchmark none: take another point"
