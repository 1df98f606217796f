"""MadSpin, merging, lines of the reweight card and widths: what is asked reaches the jobs, and the rest is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from mmc.cli.main import main

STUDY = """
mmc: "1.0"
name: runs
parameters:
  c: {lha_block: dim6, lha_id: 1, range: [-1, 1]}
benchmarks:
  sm: {c: 0}
  w: {c: 1}
generation:
  generator: madgraph
  model: EWdim6-full
  definitions: {lep: "e+ mu+"}
  beams: {pdf: NNPDF31_nnlo_as_0118}
  param_card: {"decay 6": auto, "mass 25": 125}
  shower: {program: pythia8}
  samples:
    signal:
      process: ["p p > t t~ NP<=1", "p p > t t~ j NP<=1"]
      events: 100
      madspin: {decays: ["t > w+ b, w+ > lep vl", "t~ > w- b~"], bw_cut: 15}
      reweight_card: ["change process p p > t t~ NP<=1"]
      merging: {scheme: mlm, jets: 1, xqcut: 20 GeV}
      systematics: [mu, mur, lumi]
systematics:
  mu: {effect: scale}
  mur: {effect: scale, scale: mur}
  lumi: {effect: norm, variation: 1.02}
detector: {simulation: delphes, shipped_card: delphes_card_CMS.tcl}
observables:
  n_j: {definition: len(j), required: true}
methods:
  sally: {theta: {benchmark: sm}, samples: 1000}
evaluation:
  luminosity: 300 fb^-1
"""


def test_what_is_asked_reaches_the_jobs(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    assert main(["compile", str(tmp_path / "study.yaml"), "--target", "script", "--out", str(tmp_path / "out")]) == 0
    (file,) = (tmp_path / "out").rglob("simulate.json")
    said: dict[str, Any] = json.loads(file.read_text())
    settings = said["shared"] | said["settings"][0]
    assert settings["beams"]["pdf"] == 303600
    assert settings["madspin"]["decays"] == ["t > w+ b, w+ > lep vl", "t~ > w- b~"]
    assert settings["madspin"]["definitions"] == {"lep": "e+ mu+"}
    assert settings["merging"] == {"scheme": "mlm", "jets": 1, "xqcut_gev": 20.0, "qcut_gev": 30.0}
    assert settings["auto_widths"] == ["decay 6"] and settings["param_card"] == {"mass 25": 125.0}
    assert settings["reweight_card"] == ["change process p p > t t~ NP<=1"]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('["t > w+ b, w+ > lep vl", "t~ > w- b~"]', '["t > w+ b; ls"]', "MMC384"),
        ('"t~ > w- b~"', '"t~ > w- b~ a"', "MMC384"),
        ("change process p p > t t~ NP<=1", "change rwgt_dir /tmp", "MMC385"),
        ('"decay 6": auto', '"decay all": auto', "MMC386"),
        ('"decay 6": auto', '"mass 6": auto', "MMC386"),
        ("  shower: {program: pythia8}\n", "", "MMC387"),
        ("mlm, jets: 1, xqcut: 20 GeV", "mlm, jets: 1", "MMC387"),
        ("mlm, jets: 1, xqcut: 20 GeV", "ckkwl, jets: 1, ptlund: 20 GeV, core: pp>tt~, xqcut: 2 GeV", "MMC387"),
        ("      events: 100\n", "      events: 100\n      run_card: {xqcut: 20}\n", "MMC333"),
        ("      events: 100\n", "      events: 100\n      run_card: {gridpack: true}\n", "MMC320"),
        ('["p p > t t~ NP<=1", "p p > t t~ j NP<=1"]', '"g g > z z"\n      model: sm', "MMC324"),
    ],
)
def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, code: str) -> None:
    assert old in STUDY
    (tmp_path / "study.yaml").write_text(STUDY.replace(old, new))
    main(["validate", str(tmp_path / "study.yaml")])
    assert f"error[{code}]" in capsys.readouterr().out
