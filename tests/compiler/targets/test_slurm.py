"""A real Slurm of one node runs the bundles, whose jobs are a fake step program that records its words."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mmc.cli.main import main
from mmc.compiler.catalogue.batch import Batch
from mmc.compiler.catalogue.resources import Resources
from mmc.compiler.plan.model import Plan
from mmc.compiler.targets import TARGETS, Options
from mmc.errors import MmcError
from mmc.jobs.batch import slurm

from tests.compiler.targets.conftest import Place, StepProgram
from tests.compiler.targets.plans import expected_commands, make_plan, recorded
from tests.slurm import cluster, wait_until_empty
from tests.support import STUDIES

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def variables() -> Iterator[dict[str, str]]:
    with cluster() as found:
        yield found


@pytest.fixture(autouse=True)
def on_cluster(variables: dict[str, str], step_program: StepProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process submits to the cluster; jobs find the fake step program."""
    monkeypatch.setenv("SLURM_CONF", variables["SLURM_CONF"])
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    monkeypatch.setattr(slurm, "path_with_mmc", lambda: step_program.environment["PATH"])


def submit(folder: Path, variables: dict[str, str]) -> int:
    code = main(["submit", str(folder)])
    wait_until_empty(variables)
    return code


def test_every_job_gets_the_words_of_the_plan(
    place: Place,
    step_program: StepProgram,
    tmp_path: Path,
    variables: dict[str, str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    plan = make_plan(splits=12)  # more than an array of this cluster has
    folder = place(plan, "slurm", tmp_path / "bundle")
    assert submit(folder, variables) == 0
    assert f"submitted {plan.n_jobs} jobs in {plan.n_jobs} tasks" in capfd.readouterr().out
    assert step_program.ran(folder / "out") == recorded(expected_commands(plan))
    assert main(["status", str(folder)]) == 0
    assert re.search(r"^simulate +12 +12 +0 +0 +0$", capfd.readouterr().out, re.MULTILINE)
    assert main(["submit", str(folder)]) == 0
    assert capfd.readouterr().out.startswith(f"all {plan.n_jobs} jobs are done")


def test_a_failure_stops_what_depends_on_it_and_nothing_else(
    place: Place,
    step_program: StepProgram,
    tmp_path: Path,
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    plan = make_plan(splits=3)
    folder = place(plan, "slurm", tmp_path / "bundle")
    monkeypatch.setenv("FAKE_FAIL", "simulate/signal.sm.1 train/sally")
    monkeypatch.setenv("FAKE_KILL", "generate/background.sm")  # nobody reads it
    assert submit(folder, variables) == 0
    done = {job for stage, job in step_program.ran(folder / "out") if stage == "analyse"}
    assert done == {"signal.sm.0", "signal.sm.2"}
    capfd.readouterr()
    assert main(["status", str(folder)]) == 3
    told = capfd.readouterr()
    assert re.search(r"^simulate +3 +2 +0 +0 +1$", told.out, re.MULTILINE)
    log = folder / "out" / "generate" / "background.sm.out"
    assert told.err == (
        "mmc: 2 jobs failed: generate[background.sm] with exit code 137, simulate[signal.sm.1] with exit code 3 "
        f"(log: {log})\n"
    )
    assert "it went wrong" in (folder / "out" / "simulate" / "signal.sm.1.out").read_text()
    assert "simulate[signal.sm.1] failed with exit code 3" in (folder / "out" / "slurm" / "simulate.out").read_text()

    monkeypatch.setenv("FAKE_FAIL", "train/sally")
    monkeypatch.delenv("FAKE_KILL")
    finished = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("job.json")}
    assert submit(folder, variables) == 0
    assert {path: path.stat().st_mtime_ns for path in finished} == finished, "a finished job has run again"
    found = {job for stage, job in step_program.ran(folder / "out") if stage == "evaluate"}
    assert found == {"alices.scan-0"}

    monkeypatch.delenv("FAKE_FAIL")
    assert submit(folder, variables) == 0
    assert step_program.ran(folder / "out") == recorded(expected_commands(plan))


def test_slurm_sees_the_exit_code(
    place: Place,
    tmp_path: Path,
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = place(make_plan(1, []), "slurm", tmp_path / "bundle")
    monkeypatch.setenv("FAKE_FAIL", "configure/configure")
    assert submit(folder, variables) == 0
    (number,) = {entry["array"] for entry in entries(folder) if entry["stage"] == "configure"}
    told = subprocess.run(["scontrol", "show", "job", number], capture_output=True, text=True, check=True).stdout
    assert "JobState=FAILED" in told and "ExitCode=3:0" in told


def entries(folder: Path) -> list[dict[str, str]]:
    """The arrays of the last submission."""
    found: list[dict[str, str]] = json.loads((folder / "out" / "submitted.json").read_text())
    return found


def test_several_jobs_in_a_task(
    place: Place,
    step_program: StepProgram,
    tmp_path: Path,
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A job that fails does not stop the others of its task. Tasks of `analyse` are shorter than the others."""
    batch = Batch(jobs_per_task=4, running_tasks=2, task_time_s=60.0, job_time_s={"analyse": 30.0})
    plan = replace(make_plan(splits=10), batch=batch)
    folder = place(plan, "slurm", tmp_path / "bundle")
    monkeypatch.setenv("FAKE_FAIL", "simulate/signal.sm.1")
    assert submit(folder, variables) == 0
    ran = step_program.ran(folder / "out")
    assert len([stage for stage, _ in ran if stage == "simulate"]) == 9
    assert {job for stage, job in ran if stage == "analyse"} == {f"signal.sm.{k}" for k in range(4, 10)}
    monkeypatch.delenv("FAKE_FAIL")
    capfd.readouterr()
    assert submit(folder, variables) == 0
    assert "submitted 11 jobs in 7 tasks, 7 arrays; 18 jobs were done before" in capfd.readouterr().out
    assert step_program.ran(folder / "out") == recorded(expected_commands(plan))


def test_the_study_says_partition_set_up_and_resources(
    place: Place, step_program: StepProgram, tmp_path: Path, variables: dict[str, str]
) -> None:
    batch = Batch("slurm", partition="short", constraint="fast")
    plan = make_plan(1, [])
    stages = (replace(stage, resources=Resources(2, 64, 600)) for stage in plan.stages)
    plan = replace(plan, stages=tuple(stages), batch=batch, setup="export MMC_TOLD='it'\"'\"'s'; test -n x")
    folder = place(plan, "slurm", tmp_path / "it's a % folder")
    assert submit(folder, variables) == 0
    assert step_program.ran(folder / "out") == recorded(expected_commands(plan))
    (number,) = {entry["array"] for entry in entries(folder) if entry["stage"] == "combine"}
    told = subprocess.run(["scontrol", "show", "job", number], capture_output=True, text=True, check=True).stdout
    for word in ("Partition=short", "Features=fast", "CPUs/Task=2", "MinMemoryNode=64M", "TimeLimit=00:10:00"):
        assert word in told


def test_a_set_up_command_that_fails_fails_the_job(
    place: Place,
    step_program: StepProgram,
    tmp_path: Path,
    variables: dict[str, str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    for command in ("source /nowhere/activate", "echo 'unfinished"):
        folder = place(replace(make_plan(1, []), setup=command), "slurm", tmp_path / command[:4])
        assert submit(folder, variables) == 0
        assert step_program.ran(folder / "out") == {}
        log = folder / "out" / "slurm" / "configure.out"
        assert "the set-up command failed with exit code" in log.read_text()
        capfd.readouterr()
        assert main(["status", str(folder)]) == 0
        told = capfd.readouterr().out
        assert f"jobs are missing: mmc submit {folder}\n" in told and f"said of configure: {log}\n" in told


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            {"batch": Batch(partition="nowhere")},
            "Slurm refuses the jobs of analyse: .*nvalid partition.*`execution.batch.partition`",
        ),
        (
            {"batch": Batch(constraint="slow")},
            "Slurm refuses the jobs of analyse: .*nvalid feature.*`execution.batch.constraint`",
        ),
        (
            {"stages": tuple(replace(stage, resources=Resources(gpus=1)) for stage in make_plan(2, []).stages)},
            "Slurm refuses the jobs of analyse: .*gres.*`execution.resources.analyse` and `execution.batch`",
        ),
    ],
)
def test_nothing_is_submitted_by_half(
    bad: dict[str, Any],
    message: str,
    place: Place,
    step_program: StepProgram,
    tmp_path: Path,
    variables: dict[str, str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The scripts of the first stages are accepted; the one that Slurm refuses comes later."""
    plan = make_plan(2, [])
    folder = place(plan, "slurm", tmp_path / "bundle")
    good = (folder / "slurm" / "analyse.sbatch").read_bytes()
    shutil.copy(place(replace(plan, **bad), "slurm", tmp_path / "bad") / "slurm" / "analyse.sbatch", folder / "slurm")
    assert main(["submit", str(folder)]) == 3
    told = capfd.readouterr().err
    assert re.fullmatch(f"mmc: {message} of the study; nothing was submitted\n", told)
    assert not (folder / "out" / "submitted.json").exists()
    wait_until_empty(variables, 10)
    assert step_program.ran(folder / "out") == {}
    (folder / "slurm" / "analyse.sbatch").write_bytes(good)
    assert submit(folder, variables) == 0
    assert step_program.ran(folder / "out") == recorded(expected_commands(plan))


def test_an_interrupted_submission_has_started_nothing(
    place: Place,
    step_program: StepProgram,
    tmp_path: Path,
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """As after kill -9: nothing cancels what is in the queue, but the next submission."""
    plan = make_plan(2, [])
    folder = place(plan, "slurm", tmp_path / "bundle")
    with monkeypatch.context() as patch:
        patch.setattr(slurm.Slurm, "release", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr(slurm.Slurm, "cancel", lambda *_: None)
        assert main(["submit", str(folder)]) == 130
    assert step_program.ran(folder / "out") == {}
    assert submit(folder, variables) == 0
    assert "cancelled 5 arrays of a submission that was interrupted" in capfd.readouterr().out
    assert step_program.ran(folder / "out") == recorded(expected_commands(plan))


def test_what_is_in_the_queue_is_not_submitted_twice(
    place: Place,
    step_program: StepProgram,
    tmp_path: Path,
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    plan = make_plan(2, [])
    folder = place(plan, "slurm", tmp_path / "bundle")
    monkeypatch.setenv("FAKE_SECONDS", "60")
    assert main(["submit", str(folder)]) == 0
    capfd.readouterr()
    assert main(["submit", str(folder)]) == 3
    told = capfd.readouterr().err
    assert re.fullmatch(r"mmc: 8 tasks of .+ are in Slurm's queue: .+ cancel them: scancel( \d+){5}\n", told)
    assert main(["status", str(folder)]) == 0
    assert re.search(r"^simulate +2 +0 +0 +2 +0$", capfd.readouterr().out, re.MULTILINE)
    subprocess.run(told.rpartition(": ")[2].split(), check=True)
    wait_until_empty(variables)
    monkeypatch.delenv("FAKE_SECONDS")
    assert submit(folder, variables) == 0
    assert step_program.ran(folder / "out") == recorded(expected_commands(plan))


def test_tasks_of_an_earlier_study_run_nothing_of_a_new_one(
    place: Place, step_program: StepProgram, tmp_path: Path, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundle is compiled anew while its tasks are waiting, and then submitted again."""
    folder = place(make_plan(2, []), "slurm", tmp_path / "bundle")
    plan = make_plan(2, [], title="Another plan")  # other fingerprints
    release = slurm.Slurm.release
    with monkeypatch.context() as patch:
        patch.setattr(slurm.Slurm, "release", lambda *words: place(plan, "slurm", folder) and release(*words))
        assert submit(folder, variables) == 0
    assert step_program.ran(folder / "out") == {}
    assert "the study was compiled anew since" in (folder / "out" / "slurm" / "configure.out").read_text()
    assert submit(folder, variables) == 0
    assert step_program.ran(folder / "out") == recorded(expected_commands(plan))


def test_damaged_outputs_are_made_again(
    place: Place,
    step_program: StepProgram,
    tmp_path: Path,
    variables: dict[str, str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    plan = make_plan(2, [])
    folder = place(plan, "slurm", tmp_path / "bundle")
    assert submit(folder, variables) == 0
    expected = step_program.ran(folder / "out")
    (folder / "out" / "analyse" / "signal.sm.1" / "ran.txt").write_text("damaged")
    shutil.rmtree(folder / "out" / "combine" / "combine")
    capfd.readouterr()
    assert submit(folder, variables) == 0
    assert "analyse[signal.sm.1] is made again: ran.txt has" in capfd.readouterr().out
    assert step_program.ran(folder / "out") == expected


def test_there_is_no_slurm(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = place(make_plan(1, []), "slurm", tmp_path / "bundle")
    monkeypatch.setenv("PATH", str(tmp_path))
    for command in ("submit", "status"):
        assert main([command, str(folder)]) == 3
        told = capfd.readouterr().err
        assert told == "mmc: there is no Slurm here: sbatch is not on the PATH; submit where `sbatch` works\n"


def test_slurm_does_not_answer(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = place(make_plan(1, []), "slurm", tmp_path / "bundle")
    configuration = tmp_path / "slurm.conf"
    configuration.write_text(
        Path(os.environ["SLURM_CONF"]).read_text().replace("SlurmctldPort=", "MessageTimeout=2\nSlurmctldPort=1 #")
    )
    monkeypatch.setenv("SLURM_CONF", str(configuration))
    assert main(["submit", str(folder)]) == 3
    told = capfd.readouterr().err
    assert "Unable to contact slurm controller" in told and told.count("\n") == 1


def test_a_study_for_another_batch_system() -> None:
    with pytest.raises(
        MmcError, match=r"`execution.batch` of the study is for htcondor: compile for the target htcondor"
    ):
        TARGETS["slurm"](replace(make_plan(), batch=Batch("htcondor")), Options())


def test_times_and_amounts_are_those_of_slurm() -> None:
    stages = tuple(
        replace(stage, resources=Resources(3, 1500, 90, int(stage.name == "combine")))
        for stage in make_plan(splits=5).stages
    )
    plan: Plan = replace(make_plan(), stages=stages, batch=Batch(account="hep", jobs_per_task=4))
    texts = TARGETS["slurm"](plan, Options()).texts
    options = re.findall(r"^#SBATCH (--(?:account|cpus|mem|time)\S+)$", texts["slurm/simulate.sbatch"], re.MULTILINE)
    assert options == ["--account=hep", "--cpus-per-task=3", "--mem=1500M", "--time=6"]
    assert "--time=4\n" in texts["slurm/combine.sbatch"], "two tries of 90 s, and the wait between them"


@pytest.mark.parametrize(
    ("execution", "target"),
    [
        ("{batch: {system: slurm}}", "slurm"),
        ("{batch: {system: slurm}, reana: {}, images: {physics: 'mmc:1.0', learning: 'mmc:1.0'}}", "reana"),
        ("{batch: {system: htcondor}}", "reana"),
    ],
)
def test_a_study_says_where_it_is_submitted(
    execution: str,
    target: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    study = tmp_path / "study.yaml"
    text = (STUDIES / "drell-yan" / "tiny.yaml").read_text()
    study.write_text(f"{text}\nexecution: {execution}\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("MMC_REANA_CLIENT", raising=False)
    for command in ("submit", "status", "fetch"):
        assert main([command, str(study)]) != 0
        told = capfd.readouterr().err
        folder = tmp_path / "build" / "drell-yan-tiny" / "slurm"
        if command == "fetch" and target == "slurm":
            assert told == f"mmc: jobs on Slurm write into {folder / 'out'}: there is nothing to fetch\n"
        else:
            assert ("there is no Slurm here" in told) is (target == "slurm")
