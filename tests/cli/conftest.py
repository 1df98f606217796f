"""Studies that the tests of the command line hand to commands."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import STUDIES

WRONG = 'mmc: "1.0"\nname: wrong\nname: twice\n'


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A copy of the tiny study in a folder of its own."""
    return Path(shutil.copy(STUDIES / "drell-yan" / "tiny.yaml", tmp_path / "study.yaml"))


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """A study with a key that is given twice."""
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    return path


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Gives standard input a content."""
    return lambda content: monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
