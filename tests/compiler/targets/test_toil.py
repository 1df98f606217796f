"""toil-cwl-runner, in an environment of its own, runs the bundle of the target cwl on a single machine and on Slurm."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.compiler.targets.conftest import Place, StepProgram
from tests.compiler.targets.plans import expected_commands, make_plan, recorded
from tests.engines import toil
from tests.slurm import cluster

pytestmark = pytest.mark.engine

NOTE = 'echo "$stage $job $([ -n "$SLURM_JOB_ID" ] && echo slurm || echo single_machine)" >>"$STARTED"'


def run(folder: Path, environment: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    program, workers = toil()
    return subprocess.run(
        [*program, *words, "--jobStore", "store", "--outdir", "results", "workflow.cwl", "job.yml"],
        cwd=folder,
        env={**environment, "PATH": f"{environment['PATH']}:{workers}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(params=["single_machine", "slurm"])
def batch_system(request: pytest.FixtureRequest) -> Iterator[tuple[str, dict[str, str]]]:
    """A batch system of Toil, and the variables that it needs."""
    toil()
    with cluster() if request.param == "slurm" else nullcontext({}) as variables:
        yield request.param, variables


def test_after_a_failure_only_what_is_missing_runs(
    batch_system: tuple[str, dict[str, str]], place: Place, step_program: StepProgram, tmp_path: Path
) -> None:
    """Jobs tell in a file that they have started, and where."""
    name, variables = batch_system
    plan = make_plan(2, [])
    folder = place(plan, "cwl", tmp_path / "bundle")
    step_program.first(NOTE)
    started = tmp_path / "started"
    environment = {**step_program.environment, **variables, "STARTED": str(started)}
    done = run(folder, {**environment, "FAKE_FAIL": "analyse/signal.sm.1"}, "--batchSystem", name)
    assert done.returncode != 0
    before = started.read_text().splitlines()
    assert f"simulate signal.sm.1 {name}" in before and not any(line.startswith("combine") for line in before)
    started.unlink()
    done = run(folder, environment, "--batchSystem", name, "--restart")
    assert done.returncode == 0, done.stderr[-3000:]
    assert started.read_text().splitlines() == [f"analyse signal.sm.1 {name}", f"combine combine {name}"]
    assert step_program.ran(folder / "results") == {
        job: words for job, words in recorded(expected_commands(plan)).items() if job[0] == "combine"
    }
