"""A Slurm that takes few tasks at a time refuses a study whole, in one line with a way out."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mmc.cli.main import main
from mmc.jobs.batch import slurm

from tests.compiler.targets.conftest import Place, StepProgram
from tests.compiler.targets.plans import make_plan
from tests.slurm import cluster, wait_until_empty

pytestmark = pytest.mark.engine


@pytest.fixture
def variables() -> Iterator[dict[str, str]]:
    with cluster(most_tasks=2) as found:
        yield found


def test_more_tasks_than_slurm_takes(
    variables: dict[str, str],
    place: Place,
    step_program: StepProgram,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SLURM_CONF", variables["SLURM_CONF"])
    monkeypatch.setattr(slurm, "path_with_mmc", lambda: step_program.environment["PATH"])
    folder = place(make_plan(2, []), "slurm", tmp_path / "bundle")
    for _ in range(2):
        assert main(["submit", str(folder)]) == 3
        told = capfd.readouterr().err
        assert re.fullmatch(r"mmc: the missing jobs are \d+ tasks, and Slurm takes fewer than 2 .*\n", told)
        assert "its MaxJobCount" in told and "jobs_per_task" in told and told.endswith("nothing was submitted\n")
        assert not (folder / "out" / "submitted.json").exists()
        wait_until_empty(variables, 10)
        assert step_program.ran(folder / "out") == {}
