"""HTCondor's own bindings read the bundles; a small runner then does what DAGMan would do with what they read."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mmc.compiler.catalogue.batch import Batch
from mmc.compiler.targets import TARGETS, Options
from mmc.errors import MmcError

from tests.compiler.targets.conftest import Place, StepProgram
from tests.compiler.targets.plans import expected_commands, make_plan, recorded
from tests.condor import installed, pool, run_dag

READ = """
import json, sys
import htcondor
names = "Cmd Args Iwd Out UserLog RequestCpus RequestMemory AllowedExecuteDuration ContainerImage AcctGroup JobUniverse"
names += " RequestGPUs"
found = {}
for stage in sys.argv[1:]:
    description = htcondor.Submit(open(f"htcondor/{stage}.sub", encoding="utf-8").read())
    jobs = description.jobs(count=1, itemdata=description.itemdata(), clusterid=1)
    found[stage] = [{name: str(job[name]) for name in names.split() if name in job} for job in jobs]
dag = htcondor.Submit.from_dag("study.dag")
json.dump({"jobs": found, "dag": dag["arguments"]}, sys.stdout)
"""
"""A program that reads the submit descriptions of stages as HTCondor does."""

BROKEN = "test ! -e ../broken || export FAKE_FAIL=combine/combine"
"""A set-up command with which a job fails, as long as there is a file beside the bundle."""

Ads = dict[str, list[dict[str, str]]]


def read(folder: Path, stages: list[str]) -> Ads:
    """The jobs that HTCondor would queue for each stage."""
    python = os.environ.get("MMC_HTCONDOR")
    if not python:
        pytest.skip("MMC_HTCONDOR does not name the Python of an environment with htcondor < 25")
    dagman = folder.parent / "programs" / "condor_dagman"  # is looked for, not started
    dagman.parent.mkdir(exist_ok=True)
    dagman.write_text("#!/bin/sh\n")
    dagman.chmod(0o755)
    environment = {**os.environ, "CONDOR_CONFIG": os.devnull, "PATH": f"{dagman.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [python, "-c", READ, *stages], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert "-Dag study.dag" in found["dag"]
    ads: Ads = found["jobs"]
    return ads


def nodes(folder: Path) -> dict[str, list[str]]:
    """The nodes of the DAG, each with its parents."""
    found: dict[str, list[str]] = {}
    for line in (folder / "study.dag").read_text().splitlines():
        word, *words = line.split()
        if word == "JOB":
            name, description = words
            assert description == f"htcondor/{name}.sub"
            found[name] = []
        elif word == "PARENT":
            at = words.index("CHILD")
            for child in words[at + 1 :]:
                found[child] += words[:at]
        elif word == "RETRY":
            assert words[1] == "2" and words[0] in found
        else:
            assert word == "#"
    return found


def run(folder: Path, ads: Ads, environment: dict[str, str]) -> list[str]:
    """Run every node whose parents have succeeded, and return those that failed or did not start."""
    bad: list[str] = []
    for node, parents in nodes(folder).items():  # in an order in which they can run
        codes = [1]
        if not set(parents) & set(bad):
            codes = [
                subprocess.run(
                    [job["Cmd"], *job["Args"].split()], cwd=job["Iwd"], env=environment, check=False
                ).returncode
                for job in ads[node]
            ]
        bad += [node] if any(codes) else []
    return bad


@pytest.mark.engine
def test_the_nodes_run_what_the_plan_says(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    plan = replace(make_plan(splits=5), batch=Batch(jobs_per_task=2), setup="export FAKE_TOLD=yes")
    folder = place(plan, "htcondor", tmp_path / "bundle")
    ads = read(folder, [stage.name for stage in plan.stages])
    environment = dict(step_program.environment)
    bad = run(folder, ads, {**environment, "FAKE_FAIL": "simulate/signal.sm.3"})
    assert bad == ["simulate", "analyse", "combine", "train", "evaluate", "report"]
    ran = step_program.ran(folder / "out")
    assert len([stage for stage, _ in ran if stage == "simulate"]) == 4
    finished = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("job.json")}
    assert run(folder, ads, environment) == []
    assert {path: path.stat().st_mtime_ns for path in finished} == finished, "a finished job has run again"
    assert step_program.ran(folder / "out") == recorded(expected_commands(plan))


@pytest.mark.engine
def test_a_pool_of_one_machine(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    """HTCondor itself runs a bundle; jobs find what they need by the `PATH` of who submits.

    Its own notes of a run that failed keep no job of an edited study from running.
    """
    first = replace(make_plan(2, []), batch=Batch(jobs_per_task=2), setup=BROKEN)
    edited = replace(make_plan(2, [], title="Another plan"), batch=first.batch, setup=BROKEN)
    n_jobs = len(expected_commands(edited))
    with pool() as (prefix, variables):
        environment = {**step_program.environment, **variables}
        (tmp_path / "broken").touch()
        for plan in (first, edited):
            folder = place(plan, "htcondor", tmp_path / "bundle")
            assert run_dag(folder, prefix, environment) != 0
            finished = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("job.json")}
            fingerprints = {job.fingerprint for stage in plan.stages for job in stage.jobs}
            assert len({json.loads(path.read_text())["fingerprint"] for path in finished} & fingerprints) == n_jobs - 1
        (tmp_path / "broken").unlink()
        assert run_dag(folder, prefix, environment) == 0
    assert {path: path.stat().st_mtime_ns for path in finished} == finished, "a finished job has run again"
    assert step_program.ran(folder / "out") == recorded(expected_commands(edited))


@pytest.mark.engine
def test_what_the_study_asks_for_reaches_the_jobs(place: Place, tmp_path: Path) -> None:
    plan = replace(make_plan(3, image="repo/image:1.0", gpus=1), batch=Batch("htcondor", account="hep.lhc"))
    folder = place(plan, "htcondor", tmp_path / "it's a folder")
    ads = read(folder, ["train", "evaluate"])
    job = ads["train"][0]
    assert job["RequestGPUs"] == "1" and "RequestGPUs" not in ads["evaluate"][0]
    assert (job["RequestCpus"], job["RequestMemory"], job["AllowedExecuteDuration"]) == ("2", "512", "600")
    assert (job["ContainerImage"], job["AcctGroup"]) == ("docker://repo/image:1.0", "hep.lhc")
    assert (job["Cmd"], job["Iwd"]) == (str(folder / "htcondor" / "job.sh"), str(folder))
    assert job["UserLog"] == str(folder / "out" / "htcondor" / "log")


def test_the_most_tasks_at_a_time_and_images() -> None:
    plan = replace(make_plan(5, image="it's $(x)"), batch=Batch(jobs_per_task=2, running_tasks=7))
    texts = TARGETS["htcondor"](plan, Options()).texts
    assert texts["htcondor/simulate.rows"] == "3 4\n5 6\n7\n"
    assert "max_materialize = 7\n" in texts["htcondor/simulate.sub"]
    assert "container_image = docker://it's $(DOLLAR)(x)\n" in texts["htcondor/simulate.sub"]
    assert "universe = container\n" in texts["htcondor/simulate.sub"]
    assert "universe = vanilla\n" in TARGETS["htcondor"](plan, Options(local=True)).texts["htcondor/simulate.sub"]


def test_a_study_for_another_batch_system() -> None:
    with pytest.raises(MmcError, match="is for slurm: compile for the target slurm"):
        TARGETS["htcondor"](replace(make_plan(), batch=Batch("slurm")), Options())


def test_a_pool_that_is_not_configured_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "condor_config_val").write_text("#!/bin/sh\necho Not defined: $1 >&2\nexit 1\n")
    (tmp_path / "condor_config_val").chmod(0o755)
    with pytest.raises(pytest.skip.Exception, match="condor_config_val LIBEXEC: Not defined: LIBEXEC"):
        installed("LIBEXEC", f"{tmp_path}:/bin")
