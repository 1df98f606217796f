"""`./run-tests` in a folder with programs that only say how they were called."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT

PROGRAM = """\
#!/bin/sh
echo "${0##*/} $*" >>said
case "$*" in
  *--collect-only*) echo $$ >collecting; exec sleep 60 ;;
  "check .") [ $FAULTS = 0 ] || until [ -s collecting ]; do sleep 0.02; done; exit $FAULTS ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "run-tests", tmp_path)
    for name in (".ci/install", ".venv/bin/python", ".venv/bin/ruff", ".venv/bin/mypy"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(PROGRAM if name != ".ci/install" else "#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def _run(folder: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """The exit code, and what was called."""
    environment = {**os.environ, "FAULTS": "0", "VENV": "", "VERSIONS": "", **variables}
    done = subprocess.run(["./run-tests", *arguments], cwd=folder, env=environment, timeout=30, check=False)
    return done.returncode, (folder / "said").read_text()


def test_nothing_outlives_a_fault_of_style(folder: Path) -> None:
    code, _ = _run(folder, "-x", FAULTS="3")
    assert code == 3
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "collecting").read_text()), 0)


@pytest.mark.parametrize(
    ("arguments", "versions", "checked", "words"),
    [
        (["tests/test_files.py"], "pinned", True, "tests/test_files.py"),
        (["-x", "tests/test_files.py"], "pinned", True, "-x tests/test_files.py"),
        (["-m", "engine or hypothesis"], "pinned", True, "-m engine or hypothesis"),
        (["engines", "-x"], "pinned", False, "-m engine -x"),
        ([], "lowest", False, "-m not engine"),
        (["engines"], "lowest", False, "-m engine"),
    ],
)
def test_not_all_is_collected_first(
    folder: Path, arguments: list[str], versions: str, checked: bool, words: str
) -> None:
    code, said = _run(folder, *arguments, VERSIONS=versions)
    assert (code, "--collect-only" in said, "mypy" in said) == (0, False, checked)
    assert said.endswith(f"python -m pytest -n auto --dist loadfile --no-loadscope-reorder {words}\n")
