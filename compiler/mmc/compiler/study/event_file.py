"""An existing MadMiner event file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmc.compiler.catalogue.generators import EVENT_FILE
from mmc.compiler.study.events import EventsOfStudy


@dataclass(frozen=True)
class ExistingFile(EventsOfStudy):
    """A MadMiner event file beside the study, used instead of generated events."""

    origin = EVENT_FILE
    file: str


def read(section: Mapping[str, Any], _benchmarks: tuple[str, ...]) -> ExistingFile:
    """The file that the section ``events`` names."""
    return ExistingFile(section["file"])
