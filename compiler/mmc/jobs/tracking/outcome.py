"""What was tracked in the end, according to the records of jobs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What was tracked of a job in the end."""

    key: str
    """The run of the study in which the job was logged. After an edit of the study, jobs that stay have another one."""
    logged: bool
    reason: str = ""
    """Why the job could not be logged or, if it was logged, why its files could not."""
    jobs: int = 0
    """In the outcome of the report: the number of tracked jobs, with the report."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """In the outcome of the report: the jobs that are not logged, as ``stage[job]``, with the reason."""
    partial: Mapping[str, str] = field(default_factory=dict)
    """In the outcome of the report: the jobs that are logged without all files, with the reason."""

    def of_all(self, outcomes: Mapping[str, "Outcome"]) -> "Outcome":
        """This outcome with those of all tracked jobs, by ``stage[job]``."""
        return replace(
            self,
            jobs=len(outcomes),
            missing={name: outcome.reason for name, outcome in outcomes.items() if not outcome.logged},
            partial={name: outcome.reason for name, outcome in outcomes.items() if outcome.logged and outcome.reason},
        )

    @classmethod
    def of(cls, record: Mapping[str, Any], key: str) -> "Outcome":
        """What the record of a job says about its tracking in a run of the study."""
        entry = record.get("tracked")
        if entry is None or entry["key"] != key:
            return cls(key, logged=False, reason="it was done before this run")
        return cls(**entry)

    def entry(self) -> dict[str, Any]:
        """The outcome as an entry of the job's record."""
        return {name: value for name, value in asdict(self).items() if value or name == "logged"}

    def line(self, place: str) -> str:
        """One line for the user, from the outcome with all jobs.

        :param place: the store and the experiment
        """
        if len(self.missing) == self.jobs:
            return f"warning: nothing was tracked: {self.reason or next(iter(self.missing.values()), '')}"
        parts = [f"{self.jobs - len(self.missing):,} of {self.jobs:,} jobs logged"]
        parts += _reasons("could not", self.missing) + _reasons("without all files", self.partial)
        return f"{'warning: ' if len(parts) > 1 else ''}tracked: {place}: {'; '.join(parts)}"


def label(record: Mapping[str, Any]) -> str:
    """The job of a record, as ``stage[job]``."""
    return f"{record['stage']}[{record['job']}]"


def _reasons(what: str, jobs: Mapping[str, str]) -> list[str]:
    """One text per reason, with the first job that has it and the number of the others."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in jobs.items():
        by_reason.setdefault(reason, []).append(name)
    return [
        f"{names[0]}{f' and {len(names) - 1:,} others' if len(names) > 1 else ''} {what}: {reason}"
        for reason, names in by_reason.items()
    ]
