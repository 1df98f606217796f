"""What a run would do with the jobs of a study: which are finished, which run, and why."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

from mmc.jobs.record import RECORD
from mmc.jobs.resume.pending import pending
from mmc.jobs.resume.run_table import RunTable

MISSING, TAKEN = "there is no output", "it is taken from another run"
OTHER = "its settings, seed or files have changed"


@dataclass(frozen=True)
class Forecast:
    """What a run would do with the jobs of a stage."""

    stage: str
    jobs: int
    run: dict[str, str]
    """The jobs that run, by their names, each with the reason."""
    later: tuple[str, ...]
    """The jobs that run if an output that is made anew before them has other content."""

    seconds: float | None
    """The mean time that its finished jobs took; None without any."""

    @property
    def finished(self) -> int:
        """The number of jobs whose output stays."""
        return self.jobs - len(self.run) - len(self.later)

    @property
    def why(self) -> Counter[str]:
        """The reasons, each with the number of jobs."""
        return Counter(self.run.values())


def forecast(table: RunTable, taken: Collection[str] = ()) -> Iterator[Forecast]:
    """What a run would do, by stage. Files count as unchanged if their size and time are.

    :param taken: the stages whose outputs are taken from another run if they are missing
    """
    found, upstream = pending(table, whole=False), table.upstream

    def reason(row: int) -> str:
        if row in found.again:
            return found.again[row]
        if not (table.place(row) / RECORD).exists():
            return TAKEN if table.jobs[row].stage in taken else MISSING
        anew = dict.fromkeys(table.jobs[other].stage for other in upstream[row] if other in found.now)
        return f"it reads {', '.join(anew)} made anew" if anew else OTHER

    for stage, group in groupby(range(len(table.jobs)), key=lambda row: table.jobs[row].stage):
        rows = list(group)
        run = {table.jobs[row].name: reason(row) for row in rows if row in found.now}
        later = tuple(table.jobs[row].name for row in rows if row in found.later)
        took = [record.seconds for row in rows if (record := table.outputs[row].record) is not None]
        yield Forecast(stage, len(rows), run, later, fmean(took) if took else None)
