"""Sets of parton distributions with their error members, from folders of LHAPDF's data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmc.compiler.inputs import lhapdf_data
from mmc.errors import StepError
from mmc.jobs.scattering.partons import Partons, Strong

_MOST_LOOPS = 2


@dataclass(frozen=True)
class ErrorSet:
    """A set with all its members, the central one first."""

    name: str
    number: int
    """LHAPDF's number of the central member."""
    error_type: str
    """How errors follow from the members, in LHAPDF's words: ``hessian``, ``symmhessian``, ``replicas``."""
    members: tuple[Partons, ...]


def load(name: str) -> ErrorSet:
    """A set of the folders of ``LHAPDF_DATA_PATH``; LHAPDF itself is not needed.

    :raises StepError: no folder has the set, or its files are damaged
    """
    folder = find(name)
    try:
        told = _entries((folder / f"{name}.info").read_text(encoding="utf-8", errors="replace"))
        members = [folder / f"{name}_{number:04d}.dat" for number in range(int(told["NumMembers"]))]
        return ErrorSet(
            name,
            int(told["SetIndex"]),
            told["ErrorType"],
            tuple(Partons(member, _strong({**told, **_head(member)}), member.stem) for member in members),
        )
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise StepError(f"the set of parton distributions {folder} is damaged: {error}") from error


def find(name: str) -> Path:
    """The folder of a set.

    :raises StepError: there is none
    """
    found = lhapdf_data.folder_of(name)
    if found is None:
        where = f"no folder of {lhapdf_data.SEARCHED} has the set of parton distributions {name}"
        raise StepError(f"{where}: {lhapdf_data.how_to_get(name)}")
    return found


def _strong(told: Mapping[str, str]) -> Strong:
    return Strong(float(told["AlphaS_MZ"]), min(int(told["AlphaS_OrderQCD"]) + 1, _MOST_LOOPS))


def _head(member: Path) -> dict[str, str]:
    """What a member says of itself, before the first line of dashes."""
    with member.open(encoding="utf-8", errors="replace") as lines:
        head = []
        for line in lines:
            if line.startswith("---"):
                break
            head.append(line)
    return _entries("".join(head))


def _entries(text: str) -> dict[str, str]:
    """The single values of LHAPDF's metadata.

    >>> _entries("ErrorType: hessian\\nNumMembers: 3\\n")
    {'ErrorType': 'hessian', 'NumMembers': '3'}
    """
    return {key: value.strip("\"'") for key, value in re.findall(r"^(\w+):[ \t]*(\S.*?)\s*$", text, re.MULTILINE)}
