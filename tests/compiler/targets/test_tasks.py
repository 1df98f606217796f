"""``task.sh``, which batch systems start."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmc.compiler.catalogue.resources import Resources
from mmc.compiler.plan.model import Plan
from mmc.compiler.targets import TARGETS, Options
from mmc.compiler.targets.bash import TABLE
from mmc.compiler.targets.tasks import table_digest

from tests.compiler.targets.conftest import Place, StepProgram
from tests.compiler.targets.plans import expected_commands, make_plan, plans
from tests.compiler.targets.test_script import dry_run_words


@given(plan=plans, setup=st.sampled_from([None, "source /x/activate", "it's ${x} \" `y`"]))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_bash_and_shellcheck_accept_every_script(plan: Plan, setup: str | None) -> None:
    texts = {
        **TARGETS["slurm"](replace(plan, setup=setup), Options()).texts,
        **TARGETS["htcondor"](replace(plan, setup=setup), Options(local=True)).texts,
    }
    for name in ("task.sh", f"slurm/{plan.stages[-1].name}.sbatch", "htcondor/job.sh"):
        subprocess.run(["bash", "-n"], input=texts[name].encode(), check=True)
        if shutil.which("shellcheck"):
            subprocess.run(["shellcheck", "-"], input=texts[name].encode(), check=True)


def task(folder: Path, program: StepProgram, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it from another folder, in a shell with options of its own."""
    return subprocess.run(
        ["bash", str(folder / "task.sh"), *words],
        cwd="/",
        env={**program.environment, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_rows_and_exit_codes(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    plan = make_plan(3, [])
    folder = place(plan, "slurm", tmp_path / "it's a $(touch hacked) folder")
    table = table_digest((folder / TABLE).read_text())
    fail = {"FAKE_FAIL": "generate/background.sm simulate/signal.sm.0", "FAKE_KILL": "simulate/signal.sm.1"}
    done = task(folder, step_program, table, *map(str, range(6)), **fail)
    assert done.returncode == 3, "that of the first job that fails"
    assert [line for line in done.stderr.splitlines() if "failed with" in line] == [
        f"task.sh: {job} failed with exit code {code}; what it printed is in {folder}/out/{log}.out, at the end:"
        for job, code, log in (
            ("generate[background.sm]", 3, "generate/background.sm"),
            ("simulate[signal.sm.0]", 3, "simulate/signal.sm.0"),
            ("simulate[signal.sm.1]", 137, "simulate/signal.sm.1"),
        )
    ]
    ran = {*step_program.ran(folder / "out")}
    assert ran == {("configure", "configure"), ("generate", "signal.sm"), ("simulate", "signal.sm.2")}
    assert task(folder, step_program, table, "0", **{"FAKE_FAIL": "configure/configure"}).returncode == 0, "it is done"
    for words, message in (
        (["t0", "0"], "the study was compiled anew since this task was submitted: submit again"),
        ([], "the study was compiled anew since this task was submitted: submit again"),
        ([table, "99"], "jobs.tsv has no job in row 99"),
        ([table, "-1"], "-1 is not the number of a row"),
        ([table, "08"], "08 is not the number of a row"),
    ):
        done = task(folder, step_program, *words)
        assert (done.returncode, done.stderr) == (2, f"task.sh: {message}\n")
    assert not list(tmp_path.rglob("hacked"))


def test_late_rows_of_a_long_table(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    plan = make_plan(6000, [], at_once=1000)
    folder = place(plan, "slurm", tmp_path / "bundle")
    words = [*expected_commands(plan).values()]
    rows = (3, 6003, 9_999, 10_000, 12_002, 12_005, 12_009)
    done = task(folder, step_program, "-n", *map(str, rows))
    assert dry_run_words(done.stdout) == [words[row] for row in rows]


def test_a_job_that_fails_is_tried_again(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    plan = make_plan(2, [])
    stages = (replace(stage, resources=Resources(retries=int(stage.name == "simulate"))) for stage in plan.stages)
    folder = place(replace(plan, stages=tuple(stages)), "slurm", tmp_path / "bundle")
    words = table_digest((folder / TABLE).read_text()), *map(str, range(5))
    done = task(folder, step_program, *words, FAKE_ONCE="simulate/signal.sm.0", FAKE_FAIL="simulate/signal.sm.1")
    assert done.returncode == 3 and done.stderr.count("failed with") == 1
    logs = {k: (folder / f"out/simulate/signal.sm.{k}.out").read_text() for k in (0, 1)}
    first = "runs simulate signal.sm.0\n"
    assert logs[0] == f"{first}no luck\ntask.sh: exit code 5, it is tried again\n{first}"
    assert logs[1].count("it went wrong") == 2 and logs[1].endswith("\ntask.sh: exit code 3\n")


def test_links_lead_nowhere(place: Place, step_program: StepProgram, tmp_path: Path) -> None:
    """A folder of someone else may have links that lead to the user's own files."""
    folder, other = place(make_plan(1, []), "slurm", tmp_path / "bundle"), tmp_path / "other"
    other.mkdir()
    table = table_digest((folder / TABLE).read_text())
    (folder / "out" / "configure").mkdir(parents=True)
    (other / "precious").write_text("precious")
    (folder / "out" / "configure" / "configure.out").symlink_to(other / "precious")
    (folder / "out" / "generate").symlink_to(other)
    done = task(folder, step_program, table, "0", "1")
    assert (done.returncode, done.stderr) == (3, "task.sh: cannot write into out/generate\n")
    assert [(path.name, path.read_text()) for path in other.iterdir()] == [("precious", "precious")]
