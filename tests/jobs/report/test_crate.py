"""Runs as RO-Crates.

roc-validator, which judges them, may be in an environment of its own: MMC_ROC_VALIDATOR is the Python of that
environment.
"""

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from mmc.cli.main import main
from mmc.jobs.report.crate import METADATA

from tests.support import ROOT

Capture = pytest.CaptureFixture[str]

PYTHON = os.environ.get("MMC_ROC_VALIDATOR")
needs_validator = pytest.mark.skipif(
    PYTHON is None and find_spec("rocrate_validator") is None,
    reason="needs roc-validator: install it, or name the Python of its environment in MMC_ROC_VALIDATOR",
)


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copy"))


def entities(run: Path) -> dict[str, Any]:
    graph = json.loads((run / METADATA).read_text(encoding="utf-8"))["@graph"]
    found = {entity["@id"]: entity for entity in graph}
    assert len(found) == len(graph)
    return found


def referred(value: Any) -> set[str]:
    """The entities that a value refers to."""
    if isinstance(value, list):
        return set().union(*map(referred, value))
    if isinstance(value, dict):
        return {value["@id"]} if set(value) == {"@id"} else set().union(*map(referred, value.values()))
    return set()


def issues(*runs: Path) -> list[list[str]]:
    """The requirements that each crate violates."""
    command = [PYTHON or sys.executable, str(ROOT / "tests" / "given_roc_validator.py"), *map(str, runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout)
    return found


def test_every_job_is_told(copy: Path, capsys: Capture) -> None:
    assert main(["crate", str(copy)]) == 0
    assert capsys.readouterr().out == f"RO-Crate: {copy / METADATA}\n"
    found = entities(copy)
    records = {path.parent: json.loads(path.read_text(encoding="utf-8")) for path in copy.glob("out/*/*/job.json")}
    assert len(records) > 10
    for folder, record in records.items():
        name = f"{record['stage']}/{record['job']}"
        job = found[f"#job/{name}"]
        assert job["result"] == {"@id": f"{folder.relative_to(copy)}/"}
        assert found[f"#seed/{name}"]["value"] == record["seed"]
        took = datetime.fromisoformat(job["endTime"]) - datetime.fromisoformat(job["startTime"])
        assert took.total_seconds() == pytest.approx(record["seconds"], abs=1.0)
        read = {f"out/{maker.partition(']')[0].replace('[', '/')}/" for maker in record.get("inputs", {})}
        assert referred(job["object"]) == {*read, f"#seed/{name}"}
        tool = found[job["instrument"]["@id"]]
        versions = {found[package]["name"] for package in referred(tool.get("softwareRequirements", []))}
        assert versions >= set(record.get("made_with", {}))
    known = {*found, "http://schema.org/CompletedActionStatus"}
    assert {name for entity in found.values() for name in referred(entity)} - known <= {"https://w3id.org/ro/crate/1.1"}
    assert all((copy / name).exists() for name in referred(found["./"]["hasPart"]))


def test_a_run_that_is_not_finished(copy: Path) -> None:
    shutil.rmtree(copy / "out" / "report")
    assert main(["crate", str(copy)]) == 0
    assert entities(copy)["#run"]["actionStatus"].endswith("ActiveActionStatus")


def test_what_the_command_line_has_set_is_told(copy: Path) -> None:
    manifest = copy / "bundle" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "set": ["title='a=b'", "seed=4"]}))
    assert main(["crate", str(copy)]) == 0
    found = entities(copy)
    told = [found[name] for name in sorted(referred(found["#run"]["object"])) if name.startswith("#set/")]
    assert [(each["name"], each["value"]) for each in told] == [("title", "'a=b'"), ("seed", "4")]


def test_a_folder_without_the_bundle(copy: Path, capsys: Capture) -> None:
    assert main(["crate", str(copy / "out")]) == 2
    assert "give the folder that contains outputs and bundle" in capsys.readouterr().err


@needs_validator
def test_no_requirement_is_violated(copy: Path, tmp_path: Path) -> None:
    assert main(["crate", str(copy)]) == 0
    broken = Path(shutil.copytree(copy, tmp_path / "broken"))
    whole = json.loads((broken / METADATA).read_text(encoding="utf-8"))
    whole["@graph"] = [entity for entity in whole["@graph"] if entity["@type"] != "HowToStep"]
    (broken / METADATA).write_text(json.dumps(whole), encoding="utf-8")
    of_mmc, of_broken = issues(copy, broken)
    assert of_mmc == []
    assert any("HowToStep" in issue for issue in of_broken)
