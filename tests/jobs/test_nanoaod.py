"""Columns of lists as particles: observables are those of a loop over the events."""

import json
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from mmc.errors import StepError
from mmc.jobs.madminer.event_rows import rows_of

from tests.jobs.stages import run_stages

HEAD = """
mmc: "1.0"
name: nanoaod
parameters: {c: {range: [-1, 1]}}
benchmarks: {sm: {c: 0}, w: {c: 1}}
morphing: none
methods: {}
evaluation: {luminosity: 1 fb^-1, baselines: {rate: true}, grid: {c: {range: [0, 1], points: 2}}}
events:
  tables:
    wh:
"""
STUDY = """\
      files: [{paths: [wh.root], benchmark: sm, cross_section: 40 fb}]
      particles: {like: nanoaod, j: {b_tag: {column: Jet_btagDeepFlavB, above: 0.3}}}
      weight: genWeight
      weights: sampled
objects: {b: {from: j, where: "it.b_tag"}}
definitions: {w: "l[0] + met"}
observables:
  m_bb: {definition: "(b[0] + b[1]).m", required: true}
  n_j: len(j)
  pt_w: {definition: w.pt, required: true}
  q_l: {definition: "l[0].charge", required: true}
  dr: {definition: "b[0].deltaR(l[0])", required: true}
cuts: ["len(l) == 1", "l[0].pt > 25"]
"""
N_EVENTS = 6_000


def events() -> dict[str, Any]:
    """Columns of a file of NanoAOD, with more events than are read together."""
    random = np.random.default_rng(3)

    def lists(counts: np.ndarray, values: np.ndarray) -> Any:
        return ak.unflatten(values.astype(np.float32), counts)

    found: dict[str, Any] = {"genWeight": random.uniform(0.5, 1.5, N_EVENTS)}
    for name, mean in (("Electron", 0.5), ("Muon", 0.5), ("Jet", 3.5)):
        counts = random.poisson(mean, N_EVENTS)
        n = counts.sum()
        pt = lists(counts, 20.0 + random.exponential(40.0, n))
        found[f"{name}_pt"] = pt[ak.argsort(pt, axis=1, ascending=False)]
        found[f"{name}_eta"] = lists(counts, random.normal(0.0, 1.5, n))
        found[f"{name}_phi"] = lists(counts, random.uniform(-np.pi, np.pi, n))
        found[f"{name}_mass"] = lists(counts, random.uniform(0.1, 15.0, n))
        if name == "Jet":
            found["Jet_btagDeepFlavB"] = lists(counts, random.uniform(0.0, 1.0, n))
        else:
            found[f"{name}_charge"] = ak.values_astype(lists(counts, random.choice([-1.0, 1.0], n)), np.int32)
    found["MET_pt"], found["MET_phi"] = random.exponential(50.0, N_EVENTS), random.uniform(-np.pi, np.pi, N_EVENTS)
    return found


def momentum(pt: float, eta: float, phi: float, mass: float) -> np.ndarray:
    p = np.array([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
    return np.array([*p, np.sqrt(p @ p + mass**2)])


def loop(columns: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The observables and weights of the events that pass."""
    rows, weights = [], []
    every = {name: ak.to_list(values) for name, values in columns.items()}
    for k in range(N_EVENTS):
        event = {name: values[k] for name, values in every.items()}
        leptons = [
            (*quantities, charge)
            for name in ("Muon", "Electron")
            for *quantities, charge in zip(
                *(event[f"{name}_{key}"] for key in ("pt", "eta", "phi", "mass", "charge")), strict=True
            )
        ]
        jets = list(zip(*(event[f"Jet_{key}"] for key in ("pt", "eta", "phi", "mass")), strict=True))
        b = [jet for jet, tag in zip(jets, event["Jet_btagDeepFlavB"], strict=True) if tag > 0.3]
        if len(leptons) != 1 or leptons[0][0] <= 25.0 or len(b) < 2:
            continue
        *lepton, charge = leptons[0]
        bb = momentum(*b[0]) + momentum(*b[1])
        w = momentum(*lepton)[:2] + momentum(event["MET_pt"], 0.0, event["MET_phi"], 0.0)[:2]
        phi = (b[0][2] - lepton[2] + np.pi) % (2.0 * np.pi) - np.pi
        mass = np.sqrt(bb[3] ** 2 - bb[:3] @ bb[:3])
        rows.append([mass, len(jets), np.hypot(*w), charge, np.hypot(b[0][1] - lepton[1], phi)])
        weights.append(event["genWeight"])
    return np.array(rows), np.array(weights)


def analyse(path: Path, columns: dict[str, Any]) -> Path:
    """The output of the job that reads the events."""
    with uproot.recreate(path / "wh.root") as file:
        file["Events"] = columns
    (path / "study.yaml").write_text(HEAD + STUDY)
    return run_stages(path / "study.yaml", "analyse")["analyse", "wh.sm.0"]


def test_observables_are_those_of_a_loop(tmp_path: Path) -> None:
    columns = events()
    folder = analyse(tmp_path, columns)
    known, weights = loop(columns)
    record = json.loads((folder / "analyse.json").read_text())
    assert record["n_read"] == N_EVENTS
    assert record["n_passed"] == len(known) > 200
    x, found = rows_of(folder / "events.h5")[:2]
    np.testing.assert_allclose(np.asarray(x[:]), known, rtol=2e-5, atol=1e-5)
    np.testing.assert_allclose(np.asarray(found[:])[:, 0], weights * 0.04 / columns["genWeight"].sum(), rtol=1e-6)


def test_lists_of_different_lengths_are_refused(tmp_path: Path) -> None:
    columns = events()
    columns["Jet_eta"] = columns["Jet_eta"][:, :3]
    with pytest.raises((StepError, AssertionError), match="different lengths, first in event"):
        analyse(tmp_path, columns)


def test_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    columns = events()
    del columns["Jet_btagDeepFlavB"]
    with pytest.raises((StepError, AssertionError), match="no column 'Jet_btagDeepFlavB'"):
        analyse(tmp_path, columns)


FEW = """\
      files: [{paths: [FILE], benchmark: sm, cross_section: 40 fb}]
      particles:
        e: {pt: e_pt, eta: e_eta, phi: e_phi, e: e_e, charge: e_charge}
        mu: {pt: mu_pt, eta: mu_eta, phi: mu_phi, charge: mu_charge}
        tau: {pt: tau_pt, eta: tau_eta, phi: tau_phi, charge: tau_charge}
        a: {pt: a_pt, eta: a_eta, phi: a_phi}
        j: {pt: j_pt, eta: j_eta, phi: j_phi, mass: j_mass, b_tag: j_b, tau_tag: {column: j_tau, above: 0.5}}
      weights: sampled
observables:
OBSERVABLES
"""
_ = -1.0
EXPECTED = {
    "l[0].pdgid": [13, -11, -13, 11, _],
    "l[1].pdgid": [-11, 13, _, -11, _],
    "l[0].pt": [50, 45, 30, 25, _],
    "l[1].pt": [40, 35, _, 20, _],
    "l[0].charge": [-1, 1, 1, -1, _],
    "l[0].e": [50.000112, 60, 30.000186, 32, _],
    "l[1].e": [50, 35.000159, _, 20, _],
    "l[0].m": [0.105658, 39.686270, 0.105658, 19.974984, _],
    "e[1].e": [_, _, _, 20, _],
    "mu[0].m": [0.105658, 0.105658, 0.105658, _, _],
    "a[0].e": [_, 61.723225, _, _, 10],
    "a[0].pdgid": [_, 22, _, _, 22],
    "tau[0].m": [_, _, 1.77686, _, 1.77686],
    "tau[0].pdgid": [_, _, 15, _, -15],
    "j[0].m": [5, 0, _, 12, _],
    "j[0].pdgid": [9, 9, _, 9, _],
    "j[0].charge": [0, 0, _, 0, _],
    "float(j[0].b_tag)": [1, 0, _, 1, _],
    "float(j[0].tau_tag)": [0, 1, _, 0, _],
}
"""By expression, with -1 for events without such particles. E = √(pT² cosh² η + m²), m = √(E² − pT² cosh² η); η is 0
but for the photon of the second event, with cosh 1 = 1.543081."""
COLUMNS = {
    "e": {
        "pt": [[40], [45], [], [25, 20], []],
        "e": [[50], [60], [], [32, 20], []],
        "charge": [[1], [1], [], [-1, 1], []],
    },
    "mu": {"pt": [[50], [35], [30], [], []], "charge": [[-1], [-1], [1], [], []]},
    "tau": {"pt": [[], [], [20], [], [15]], "charge": [[], [], [-1], [], [1]]},
    "a": {"pt": [[], [40], [], [], [10]], "eta": [[], [1], [], [], [0]]},
    "j": {
        "pt": [[60, 30], [50], [], [70], []],
        "mass": [[5, 3], [0], [], [12], []],
        "b": [[1, 0], [0], [], [5], []],
        "tau": [[0.5, 0.9], [0.6], [], [0.1], []],
    },
}


def padded(lists: Any, beyond: float) -> np.ndarray:
    """An array of shape (events, 2) from shorter lists."""
    return np.array([[*row, *[beyond] * (2 - len(row))] for row in ak.to_list(lists)])


@pytest.mark.parametrize("file", ["few.root", "few.parquet", "few.npz", "few.h5"])
def test_particles_of_few_events(tmp_path: Path, file: str) -> None:
    columns = {}
    for name, own in COLUMNS.items():
        zeros = [[0 for _ in pts] for pts in own["pt"]]
        for key, lists in {"eta": zeros, "phi": zeros, **own}.items():
            columns[f"{name}_{key}"] = ak.values_astype(ak.Array(lists), np.float64)
    if file.endswith("root"):
        with uproot.recreate(tmp_path / file) as root:
            root["Events"] = columns
    elif file.endswith("npz"):
        np.savez(tmp_path / file, **{name: padded(lists, np.nan) for name, lists in columns.items()})
    elif file.endswith("h5"):
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / file, "w") as hdf5:
            for name, lists in columns.items():
                hdf5[name] = padded(lists, 0.0)
    else:
        parquet, pyarrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
        parquet.write_table(
            pyarrow.table({name: ak.to_list(lists) for name, lists in columns.items()}), tmp_path / file
        )
    lines = [f'  o{n}: {{definition: "{text}", default: -1}}' for n, text in enumerate(EXPECTED)]
    (tmp_path / "study.yaml").write_text(HEAD + FEW.replace("FILE", file).replace("OBSERVABLES", "\n".join(lines)))
    folder = run_stages(tmp_path / "study.yaml", "analyse")["analyse", "wh.sm.0"]
    x = np.asarray(rows_of(folder / "events.h5")[0][:])
    for text, values in zip(EXPECTED, x.T, strict=True):
        np.testing.assert_allclose(values, EXPECTED[text], rtol=1e-6, atol=1e-6, err_msg=text)
