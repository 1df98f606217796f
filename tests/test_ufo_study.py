"""A study of a UFO model from the events to the limits, with pip packages only."""

import json
from pathlib import Path

import pytest

from tests.engines import compile_target, run_target

STUDY = """
mmc: "1.0"
name: alpha
seed: 137
parameters: # the inverse of the fine-structure constant, on which |M|² does not depend as a polynomial
  inverse: {lha_block: sminputs, lha_id: 1, range: [125, 135]}
benchmarks:
  a130: {inverse: 130}
  a125: {inverse: 125}
  a135: {inverse: 135}
morphing: none
generation:
  generator: ufo
  model: ufo_sm
  precision: 0.02
  beams: {energy: 125 GeV, particles: [e-, e+]}
  samples:
    signal: {process: e- e+ > mu- mu+ QED=2, events: 1200}
observables:
  cosine: {definition: "tanh(mu[0].eta) * mu[0].charge", required: true}
evaluation:
  luminosity: 0.3 fb^-1
  grid: {inverse: {points: 3}}
  baselines: {rate: true}
plots: {formats: [svg]}
"""


@pytest.mark.engine
def test_muon_pairs_measure_the_fine_structure_constant(tmp_path: Path, quick_jobs: dict[str, str]) -> None:
    """σ is in proportion to α²: 8 % between the benchmarks, and 4.3 % is the error of 545 events."""
    study = tmp_path / "study.yaml"
    study.write_text(STUDY)
    compile_target("script", study, tmp_path / "bundle", quick_jobs)
    (results,) = run_target("script", tmp_path / "bundle", quick_jobs).rglob("results.json")
    (rate,) = json.loads(results.read_text())["baselines"]
    assert rate["name"] == "rate"
    assert rate["verdict"] == "passed"
    assert rate["n_expected"] == pytest.approx(545.0, rel=0.06)
    assert rate["allowed_fraction"]["0.68"] < 0.98
