"""The choices that all limits of a study share: luminosity, true point and grid."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mmc.compiler.settings.limits import LimitSettings
from mmc.errors import StepError
from mmc.jobs.madminer.event_file import Array

MORE = "luminosity"
"""The entry of limits at a further luminosity of the study: its name."""
Axis = tuple[str, float, float, int]


def luminosity_in_words(name: str) -> str:
    """A further luminosity as people write it.

    >>> luminosity_in_words("3ab")
    '3 ab⁻¹'
    """
    return re.sub(r"(?<=\d)(?=[a-z])", " ", name) + "⁻¹"


@dataclass(frozen=True)
class Choices:
    """The choices on which limits depend."""

    luminosity_pb: float | None
    """None for that of the study's region, or a further one of the study."""
    theta_true: tuple[tuple[str, float], ...]
    grid: tuple[Axis, ...]
    """For each parameter its name, the ends of the axis and the number of points."""

    @classmethod
    def of(
        cls, record: Mapping[str, Any], axes: Mapping[str, Array], luminosities_pb: Mapping[str, float]
    ) -> "Choices":
        """The choices of a method or baseline, from its record and the axes of its grid.

        :param luminosities_pb: of the regions that have their own
        """
        grid = [(name, float(axis[0]), float(axis[-1]), len(axis)) for name, axis in axes.items()]
        found = record["luminosity_pb"]
        own = MORE in record or luminosities_pb.get(record.get("group", "")) == found
        luminosity = None if own else found
        return cls(luminosity, tuple(sorted(record["theta_true"].items())), tuple(sorted(grid)))

    @classmethod
    def planned(cls, settings: LimitSettings) -> "Choices":
        """The choices of the study."""
        grid = [(name, float(axis.range[0]), float(axis.range[1]), axis.points) for name, axis in settings.grid.items()]
        return cls(settings.luminosity_pb, tuple(sorted(settings.theta_true.items())), tuple(sorted(grid)))

    def difference(self, other: "Choices") -> str | None:
        """What differs, in words; None if nothing does."""
        known = self.luminosity_pb is not None and other.luminosity_pb is not None
        if known and self.luminosity_pb != other.luminosity_pb:
            return f"another luminosity ({self.luminosity_pb:g} and {other.luminosity_pb:g} /pb)"
        if self.theta_true != other.theta_true:
            return "another true point"
        return "another grid" if self.grid != other.grid else None


def check_agreement(choices: Iterable[tuple[str, Choices]], expected: tuple[str, Choices] | None) -> None:
    """Check that limits can be compared.

    :param choices: those of each method and baseline, by name
    :param expected: those that all should have, with their owner; without it those of the first method
    :raises StepError: when the limits are those of several studies
    """
    for name, found in choices:
        if expected is None:
            expected = name, found
        elif (difference := expected[1].difference(found)) is not None:
            raise StepError(
                f"the results are of several studies: {name} has {difference} than {expected[0]}; report each study "
                "from its own folder, or together with its bundle"
            )
