"""Mixtures of a checked study: ratios of several groups of samples together."""

from collections.abc import Mapping
from typing import Any

from mmc.compiler.catalogue.names import madminer_name
from mmc.compiler.study.events import names
from mmc.compiler.study.model import Mixture

REFERENCE = "reference"
"""What a mixture says for the group whose density is the denominator of all ratios."""


def factors_of(said: str | list[str]) -> list[str]:
    """The methods whose ratios are multiplied for a group.

    >>> factors_of("carl"), factors_of("reference")
    (['carl'], [])
    """
    if isinstance(said, str):
        return [] if said == REFERENCE else [said]
    return said


def whole_group(of: Mapping[str, Any], groups: Mapping[str, tuple[str, ...]]) -> str | None:
    """The group that has the samples of some groups, and no others; None if there is none."""
    samples = {sample for name in of for sample in groups[name]}
    return next((name for name, own in groups.items() if set(own) == samples), None)


def mixtures_of(data: Mapping[str, Any], groups: Mapping[str, tuple[str, ...]]) -> tuple[Mixture, ...]:
    """The mixtures of a study, from its data with defaults filled in; ``groups`` are its groups with their samples."""
    found = []
    for name, entry in data.get("mixtures", {}).items():
        of = {madminer_name(group): names(factors_of(said)) for group, said in entry["of"].items()}
        group = whole_group(of, groups)
        if group is None:
            raise ValueError("the checks have not made sure that a group has the samples of the mixture")
        found.append(Mixture(madminer_name(name), group, of, entry["calibration"]))
    return tuple(found)
