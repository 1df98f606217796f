"""Targets run by their engines, with real steps whose jobs start quickly."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from mmc.jobs.steps.runner import THREAD_LIMITS

from tests.forked import forking
from tests.slurm import cluster, wait_until_empty
from tests.support import STUDIES

YADAGE = Path(__file__).with_name("quick_yadage.py")
ENVIRONMENT = dict(os.environ)
"""That of all tests, before one of them changes it."""
YADAGE_RUN = [
    "yadage-run",
    "work",
    "workflow.yml",
    "inputs.yml",
    "-t",
    ".",
    "-d",
    "initdir={folder}",
    "-b",
    "multiproc:2",
]
SELDOM = ["--updateinterval", "0.2"]
"""By default Yadage looks at all jobs 50 times a second, which takes a core from them."""
COMMANDS = {
    "script": ["bash", "run.sh", "-j", "2"],
    "yadage": [*YADAGE_RUN, *SELDOM],
    # OPENBLAS_CORETYPE and the like choose other orders of summation, so all engines need the same ones.
    "cwl": [
        "cwltool",
        "--no-container",
        "--preserve-entire-environment",
        "--parallel",
        "--outdir",
        "results",
        "workflow.cwl",
        "job.yml",
    ],
}
RESULTS = {"script": "out", "yadage": "work", "cwl": "results", "slurm": "out", "snakemake": "out", "hyperqueue": "out"}

IMPORTED = (
    "h5py",
    "iminuit",
    "matplotlib.pyplot",
    "particle",
    "pythia8mc",
    "scipy.optimize",
    "scipy.stats",
    "tests.ready_jobs",
    "sympy",
    "uproot",
    "vector._compute.lorentz",
)
"""What takes the jobs long to import."""
ENGINES = {
    "cwltool": ("tests.ready_cwltool",),
    "yadage-run": (),
    "snakemake": ("snakemake.workflow",),
    "toil-cwl-runner": ("toil.leader", "tests.ready_cwltool"),
    "_toil_worker": ("toil.cwl.cwltoil",),
}
"""Those that take long to import what they need, and what else than their programs import at first."""
_servers = ExitStack()
atexit.register(_servers.close)


def small_study() -> dict[str, Any]:
    """The tiny study with one of its parameters and two of its methods: every stage, in 23 jobs."""
    study: dict[str, Any] = yaml.safe_load((STUDIES / "drell-yan" / "tiny.yaml").read_text(encoding="utf-8"))
    for named in (study["parameters"], study["evaluation"]["grid"]):
        del named["c_LR"]
    del study["methods"]["alice"]
    along = {name: point for name, point in study["benchmarks"].items() if not point.pop("c_LR")}
    return study | {"benchmarks": along}


@contextmanager
def quick_jobs(shared: Path | None = None) -> Iterator[dict[str, str]]:
    """An environment in which `mmc` is forked off a process that has imported much.

    :param shared: a file by which all processes that name it share this process
    """
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    ready = environment | dict.fromkeys(THREAD_LIMITS, "1")
    with forking("mmc", "tests.mmc_as", IMPORTED, ready, shared=shared) as programs:
        path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
        yield environment | {"PATH": path}


def mmc(environment: Mapping[str, str]) -> list[str]:
    """The words that start the forked `mmc` of :func:`quick_jobs` in its environment.

    The second word is the path that :mod:`tests.mmc_as` takes for that of the running `mmc`, and of that of its jobs.
    """
    program = shutil.which("mmc", path=environment["PATH"])
    assert program is not None
    return [program, program]


def compile_target(target: str, study: Path, folder: Path, environment: dict[str, str]) -> None:
    """Compile the study for the target into the folder."""
    if target in COMMANDS:
        quickly(COMMANDS[target], environment)
    words = [*mmc(environment), "compile", str(study), "--target", target, "--out", str(folder)]
    succeed(words, study.parent, environment)


def run_target(target: str, folder: Path, environment: dict[str, str]) -> Path:
    """Run what was compiled into the folder; the folder with what the jobs made."""
    if target == "slurm":
        with cluster() as variables:
            succeed([*mmc(environment), "submit", "."], folder, environment | variables)
            wait_until_empty(variables)
    elif target == "hyperqueue":
        pytest.importorskip("hyperqueue")
        succeed([*mmc(environment), "submit", "."], folder, environment)
    elif target == "snakemake":
        succeed([*snakemake("MMC_SNAKEMAKE"), "--cores", "2"], folder, environment)
    else:
        words = [word.format(folder=folder) for word in COMMANDS[target]]
        succeed(quickly(words, environment), folder, environment)
    return folder / RESULTS[target]


def quickly(words: list[str], environment: Mapping[str, str]) -> list[str]:
    """The words that run the same program of this PATH, forked; skips if it is not there."""
    found = shutil.which(words[0], path=environment["PATH"])
    if found is None:
        pytest.skip(f"{words[0]} is not installed")
    return [str(forked(Path(found))), *words[1:]] if Path(found).name in ENGINES else words


@cache
def forked(program: Path) -> Path:
    """An engine, forked off a process that has imported it, for the rest of the tests of all workers.

    Yadage is that without what makes it slow. An engine without its Python beside it stays as it is.
    """
    python = program.with_name("python")
    if not python.exists():
        return program
    run = YADAGE if program.name == "yadage-run" else program
    imported, shared = ENGINES[program.name], None
    if tests := os.environ.get("PYTEST_XDIST_TESTRUNUID"):
        shared = Path(tempfile.gettempdir(), f"{tests}-{sha256(os.fsencode(program)).hexdigest()[:16]}")
        _servers.callback(shared.unlink, missing_ok=True)
    starts_itself = program.name == "snakemake"  # on a batch system, in each job
    server = forking(program.name, str(run), imported, ENVIRONMENT, python, shared, starts_itself)
    programs = _servers.enter_context(server)
    return programs / program.name


def snakemake(variable: str) -> list[str]:
    """The words that run the Snakemake that a variable of the environment names; skips without it."""
    program = os.environ.get(variable)
    if not program:
        pytest.skip(f"{variable} does not name the program snakemake of an environment of its own")
    return [str(forked(Path(program))), "--rerun-incomplete", "--nocolor", "--printshellcmds"]


def toil() -> tuple[list[str], Path]:
    """The words that run the toil-cwl-runner that a variable of the environment names, and the folder of the program
    that its jobs are; skips without it."""
    program = os.environ.get("MMC_TOIL")
    if not program:
        pytest.skip("MMC_TOIL does not name the program toil-cwl-runner of an environment of its own")
    options = ["--no-container", "--preserve-entire-environment", "--retryCount", "0", "--logLevel", "ERROR"]
    return [str(forked(Path(program))), *options], forked(Path(program).with_name("_toil_worker")).parent


def succeed(words: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What a program says that must not fail."""
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return done.stdout
