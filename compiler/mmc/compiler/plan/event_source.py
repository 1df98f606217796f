"""The source of the events that the learning stages read."""

from dataclasses import dataclass

from mmc.compiler.plan.builder import slug
from mmc.compiler.plan.model import Flow, Input
from mmc.compiler.study.model import Method


@dataclass(frozen=True)
class EventSource:
    """The stage that makes the events, and the groups of samples that its jobs combine; empty without groups."""

    stage: str
    groups: tuple[str, ...]

    @property
    def input(self) -> Input:
        """The input of every stage that reads events."""
        return Input("events", self.stage, Flow.ALL if self.groups else Flow.ONE)

    def job(self, group: str | None) -> tuple[str, str]:
        """The job that makes the events of a group."""
        return self.stage, slug(group) if group is not None else self.stage

    def of(self, method: Method) -> str | None:
        """The group from which a method learns."""
        return method.group or (self.groups[0] if self.groups else None)

    def name_of(self, group: str | None) -> str | None:
        """The name of the group in jobs, which is the name of the job that makes its events."""
        return None if group is None else slug(group)
