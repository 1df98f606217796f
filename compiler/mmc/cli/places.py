"""Where ``mmc run`` has the jobs of a study run: on this machine, on Slurm or on HyperQueue.

Each has a bundle of its own, which writes the same outputs, and a program that runs the missing jobs. All of them
write the same ``events.log``, so the progress, the results and the way to continue are the same.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmc.compiler.plan.model import Plan
from mmc.compiler.targets import TARGETS, bash
from mmc.compiler.targets.bundle import Bundle
from mmc.compiler.targets.options import Options
from mmc.errors import UsageError


def _script(folder: Path) -> list[str]:
    return ["bash", str(folder / "bundle" / "run.sh"), "--out", str(folder / "out")]


def _driver(name: str) -> Callable[[Path], list[str]]:
    def words(folder: Path) -> list[str]:
        # -P, as a folder where mmc is called may hold modules of anybody
        return [
            *(sys.executable, "-P", "-m", "mmc.jobs.batch.drive", name),
            *(str(folder / "bundle"), str(folder / "out")),
        ]

    return words


@dataclass(frozen=True)
class Place:
    """A place where jobs run."""

    target: str
    """The target of its bundle."""
    words: Callable[[Path], list[str]]
    """The program that runs the jobs of a run's folder, which is absolute."""
    title: str = ""
    """Its name, as it follows "running in FOLDER"."""
    takes_jobs: bool = True
    """Whether the number of jobs at a time is that of this machine."""
    left: str = ""
    """What becomes of the jobs when SIGTERM or SIGHUP ends this process, if they do not end with it."""

    def bundle(self, plan: Plan) -> Bundle:
        """:raises MmcError: when the study is for another batch system, or a command would be too long"""
        return TARGETS[self.target](plan, Options(out="../out"))

    def check(self, folder: Path, plan: Plan, jobs: int | None) -> None:
        """:raises MmcError: when jobs of the folder are in Slurm's queue, unless this run goes on with them"""
        if jobs is not None and not self.takes_jobs:
            raise UsageError("--jobs is for this machine; for Slurm, set `execution.batch.running_tasks` in the study")
        if (folder / "out" / "submitted.json").is_file():
            from mmc.jobs.batch.on_slurm import check_queue

            check_queue(folder / "bundle", bash.table(plan) if self.target == "slurm" else None)


PLACES: Mapping[str, Place] = {
    "local": Place("script", _script),
    "slurm": Place(
        "slurm",
        _driver("slurm"),
        " on Slurm",
        takes_jobs=False,
        left="the jobs in Slurm's queue continue, and the same command watches them",
    ),
    "hyperqueue": Place("hyperqueue", _driver("hyperqueue"), " on HyperQueue"),
}
"""The places by the word after ``--on``."""
