"""The weights of the members of an LHAPDF set that an event file has, among all that it declares.

Programs put them into a group with the name of the set, into one for all sets, or, as some versions of MadGraph do with
the last weights of a group, outside of all groups. A member is the weight with its LHAPDF number at nominal scales.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path

from mmc.compiler.catalogue.parton_sets import NUMBERS
from mmc.errors import StepError
from mmc.jobs.formats import scale_weights
from mmc.jobs.formats.declared_weights import WeightGroup
from mmc.reading import shown

_NUMBER = re.compile(r"#\s*(\d{1,9})", re.ASCII)
"""How MadGraph begins the text of a group: with the number of the set."""
_DIGITS = 10
_FEWEST = 2
"""A set with eigenvectors has a central member and others."""


@dataclass(frozen=True)
class Directions:
    """The weights of a Hessian set."""

    central: str
    directions: Sequence[tuple[str, ...]]
    """The weights at ν = 1 and ν = -1 of each eigenvector, or at ν = 1 alone."""


def choose(groups: Sequence[WeightGroup], wanted: str, name: str, path: Path) -> Directions:
    """The weights of the members of a set.

    :param groups: all that the file declares
    :param wanted: the name or the number of the set
    :param name: the uncertainty, for messages
    :raises StepError: when members are missing, a member has several weights, or the set has no eigenvectors
    """
    own = [group for group in groups if _names(wanted) & _names_of(group)]
    inside = _members(own)
    others = [group for group in groups if not (_is_set(group) or (inside and group.name))]
    outside = _members(others)
    first = _first(wanted, own, inside)
    numbers = list(takewhile(lambda number: number in inside or number in outside, count(first)))
    if len(numbers) < _FEWEST or not inside.keys() <= set(numbers):
        lacks = f"weight of member {first + len(numbers)}" if inside or len(numbers) >= _FEWEST else "weights"
        raise StepError(
            f"{path.name} has no {lacks} for the PDF uncertainty {name} ({wanted}): MadGraph writes them where LHAPDF, "
            f"its Python interface and that set are installed; {_listed(groups)}"
        )
    ids = [
        _only(inside.get(number) or outside[number], f"member {number} of the PDF set {wanted}", path)
        for number in numbers
    ]
    sort = _sort([*own, *(group for group in others if set(ids) & {weight.get("id") for weight in group.weights})])
    directions = _directions(sort, len(ids) - 1)
    if directions is None:
        told = sort or "with no group that says how they combine"
        raise StepError(
            f"the PDF set {wanted} in {path.name} ({len(ids)} members, {told}) has no eigenvectors: nuisance "
            "parameters need a Hessian set"
        )
    return Directions(ids[0], [tuple(ids[member] for member in direction) for direction in directions])


def _names(name: str) -> set[str]:
    """The name of a set and its number, as far as it is known."""
    return {name, str(NUMBERS.get(name, name))}


def _names_of(group: WeightGroup) -> set[str]:
    """The same for the set of a group; the name alone if it is not that of a set."""
    return _names(group.name) | set(filter(None, [_number(group)]))


def _is_set(group: WeightGroup) -> bool:
    return group.name in NUMBERS or _number(group) is not None


def _first(wanted: str, own: Sequence[WeightGroup], members: Iterable[int]) -> int:
    """The number of the central member; 0 if it is not known."""
    told = [wanted, *filter(None, map(_number, own)), str(NUMBERS.get(wanted, ""))]
    return next((int(text) for text in told if text.isdecimal()), min(members, default=0))


def _number(group: WeightGroup) -> str | None:
    """The number of the set, in the text of its group."""
    found = _NUMBER.match(group.text)
    return found and found[1]


def _members(groups: Iterable[WeightGroup]) -> dict[int, list[str]]:
    """The weights at nominal scales by the LHAPDF number of their member."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for weight in (weight for group in groups for weight in group.weights):
        number = weight.get("pdf", "")
        if "id" in weight and number.isdecimal() and len(number) < _DIGITS and scale_weights.is_nominal(weight):
            found[int(number)].append(weight["id"])
    return dict(found)


def _only(ids: Sequence[str], what: str, path: Path) -> str:
    """:raises StepError: when there are several weights that are not the same in all events"""
    if not scale_weights.are_same(path, ids):
        raise StepError(
            f"{path.name} has several weights for {what}: {', '.join(map(shown, ids))}. Which of them goes with the "
            "others is not known: write one for each member"
        )
    return ids[0]


def _sort(groups: Iterable[WeightGroup]) -> str:
    """How the members of a set combine, in LHAPDF's words; empty if no group tells."""
    return next(filter(None, (group.attributes.get("combine", "").strip() for group in groups)), "")


def _listed(groups: Sequence[WeightGroup]) -> str:
    """The groups that a file declares, for messages."""
    names = [shown(group.name or group.text[:40] or "no name") for group in groups]
    return f"it declares the groups {', '.join(names)}" if names else "it declares no groups of weights"


def _directions(error_type: str, n_members: int) -> list[tuple[int, ...]] | None:
    """The members at ν = 1 and ν = -1 for each eigenvector, in LHAPDF's numbering; None for sets without eigenvectors.

    Each ``+as`` adds a pair of members at the end, with a smaller and a larger α_s.
    """
    sort, *more = error_type.split("+")
    n_vectors = n_members - 2 * len(more)
    tail: list[tuple[int, ...]] = [(first + 1, first) for first in range(n_vectors + 1, n_members, 2)]
    if sort == "symmhessian" and n_vectors > 0:
        return [*((member,) for member in range(1, n_vectors + 1)), *tail]
    if sort == "hessian" and n_vectors > 0 and n_vectors % 2 == 0:
        return [*((member, member + 1) for member in range(1, n_vectors, 2)), *tail]
    return None
