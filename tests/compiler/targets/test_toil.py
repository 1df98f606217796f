"""toil-cwl-runner, in an environment of its own, runs the bundle of the target cwl on a single machine."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.compiler.targets.conftest import Place, StepProgram
from tests.compiler.targets.plans import expected_commands, make_plan, recorded
from tests.engines import toil

pytestmark = pytest.mark.engine


def run(folder: Path, environment: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*toil(), *words, "--jobStore", "store", "--outdir", "results", "workflow.cwl", "job.yml"],
        cwd=folder,
        env={**environment, "PATH": f"{environment['PATH']}:{Path(toil()[0]).parent}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_after_a_failure_only_what_is_missing_runs(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    """Jobs tell in a file that they have started."""
    plan = make_plan(2, [])
    folder = place(plan, "cwl", tmp_path / "bundle")
    program = tmp_path / "bin" / "mmc"
    note = 'open(os.environ["STARTED"], "a").write(stage + " " + job + "\\n"); print("runs"'
    program.write_text(program.read_text().replace('print("runs"', note))
    started = tmp_path / "started"
    environment = {**step_program.environment, "STARTED": str(started)}
    done = run(folder, {**environment, "FAKE_FAIL": "analyse/signal.sm.1"})
    assert done.returncode != 0
    before = started.read_text().splitlines()
    assert "simulate signal.sm.1" in before and not any(line.startswith("combine") for line in before)
    started.unlink()
    done = run(folder, environment, "--restart")
    assert done.returncode == 0, done.stderr[-3000:]
    assert started.read_text().splitlines() == ["analyse signal.sm.1", "combine combine"]
    assert step_program.ran(folder / "results") == {
        job: words for job, words in recorded(expected_commands(plan)).items() if job[0] == "combine"
    }
