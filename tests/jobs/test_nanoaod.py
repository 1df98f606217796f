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

pytestmark = pytest.mark.engine
STUDY = """
mmc: "1.0"
name: nanoaod
parameters: {c: {range: [-1, 1]}}
benchmarks: {sm: {c: 0}, w: {c: 1}}
morphing: none
events:
  tables:
    wh:
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
methods: {}
evaluation: {luminosity: 1 fb^-1, baselines: {rate: true}, grid: {c: {range: [0, 1], points: 2}}}
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
    (path / "study.yaml").write_text(STUDY)
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
