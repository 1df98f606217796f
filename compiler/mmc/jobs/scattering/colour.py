"""A colour flow of an event from one of its diagrams, at leading order in the number of colours."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

from mmc.errors import StepError
from mmc.jobs.matrix_elements.model import Model
from mmc.jobs.scattering.diagrams import Diagram, Line

Tags = tuple[int, int]
"""Numbers of colour and anticolour lines, as in the Les Houches accord; 0 without."""

_FIRST_TAG = 501
_COLOUR, _ANTICOLOUR = 0, 1
_End = tuple[frozenset[int], int]
"""The colour or anticolour of a line."""


def tags(diagram: Diagram, model: Model) -> Mapping[frozenset[int], Tags]:
    """Colour and anticolour of every line of a diagram, by the legs behind it.

    At a vertex, colour goes from a quark through the gluons to the other quark, or around a ring of gluons. A leg that
    comes in has the tags of the particle that comes in.

    :raises StepError: a vertex has three quarks, or a particle that is none of singlet, triplet and octet
    """
    reps = {line.legs: model.particle(line.pdg).color for line in (diagram.first, *_behind(diagram.first))}
    incoming = diagram.first.legs
    reps[incoming] = _conjugate(reps[incoming])  # the first line is drawn as an outgoing antiparticle
    joined: dict[_End, _End] = {}

    def root(end: _End) -> _End:
        while end in joined:
            end = joined[end]
        return end

    for line in (diagram.first, *_behind(diagram.first)):
        if not line.branches:
            continue
        outward = [(branch.legs, reps[branch.legs], False) for branch in line.branches]
        outward.append((line.legs, _conjugate(reps[line.legs]), True))  # seen from the vertex, it goes out reversed
        for one, other in _connections(outward):
            ends = root(one), root(other)
            if ends[0] != ends[1]:
                joined[ends[0]] = ends[1]
    numbers: dict[_End, int] = {}

    def tag(legs: frozenset[int], kind: int) -> int:
        has = reps[legs] in ((3, 8) if kind == _COLOUR else (-3, 8))
        return numbers.setdefault(root((legs, kind)), _FIRST_TAG + len(numbers)) if has else 0

    found = {legs: (tag(legs, _COLOUR), tag(legs, _ANTICOLOUR)) for legs in reps}
    second = frozenset({1})
    return {**found, second: (found[second][1], found[second][0])}  # drawn as an outgoing antiparticle


def _behind(line: Line) -> Iterator[Line]:
    for branch in line.branches:
        yield branch
        yield from _behind(branch)


def _conjugate(rep: int) -> int:
    return -rep if abs(rep) == 3 else rep


def _connections(outward: list[tuple[frozenset[int], int, bool]]) -> Iterator[tuple[_End, _End]]:
    """The pairs of colours and anticolours that a vertex joins.

    :param outward: for each line of the vertex its legs, its representation, and whether it is drawn towards the vertex
    """
    strange = [rep for _, rep, _ in outward if rep not in (1, 3, -3, 8)]
    triplets = [_ends(*line) for line in outward if line[1] == 3]
    antitriplets = [_ends(*line) for line in outward if line[1] == -3]
    octets = [_ends(*line) for line in outward if line[1] == 8]
    if strange or len(triplets) != len(antitriplets):
        raise StepError(
            "the colour of this process is not supported: a vertex has other colours than quark and antiquark"
        )
    if not triplets:
        for one, other in zip(octets, octets[1:] + octets[:1], strict=True):
            yield one[_ANTICOLOUR], other[_COLOUR]
        return
    chain = [antitriplets[0], *octets, triplets[0]]
    for one, other in pairwise(chain):
        yield one[_ANTICOLOUR], other[_COLOUR]
    for one, other in zip(antitriplets[1:], triplets[1:], strict=True):
        yield one[_ANTICOLOUR], other[_COLOUR]


def _ends(legs: frozenset[int], _rep: int, reversed_: bool) -> tuple[_End, _End]:
    """Where the colour and the anticolour of a line are that goes out of a vertex."""
    ends = (legs, _COLOUR), (legs, _ANTICOLOUR)
    return (ends[1], ends[0]) if reversed_ else ends
