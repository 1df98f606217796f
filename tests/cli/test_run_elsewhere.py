"""A run's folder that was moved, copied, made read-only or handed to another user."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mmc.cli import local_run
from mmc.cli.main import main

from tests.cli.fake_mmc import write_fake
from tests.support import RUN_WITH_PATH, STUDIES, kept_environment

N_JOBS = 35
NOBODY = 65534
PR_CAPBSET_DROP = 24
Capture = pytest.CaptureFixture[str]
Mmc = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a program `mmc`, and the tiny study and its finished run as they are after it."""
    place = tmp_path_factory.mktemp("place")
    fake = write_fake(place / "fake")
    folder = place / "analysis"
    folder.mkdir()
    shutil.copy(STUDIES / "drell-yan" / "tiny.yaml", folder / "study.yaml")
    with kept_environment(), pytest.MonkeyPatch.context() as patched:
        patched.setattr(local_run, "path_with_mmc", lambda: f"{fake}:{os.environ['PATH']}")
        assert main(["run", str(folder / "study.yaml")]) == 0
    shutil.copytree(folder, place / "as_it_was")
    return place


@pytest.fixture
def fake(ran: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a program `mmc` that does nothing quickly; no job has started with it."""
    (ran / "fake" / "started").unlink(missing_ok=True)
    monkeypatch.setattr(local_run, "path_with_mmc", lambda: f"{ran / 'fake'}:{os.environ['PATH']}")
    return ran / "fake"


@pytest.fixture
def finished(ran: Path) -> Path:
    """The folder with the study and its finished run, in the place where it ran."""
    shutil.rmtree(ran / "analysis", ignore_errors=True)
    shutil.copytree(ran / "as_it_was", ran / "analysis")
    return ran / "analysis"


def copy_without_times(source: Path, place: Path) -> None:
    """As `cp -r` and archives without times do."""
    shutil.copytree(source, place, copy_function=shutil.copyfile)


@pytest.mark.parametrize("put", [shutil.move, shutil.copytree, copy_without_times])
def test_a_folder_goes_on_in_its_new_place(
    put: Callable[[Path, Path], object], finished: Path, fake: Path, tmp_path: Path, capsys: Capture
) -> None:
    place = tmp_path / "elsewhere" / "it's here"
    place.parent.mkdir()
    put(finished, place)
    study = place / "study.yaml"
    assert main(["plan", str(study), "--since", str(place / "runs" / "drell-yan-tiny")]) == 0
    assert f": 0 of {N_JOBS} jobs would run" in capsys.readouterr().out
    assert main(["run", str(study)]) == 0
    assert not (fake / "started").exists()
    told = capsys.readouterr().out
    assert f"{N_JOBS} of {N_JOBS} jobs were done before" in told
    assert f"results: {place}/runs/" in told


@pytest.fixture
def another_user(finished: Path, fake: Path) -> Mmc:
    """Runs a command as a user who may read the run of somebody else and not write there.

    It is root without its privileges, as other users may not read an interpreter in root's home.
    """
    if os.getuid() != 0:
        pytest.skip("only root can give a folder to somebody else")
    for path in (finished, *finished.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
        path.chmod(0o555 if path.is_dir() else 0o444)

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "PATH": f"{fake}:{os.environ['PATH']}"}
        return subprocess.run(
            words, env=environment, preexec_fn=_without_privileges, capture_output=True, text=True, check=False
        )

    return run


def _without_privileges() -> None:
    for capability in range(4):  # CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
        assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0


def command(fake: Path, *words: object) -> list[str]:
    """The words that run a command of `mmc` whose jobs find the program in this folder."""
    return [sys.executable, "-c", RUN_WITH_PATH, f"{fake}:{os.environ['PATH']}", *map(str, words)]


def test_another_user_may_look_at_a_run_but_not_change_it(finished: Path, fake: Path, another_user: Mmc) -> None:
    study, run = finished / "study.yaml", finished / "runs" / "drell-yan-tiny"
    planned = another_user(*command(fake, "plan", study, "--since", run))
    assert (planned.returncode, planned.stderr) == (0, "")
    assert f": 0 of {N_JOBS} jobs would run" in planned.stdout
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    refused = another_user(*command(fake, "run", study))
    way_out = "copy the folder of the run, or choose another with --out"
    assert (refused.returncode, refused.stderr) == (3, f"mmc: you may not write into {run}: {way_out}\n")
    script = another_user("bash", str(run / "bundle" / "run.sh"))
    assert script.returncode == 1
    way_out = "copy the folder of run.sh, or choose another folder with -o"
    told = f"run.sh: cannot write into {run / 'bundle' / 'out'}: Permission denied; {way_out}\n"
    assert script.stderr == told
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before
    assert not (fake / "started").exists()


def test_another_user_goes_on_in_a_copy(finished: Path, fake: Path, another_user: Mmc, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    assert another_user("cp", "-r", str(finished), str(mine)).returncode == 0
    assert another_user("chmod", "-R", "u+w", str(mine)).returncode == 0
    done = another_user(*command(fake, "run", mine / "study.yaml"))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{N_JOBS} of {N_JOBS} jobs were done before" in done.stdout
    assert not (fake / "started").exists()
