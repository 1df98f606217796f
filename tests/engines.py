"""Targets run by their engines, with real steps whose jobs start quickly."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from mmc.jobs.steps.runner import THREAD_LIMITS

from tests.forked import forking
from tests.slurm import cluster, wait_until_empty
from tests.support import RUN_WITH_PATH, forking_once

YADAGE = Path(__file__).with_name("quick_yadage.py")
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
COMMANDS = {
    "script": ["bash", "run.sh", "-j", "2"],
    # By default it looks at all jobs 50 times a second, which takes a core from them.
    "yadage": [*YADAGE_RUN, "--updateinterval", "0.1"],
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
    "torch._dynamo",
    "uproot",
    "vector",
)
"""What takes the jobs long to import."""


@contextmanager
def quick_jobs() -> Iterator[dict[str, str]]:
    """An environment in which `mmc` is forked off a process that has imported much."""
    with forking("mmc", "mmc", IMPORTED, _environment()) as programs:
        yield _with_mmc(programs)


def quick_jobs_of_all(factory: pytest.TempPathFactory) -> dict[str, str]:
    """The same for all cores of a run of tests."""
    return _with_mmc(forking_once("mmc", "mmc", IMPORTED, _environment(), factory))


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONWARNINGS": "ignore"} | dict.fromkeys(THREAD_LIMITS, "1")


def _with_mmc(programs: Path) -> dict[str, str]:
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PYTHONWARNINGS": "ignore", "PATH": path}


def compile_target(target: str, study: Path, folder: Path, environment: dict[str, str]) -> None:
    """Compile the study for the target into the folder."""
    if target in COMMANDS:
        quickly(COMMANDS[target], environment)
    words = ["compile", str(study), "--target", target, "--out", str(folder)]
    succeed([sys.executable, "-m", "mmc", *words], study.parent, environment)


def run_target(target: str, folder: Path, environment: dict[str, str]) -> Path:
    """Run what was compiled into the folder; the folder with what the jobs made."""
    if target == "slurm":
        with cluster() as variables:
            words = [sys.executable, "-c", RUN_WITH_PATH, environment["PATH"], "submit", "."]
            succeed(words, folder, environment | variables)
            wait_until_empty(variables)
    elif target == "hyperqueue":
        pytest.importorskip("hyperqueue")
        words = [sys.executable, "-c", RUN_WITH_PATH, environment["PATH"], "submit", "."]
        succeed(words, folder, environment)
    elif target == "snakemake":
        succeed([*snakemake("MMC_SNAKEMAKE"), "--cores", "2"], folder, environment)
    else:
        words = [word.format(folder=folder) for word in COMMANDS[target]]
        succeed(quickly(words, environment), folder, environment)
    return folder / RESULTS[target]


def quickly(words: list[str], environment: Mapping[str, str]) -> list[str]:
    """The words that run the same program of this PATH, Yadage without what makes it slow; skips if it is not there."""
    found = shutil.which(words[0], path=environment["PATH"])
    if found is None:
        pytest.skip(f"{words[0]} is not installed")
    if words[0] != "yadage-run":
        return words
    return [str(Path(found).with_name("python")), str(YADAGE), *words[1:]]


def snakemake(variable: str) -> list[str]:
    """The words that run the Snakemake that a variable of the environment names; skips without it."""
    program = os.environ.get(variable)
    if not program:
        pytest.skip(f"{variable} does not name the program snakemake of an environment of its own")
    return [program, "--rerun-incomplete", "--nocolor", "--printshellcmds"]


def toil() -> list[str]:
    """The words that run the toil-cwl-runner that a variable of the environment names; skips without it."""
    program = os.environ.get("MMC_TOIL")
    if not program:
        pytest.skip("MMC_TOIL does not name the program toil-cwl-runner of an environment of its own")
    return [program, "--no-container", "--preserve-entire-environment", "--retryCount", "0", "--logLevel", "ERROR"]


def succeed(words: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What a program says that must not fail."""
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return done.stdout
