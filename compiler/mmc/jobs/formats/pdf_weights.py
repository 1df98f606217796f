"""The weights of the members of an LHAPDF set that an event file has, among all that it declares.

Programs put them into a group with the name of the set, into one for all sets, or, as some versions of MadGraph do with
the last weights of a group, outside of all groups. A member is the weight with its LHAPDF number at nominal scales.
"""

import re
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path
from statistics import NormalDist

from mmc.compiler.catalogue.parton_sets import MEMBERS, NUMBERS, ONE_SIGMA, Members, name_of
from mmc.errors import StepError
from mmc.jobs.formats import scale_weights
from mmc.jobs.formats.declared_weights import WeightGroup
from mmc.jobs.formats.les_houches_text import head, part
from mmc.reading import shown

_NUMBER = re.compile(r"#\s*(\d{1,9})", re.ASCII)
"""How MadGraph begins the text of a group: with the number of the set."""
_DIGITS = 10
_DECADE = 10
"""The numbers of central members are multiples of it."""
_FEWEST = 2
"""A set with eigenvectors has a central member and others."""
_NEAR = 10
"""A member that follows after fewer missing ones is of the same set: hardly a set begins so near to another."""
_SORT = re.compile(r"(?:hessian|symmhessian|replicas)(?:\+\w+)*", re.ASCII)
_HESSIAN = ("hessian", "symmhessian")
_AT_90 = "90cl"
"""In the name of a set with errors at a confidence level of 90 %, as in ``MSTW2008nlo90cl_nf3``."""
_MOSTLY_AT_90 = re.compile(r"CT\d\d|n?CTEQ|EPPS", re.IGNORECASE | re.ASCII)
"""How the names of sets begin whose errors mostly have this level: those of CTEQ, and of nuclei."""


@dataclass(frozen=True)
class Directions:
    """The weights of a Hessian set."""

    central: str | None
    """None for the nominal weight."""
    directions: Sequence[tuple[str, ...]]
    """The weights of each eigenvector in its two directions, or in one."""
    sigmas: float
    """How many standard deviations these members are away from the central one."""
    warning: str
    """Empty if the number is known."""


def choose(groups: Sequence[WeightGroup], wanted: str, name: str, path: Path) -> Directions:
    """The weights of the members of a set.

    LHAPDF's facts decide how the members of a known set combine, and not a file: POWHEG's and aMC@NLO's words there are
    written by hand, one for many sets.

    :param groups: all that the file declares
    :param wanted: the name or the number of the set
    :param name: the uncertainty, for messages
    :raises StepError: when members are missing, a member has several weights, the file does not say how the members of
        an unknown set combine, or the set has no eigenvectors
    """
    own = [group for group in groups if _names(wanted) & _names_of(group)]
    inside = _members(own)
    others = [group for group in groups if not (_is_set(group) or (inside and group.name))]
    found = _members(others) | inside
    first = _first(wanted, own) or _lowest(
        inside, _members(group for group in groups if not _is_set(group)), wanted, path
    )
    known = MEMBERS.get(name_of(first) or "")
    if known:
        _check_hessian(known.error_type, wanted, path)
    if first not in found:  # the nominal weight may be among those of the scales alone
        found |= {number: ids for number, ids in _members(groups).items() if number == first}
    if first and first not in found and _sets_of_beams(path) == {str(first)}:
        found[first] = []  # the nominal weight is that of the central member
    numbers = _numbers(first, known, found)
    if len(numbers) < _FEWEST or _is_cut(numbers, known, found, inside):
        told = f"for the PDF uncertainty {name} ({wanted})"
        raise StepError(f"{path.name} has {_lacking(groups, found, first, len(numbers), told)}")
    sort = known.error_type if known else _sort(own, wanted, path)
    _check_hessian(sort, wanted, path)
    directions = _directions(sort, len(numbers) - 1)
    if directions is None:
        raise StepError(
            f"{path.name} has {len(numbers)} members of the PDF set {wanted}, and a set of the type {sort} has a "
            "central member and pairs of others: write the weights of all members"
        )
    ids = {
        member: _only(found[number], f"member {number} of the PDF set {wanted}", path)
        for member, number in enumerate(numbers)
        if found[number]
    }
    names = (wanted, *(group.name for group in own))
    is_said = known is not None or any(_AT_90 in name.lower() for name in names)
    is_assumed = not is_said and any(map(_MOSTLY_AT_90.match, names))
    confidence = known.confidence if known else 90.0 if is_said or is_assumed else ONE_SIGMA
    warning = (
        f"the errors of the PDF set {wanted} in {path.name} are taken for those at a confidence level of 90 %, as of "
        "other sets of its kind: mmc does not know this set; check `ErrorConfLevel` in its file `.info`"
    )
    weights = [tuple(ids[member] for member in direction) for direction in directions]
    sigmas = 1.0 if confidence == ONE_SIGMA else _sigmas(confidence)
    return Directions(ids.get(0), weights, sigmas, warning if is_assumed else "")


def _sigmas(confidence: float) -> float:
    """The half width of a central interval of the normal distribution, in standard deviations.

    >>> round(_sigmas(90.0), 4)
    1.6449
    """
    return NormalDist().inv_cdf(0.5 + confidence / 200.0)


def _lacking(groups: Sequence[WeightGroup], found: Mapping[int, object], first: int, n_members: int, told: str) -> str:
    """What a file lacks, for a message.

    :param found: the members that may be those of the set
    :param first: the number of the central one; 0 if it is not known
    :param n_members: how many there are in a row
    """
    if not first and len(found) >= _FEWEST:
        return (
            f"no group {told}, and mmc does not know the number of this set: give it as `variation: NUMBER`; "
            f"{_listed(groups)}"
        )
    if n_members >= _FEWEST or first + 1 in found:
        return f"no weight of member {first + n_members} {told}; {_listed(groups)}"
    return (
        f"no weights {told}: MadGraph writes them where LHAPDF, its Python interface and that set are installed; "
        f"{_listed(groups)}"
    )


def _check_hessian(sort: str, wanted: str, path: Path) -> None:
    """:raises StepError: when a set of this type has no eigenvectors"""
    if not sort.startswith(_HESSIAN):
        raise StepError(
            f"the PDF set {wanted} has no eigenvectors for the uncertainties of {path.name}: its type is {sort}, and "
            "nuisance parameters need a Hessian set"
        )


def _numbers(first: int, known: Members | None, found: Container[int]) -> list[int]:
    """The numbers of the members that a file has in a row from the central one, up to the next known set."""
    others = set(NUMBERS.values()) - {first}
    numbers = range(first, first + known.number) if known else count(first)
    return list(takewhile(lambda number: number in found and number not in others, numbers))


def _is_cut(numbers: Sequence[int], known: Members | None, found: Container[int], inside: Iterable[int]) -> bool:
    """Whether members are missing: of an unknown set, where its groups have others or weights follow soon.

    :param numbers: those of the members in a row
    :param inside: those in the groups of the set
    """
    if known:
        return len(numbers) < known.number
    missing = numbers[-1] + 1
    near = takewhile(lambda number: number not in NUMBERS.values(), range(missing, missing + _NEAR))
    return not set(inside) <= set(numbers) or any(number in found for number in near)


def _names(name: str) -> set[str]:
    """The name of a set and its number, as far as it is known."""
    return {name, str(NUMBERS.get(name, name))}


def _names_of(group: WeightGroup) -> set[str]:
    """The same for the set of a group; the name alone if it is not that of a set."""
    return _names(group.name) | set(filter(None, [_number(group)]))


def _is_set(group: WeightGroup) -> bool:
    return group.name in NUMBERS or _number(group) is not None


def _first(wanted: str, own: Sequence[WeightGroup]) -> int:
    """The number of the central member, as the study, the catalogue or a group of the set tells it; 0 without any."""
    told = [wanted, str(NUMBERS.get(wanted, "")), *filter(None, map(_number, own))]
    return next((int(text) for text in told if text.isdecimal()), 0)


def _lowest(inside: Iterable[int], declared: Container[int], wanted: str, path: Path) -> int:
    """The number of the central member by those of others; 0 without any. It may be in the group of the scales alone.

    :param inside: the members in the groups of the set
    :param declared: those in all groups but those of other sets
    :raises StepError: when it is not a multiple of 10, at which the sets of LHAPDF begin that have other members
    """
    lowest = min(inside, default=0)
    first = lowest - 1 if lowest % _DECADE == 1 and lowest - 1 in declared else lowest
    if first % _DECADE:
        raise StepError(
            f"the number of the central member of the PDF set {wanted} is not known; the lowest in {path.name} is "
            f"{lowest}: give that of the set as `variation: NUMBER`"
        )
    return first


def _sets_of_beams(path: Path) -> set[str]:
    """The numbers of the sets with which events were generated, as ``<init>`` tells them for the two beams."""
    words = (part(head(path), "init") or "").split(maxsplit=8)
    return set(words[6:8])


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


def _sort(own: Sequence[WeightGroup], wanted: str, path: Path) -> str:
    """How the members of an unknown set combine, in LHAPDF's words, as MadGraph writes into the groups of the set.

    :param own: the groups that are named after the set; words of others are not about this set alone
    :raises StepError: when there is no such word
    """
    told = {group.attributes.get("combine", "").strip().lower() for group in own} - {""}
    sort = next(iter(told), "")
    if len(told) == 1 and _SORT.fullmatch(sort):
        return sort
    where = " or ".join(f"`combine={word!r}`" for word in sorted(told)) or "no group of weights with `combine` is its"
    raise StepError(
        f"{path.name} does not say how the members of the PDF set {wanted} combine ({where}): write hessian or "
        f"symmhessian, with +as for members with another α_s, into its group; if it has none, add "
        f"`<weightgroup name='{wanted}' combine='hessian'></weightgroup>` to <initrwgt>"
    )


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
