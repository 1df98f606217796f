"""The surroundings of a process of mmc: set when it starts, not inherited from the shell, notebook or batch system.

Everything that starts later, such as jobs, generators and MLflow, has these surroundings too.
"""

import atexit
import getpass
import importlib
import os
import shutil
import signal
import sys
import tempfile
import warnings
from contextlib import chdir, suppress
from importlib.util import find_spec
from pathlib import Path

from mmc.printing import complain

SET = {
    "LC_ALL": "C",  # numbers and messages of other programs
    "MATPLOTLIBRC": os.devnull,  # no style of the user
    "MPLBACKEND": "agg",  # a notebook names one that only its own environment has
    "PYTHONHASHSEED": "0",  # generators in Python
    "PYTHONUTF8": "1",  # files without a declared encoding
}
"""Variables with the value that programs find."""
DROPPED = (
    *("BASHOPTS", "BASH_ENV", "CDPATH", "ENV", "GLOBIGNORE", "POSIXLY_CORRECT", "SHELLOPTS"),
    *("GOMP_CPU_AFFINITY", "KMP_AFFINITY", "OMP_DYNAMIC", "OMP_PLACES", "OMP_PROC_BIND", "OMP_THREAD_LIMIT"),
    "LANGUAGE",
    *("PYTHONINSPECT", "PYTHONIOENCODING", "PYTHONOPTIMIZE", "PYTHONSTARTUP", "PYTHONWARNINGS"),
)
"""Variables that programs do not find: they steer shells, pin all jobs to one core, or change what Python does."""
SEARCHED = ("PATH", "PYTHONPATH")
"""Variables with folders to search, which may be relative: jobs run in another folder."""
TEMPORARY = ("TMPDIR", "TEMP", "TMP")
"""Variables that may name the folder for temporary files, in the order in which Python asks them."""
DEFAULTS = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
"""The warnings that Python does not show unless it is asked."""


def settle() -> None:
    """Set the surroundings of this process. The command line calls it first."""
    _open_streams()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a parent may ignore it, which hides the exit codes of our children
    strict = "error" in os.environ.get("PYTHONWARNINGS", "")
    for name in DROPPED:
        os.environ.pop(name, None)
    os.environ.update(SET)
    if strict:  # a warning of any package would end the command
        warnings.resetwarnings()
        for category in DEFAULTS:
            warnings.simplefilter("ignore", category)
    _choose_temporary()
    _name_user()
    _keep_search_paths()


def _open_streams() -> None:
    """Open streams that the parent has closed, on nothing. Otherwise the next file that is opened gets their number."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open to the end


def _choose_temporary() -> None:
    """Forget a folder for temporary files that is not there, for example that of another batch job."""
    for name in TEMPORARY:
        folder = os.environ.get(name)
        if folder and not (Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK)):
            del os.environ[name]
            tempfile.tempdir = None
            complain(f"mmc: {name} is {folder!r}, which is not a folder to write into; not used")


def _name_user() -> None:
    """Give a user without an entry in the password file, as in containers, a name and a home folder.

    The folder is temporary. MLflow, matplotlib and torch look for settings or keep a cache there, and fail without one.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"user-{os.getuid()}"
    try:
        found = Path.home().is_absolute() and Path.home().is_dir()
    except RuntimeError:
        found = False
    if not found:
        os.environ["HOME"] = tempfile.mkdtemp(prefix="mmc-home-")
        atexit.register(shutil.rmtree, os.environ["HOME"], ignore_errors=True)


def _keep_search_paths() -> None:
    """Make relative folders of search paths absolute: in a bundle they would mean folders of the bundle."""
    for name in SEARCHED:
        with suppress(FileNotFoundError):  # the current folder was removed
            if os.environ.get(name):
                folders = os.environ[name].split(os.pathsep)
                os.environ[name] = os.pathsep.join(str(Path.cwd() / folder) for folder in folders)


def ignore_style_of_folder() -> None:
    """Import matplotlib elsewhere, if the current folder has a file `matplotlibrc`, which it would read first of all.

    The file may have come with a repository, and may be anything.
    """
    if os.path.lexists("matplotlibrc") and (found := find_spec("matplotlib")) is not None and found.origin:
        with chdir(Path(found.origin).parent):
            importlib.import_module("matplotlib")
