"""``mmc doctor``: everything that mmc can use is reported, and what a study lacks fails."""

import json
import os
import shutil
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from mmc.cli import examination
from mmc.cli.examination import CONTAINER_ENGINES, FOUND, MISSING, UNUSABLE
from mmc.cli.main import main
from mmc.compiler.inputs import installations
from mmc.compiler.plan.model import Plan, Stage

from tests.compiler.inputs.test_installations import USAGE, executable
from tests.support import STUDIES

TINY = STUDIES / "drell-yan" / "tiny.yaml"
MADGRAPH = {"generation": {"generator": "madgraph"}}
STEPS = ("madminer", "numpy", "torch", "pythia8mc")
VERSIONS = {
    "madminer": "0.9.6",
    "numpy": "2.4.6",
    "torch": "2.13.0+cpu",
    "pythia8mc": "8.317.2",
    "optuna": "5.0.0",
    "yadage": "0.21.2",
}
REWEIGHTED = """
mmc: "1.0"
name: example
parameters: {c: {lha_block: mass, lha_id: 25, range: [120, 130]}}
benchmarks: {sm: {c: 125}, w: {c: 126}}
events: {samples: {signal: {reweight: {model: no_such_model}, files: [{lhe: a.lhe, benchmark: sm}]}}}
observables: {pt: {definition: "j[0].pt", required: true}}
evaluation: {luminosity: 300 fb^-1, baselines: {rate: true}}
"""
UFO_WITH_A_SET = """
mmc: "1.0"
name: example
parameters: {c: {lha_block: yukawa, lha_id: 6, range: [150, 190]}}
benchmarks: {sm: {c: 170}, w: {c: 180}, v: {c: 160}}
generation:
  generator: ufo
  model: no_such_model
  beams: {energy: 6500 GeV}
  samples: {signal: {process: "p p > t t~ h QED=1", events: 100, systematics: [partons]}}
systematics: {partons: {effect: pdf, variation: CT18LO}}
observables: {pt: {definition: "p[0].pt", required: true}}
evaluation: {luminosity: 300 fb^-1, baselines: {rate: true}}
"""
REQUIREMENTS = [
    "jinja2>=3.1",
    'madminer==0.9.6; extra == "steps"',
    'numpy>=1.24; extra == "steps"',
    "torch>=2.1 ; extra == 'steps'",
    'pythia8mc==8.317.2; extra == "steps"',
    'optuna>=4; extra == "optuna"',
    'ufoamp==1.0.0; extra == "ufo"',
    'yadage<0.22,>=0.21.2; extra == "yadage"',
    'cwltool>=3.1; extra == "cwl"',
    'pytest>=8; extra == "test"',
]

Capture = pytest.CaptureFixture[str]


class Machine:
    """A machine with the packages of ``versions`` and the programs that a test puts on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.versions = dict(VERSIONS)
        self.program("bash", "GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)")

    def program(self, name: str, said: str, code: int = 0) -> None:
        executable(self.bin / name, f"#!/bin/sh\necho '{said}'\nexit {code}\n")

    def version(self, name: str) -> str:
        if name not in self.versions:
            raise PackageNotFoundError(name)
        return self.versions[name]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(examination, "version", made.version)
    monkeypatch.setattr(examination, "requires", {"mmc": REQUIREMENTS}.get)
    monkeypatch.setenv("PATH", str(made.bin))
    for name in ("MMC_MADGRAPH_DIR", "MMC_DELPHES_DIR", "MMC_REANA_CLIENT"):
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return Path(shutil.copy(TINY, tmp_path / "study.yaml"))


def findings(capture: Capture, *words: object) -> dict[str, dict[str, Any]]:
    main(["doctor", "--json", *map(str, words)])
    return {finding["name"]: finding for finding in json.loads(capture.readouterr().out)["findings"]}


def test_everything_is_reported(machine: Machine, capsys: Capture) -> None:
    found = findings(capsys)
    tools = ["bash", "graphviz", "docker", "Slurm", "reana-client"]
    assert list(found) == [*STEPS, "optuna", "ufoamp", "yadage", "cwltool", "MadGraph", "LHAPDF", "Delphes", *tools]
    for name, finding in found.items():
        here = name in VERSIONS or name == "bash"
        assert finding["state"] == (FOUND if here else MISSING), name
        assert (finding["version"] is None) == (not here)
        assert (finding["remedy"] is None) == here
        assert finding["used_for"]


def test_the_table(machine: Machine, capsys: Capture) -> None:
    machine.program("dot", "dot - graphviz version 2.43.0 (0)")
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("mmc ")
    rows = {line.split()[0]: line for line in lines[3:] if line and not line.startswith(" ")}
    assert rows["torch"].split() == ["torch", "2.13.0+cpu", "jobs", "outside", "containers"]
    assert rows["graphviz"].endswith(str(machine.bin / "dot"))
    assert rows["cwltool"].split()[1] == "missing"
    assert f"  {'cwltool':12}  pip install 'mmc[cwl]'" in lines
    assert not any(line.endswith(" ") for line in lines)


@pytest.mark.parametrize(
    ("name", "version", "state"),
    [
        ("madminer", "0.9.7", UNUSABLE),
        ("madminer", "0.9.6", FOUND),
        ("numpy", "1.23.5", UNUSABLE),
        ("numpy", "1.24.0rc1", FOUND),
        ("torch", "2.1", FOUND),
        ("yadage", "0.22.0", UNUSABLE),
        ("yadage", "0.21.10", FOUND),
    ],
)
def test_versions_of_packages(name: str, version: str, state: str, machine: Machine, capsys: Capture) -> None:
    machine.versions[name] = version
    finding = findings(capsys)[name]
    assert (finding["state"], finding["version"]) == (state, version)
    assert (finding["reason"] is not None) == (state == UNUSABLE)


def test_a_client_without_its_server_is_of_no_use(machine: Machine, capsys: Capture) -> None:
    machine.program("docker", "Cannot connect to the Docker daemon", 1)
    found = findings(capsys)
    assert (found["docker"]["state"], found["docker"]["reason"]) == (UNUSABLE, "Cannot connect to the Docker daemon")


def test_an_old_bash(machine: Machine, capsys: Capture) -> None:
    machine.program("bash", "GNU bash, version 3.2.57(1)-release (arm64-apple-darwin22)")
    assert findings(capsys)["bash"]["reason"] == "3.2.57 is older than 4.3"


def test_a_program_that_cannot_be_started(machine: Machine, capsys: Capture) -> None:
    (machine.bin / "dot").write_bytes(b"\x7fELF\x00")
    (machine.bin / "dot").chmod(0o755)
    finding = findings(capsys)["graphviz"]
    assert finding["state"] == UNUSABLE
    assert "Exec format error" in finding["reason"]


def test_reana_client_of_an_environment_of_its_own(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    warns = '[ "$PYTHONWARNINGS" = ignore ] || echo lib/python3.11/config.py:15: UserWarning: old >&2\n'
    client = executable(tmp_path / "reana" / "reana-client", f"#!/bin/sh\n{warns}echo 0.9.6\n")
    monkeypatch.setenv("MMC_REANA_CLIENT", str(client))
    finding = findings(capsys)["reana-client"]
    assert (finding["version"], finding["place"]) == ("0.9.6", str(client))


def test_a_named_folder_that_is_wrong_is_not_just_missing(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("MMC_DELPHES_DIR", str(tmp_path))
    finding = findings(capsys)["Delphes"]
    assert (finding["state"], finding["place"]) == (UNUSABLE, str(tmp_path))
    assert "MMC_DELPHES_DIR names" in finding["remedy"]


def test_another_version_than_the_tested_one_is_said(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    for name in ("DelphesHepMC2", "DelphesHepMC3"):
        executable(tmp_path / "delphes" / name, USAGE)
    (tmp_path / "delphes" / "cards").mkdir()
    (tmp_path / "delphes" / "VERSION").write_text("3.5.0\n")
    monkeypatch.setenv("MMC_DELPHES_DIR", str(tmp_path / "delphes"))
    finding = findings(capsys)["Delphes"]
    assert finding["place"] == f"{tmp_path / 'delphes'} (MMC_DELPHES_DIR), tested with 3.5.1"


class TestStudy:
    def test_all_is_there(self, study: Path, machine: Machine, capsys: Capture) -> None:
        assert main(["doctor", str(study)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[-1] == f"{study}: everything that it needs is here"
        marked = {line.split()[0] for line in lines if line.endswith("yes")}
        assert marked == {*STEPS, "bash"}

    def test_a_package_is_missing(self, study: Path, machine: Machine, capsys: Capture) -> None:
        del machine.versions["torch"]
        assert main(["doctor", str(study)]) == 1
        assert capsys.readouterr().out.splitlines()[-1] == f"{study} needs, but does not find: torch"

    def test_an_adaptive_search_needs_optuna(self, study: Path, machine: Machine, capsys: Capture) -> None:
        del machine.versions["optuna"]
        assert main(["doctor", str(study)]) == 0
        shutil.copy(TINY.with_name("tuning.yaml"), study)
        assert main(["doctor", str(study)]) == 1
        assert capsys.readouterr().out.splitlines()[-1] == f"{study} needs, but does not find: optuna"

    def test_reweighting_needs_ufoamp(self, study: Path, machine: Machine, capsys: Capture) -> None:
        study.write_text(REWEIGHTED)
        (study.parent / "a.lhe").write_text("")
        assert main(["doctor", str(study)]) == 1
        assert capsys.readouterr().out.splitlines()[-1] == f"{study} needs, but does not find: ufoamp"

    def test_varied_scales_and_numbered_sets_need_lhapdf(self, study: Path, machine: Machine, capsys: Capture) -> None:
        shutil.copy(STUDIES / "wh-smeft" / "study.yaml", study)
        assert findings(capsys, study)["LHAPDF"]["needed"]
        shutil.copy(STUDIES / "vbf-higgs" / "study.yaml", study)
        assert not findings(capsys, study)["LHAPDF"]["needed"]
        study.write_text(study.read_text().replace("pdf: nn23lo1", "pdf: 303400"))
        machine.program("lhapdf-config", "6.5.4")
        finding = findings(capsys, study)["LHAPDF"]
        assert (finding["needed"], finding["version"]) == (True, "6.5.4")

    def test_members_of_a_set_of_partons(
        self, study: Path, machine: Machine, capsys: Capture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        machine.versions["ufoamp"] = "1.0.0"
        study.write_text(UFO_WITH_A_SET)
        monkeypatch.setenv("LHAPDF_DATA_PATH", str(study.parent))
        assert main(["doctor", str(study)]) == 1
        assert capsys.readouterr().out.splitlines()[-1].endswith("needs, but does not find: CT18LO")
        (study.parent / "CT18LO").mkdir()
        (study.parent / "CT18LO" / "CT18LO.info").write_text("")
        assert findings(capsys, study)["CT18LO"]["place"] == f"{study.parent / 'CT18LO'} (LHAPDF_DATA_PATH)"

    def test_jobs_in_images_need_what_runs_images(self, study: Path, machine: Machine, capsys: Capture) -> None:
        machine.versions.clear()
        images = "{physics: 'mmc-learning:0.1.0', learning: 'mmc-learning:0.1.0'}"
        study.write_text(study.read_text() + f"\nexecution: {{images: {images}}}\n")
        assert main(["doctor", str(study)]) == 1
        assert capsys.readouterr().out.endswith("needs, but does not find: docker\n")
        machine.program("docker", "4.3.1")
        assert main(["doctor", str(study)]) == 0

    def test_json(self, study: Path, machine: Machine, capsys: Capture) -> None:
        del machine.versions["torch"]
        assert main(["doctor", str(study), "--json"]) == 1
        view = json.loads(capsys.readouterr().out)
        assert (view["study"], view["ready"], view["missing"]) == (str(study), False, [["torch"]])
        assert {finding["name"] for finding in view["findings"] if finding["needed"]} == {*STEPS, "bash"}

    def test_a_wrong_study_is_refused(self, study: Path, machine: Machine, capsys: Capture) -> None:
        study.write_text(study.read_text() + "\nname: again\n")
        assert main(["doctor", str(study)]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert "error[MMC008]" in err


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (None, [("bash",), ("MadGraph",), ("Delphes",)]),
        ("mmc-physics:0.1.0", [("bash",), CONTAINER_ENGINES]),
    ],
)
def test_a_generated_study_needs_its_generator_and_detector(
    image: str | None, expected: list[tuple[str, ...]], machine: Machine
) -> None:
    def stage(name: str, group: str, image: str | None) -> Stage:
        return Stage(name, group, "", "out", (), {}, image=image)

    physics = (stage("generate", "physics", image), stage("detect", "physics", image))
    plan = Plan("study", "", "", (*physics, stage("train", "learning", None)), MADGRAPH)
    assert examination.needs(plan, []) == expected


def test_the_real_machine(capsys: Capture) -> None:
    """No more is known of it than that it runs these tests."""
    assert main(["doctor", "--json"]) == 0
    view = json.loads(capsys.readouterr().out)
    assert view["ready"] is None
    assert {finding["state"] for finding in view["findings"]} <= {FOUND, UNUSABLE, MISSING}
    assert shutil.which("bash") is None or "bash" in {f["name"] for f in view["findings"] if f["state"] == FOUND}
    assert os.environ.get("MMC_MADGRAPH_DIR") is None or "MadGraph" in {f["name"] for f in view["findings"]}

    def test_programs_of_a_study_alone_are_not_started(
        self, study: Path, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
    ) -> None:
        started, delphes, mg5 = tmp_path / "started", tmp_path / "delphes", tmp_path / "mg5"
        leaves_a_trace = f"#!/bin/sh\necho x >> '{started}'\necho ' Usage: 6.5.4'\n"
        for file in ("DelphesHepMC2", "DelphesHepMC3"):
            executable(delphes / file, leaves_a_trace)
        (delphes / "cards").mkdir()
        executable(mg5 / "bin" / "mg5_aMC", leaves_a_trace)
        executable(mg5 / "lhapdf-config", leaves_a_trace)
        (mg5 / "VERSION").write_text("version = 3.5.7\n")
        (mg5 / "input").mkdir()
        (mg5 / "input" / "mg5_configuration.txt").write_text(f"lhapdf_py3 = {mg5 / 'lhapdf-config'}\n")
        monkeypatch.setattr(installations, "COMPILERS", ())
        folders = f"execution:\n  installations: {{delphes: {delphes}, madgraph: {mg5}}}\n"
        study.write_text(study.read_text(encoding="utf-8") + folders, encoding="utf-8")
        found = findings(capsys, study)
        assert not started.exists()
        assert found["Delphes"]["place"].endswith("not started: only the study names it (--start)")
        assert found["LHAPDF"]["place"].endswith("not started: only the study names it (--start)")
        assert "not started" not in found["MadGraph"]["place"]
        found = findings(capsys, study, "--start")
        assert started.exists() and "not started" not in found["Delphes"]["place"] + found["LHAPDF"]["place"]
        started.unlink()
        monkeypatch.setenv("MMC_DELPHES_DIR", str(delphes))
        assert "not started" not in findings(capsys, study)["Delphes"]["place"] and started.exists()
