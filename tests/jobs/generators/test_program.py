"""Programs of others are run to their end, and no longer."""

import gzip
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mmc.errors import StepError
from mmc.jobs.generators import program
from mmc.locks import LockedError, held


def _python(tmp_path: Path, text: str, limit_s: float = 20.0, **options: object) -> program.Finished:
    script = tmp_path / "script.py"
    script.write_text(text)
    return program.run([sys.executable, script], tmp_path, os.environ, limit_s=limit_s, **options)  # type: ignore[arg-type]


def test_what_it_prints_without_colours_and_bars(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shown = "\x1b[1;31m red \x1b[0m\n\n** [#   ]\r** [## ]\rlast"
    text = f"import sys\nprint({shown!r})\nsys.stderr.write('bad\\n')\nsys.exit(3)"
    with caplog.at_level("INFO", "program"):
        finished = _python(tmp_path, text, skip="** [")
    assert (finished.code, sorted(finished.lines)) == (3, ["bad", "last", "red"])
    assert sorted(record.message for record in caplog.records) == ["bad", "last", "red"]


def test_there_is_nothing_to_read(tmp_path: Path) -> None:
    assert _python(tmp_path, "import sys; print(repr(sys.stdin.read()))").lines == ("''",)


@pytest.mark.parametrize("packed", [True, False])
def test_it_reads_what_it_is_fed(tmp_path: Path, packed: bool) -> None:
    content = b"E 1\n" * 100_000
    (tmp_path / "feed").write_bytes(gzip.compress(content) if packed else content)
    counted = _python(tmp_path, "import sys; print(len(sys.stdin.read()))", feed=tmp_path / "feed")
    assert counted.lines == (str(len(content)),)
    early = _python(tmp_path, "import sys; print(sys.stdin.read(4))", feed=tmp_path / "feed")
    assert (early.code, early.lines) == (0, ("E 1",))


def test_it_is_stopped_with_its_children(tmp_path: Path) -> None:
    child = "import time, pathlib; time.sleep(3); pathlib.Path('late').write_text('')"
    text = f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {child!r}])\ntime.sleep(60)"
    started = time.monotonic()
    with pytest.raises(StepError, match=r"script\.py was stopped: it took longer than 0\.0\d+ hours"):
        _python(tmp_path, text, limit_s=1.0)
    assert time.monotonic() - started < 20.0
    time.sleep(3.0)
    assert not (tmp_path / "late").exists()


def test_it_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="cannot run nowhere: No such file or directory"):
        program.run([tmp_path / "nowhere"], tmp_path, os.environ)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only the process group ends")
def test_children_end_with_a_job_that_is_killed_and_hold_its_lock(tmp_path: Path) -> None:
    """Also a child that has left session and process group."""
    child = (
        f"import os, time; os.setsid(); open({str(tmp_path / 'child')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    )
    text = f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {child!r}])\ntime.sleep(60)"
    (tmp_path / "script.py").write_text(text)
    job = (
        "import os, sys, pathlib; from mmc.jobs.generators import program; from mmc.locks import held\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "with held(folder / 'lock', 'a job'):\n"
        "    program.run([sys.executable, folder / 'script.py'], folder, os.environ)\n"
    )
    with subprocess.Popen([sys.executable, "-c", job, str(tmp_path)]) as process:
        deadline = time.monotonic() + 20.0
        while not (tmp_path / "child").is_file() or not (tmp_path / "child").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with pytest.raises(LockedError, match=r"is in use by a job of user"), held(tmp_path / "lock", "another"):
            pass
        process.kill()
    with held(tmp_path / "lock", "another", wait_s=10.0):
        assert not _is_running(int((tmp_path / "child").read_text()))


def _is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_it_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    child = "import time; time.sleep(60)"
    text = f"import subprocess, sys\nprint(subprocess.Popen([sys.executable, '-c', {child!r}]).pid)"
    started = time.monotonic()
    finished = _python(tmp_path, text)
    assert time.monotonic() - started < 10.0  # although the child has its output open
    assert finished.code == 0
    assert not _is_running(int(finished.lines[0]))


def test_a_killed_program_is_a_reason(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"script\.py was killed by SIGKILL, as the kernel does when memory runs out"):
        _python(tmp_path, "import os; os.kill(os.getpid(), 9)")
