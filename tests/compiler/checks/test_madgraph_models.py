"""UFO models that travel to MadGraph: read without running, packed into the bundle, checked against the study."""

import json
import tarfile
from pathlib import Path

import pytest
from mmc.cli.main import main
from mmc.compiler.inputs import process_words
from mmc.compiler.settings.configuration import job_entry

from tests.jobs.matrix_elements import ufo_models

STUDY = """
mmc: "1.0"
name: travels
parameters:
  c: {lha_block: new, lha_id: 1, range: [-1, 1]}
benchmarks:
  sm: {c: 0}
  w: {c: 1}
generation:
  generator: madgraph
  model: {ufo: models/small}
  samples:
    signal: {process: "q q~ > v h NP=1", events: 100}
observables:
  n_j: {definition: len(j), required: true}
methods:
  sally: {theta: {benchmark: sm}, samples: 1000}
evaluation:
  luminosity: 300 fb^-1
trust: [models/small]
"""


FOR_UFO = STUDY.replace(
    "generator: madgraph\n  model: {ufo: models/small}", "generator: ufo\n  model: {file: models/small}"
)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    ufo_models.write(tmp_path / "models" / "small")
    (tmp_path / "study.yaml").write_text(STUDY)
    return tmp_path / "study.yaml"


def said(study: Path, capsys: pytest.CaptureFixture[str]) -> str:
    main(["validate", str(study)])
    return capsys.readouterr().out


def test_a_folder_is_packed_into_the_bundle(study: Path) -> None:
    """The archive is the same in every bundle, whenever the files were written; another file is another archive."""
    digests = []
    for number in range(3):
        out = study.parent / str(number)
        assert main(["compile", str(study), "--target", "script", "--out", str(out)]) == 0
        digests.append(json.loads((out / "manifest.json").read_text())["files"]["inputs/models/small"])
        (study.parent / "models" / "small" / "notes.txt").write_text("a" * number)
        (study.parent / "models" / "small" / "model.pkl").write_text(str(number))
    assert digests[0] != digests[1] and digests[1] != digests[2]
    (study.parent / "models" / "small" / "model.pkl").write_text("other")
    (study.parent / "models" / "small" / "particles.py").touch()
    assert main(["compile", str(study), "--target", "script", "--out", str(study.parent / "0")]) == 0
    (study.parent / "models" / "small" / "link.py").symlink_to("/etc/passwd")
    assert main(["compile", str(study), "--target", "script", "--out", str(study.parent / "4")]) == 3


def test_a_folder_travels_with_the_generator_ufo(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study.write_text(FOR_UFO)
    out = study.parent / "bundle"
    assert main(["compile", str(study), "--target", "script", "--out", str(out)]) == 0
    assert tarfile.is_tarfile(out / "inputs" / "models" / "small")
    study.write_text(FOR_UFO.replace("  model:", "  restriction: sm\n  model:"))
    assert "does not bring a restriction 'sm'" in said(study, capsys)
    study.write_text(FOR_UFO.replace("file: models/small", "file: study.yaml"))
    assert "'study.yaml' is not a UFO model, or an archive of one" in said(study, capsys)


def test_uncertainties_of_the_generator_ufo(study: Path) -> None:
    """Only those that change events differently reach the jobs that make events."""
    systematics = """systematics:
  scales: {effect: scale, scale: mu, variations: [0.5, 2]}
  partons: {effect: pdf, variation: SomeSet}
  lumi: {effect: norm, variation: 1.02}
"""
    text = FOR_UFO.replace("events: 100", "events: 100, systematics: [scales, partons, lumi]")
    study.write_text(text.replace("observables:", f"{systematics}observables:"))
    out = study.parent / "bundle"
    assert main(["compile", str(study), "--target", "script", "--out", str(out)]) == 0
    simulate, generate = (
        job_entry(json.loads((out / "config" / f"{stage}.json").read_text()), job).settings
        for stage, job in (("simulate", "signal.sm.0"), ("generate", "signal.sm"))
    )
    assert set(simulate["systematics"]) == {"scales", "partons"}
    assert generate["error_sets"] == ["SomeSet"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("lha_id: 1,", "lha_id: 7,", "the model does not have a parameter new 7"),
        ("q q~ > v h", "q q~ > v hh", "the model does not have a particle 'hh'"),
        ("NP=1", "QED=1", "the model does not have an order 'QED'"),
        ("ufo: models/small", "ufo: study.yaml", "'study.yaml' is not a UFO model, or an archive of one"),
        ("ufo: models/small", "ufo: models/small, restrict: sm", "does not bring a restriction 'sm'"),
        ("ufo: models/small", "ufo: models/small, restrict: no.dat", "MMC601"),
        ("trust: [models/small]", "", "MMC336"),
        ("ufo: models/small", "ufo: ../models", "MMC602"),
    ],
)
def test_what_is_wrong(study: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, words: str) -> None:
    assert words not in said(study, capsys)
    study.write_text(STUDY.replace(old, new))
    assert words in said(study, capsys)


def test_words_of_process_lines() -> None:
    line = "p p > z > t t~ j $$ h / a QCD^2==2 NP<=1 @1 [noborn=QCD], (t > w+ b, w+ > l+ vl) --diagram_filter"
    assert process_words.words(line) == ["p", "p", "z", "t", "t~", "j", "h", "a", "t", "w+", "b", "w+", "l+", "vl"]
    assert process_words.orders(line) == ["QCD", "NP"]
    assert process_words.final_state(line) == ["t", "t~", "j"]
