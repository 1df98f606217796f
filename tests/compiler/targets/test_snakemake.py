"""Snakemake really runs bundles, whose jobs are a fake step program that records its words.

Both the release that REANA runs and a newer one, each in an environment of its own.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mmc.compiler.catalogue.batch import Batch
from mmc.compiler.catalogue.resources import Resources
from mmc.compiler.plan.model import Plan
from mmc.compiler.targets import TARGETS, Options

from tests.compiler.targets.conftest import Place, StepProgram
from tests.compiler.targets.plans import expected_commands, make_plan, recorded
from tests.engines import snakemake
from tests.slurm import cluster

pytestmark = pytest.mark.engine


@pytest.fixture(params=["MMC_SNAKEMAKE", "MMC_SNAKEMAKE_7"])
def program(request: pytest.FixtureRequest) -> list[str]:
    return snakemake(request.param)


def run(
    program: list[str], folder: Path, step_program: StepProgram, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*program, *(words if "--executor" in words else ["--cores", "2", *words])],
        cwd=folder,
        env={**step_program.environment, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_jobs_get_the_words_of_the_plan_and_only_what_failed_runs_again(
    program: list[str], place: Place, step_program: StepProgram, tmp_path: Path
) -> None:
    name = 'it\'s $(touch hacked) "x" {y} #1 %20 µ.h5'
    plan = make_plan(splits=3, file=f"inputs/{name}")
    folder = place(plan, "snakemake", tmp_path / "bundle")
    done = run(program, folder, step_program, "--keep-going", FAKE_FAIL="simulate/signal.sm.1")
    assert done.returncode != 0
    ran = step_program.ran(folder / "out")
    assert {job for stage, job in ran if stage == "analyse"} == {"signal.sm.0", "signal.sm.2"}
    finished = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("job.json")}
    done = run(program, folder, step_program)
    assert done.returncode == 0, done.stderr
    assert step_program.ran(folder / "out") == recorded(expected_commands(plan))
    assert {path: path.stat().st_mtime_ns for path in finished} == finished, "a finished job has run again"
    assert not list(tmp_path.rglob("hacked"))


def test_several_jobs_in_a_task(program: list[str], place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    plan = replace(make_plan(5, [], at_once=3), batch=Batch(jobs_per_task=2))
    folder = place(plan, "snakemake", tmp_path / "bundle")
    done = run(program, folder, step_program, "--keep-going", FAKE_FAIL="simulate/signal.sm.2")
    assert done.returncode != 0
    ran = step_program.ran(folder / "out")
    assert {job for stage, job in ran if stage == "simulate"} == {f"signal.sm.{k}" for k in (0, 1, 3, 4)}
    assert {job for stage, job in ran if stage == "analyse"} == {f"signal.sm.{k}" for k in (0, 1, 4)}
    finished = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("job.json")}
    done = run(program, folder, step_program)
    assert done.returncode == 0, done.stderr
    assert step_program.ran(folder / "out") == recorded(expected_commands(plan))
    assert {path: path.stat().st_mtime_ns for path in finished} == finished, "a finished job has run again"

    shutil.rmtree(folder / "out" / "simulate" / "signal.sm.0")  # its task is still marked as done
    before = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("job.json")}
    done = run(program, folder, step_program)
    assert done.returncode == 0, done.stderr
    again = {path.parent.parent.name: path.parent.name for path in before if path.stat().st_mtime_ns != before[path]}
    assert again == {"analyse": "signal.sm.0", "gather": "0", "combine": "combine"}


def test_resources_reach_the_jobs(program: list[str], place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    batch = Batch(partition="short,medium", account="hep", constraint="haswell&(ssd|nvme)")
    plan = replace(make_plan(1, ["sally"], cpus=2, memory_mib=512, gpus=1), batch=batch)
    folder = place(plan, "snakemake", tmp_path / "bundle")
    done = run(program, folder, step_program, "--dry-run")
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "threads: 2" in said and "mem_mb=537" in said and "runtime=10" in said and "gpu=1" in said
    for word in ("slurm_partition=short,medium", "slurm_account=hep", "constraint=haswell&(ssd|nvme)"):
        assert word in said
    for_condor = TARGETS["snakemake"](replace(plan, batch=Batch("htcondor", account="hep")), Options())
    assert "slurm_account" not in for_condor.texts["Snakefile"]


def test_a_changed_study_runs_what_it_affects(
    program: list[str], place: Place, step_program: StepProgram, tmp_path: Path
) -> None:
    plan = make_plan(1, ["sally"])
    folder = place(plan, "snakemake", tmp_path / "bundle")
    assert run(program, folder, step_program).returncode == 0
    place(_with_new_training(plan), "snakemake", folder)
    finished = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("job.json")}
    done = run(program, folder, step_program)
    assert done.returncode == 0, done.stderr
    again = {path.parent.parent.name for path, time in finished.items() if path.stat().st_mtime_ns != time}
    assert again == {"train", "evaluate", "report"}


def _with_new_training(plan: Plan) -> Plan:
    """The plan after an edit of the study that changes how networks are trained."""
    stages = [
        replace(stage, jobs=tuple(replace(job, fingerprint=f"new{job.fingerprint}") for job in stage.jobs))
        if stage.group == "learning"
        else stage
        for stage in plan.stages
    ]
    return replace(plan, stages=tuple(stages))


@pytest.fixture
def sbatch_words(tmp_path: Path) -> Iterator[tuple[dict[str, str], Path]]:
    """The variables of a Slurm of one node without accounting, and the file with the words of each `sbatch`.

    The executor asks `sacctmgr` for the account, and calls `srun` in jobs, from which Slurm hides `SLURM_CONF`.
    """
    folder, said = tmp_path / "slurm programs", tmp_path / "sbatch.said"
    folder.mkdir()
    with cluster(largest_array=100, gpu=os.devnull) as variables:
        for name, line in {
            "sbatch": f'printf "%s\\n" "$*" >>{shlex.quote(str(said))}; exec {shutil.which("sbatch")} "$@"',
            "srun": f'SLURM_CONF={variables["SLURM_CONF"]} exec {shutil.which("srun")} "$@"',
            "sacctmgr": "echo hep",
        }.items():
            (folder / name).write_text(f"#!/bin/sh\n{line}\n")
            (folder / name).chmod(0o755)
        yield {**variables, "PATH": str(folder)}, said


ON_SLURM = [
    *("--executor", "slurm", "--jobs", "4", "--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "1"),
]


def test_its_executor_for_slurm(
    place: Place, step_program: StepProgram, tmp_path: Path, sbatch_words: tuple[dict[str, str], Path]
) -> None:
    """What was done here is done; what fails on Slurm, and nothing else, runs there again."""
    plan = replace(make_plan(1, []), batch=Batch("slurm", partition="short", account="hep", constraint="fast"))
    asked = Resources(cpus=2, memory_mib=512, time_s=600, gpus=1)
    stages = (replace(s, resources=asked) if s.name == "combine" else s for s in plan.stages)
    plan = replace(plan, stages=tuple(stages))
    folder = place(plan, "snakemake", tmp_path / "bundle")
    program = snakemake("MMC_SNAKEMAKE")
    done = run(program, folder, step_program, FAKE_FAIL="analyse/signal.sm.0")
    assert done.returncode != 0
    variables, said = sbatch_words
    environment = {**variables, "PATH": f"{variables['PATH']}:{step_program.environment['PATH']}"}
    done = run(program, folder, step_program, *ON_SLURM, **environment, FAKE_FAIL="combine/combine")
    assert done.returncode != 0
    ran = step_program.ran(folder / "out")
    assert ("analyse", "signal.sm.0") in ran and ("combine", "combine") not in ran, done.stderr
    finished = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("job.json")}
    done = run(program, folder, step_program, *ON_SLURM, **environment)
    assert done.returncode == 0, done.stderr
    assert step_program.ran(folder / "out") == recorded(expected_commands(plan))
    assert {path: path.stat().st_mtime_ns for path in finished} == finished, "a finished job has run again"
    first, *_, last = said.read_text().splitlines()
    for line in (first, last):
        assert all(word in line for word in (" -p short ", " -A hep ", " -C fast "))
    assert " -t 10 " in last and " --mem 537 " in last and "--cpus-per-task=2" in last and " --gpus=1" in last
    assert len(said.read_text().splitlines()) == 3


def test_images_and_local() -> None:
    text = TARGETS["snakemake"](make_plan(image="repo/image:1.0"), Options()).texts["Snakefile"]
    assert text.count("container:\n        'docker://repo/image:1.0'\n") == 8
    local = TARGETS["snakemake"](make_plan(image="repo/image:1.0"), Options(local=True)).texts["Snakefile"]
    assert local == TARGETS["snakemake"](make_plan(), Options()).texts["Snakefile"]
    assert "container" not in local
