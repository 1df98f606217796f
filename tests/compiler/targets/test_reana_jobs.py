"""Bundles for REANA, run by the engines as REANA calls them, in a workspace; the jobs are a fake step program.

The engines are the old ones of reana-client's environment, which REANA's servers run too, or else those that mmc is
tested with.
"""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from mmc.compiler.catalogue.batch import Batch
from mmc.compiler.catalogue.reana import Reana
from mmc.compiler.plan.model import Plan
from mmc.compiler.reana.client import PROGRAM
from mmc.compiler.targets import TARGETS, Options
from mmc.compiler.targets.bundle import write

from tests.compiler.targets.conftest import StepProgram
from tests.compiler.targets.plans import FILE_CONTENT, expected_commands, make_plan, recorded
from tests.engines import SELDOM, quickly, snakemake

pytestmark = pytest.mark.engine


@pytest.fixture
def program(step_program: StepProgram) -> StepProgram:
    """The fake step program, with the engines that came with reana-client before others on the PATH."""
    client = shutil.which(os.environ.get(PROGRAM, "reana-client"))
    if client is None:
        return step_program
    fake, _, rest = step_program.environment["PATH"].partition(os.pathsep)
    path = os.pathsep.join((fake, str(Path(client).parent), rest))
    return replace(step_program, environment={**step_program.environment, "PATH": path})


@pytest.fixture
def plan() -> Plan:
    said = Reana(jobs={"kerberos": True}, stages={"train": {"compute_backend": "htcondorcern"}})
    return make_plan(splits=2, image="registry.example/mmc:1.0", reana=said)


def workspace(plan: Plan, engine: str, folder: Path) -> dict[str, Any]:
    """Make the folder what `reana-client upload` makes of the workspace; gives the specification."""
    bundle, source = folder.with_name("bundle"), folder.with_name("source")
    source.write_bytes(FILE_CONTENT)
    made = TARGETS["reana"](plan, Options(engine=engine))
    write(made, bundle, dict.fromkeys(made.copies, source))
    specification: dict[str, Any] = yaml.safe_load((bundle / "reana.yaml").read_text())
    for path in ["reana.yaml", *specification["inputs"]["files"]]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle / path, folder / path)
    return specification


def run(words: list[str], folder: Path, program: StepProgram) -> None:
    words = quickly(words, program.environment)
    done = subprocess.run(words, cwd=folder, env=dict(program.environment), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5000:]


def check(plan: Plan, specification: dict[str, Any], folder: Path, program: StepProgram) -> None:
    """Every job has run with its words, and the outputs are where the specification says."""
    assert program.ran(folder) == recorded(expected_commands(plan))
    directories = specification["outputs"]["directories"]
    assert [path for path in directories if not list((folder / path).rglob("job.json"))] == []


def test_yadage(plan: Plan, program: StepProgram, tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    specification = workspace(plan, "yadage", folder)
    steps = yaml.safe_load((folder / "steps.yml").read_text())
    for step in steps.values():  # there are no images here
        step["environment"] = {"environment_type": "localproc-env"}
    (folder / "steps.yml").write_text(yaml.safe_dump(steps))
    given = [f"-p{name}={value}" for name, value in specification["inputs"]["parameters"].items()]
    words = [str(folder), specification["workflow"]["file"], *given, "-t", str(folder), "-d", f"initdir={folder}/"]
    run(["yadage-run", *words, "--no-visualize", "-b", "multiproc:2", *SELDOM], folder, program)
    check(plan, specification, folder, program)


def test_yadage_accepts_the_environments(plan: Plan, program: StepProgram, tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    specification = workspace(plan, "yadage", folder)
    run(["yadage-validate", "-t", str(folder), specification["workflow"]["file"]], folder, program)


def test_cwl(plan: Plan, program: StepProgram, tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    specification = workspace(plan, "cwl", folder)
    packed = ["cwltool", "--pack", "--quiet", specification["workflow"]["file"]]
    packed = quickly(packed, program.environment)
    done = subprocess.run(packed, cwd=folder, env=dict(program.environment), capture_output=True, check=True)
    (folder / "workflow.json").write_bytes(done.stdout)
    job = specification["inputs"]["parameters"]["input"]
    words = [
        "cwltool",
        "--no-container",
        "--parallel",
        "--cachedir",
        "cwl",
        "--outdir",
        "outputs",
        "workflow.json#main",
        job,
    ]
    run(words, folder, program)
    shutil.move(folder / "outputs", tmp_path / "outputs")  # they hold the same again
    ran = program.ran(folder)
    shutil.move(tmp_path / "outputs", folder / "outputs")
    assert ran == recorded(expected_commands(plan))
    directories = specification["outputs"]["directories"]
    assert [path for path in directories if not list((folder / path).rglob("job.json"))] == []


@pytest.mark.parametrize("variable", ["MMC_SNAKEMAKE_7", "MMC_SNAKEMAKE"])
@pytest.mark.parametrize("n", [1, 2])
def test_snakemake(variable: str, n: int, plan: Plan, step_program: StepProgram, tmp_path: Path) -> None:
    """REANA 0.9 has Snakemake 7, newer releases 8 and 9."""
    folder = tmp_path / "workspace"
    plan = replace(plan, batch=Batch(jobs_per_task=n))
    specification = workspace(plan, "snakemake", folder)
    file = specification["workflow"]["file"]
    run([*snakemake(variable), "--snakefile", file, "--cores", "2"], folder, step_program)
    check(plan, specification, folder, step_program)


def test_serial(plan: Plan, step_program: StepProgram, tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    specification = workspace(plan, "serial", folder)
    for step in specification["workflow"]["specification"]["steps"]:
        for command in step["commands"]:
            run(["bash", "-c", f"cd {folder} && {command}"], tmp_path, step_program)
    check(plan, specification, folder, step_program)
