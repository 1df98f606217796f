"""The GitHub Action: it is what GitHub's schema asks for, and its shell steps do what they say.

The repository's own workflows, too, have nothing in them that zizmor holds for unsafe.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.support import AS_IMPORTED, ROOT, STUDIES

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in ACTION["runs"]["steps"] if "name" in step}
WRONG = 'mmc: "1.0"\nname: wrong\nname: twice\n'


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A checkout with one study, and the place where a runner keeps what lies outside it."""
    folder = tmp_path / "workspace" / "studies" / "demo"
    folder.mkdir(parents=True)
    shutil.copy(STUDIES / "drell-yan" / "tiny.yaml", folder / "study.yaml")
    (tmp_path / "temp").mkdir()
    return tmp_path / "workspace"


def run(step: str, workspace: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run a shell step as GitHub does, on an emulated runner; the steps before it have given it this Python and mmc."""
    temp = workspace.parent / "temp"
    context = {
        "github.action_path": str(ROOT),
        "steps.python.outputs.python-path": sys.executable,
        "steps.install.outputs.mmc": str(Path(sys.executable).with_name("mmc")),
    }
    context |= {f"inputs.{name}": entry["default"] for name, entry in ACTION["inputs"].items()}
    context |= {f"inputs.{name.replace('_', '-')}": value for name, value in inputs.items()}
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(temp),
        "RUNNER_TEMP": str(temp),
        "GITHUB_OUTPUT": str(temp / "output"),
        **AS_IMPORTED,
        **{name: filled(text, context) for name, text in STEPS[step].get("env", {}).items()},
    }
    script = temp / "step.sh"
    script.write_text(filled(STEPS[step]["run"], context))
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
    return subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True, check=False)


def filled(text: str, context: Mapping[str, str]) -> str:
    return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda match: context[match[1]], text)


def sarif(workspace: Path) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = json.loads((workspace / "mmc.sarif").read_text())["runs"][0]["results"]
    return results


def test_githubs_schema_accepts_it() -> None:
    schema = json.loads((ROOT / "tests" / "data" / "github-action.schema.json").read_text())
    jsonschema.validators.validator_for(schema)(schema).validate(ACTION)


def test_inputs_reach_the_shell_only_as_variables() -> None:
    for step in STEPS.values():
        assert "${{" not in step.get("run", "")


def test_zizmor_finds_nothing() -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    if not zizmor.exists():
        pytest.skip("zizmor is not installed")
    command = [zizmor, "--offline", "--no-progress", "--quiet", "--persona=auditor", "--strict-collection", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_actions_are_pinned_by_commit_and_say_the_version() -> None:
    workflows = [ROOT / "action.yml", *(ROOT / ".github" / "workflows").glob("*.yml")]
    used = [line.partition("uses: ")[2] for path in workflows for line in path.read_text().splitlines()]
    for action in filter(None, used):
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_accepts_the_steps() -> None:
    for step in STEPS.values():
        if "run" in step:
            subprocess.run(["shellcheck", "--shell=bash", "-"], input=step["run"], text=True, check=True)


def test_a_study_that_is_fine(workspace: Path) -> None:
    done = run("Validate", workspace)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sarif(workspace) == []
    assert (workspace.parent / "temp" / "output").read_text() == "sarif-file=mmc.sarif\n"


def test_a_wrong_study_is_annotated_and_reported(workspace: Path) -> None:
    (workspace / "studies" / "a b.yaml").write_text(WRONG)
    done = run("Validate", workspace, files="studies/**/study.yaml\nstudies/a?b.yaml", sarif_file="mmc.sarif")
    assert done.returncode == 1
    assert "::error file=studies/a b.yaml,line=3," in done.stdout
    assert "MMC008" in {result["ruleId"] for result in sarif(workspace)}
    uris = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in sarif(workspace)}
    assert uris == {"studies/a%20b.yaml"}


def test_a_pattern_that_matches_nothing_fails(workspace: Path) -> None:
    done = run("Validate", workspace, files="nothing/*.yaml")
    assert done.returncode == 2
    assert done.stdout == "::error::no study file matches: nothing/*.yaml\n"


def test_names_of_files_run_nothing(workspace: Path) -> None:
    name = "$(touch hacked);`touch hacked`.yaml"
    (workspace / name).write_text(WRONG)
    done = run("Validate", workspace, files="*.yaml $(touch hacked) `touch hacked`")
    assert done.returncode == 1
    assert not (workspace / "hacked").exists()


def test_a_name_of_a_file_is_no_option(workspace: Path) -> None:
    (workspace / "--help.yaml").write_text(WRONG)
    (workspace / "-h").write_text(WRONG)
    done = run("Validate", workspace, files="*.yaml -h")
    assert done.returncode == 1
    assert "::error file=--help.yaml,line=3," in done.stdout
    assert "::error file=-h,line=3," in done.stdout


@pytest.mark.engine
def test_it_installs_mmc_for_later_steps(workspace: Path) -> None:
    done = run("Install mmc", workspace)
    assert done.returncode == 0, done.stderr
    name, _, mmc = (workspace.parent / "temp" / "output").read_text().strip().partition("=")
    assert name == "mmc"
    study = "studies/demo/study.yaml"
    subprocess.run([mmc, "validate", study], cwd=workspace, check=True)
    check = subprocess.run([mmc, "compile", study, "-t", "cwl", "--check"], cwd=workspace, check=False)
    assert check.returncode == 1
