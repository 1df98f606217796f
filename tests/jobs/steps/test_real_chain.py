"""MadGraph, Pythia 8 and Delphes for real, where the environment names them."""

import gzip
import json
import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmc.compiler.inputs import ufo_model
from mmc.jobs.formats import hepmc, les_houches_table
from mmc.jobs.madminer.setup_file import Setup
from mmc.packing import packed

from tests.jobs.madgraph import BENCHMARKS, VBF, ZERO, detect_settings, event_settings, process_settings, setup
from tests.jobs.physics import Folder

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif("MMC_MADGRAPH_DIR" not in os.environ, reason="MMC_MADGRAPH_DIR names no MadGraph"),
]
needs_delphes = pytest.mark.skipif("MMC_DELPHES_DIR" not in os.environ, reason="MMC_DELPHES_DIR names no Delphes")
DIMUON = {"process": ["u u~ > mu- mu+"], "model": "sm"}
READING = {
    "observables": {
        "pt_j1": {"definition": "j[0].pt", "required": True, "default": None},
        "m_aa": {"definition": "(a[0] + a[1]).m", "required": True, "default": None},
    },
    "default_observables": None,
    "cuts": [],
    "efficiencies": [],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="module")
def configured(folder: Folder) -> Path:
    return setup(folder)


@pytest.fixture(scope="module")
def dimuon(folder: Folder) -> Path:
    """A process that is quick, and does not know the parameters."""
    return folder.run("generate", "dimuon", process_settings(sample="dimuon", **DIMUON))


def test_a_model_travels_and_reweights(folder: Folder, configured: Path) -> None:
    """The model of the study is found by the reweighting too; MadGraph's folder stays as it is."""
    model = ufo_model.installed("EWdim6")
    if model is None:
        pytest.skip(f"{ufo_model.SEARCHED} names no folder with EWdim6")
    archive = folder.path / "model"
    archive.write_bytes(packed(model))
    settings = process_settings(process=[VBF.partition(",")[0]], model="EWdim6-full", model_file="m", trust=["m"])
    process = folder.run("generate", "travels", settings, m=archive)
    events = folder.run("simulate", "travels", event_settings(n_events=100), setup=configured, process=process)
    record = _record(events)
    assert record["mean_weights_pb"]["w"] > 5.0 * record["mean_weights_pb"]["sm"]
    assert not (Path(os.environ["MMC_MADGRAPH_DIR"]) / "models" / "mmc_EWdim6").exists()


def _background(**changes: Any) -> dict[str, Any]:
    """Events of a background whose model has no block of the parameters, as those of the signal's have."""
    settings = {"sample": "dimuon", "process_job": "dimuon", "background": True, "run_card": {}}
    return event_settings(**{**settings, "param_card_where_there": list(ZERO), **changes})


def _events(out: Path) -> list[str]:
    return gzip.decompress((out / "events.lhe.gz").read_bytes()).decode().split("<event>")[1:]


def _record(out: Path) -> Any:
    return json.loads((out / "simulate.json").read_text())


def test_four_jobs_are_as_good_as_one(folder: Folder, configured: Path, dimuon: Path) -> None:
    inputs = {"setup": configured, "process": dimuon}
    parts = [
        folder.run("simulate", f"dimuon.sm.{k}", _background(n_events=250), seed=101 + k, **inputs) for k in range(4)
    ]
    whole = _record(folder.run("simulate", "dimuon.sm.4", _background(n_events=1000), seed=99, **inputs))
    records = [_record(part) for part in parts]
    assert [record["n_events"] for record in records] == [250] * 4
    average = np.mean([record["cross_section_pb"] for record in records])
    error = math.hypot(whole["cross_section_error_pb"], *(record["cross_section_error_pb"] / 4 for record in records))
    assert abs(average - whole["cross_section_pb"]) < 4.0 * error
    assert error < 0.05 * whole["cross_section_pb"]
    assert len({event for part in parts for event in _events(part)}) == 1000


def test_same_seed_same_bytes(folder: Folder, configured: Path, dimuon: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = {"setup": configured, "process": dimuon}
    first = folder.run("simulate", "dimuon.sm.5", _background(), seed=7, **inputs)
    # however many cores there are: the runner sets this variable from the job's configuration
    monkeypatch.setattr("mmc.jobs.generators.madgraph.n_cores", lambda: 2)
    again = folder.run("simulate", "dimuon.sm.6", _background(), seed=7, **inputs)
    assert (first / "events.lhe.gz").read_bytes() == (again / "events.lhe.gz").read_bytes()
    assert str(folder.path) not in gzip.decompress((first / "events.lhe.gz").read_bytes()).decode()
    assert not list(first.glob("work*"))


def test_cuts_of_the_run_card_hold(folder: Folder, configured: Path, dimuon: Path) -> None:
    settings = _background(run_card={"mmll": 200.0, "ptl": 30.0}, n_events=200)
    events = les_houches_table.read(
        folder.run("simulate", "dimuon.sm.7", settings, setup=configured, process=dimuon) / "events.lhe.gz"
    )
    momenta = events.momenta.reshape(-1, 2, 4)
    assert np.hypot(momenta[..., 0], momenta[..., 1]).min() > 30.0
    total = momenta.sum(axis=1)
    assert np.sqrt(total[:, 3] ** 2 - (total[:, :3] ** 2).sum(axis=1)).min() > 200.0


@pytest.mark.parametrize(
    ("run_card", "reason"),
    [
        ({"mmlll": 200.0}, "MadGraph's run card has no setting mmlll: correct the name, or remove it"),
        ({"ptl": 7000.0}, "MadGraph makes no events of dimuon at sm: the cross section is zero; "),
    ],
)
def test_run_cards_that_cannot_be(
    folder: Folder, configured: Path, dimuon: Path, tmp_path: Path, run_card: dict[str, float], reason: str
) -> None:
    settings = _background(run_card=run_card)
    assert Folder(tmp_path).refusal("simulate", "x", settings, setup=configured, process=dimuon).startswith(reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"process": ["p p > e+ e-", "p p > ta+ nosuch"]},
            "MadGraph rejects the process of x: `add process p p > ta+ nosuch`: No particle nosuch in model",
        ),
        (
            {"process": ["p p > mu+ e-"]},
            "MadGraph rejects the process of x: `generate p p > mu+ e-`: No amplitudes generated from process ",
        ),
        ({"process": ["p p e+ e-"]}, "MadGraph rejects the process of x: `generate p p e+ e-`: wrong format"),
        (
            {"definitions": {"v": "foo"}},
            "MadGraph rejects the process of x: `define v = foo`: No particle foo in model",
        ),
        ({"model": "nosuch-full"}, "the model nosuch-full of x is not installed: "),
    ],
)
def test_processes_that_madgraph_rejects(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    settings = process_settings(**{"sample": "x", "model": "sm", "process": ["p p > e+ e-"], **changes})
    assert Folder(tmp_path).refusal("generate", "x", settings).startswith(reason)


@pytest.fixture(scope="module")
def signal(folder: Folder, configured: Path) -> Path:
    """100 showered events of the reference study's signal at the benchmark w."""
    if not (Path(os.environ["MMC_MADGRAPH_DIR"]) / "models" / "EWdim6").is_dir():
        pytest.skip("MadGraph has no model EWdim6")
    process = folder.run("generate", "signal", process_settings(process=[VBF]))
    shower = {"card": None, "settings": {"PartonLevel:MPI": False}}
    settings = event_settings(benchmark="w", shower=shower, param_card={**ZERO, "decay 25": 0.00407})
    return folder.run("simulate", "signal.w.0", settings, seed=1234, setup=configured, process=process)


def test_weights_morph(signal: Path, configured: Path) -> None:
    """A squared amplitude of degree two in two parameters is known from six points: any seventh follows."""
    events = les_houches_table.read(signal / "events.lhe.gz")
    names = list(Setup.read(configured).benchmarks)
    assert list(events.weights) == names and len(events.counts) == _record(signal)["n_events"] == 100
    assert 0.012 < _record(signal)["cross_section_pb"] < 0.022
    points = np.array([list(point.values()) for point in Setup.read(configured).benchmarks.values()])
    x, y = points.T
    monomials = np.stack([np.ones(6), x, y, x * x, x * y, y * y])
    coefficients = np.linalg.solve(monomials.T, np.stack(list(events.weights.values())))
    at = {name: list(point.values()) for name, point in BENCHMARKS.items()}
    for name, (x0, y0) in at.items():
        morphed = np.array([1.0, x0, y0, x0 * x0, x0 * y0, y0 * y0]) @ coefficients
        np.testing.assert_allclose(morphed, events.weights[name], rtol=1e-6)
    # squared amplitudes are nowhere negative
    for x0, y0 in np.random.default_rng(1).uniform(-10.0, 10.0, (50, 2)):
        morphed = np.array([1.0, x0, y0, x0 * x0, x0 * y0, y0 * y0]) @ coefficients
        assert morphed.min() > -1e-4 * morphed.max()


def test_shower_has_the_events_of_the_event_file(signal: Path) -> None:
    text = gzip.decompress((signal / "events.hepmc.gz").read_bytes()).decode()
    assert hepmc.count(signal / "events.hepmc.gz") == len(_events(signal)) == 100
    scales = [float(event.split()[3]) for event in _events(signal)]
    showered = [float(scale) for scale in re.findall(r"^A 0 event_scale (\S+)", text, re.MULTILINE)]
    np.testing.assert_allclose(showered, scales, rtol=1e-6)


@needs_delphes
def test_detector_sees_the_higgs(folder: Folder, configured: Path, signal: Path) -> None:
    settings = detect_settings(benchmark="w")
    detected = folder.run("detect", "signal.w.0", settings, seed=5, events=signal)
    values = _observations(folder, configured, signal, detected)
    detected = folder.run("detect", "signal.w.0", settings, seed=5, events=signal)
    np.testing.assert_array_equal(values, _observations(folder, configured, signal, detected))
    assert len(values) > 40
    assert np.median(values[:, 0]) > 100.0
    assert np.median(values[:, 1]) == pytest.approx(125.0, abs=2.0)


def _observations(folder: Folder, configured: Path, signal: Path, detected: Path) -> Any:
    import h5py

    own = {
        "sample": "signal",
        "benchmark": "w",
        "background": False,
    }
    reading = {**READING, "reader": "delphes", "acceptance": {"pt_min": {}, "eta_max": {}}, "generator_truth": False}
    inputs = {"setup": configured, "events": signal, "detected": detected}
    with h5py.File(folder.run("analyse", "signal.w.0", {**reading, **own}, **inputs) / "events.h5") as file:
        return file["samples/observations"][()]
