"""The output of the step ``configure``, as the other physics steps read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmc.compiler.catalogue.stages import CONFIGURE
from mmc.errors import StepError
from mmc.jobs.job import StepJob, read_json

FILE = "setup.h5"
BENCHMARKS = "benchmarks.json"
"""The benchmarks alone. Jobs that make events read nothing else, so that they do not run again for another range of a
parameter."""


@dataclass(frozen=True)
class Benchmarks:
    """The benchmarks of a study."""

    benchmarks: Mapping[str, Mapping[str, float]]
    """The value of each parameter at each benchmark, including the benchmarks that complete the morphing basis, in the
    order of the weights in every event file."""

    @classmethod
    def of(cls, job: StepJob) -> "Benchmarks":
        """Read the benchmarks from the input ``setup`` of a job."""
        return cls(read_json(job.file("setup", BENCHMARKS)))

    def point(self, benchmark: str) -> Mapping[str, float]:
        """The value of each parameter at a benchmark.

        :raises StepError: when the set-up has no benchmark of that name
        """
        try:
            return self.benchmarks[benchmark]
        except KeyError as error:
            known = ", ".join(self.benchmarks)
            raise StepError(f"there is no benchmark {benchmark!r}; the set-up has {known}") from error


@dataclass(frozen=True)
class Setup(Benchmarks):
    """The parameter space of a study."""

    path: Path
    """MadMiner's set-up file."""

    @classmethod
    def read(cls, directory: Path) -> "Setup":
        """Read the output of ``configure``."""
        record = read_json(directory / CONFIGURE.record)
        return cls(record["benchmarks"], directory / FILE)
