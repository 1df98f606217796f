"""The pre-commit hook, run for real by pre-commit in a repository of studies, and the repository's own hooks."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.checkout import copy_checkout
from tests.support import AS_IMPORTED, STUDIES

pytestmark = pytest.mark.engine
CONFIG = """\
repos:
  - repo: {repository}
    rev: {revision}
    hooks:
      - id: mmc-validate
"""


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True).stdout


def commit_all(folder: Path) -> None:
    """Make a repository of the folder, with one commit."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "All")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository as it stands, with one commit."""
    folder = copy_checkout(tmp_path_factory.mktemp("mmc"))
    commit_all(folder)
    return folder


@pytest.fixture(scope="module")
def hook(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path], subprocess.CompletedProcess[str]]:
    """Runs the hook on everything in a repository."""
    home = tmp_path_factory.mktemp("pre-commit")
    config = CONFIG.format(repository=repository, revision=git(repository, "rev-parse", "HEAD").strip())

    def run(folder: Path) -> subprocess.CompletedProcess[str]:
        (folder / ".pre-commit-config.yaml").write_text(config)
        commit_all(folder)
        command = [sys.executable, "-m", "pre_commit", "run", "--all-files", "--color=never"]
        environment = {**os.environ, **AS_IMPORTED, "PRE_COMMIT_HOME": str(home)}
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """A folder with a study that is fine and a file that is none."""
    (tmp_path / "drell-yan").mkdir()
    shutil.copy(STUDIES / "drell-yan" / "tiny.yaml", tmp_path / "drell-yan" / "study.yaml")
    (tmp_path / "other.yaml").write_text("something: else\n")
    return tmp_path


def test_a_study_that_is_fine(hook: Callable[[Path], subprocess.CompletedProcess[str]], studies: Path) -> None:
    done = hook(studies)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed" in done.stdout


def test_a_wrong_study(hook: Callable[[Path], subprocess.CompletedProcess[str]], studies: Path) -> None:
    (studies / "wrong").mkdir()
    (studies / "wrong" / "study.yml").write_text('mmc: "1.0"\nname: a\nname: b\n')
    done = hook(studies)
    assert done.returncode == 1
    assert "wrong/study.yml:3:1: error[MMC008]" in done.stdout
    assert "other.yaml" not in done.stdout


def test_the_repository_passes_its_own_hooks(repository: Path) -> None:
    """All but mypy, which takes a minute here and reads the same sources in ./run-tests."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SKIP": "mypy",
    }
    command = [sys.executable, "-m", "pre_commit", "run", "--all-files", "--color=never"]
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Passed") == 5, done.stdout
