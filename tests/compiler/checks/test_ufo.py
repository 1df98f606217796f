"""What a study says of the generator ufo reaches the jobs, for every target, and what it does not have is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from mmc.cli.main import main
from mmc.compiler.targets import TARGETS

STUDY = """
mmc: "1.0"
name: ufo
parameters: {cHW: {lha_block: smeft, lha_id: 7, range: [-1, 1]}}
benchmarks: {sm: {cHW: 0}, w: {cHW: 1}, v: {cHW: -1}}
generation:
  generator: ufo
  model: no_such_model
  beams: {energy: 6500 GeV}
  scale: {dynamical_scale_choice: 4, factor: 0.5}
  param_card: {smeft all: 0, decay 24: auto}
  samples: {signal: {process: p p > h mu+ vm NP=1, events: 100}}
observables: {pt: {definition: "mu[0].pt", required: true}}
evaluation: {luminosity: 300 fb^-1, baselines: {rate: true}}
execution: {images: {physics: 'mmc-physics:0.1.0', learning: 'mmc-physics:0.1.0'}}
"""


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_has_the_jobs(tmp_path: Path, target: str) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    assert main(["compile", str(tmp_path / "study.yaml"), "--target", target, "--out", str(tmp_path / "out")]) == 0
    (file,) = (tmp_path / "out").rglob("generate.json")
    said: dict[str, Any] = json.loads(file.read_text())
    assert said["shared"]["scale"] == {"fixed_gev": None, "factor": 0.5, "choice": 4}
    process = said["settings"][0]["process"]
    assert process["auto_widths"] == [24] and process["param_card"] == {"smeft all": 0.0}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("dynamical_scale_choice: 4", "dynamical_scale_choice: -1", "MMC356"),
        ("dynamical_scale_choice: 4", "dynamical_scale_choice: 0", "MMC356"),
        ("dynamical_scale_choice: 4", "dynamical_scale_choice: 3, fixed: 91 GeV", "MMC319"),
        ("decay 24: auto", "decay all: auto", "MMC386"),
        ("decay 24: auto", "mass 24: auto", "MMC386"),
    ],
)
def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, code: str) -> None:
    assert old in STUDY
    (tmp_path / "study.yaml").write_text(STUDY.replace(old, new))
    main(["validate", str(tmp_path / "study.yaml")])
    assert f"[{code}]" in capsys.readouterr().out
