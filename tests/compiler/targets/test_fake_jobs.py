"""Yadage and cwltool really run bundles, whose jobs are a fake step program that records its words."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from mmc.compiler.catalogue.batch import Batch
from mmc.compiler.catalogue.resources import Resources
from mmc.compiler.plan.model import Plan
from mmc.compiler.targets import TARGETS, Options, dataflow
from mmc.compiler.targets.cwl import without_gathering

from tests.compiler.targets.conftest import Place, StepProgram
from tests.compiler.targets.plans import expected_commands, make_plan, recorded
from tests.engines import SELDOM, quickly

pytestmark = pytest.mark.engine


def yadage(folder: Path, program: StepProgram, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a bundle with the words of its README, looking at jobs less often; the results are in ``work``."""
    command = [*quickly(_yadage_run(folder), program.environment), *SELDOM, *words]
    return engine(command, folder, program, **environment)


def plain_yadage(folder: Path, program: StepProgram) -> subprocess.CompletedProcess[str]:
    """Run a bundle as its README says."""
    return engine(_yadage_run(folder), folder, program)


def _yadage_run(folder: Path) -> list[str]:
    words = ["work", "workflow.yml", "inputs.yml", "-t", ".", "-d", f"initdir={folder}", "-b", "multiproc:2"]
    return ["yadage-run", *words]


def cwltool(folder: Path, program: StepProgram, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a bundle as its README says, keeping what jobs write in ``work``."""
    return engine(quickly(CACHED, program.environment), folder, program, **environment)


CWL = ["--no-container", "--parallel", "--outdir", "results", "workflow.cwl", "job.yml"]
CACHED = ["cwltool", "--cachedir", "work", "--preserve-environment", "FAKE_FAIL", *CWL]


def engine(
    words: list[str], folder: Path, program: StepProgram, **environment: str
) -> subprocess.CompletedProcess[str]:
    if shutil.which(words[0], path=program.environment["PATH"]) is None:
        pytest.skip(f"{words[0]} is not installed")
    return subprocess.run(
        words, cwd=folder, env={**program.environment, **environment}, capture_output=True, text=True, check=False
    )


Engine = Callable[..., subprocess.CompletedProcess[str]]
engines = pytest.mark.parametrize(("target", "run"), [("yadage", yadage), ("cwl", cwltool)])


@engines
def test_every_job_gets_the_words_of_the_plan(
    target: str, run: Engine, place: Place, step_program: StepProgram, tmp_path: Path
) -> None:
    plan = make_plan(splits=12, at_once=5)  # more than ten: their order is not that of the alphabet
    folder = place(plan, target, tmp_path / "bundle")
    done = run(folder, step_program)
    assert done.returncode == 0, done.stderr
    assert step_program.ran(folder / "work") == recorded(expected_commands(_of(target, plan)))


def _of(target: str, plan: Plan) -> Plan:
    """The plan as the target runs it."""
    return without_gathering(plan) if target == "cwl" else plan


@engines
def test_several_jobs_in_a_task(
    target: str, run: Engine, place: Place, step_program: StepProgram, tmp_path: Path
) -> None:
    """Every job has the words of the plan, but for the folders of tasks in place of those of single jobs."""
    plan = replace(make_plan(3, ["sally"], at_once=2), batch=Batch(jobs_per_task=2))
    folder = place(plan, target, tmp_path / "bundle")
    done = run(folder, step_program)
    assert done.returncode == 0, done.stderr
    expected = recorded(expected_commands(_of(target, plan)))
    ran = step_program.ran(folder / "work")
    assert ran.keys() == expected.keys()
    for job, words in ran.items():
        assert [word for word in words if "--" in word] == [word for word in expected[job] if "--" in word]
    single = [job for job in ran if job[0] in ("configure", "train", "evaluate", "report")]
    assert [ran[job] for job in single] == [expected[job] for job in single]
    folders = {path.parent.parent for path in folder.rglob("analyse*/**/job.json")}
    assert {path.name for path in folders} <= {"analysed", *(f"analyse.signal.sm.{k}" for k in (0, 2))}


def test_a_task_may_take_the_time_of_all_its_jobs() -> None:
    plan = make_plan(5)
    stages = (replace(stage, resources=Resources(time_s=60)) for stage in plan.stages)
    texts = TARGETS["cwl"](replace(plan, stages=tuple(stages), batch=Batch(jobs_per_task=3)), Options()).texts
    limits = {name: yaml.safe_load(texts[f"tools/{name}.cwl"])["requirements"] for name in ("simulate", "combine")}
    assert [entry["ToolTimeLimit"]["timelimit"] for entry in limits.values()] == [180, 60]


def test_tasks_of_a_time_have_as_many_jobs_as_fit() -> None:
    """With Slurm each stage by itself; elsewhere tasks read one task, so the longest job decides."""
    batch = Batch(jobs_per_task=2, task_time_s=60.0, job_time_s={"simulate": 14.0, "analyse": 0.1, "train": 1e9})
    assert [batch.together(stage) for stage in ("simulate", "analyse", "train", "combine")] == [4, 600, 1, 2]
    plan = replace(make_plan(9), batch=batch)
    sizes = {stage.name: [len(task) for task in dataflow.tasks(plan, stage)] for stage in plan.stages}
    assert (sizes["simulate"], sizes["analyse"], sizes["train"]) == ([4, 4, 1], [4, 4, 1], [1, 1])
    assert sizes["generate"] == [2], "no stage reads it job by job"
    untold = replace(batch, job_time_s={"analyse": 0.1})
    unmeasured = replace(plan, batch=untold)
    assert {len(dataflow.tasks(unmeasured, plan.stage(name))[0]) for name in ("simulate", "analyse")} == {2}
    texts = TARGETS["slurm"](plan, Options()).texts
    assert json.loads(texts["slurm.json"])["in_stage"] == {"simulate": 4, "analyse": 600, "train": 1}
    assert "row < first + 600 " in texts["slurm/analyse.sbatch"]
    rows = TARGETS["htcondor"](plan, Options()).texts["htcondor/simulate.rows"].splitlines()
    assert [len(row.split()) for row in rows] == [4, 4, 1]


def test_keys_of_one_batch_system_are_for_it_alone() -> None:
    plan = make_plan(5)
    for target in ("yadage", "cwl"):
        texts = TARGETS[target](replace(plan, batch=Batch("slurm", jobs_per_task=2)), Options()).texts
        assert texts == TARGETS[target](plan, Options()).texts


def test_cwl_gives_a_job_any_number_of_outputs(
    place: Place, step_program: StepProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stand in the folder of the job, so its command does not name them."""
    monkeypatch.setattr("mmc.compiler.targets.cwl.GATHERED_AT_ONCE", 2)
    plan = make_plan(3, [], at_once=2)
    folder = place(plan, "cwl", tmp_path / "bundle")
    step_program.first("for k in 0 1 2; do [ $stage != combine ] || [ -e analyse.signal.sm.$k ] || exit 9; done")
    done = cwltool(folder, step_program)
    assert done.returncode == 0, done.stderr
    expected = recorded(expected_commands(without_gathering(plan)))
    words = expected["combine", "combine"]
    start = words.index("--analysed") + 1
    assert words[start : start + 3] == [f"out/analyse/signal.sm.{k}" for k in range(3)]
    words[start : start + 3] = ["."]
    assert step_program.ran(folder / "work") == expected


@engines
def test_files_may_have_any_name(
    target: str, run: Engine, place: Place, step_program: StepProgram, tmp_path: Path
) -> None:
    """The fake step program fails when it does not get the right file."""
    name = 'it\'s $(touch hacked) "x" {y} #1 %20 µ.h5'
    folder = place(make_plan(1, ["sally"], file=f"inputs/{name}"), target, tmp_path / "bundle")
    done = run(folder, step_program)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("hacked"))


def test_yadage_runs_in_a_folder_of_any_name(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    plan = make_plan(2)
    folder = place(plan, "yadage", tmp_path / "it's a $(touch hacked) folder")
    done = yadage(folder, step_program)
    assert done.returncode == 0, done.stderr
    assert step_program.ran(folder / "work") == recorded(expected_commands(plan))
    assert not list(tmp_path.rglob("hacked"))


@pytest.mark.parametrize(("target", "run"), [("yadage", plain_yadage), ("cwl", cwltool)])
def test_physics_alone(target: str, run: Engine, place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    plan = make_plan(1, [])
    folder = place(plan, target, tmp_path / "bundle")
    done = run(folder, step_program)
    assert done.returncode == 0, done.stderr
    assert step_program.ran(folder / "work") == recorded(expected_commands(plan))


def test_a_failed_job_fails_the_workflow(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    folder = place(make_plan(2), "cwl", tmp_path / "bundle")
    done = cwltool(folder, step_program, FAKE_FAIL="analyse/signal.sm.1")
    assert done.returncode != 0
    assert ("combine", "combine") not in step_program.ran(folder / "work")


def test_yadage_goes_on_after_a_failure(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    """In the same folder, where no finished job runs again, in a task of its own or with others."""
    plan = replace(make_plan(2, []), batch=Batch(jobs_per_task=2))
    folder = place(plan, "yadage", tmp_path / "bundle")
    done = yadage(folder, step_program, FAKE_FAIL="analyse/signal.sm.1")
    assert done.returncode != 0
    finished = {path: path.stat().st_mtime_ns for path in (folder / "work").rglob("job.json")}
    assert len(finished) >= 4 and not list(folder.glob("work/physics/combine/*/job.json"))
    assert yadage(folder, step_program).returncode != 0, "the README asks for another word"
    done = yadage(folder, step_program, "--accept-metadir")
    assert done.returncode == 0, done.stderr
    assert step_program.ran(folder / "work").keys() == expected_commands(plan).keys()
    assert {path: path.stat().st_mtime_ns for path in finished} == finished, "a finished job has run again"


def test_cwl_results(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    folder = place(make_plan(2), "cwl", tmp_path / "bundle")
    words = quickly(["cwltool", "--provenance", "provenance", *CWL], step_program.environment)
    done = engine(words, folder, step_program)
    assert done.returncode == 0, done.stderr
    names = {"combine", "report", "train.sally", "train.alices.scan-0", "evaluate.sally", "evaluate.alices.scan-0"}
    assert {path.name for path in (folder / "results").iterdir()} == names
    bag = folder / "provenance"
    for line in (bag / "manifest-sha1.txt").read_text().splitlines():
        digest, path = line.split(maxsplit=1)
        assert hashlib.sha1((bag / path).read_bytes()).hexdigest() == digest
    assert (bag / "workflow" / "packed.cwl").is_file()
    assert (bag / "metadata" / "provenance" / "primary.cwlprov.json").is_file()


def test_yadage_results(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    folder = place(make_plan(2), "yadage", tmp_path / "bundle")
    assert yadage(folder, step_program).returncode == 0
    for line in (folder / "README.md").read_text().splitlines():
        if line.startswith("- `"):
            assert list(folder.glob(line.strip("- `"))), line


def test_cwl_needs_no_javascript(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    """It runs where there is neither node nor a container engine."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("cwltool", "mmc", "sh", "env", "mkdir", "mv", "rm", "sha256sum"):
        found = shutil.which(name, path=step_program.environment["PATH"])
        if found is None:
            pytest.skip(f"{name} is not installed")
        (tools / name).symlink_to(found)
    folder = place(make_plan(1, ["sally"]), "cwl", tmp_path / "bundle")
    done = engine(CACHED, folder, replace(step_program, environment={**step_program.environment, "PATH": str(tools)}))
    assert done.returncode == 0, done.stderr
