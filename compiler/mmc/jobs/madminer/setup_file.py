"""The output of the step ``configure``, as the other physics steps read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmc.compiler.catalogue.stages import CONFIGURE
from mmc.errors import StepError
from mmc.jobs.job import read_json

FILE = "setup.h5"


@dataclass(frozen=True)
class Setup:
    """The parameter space of a study."""

    path: Path
    """MadMiner's set-up file."""
    benchmarks: Mapping[str, Mapping[str, float]]
    """The value of each parameter at each benchmark, including the benchmarks that complete the morphing basis, in the
    order of the weights in every event file."""

    @classmethod
    def read(cls, directory: Path) -> "Setup":
        """Read the output of ``configure``."""
        record = read_json(directory / CONFIGURE.record)
        return cls(directory / FILE, record["benchmarks"])

    def point(self, benchmark: str) -> Mapping[str, float]:
        """The value of each parameter at a benchmark.

        :raises StepError: when the set-up has no benchmark of that name
        """
        try:
            return self.benchmarks[benchmark]
        except KeyError as error:
            known = ", ".join(self.benchmarks)
            raise StepError(f"there is no benchmark {benchmark!r}; the set-up has {known}") from error
