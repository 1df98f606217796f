"""What a shell, a notebook or a batch system hands down changes nothing that mmc does."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support import ROOT, STUDIES, kept_environment

TINY = STUDIES / "drell-yan" / "tiny.yaml"
LEAKING = {
    "BASH_ENV": "/nowhere/rc",
    "CDPATH": "/tmp",
    "GOMP_CPU_AFFINITY": "0",
    "LC_ALL": "de_DE.ISO-8859-1",
    "MATPLOTLIBRC": "/nowhere/matplotlibrc",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "OMP_THREAD_LIMIT": "1",
    "PYTHONHASHSEED": "7",
    "PYTHONIOENCODING": "ascii",
    "PYTHONSTARTUP": "/nowhere/startup.py",
    "PYTHONWARNINGS": "ignore",
}
CHILD = "import json, os; print(json.dumps(dict(os.environ)))"


def mmc(*words: object, code: int = 0, **options: object) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "mmc", *map(str, words)], cwd=ROOT, capture_output=True, check=False, **options
    )  # type: ignore[call-overload]
    assert done.returncode == code, done.stderr
    return done


def settled(before: str = "", after: str = "", **environment: str | None) -> subprocess.CompletedProcess[str]:
    """A process that settles, with code before and after that, in an environment with changes (None removes)."""
    changed = {name: value for name, value in {**os.environ, **environment}.items() if value is not None}
    code = f"{before}\nfrom mmc.surroundings import settle\nsettle()\n{after}"
    return subprocess.run([sys.executable, "-c", code], env=changed, capture_output=True, text=True, check=False)


def test_programs_find_the_same_environment_everywhere() -> None:
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}], check=True)"
    found: Mapping[str, str] = json.loads(settled(after=code, **LEAKING).stdout)
    assert not {"BASH_ENV", "CDPATH", "GOMP_CPU_AFFINITY", "OMP_THREAD_LIMIT"} & found.keys()
    assert not {"PYTHONIOENCODING", "PYTHONSTARTUP", "PYTHONWARNINGS"} & found.keys()
    assert (found["LC_ALL"], found["MPLBACKEND"], found["MATPLOTLIBRC"]) == ("C", "agg", os.devnull)
    assert (found["PYTHONHASHSEED"], found["PYTHONUTF8"]) == ("0", "1")


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_a_file_never_gets_the_number_of_a_closed_stream(tmp_path: Path, closed: tuple[int, ...]) -> None:
    result = tmp_path / "result"
    after = f"""
import pathlib, sys
file = open({str(result)!r}, "w")
file.write(str(file.fileno())); file.flush()
for number in {closed}:
    os.fstat(number)
sys.stdin.read(0); sys.stdout.write("out"); sys.stderr.write("err"); sys.stdout.flush()
"""
    script = f"import os\nfrom mmc.surroundings import settle\nsettle()\n{after}"
    closing = " ".join(f"{number}{'<' if number == 0 else '>'}&-" for number in closed)
    done = subprocess.run(
        ["bash", "-c", f'exec "$0" -c "$1" {closing}', sys.executable, script], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(result.read_text()) > 2


def test_commands_run_with_closed_streams(tmp_path: Path) -> None:
    words = f'"$0" -m mmc compile "{TINY}" -t script -o bundle <&- >&- 2>&-'
    subprocess.run(["bash", "-c", words, sys.executable], cwd=tmp_path, check=True)
    plain = tmp_path / "plain"
    mmc("compile", TINY, "-t", "script", "-o", plain)
    for file in plain.rglob("*"):
        assert file.is_dir() or (tmp_path / "bundle" / file.relative_to(plain)).read_bytes() == file.read_bytes()


def test_warnings_as_errors_end_no_command() -> None:
    warn = "import warnings; warnings.warn('old', DeprecationWarning); warnings.warn('odd'); print('fine')"
    done = settled(after=warn, PYTHONWARNINGS="error")
    assert (done.returncode, done.stdout) == (0, "fine\n")
    # 3.13 prints the line of the program too
    assert (
        "UserWarning: odd" in done.stderr and "DeprecationWarning: old" not in done.stderr
    )  # 3.13 prints the program too


def test_a_temporary_folder_that_is_not_there_is_not_used(tmp_path: Path) -> None:
    done = settled(
        after="import tempfile; print(tempfile.gettempdir(), 'TMPDIR' in os.environ)",
        before="import os",
        TMPDIR=str(tmp_path / "gone"),
    )
    assert done.stdout.split()[1] == "False" and str(tmp_path / "gone") not in done.stdout
    assert f"TMPDIR is '{tmp_path}/gone', which is not a folder to write into" in done.stderr
    assert settled(TMPDIR=str(tmp_path)).stderr == ""


def test_a_user_without_an_entry_has_a_home() -> None:
    """As in containers that are started with --user."""
    nobody = """
import getpass, os, pwd, pathlib
def unknown(*_): raise KeyError("no such user")
pwd.getpwuid = unknown
"""
    after = "print(getpass.getuser(), os.path.isdir(pathlib.Path.home()), pathlib.Path.home())"
    gone = dict.fromkeys(("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"))
    user, exists, home = settled(nobody, after, **gone).stdout.split()
    assert user == f"user-{os.getuid()}" and exists == "True" and not Path(home).exists()  # it is removed at the end
    assert settled(nobody, after, **{**gone, "HOME": "/nowhere"}).stdout.split()[1] == "True"
    kept = settled(after="print(os.environ['HOME'])", before="import os", HOME=str(ROOT)).stdout
    assert kept == f"{ROOT}\n"


def test_search_paths_mean_the_same_folders_in_a_bundle(tmp_path: Path) -> None:
    after = "import json; print(json.dumps([os.environ['PATH'], os.environ['PYTHONPATH']]))"
    (tmp_path / "here").mkdir()
    before = f"import os; os.chdir({str(tmp_path / 'here')!r})"
    python_path = os.environ.get("PYTHONPATH", str(ROOT / "compiler"))
    done = settled(before, after, PATH="venv/bin:/usr/bin:", PYTHONPATH=f":src:{python_path}")
    here = tmp_path / "here"
    assert json.loads(done.stdout) == [
        f"{here}/venv/bin:/usr/bin:{here}",
        ":".join([str(here), f"{here}/src", *(f"{here / folder}" for folder in python_path.split(":"))]),
    ]
    gone = f"{before}; os.rmdir({str(here)!r})"
    assert settled(gone, "print(os.environ['PATH'])", PATH="venv/bin").stdout == "venv/bin\n"


@pytest.mark.parametrize("content", [b"backend: module://evil\n", b"\xff\xfe", None])
def test_a_style_in_the_folder_is_not_read(tmp_path: Path, content: bytes | None) -> None:
    """A repository may hold it: text, damage, or a FIFO, which would be waited for."""
    pytest.importorskip("matplotlib")
    style = tmp_path / "matplotlibrc"
    os.mkfifo(style) if content is None else style.write_bytes(content)
    before = f"import os; os.chdir({str(tmp_path)!r})"
    after = (
        f"import mmc.jobs.report, matplotlib; print(os.getcwd() == {str(tmp_path)!r}, matplotlib.rcParams['backend'])"
    )
    done = settled(before, after)
    assert (done.stdout, done.stderr) == ("True agg\n", "")


def test_a_notebook_does_not_choose_the_backend() -> None:
    pytest.importorskip("matplotlib")
    done = settled(after="import matplotlib; print(matplotlib.get_backend())", **LEAKING)
    assert done.stdout.strip().lower() == "agg", done.stderr


def test_a_user_does_not_choose_the_style_of_figures() -> None:
    mpl = pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure
    from mmc.jobs.report.figures import render, styled

    def drawn() -> bytes:
        with styled():
            figure = Figure()
            figure.subplots().plot([0, 1], [0, 1], label="a line")
        return render(figure, "svg")

    plain = drawn()
    own = {"lines.linestyle": "--", "lines.linewidth": 7.0, "text.usetex": True, "axes.grid": True, "font.size": 30.0}
    with mpl.rc_context(own):
        assert drawn() == plain
        assert mpl.rcParams["lines.linestyle"] == "--"  # afterwards, they are the user's again


def test_the_environment_of_the_tests_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CHANGED", "REMOVED"):
        monkeypatch.setenv(name, "before")
    before = dict(os.environ)
    with kept_environment():
        os.environ |= {"CHANGED": "after", "ADDED": "after"}
        del os.environ["REMOVED"]
    assert dict(os.environ) == before
