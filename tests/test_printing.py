"""Text from outside cannot move a cursor, hide or reorder text, or forge a line, wherever mmc prints it."""

import ast
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmc.printing import complain, plain, say

from tests.forked import forking
from tests.support import ROOT

PACKAGE = ROOT / "compiler" / "mmc"
WRITERS = {
    "printing.py",
    "files.py",  # files, not terminals
    "compiler/targets/bundle.py",  # likewise
    "cli/plans.py",  # diagnostics, whose renderers have tests of their own
    "cli/doctor.py",  # JSON
    "cli/plan.py",  # pictures, JSON
    "cli/local_run.py",  # the state of a run
}
"""The modules that write to a stream themselves."""
HOSTILE = "a\x1b]0;b\x07\x9b31m\u202e\u2066\u2028::error::\r\n::error::c\x7f\udcff##[error]d"


@given(st.text())
def test_a_line_is_one_line_that_a_terminal_shows(text: str) -> None:
    shown = plain(text)
    assert shown.isprintable()
    assert len(shown) == len(text)
    assert not shown.lstrip().startswith("::")
    assert "##[" not in shown


def test_what_can_be_shown_is_shown_as_it_is() -> None:
    for text in ("", "a: b", "µ → ∞, 日本", "e\u0301", "std::vector", "##"):
        assert plain(text) == text


def test_lines_are_written_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    say("one", HOSTILE)
    complain(HOSTILE)
    out, err = capsys.readouterr()
    assert out == f"one\n{plain(HOSTILE)}\n"
    assert err.count("\n") == 1


def test_only_the_writer_writes() -> None:
    """A module that names a stream, or calls `print`, could print text from outside as it is."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if not re.search(r"\.write|\.buffer|\bprint\b", text):  # to parse all takes a second
            continue
        for node in ast.walk(ast.parse(text)):
            writes = isinstance(node, ast.Attribute) and node.attr in ("write", "writelines", "buffer")
            writes = writes and ast.unparse(node.value) in ("sys.stdout", "sys.stderr", "stream")
            prints = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            if writes or prints:
                found.add(path.relative_to(PACKAGE).as_posix())
    assert found <= WRITERS, "use mmc.printing.say or complain"


@pytest.fixture(scope="module")
def mmc() -> Iterator[Path]:
    """The program, which is forked off a process that has imported what it needs."""
    with forking("mmc", "mmc", ["mmc.cli.main", "mmc.cli.plans", "mmc.compiler.checks"], dict(os.environ)) as programs:
        yield programs / "mmc"


@pytest.mark.parametrize("name", ["::error::x.yaml", "a\n::error::x.yaml", "a\x1b[2Jx.yaml", "a\u202ex.yaml"])
def test_a_name_of_a_file_forges_nothing(tmp_path: Path, mmc: Path, name: str) -> None:
    def told(*words: str) -> str:
        done = subprocess.run([mmc, *words], cwd=tmp_path, capture_output=True, check=False, timeout=60)
        return (done.stdout + done.stderr).decode()

    (tmp_path / name).write_text("mmc: 1\n")
    for words in (["validate", name], ["plan", name], ["validate", f"no {name}"], ["validate", f"--{name}"]):
        text = told(*words)
        assert text
        assert all(line.isprintable() and not line.lstrip().startswith("::") for line in text.splitlines())
    annotations = told("validate", "--format", "github", name).splitlines()
    assert annotations
    assert all(line.isprintable() for line in annotations)
    assert all(line.startswith("::error file=") and line.count("::error") <= 2 for line in annotations)
    assert not any("::x" in line.partition("title=")[0][2:] for line in annotations)
