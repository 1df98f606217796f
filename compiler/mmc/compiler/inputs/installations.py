"""Find MadGraph and Delphes on this machine, from the study or the environment, and check that they can be used.

The steps that run them and ``mmc doctor`` use this module. Its import is quick and needs no package.
"""

import os
import re
import shutil
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mmc.errors import InstallationError

TESTED = {"MadGraph": "3.5.7", "Delphes": "3.5.1"}
"""The versions that mmc's steps were tested with."""
OLDEST = {"MadGraph": (3, 0), "Delphes": (3, 5)}
"""MadGraph 2 and its models are written for Python 2; Delphes 3.5 is the first that reads HepMC 2 and 3."""

RECORDED = {"MadGraph": (("VERSION", "version = "),), "Delphes": (("VERSION", ""), ("CHANGELOG", ""))}
"""The files in which an installation records its version, each with the text before the version."""

MADGRAPH = "bin/mg5_aMC"
COMPILERS = ("gfortran", "g++", "make")
"""The programs that MadGraph calls: it compiles each process and its reweighting module."""
MADGRAPH_CONFIGURATION = "input/mg5_configuration.txt"
LHAPDF = "lhapdf-config"
GET_LHAPDF = (
    f"install LHAPDF with its Python interface and name it in {MADGRAPH_CONFIGURATION} of MadGraph "
    f"(`lhapdf_py3 = …/bin/{LHAPDF}`)"
)
DELPHES = ("DelphesHepMC2", "DelphesHepMC3")
LOAD_TIMEOUT_S = 60
"""ROOT's libraries may come from a slow network disk."""


@dataclass(frozen=True)
class Installation:
    """A program that was found and can be used."""

    name: str
    folder: Path
    """Absolute."""
    version: str
    """The version, as in ``3.5.7``; empty if the installation does not record it."""
    named_by: str
    """The origin of the folder: the key of the study, or the environment variable."""
    programs: Mapping[str, Path]
    """The executables by name."""
    cards: Path | None = None
    """The folder with Delphes' own cards."""

    def environment(self) -> dict[str, str]:
        """The environment variables of this process, with the folders of the program's libraries added."""
        folders = [str(self.folder), str(self.folder / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
        return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(filter(None, folders))}


def find_madgraph(explicit: str | None) -> Installation:
    """MadGraph in the folder that the study names, else in ``MMC_MADGRAPH_DIR``.

    :raises InstallationError: when MadGraph is missing or too old, or a program that it calls is missing
    """
    folder, named_by = _folder("MadGraph", explicit)
    program = folder / MADGRAPH
    if not _is_executable(program):
        raise InstallationError(_wrong("MadGraph", named_by, f"has no executable {MADGRAPH}", folder))
    version = _version("MadGraph", folder, named_by)
    missing = [compiler for compiler in COMPILERS if shutil.which(compiler) is None]
    if missing:
        raise InstallationError(f"MadGraph needs {', '.join(missing)}, not on the PATH: {install_hint(missing)}")
    if find_spec("six") is None:
        raise InstallationError("MadGraph needs the package six in the Python that runs mmc: pip install 'mmc[steps]'")
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        raise InstallationError(f"MadGraph's reweighting needs the headers of Python: {install_hint(['python3-dev'])}")
    return Installation("MadGraph", folder, version, named_by, {program.name: program})


def find_lhapdf(madgraph: Installation | None) -> str | None:
    """The ``lhapdf-config`` that MadGraph calls: from its configuration, else from the PATH."""
    named = None
    if madgraph is not None and (configuration := madgraph.folder / MADGRAPH_CONFIGURATION).is_file():
        text = configuration.read_text(encoding="utf-8", errors="replace")
        named = re.search(r"^[ \t]*lhapdf(?:_py3)?[ \t]*=[ \t]*(\S+)", text, re.MULTILINE)
    if madgraph is None or named is None:
        return shutil.which(LHAPDF)
    return shutil.which(str(madgraph.folder / named[1])) or shutil.which(named[1])


def find_delphes(explicit: str | None, *, starts: bool = True) -> Installation:
    """Delphes in the folder that the study names, else in ``MMC_DELPHES_DIR``: built in its source, or installed.

    :param starts: whether it is started, to see whether its libraries load
    :raises InstallationError: when Delphes is missing or too old, or its libraries (including ROOT's) do not load
    """
    folder, named_by = _folder("Delphes", explicit)
    places = (folder, folder / "bin")
    programs = {name: place / name for name in DELPHES for place in places if _is_executable(place / name)}
    missing = [name for name in DELPHES if name not in programs]
    if missing:
        raise InstallationError(_wrong("Delphes", named_by, f"has no executable {' and no '.join(missing)}", folder))
    if not (folder / "cards").is_dir():
        raise InstallationError(_wrong("Delphes", named_by, "has no folder cards", folder))
    version = _version("Delphes", folder, named_by)
    found = Installation("Delphes", folder, version, named_by, programs, folder / "cards")
    if starts:
        _check_that_it_starts(programs[DELPHES[0]], found.environment())
    return found


def installed_version(name: str, explicit: str | None) -> str:
    """The version of a program in the folder that the study names, else in the environment's.

    Empty if it is not installed, is too old or does not record its version.
    """
    try:
        return _version(name, *_folder(name, explicit))
    except InstallationError:
        return ""


def variable(name: str) -> str:
    """The environment variable that names the folder of a program.

    >>> variable("MadGraph")
    'MMC_MADGRAPH_DIR'
    """
    return f"MMC_{name.upper()}_DIR"


def leads_elsewhere(folder: str) -> bool:
    """Whether a path depends on the process that reads it: such a path could lead to files beside a study.

    >>> leads_elsewhere("/opt/delphes"), leads_elsewhere("/proc/self/cwd/x"), leads_elsewhere("/opt/../x")
    (False, True, True)
    """
    parts = Path(folder).parts
    return ".." in parts or parts[1:2] in (("proc",), ("dev",))


def is_own(name: str, explicit: str | None) -> bool:
    """Whether a folder is one of the user's environment, rather than one that only a study names."""
    given = os.environ.get(variable(name), "")
    return explicit is None or (bool(given) and Path(explicit).expanduser() == Path(given).expanduser())


def install_hint(packages: Iterable[str]) -> str:
    """How to install programs whose package has the same name."""
    return f"install from your system's packages, as in `apt install {' '.join(packages)}`"


def _folder(name: str, explicit: str | None) -> tuple[Path, str]:
    """The folder of a program and its origin (study key or environment variable).

    :raises InstallationError: when no folder is named, or the path is not a folder
    """
    key = f"execution.installations.{name.lower()}"
    text, named_by = (explicit, key) if explicit else (os.environ.get(variable(name), ""), variable(name))
    if not text:
        raise InstallationError(
            f"{name} is not installed here: name its folder in the study's {key} or in {variable(name)}, "
            f"or run the jobs in the physics image (tested with {name} {TESTED[name]})"
        )
    folder = Path(text).expanduser().absolute()
    if explicit and leads_elsewhere(explicit):
        raise InstallationError(_wrong(name, named_by, "is another folder in every job", folder))
    if not folder.is_dir():
        raise InstallationError(_wrong(name, named_by, "is not a folder", folder))
    return folder, named_by


def _wrong(name: str, named_by: str, what: str, folder: Path) -> str:
    return f"{named_by} names {folder}, which {what}; it must name the folder of {name} (tested with {TESTED[name]})"


def _is_executable(file: Path) -> bool:
    return file.is_file() and os.access(file, os.X_OK)


def _version(name: str, folder: Path, named_by: str) -> str:
    """The version in the first of the files that exists; empty if none exists.

    :raises InstallationError: when the version is too old for mmc
    """
    for file, before in RECORDED[name]:
        try:
            text = (folder / file).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue
        if found := re.match(rf"\s*{before}(\d+(\.\d+)+)", text):
            version = found[1]
            if tuple(int(part) for part in version.split(".")) < OLDEST[name]:
                oldest = ".".join(map(str, OLDEST[name]))
                what = f"is {name} {version}, older than {oldest}, the oldest that mmc can use"
                raise InstallationError(_wrong(name, named_by, what, folder))
            return version
    return ""


def _check_that_it_starts(program: Path, environment: Mapping[str, str]) -> None:
    """Start a program of Delphes without arguments: it shows its usage if its libraries can be loaded.

    :raises InstallationError: when it does not
    """
    import subprocess  # only `mmc doctor` and jobs start programs

    try:
        done = subprocess.run(
            [program],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=LOAD_TIMEOUT_S,
            check=False,
        )
        printed, complaint = done.stdout, done.stderr.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        printed, complaint = "", str(error)
    if "Usage" not in printed:
        reason = (complaint or printed).splitlines()[-1:]
        raise InstallationError(
            f"{program} does not start{': ' * bool(reason)}{''.join(reason)}; where ROOT's libraries are missing, "
            "`source ROOT/bin/thisroot.sh` first"
        )
