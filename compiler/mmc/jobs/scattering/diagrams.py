"""Tree diagrams of a process from the vertices of a model.

The diagrams tell which orders a process has, where it has propagators, and how colour flows. The squared matrix element
does not come from them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

from mmc.errors import StepError
from mmc.jobs.matrix_elements.allowed import Allowed
from mmc.jobs.matrix_elements.model import Model, Point

Orders = tuple[tuple[str, int], ...]
"""Powers of coupling orders in a diagram, sorted by name."""

WEIGHTED = "WEIGHTED"
"""MadGraph's order for the sum of all powers, each times the weight that the model gives to the order."""
_MOST = 20_000
"""The largest number of diagrams of one process."""


@dataclass(frozen=True)
class Line:
    """A line of a diagram, with everything that it ends in.

    All particles are outgoing here: an incoming particle counts as its outgoing antiparticle.
    """

    legs: frozenset[int]
    """The external legs behind this line; incoming legs are 0 and 1."""
    pdg: int
    """The particle that flows towards these legs."""
    branches: tuple["Line", ...] = ()
    """What the line splits into; an external leg does not."""

    def inner(self) -> Iterator["Line"]:
        """All internal lines from here on, this one included."""
        if self.branches:
            yield self
            for branch in self.branches:
                yield from branch.inner()


@dataclass(frozen=True)
class Diagram:
    """A tree diagram, drawn from the first incoming leg."""

    first: Line
    """The first incoming leg: its branches are those of the vertex where it ends."""
    orders: Orders

    def propagators(self) -> list[Line]:
        """The internal lines."""
        return [line for branch in self.first.branches for line in branch.inner()]

    def is_cubic(self) -> bool:
        """Whether three lines meet in each vertex."""
        return all(len(line.branches) == 2 for line in (self.first, *self.propagators()))


class Vertices:
    """The vertices of a model that do not vanish at some of the points."""

    orders: frozenset[str]
    """The coupling orders that they have."""
    weights: frozenset[int]
    """The values of :data:`WEIGHTED` that they have."""

    def __init__(self, model: Model, points: Sequence[Point]) -> None:
        self.reference = points[0]
        self._model = model
        ufo, weights = model.ufo, model.hierarchy
        alive: set[str] = set()
        for point in points:
            alive |= {name for name, value in model.evaluated(point)[1].items() if value != 0}
        by_name = {particle.py_name: particle for particle in ufo.particles}
        orders = {coupling.name: _with_weight(coupling.order, weights) for coupling in ufo.couplings}
        self._merging: dict[tuple[int, ...], dict[int, set[Orders]]] = {}
        for vertex in ufo.vertices:
            powers = {orders[name] for name in vertex.couplings.values() if name in alive}
            legs = [by_name[name] for name in vertex.particles]
            if powers and all(leg.spin > 0 and not leg.goldstone for leg in legs):
                self._add([leg.pdg for leg in legs], powers)
        present = [dict(some) for split in self._merging.values() for powers in split.values() for some in powers]
        self.orders = frozenset(name for some in present for name in some) - {WEIGHTED}
        self.weights = frozenset(some[WEIGHTED] for some in present)

    def _add(self, pdgs: list[int], powers: set[Orders]) -> None:
        for at in range(len(pdgs)):
            rest = tuple(sorted(pdgs[:at] + pdgs[at + 1 :]))
            self._merging.setdefault(rest, {}).setdefault(self.anti(pdgs[at]), set()).update(powers)

    def anti(self, pdg: int) -> int:
        """The antiparticle."""
        return pdg if self._model.particle(pdg).self_conjugate else -pdg

    def merged(self, lines: Sequence[Line]) -> Mapping[int, set[Orders]]:
        """The particles that may split into these lines, each with the possible orders of the vertex."""
        return self.joined(line.pdg for line in lines)

    def joined(self, pdgs: Iterable[int]) -> Mapping[int, set[Orders]]:
        """The particles that may split into these, each with the possible orders of the vertex."""
        return self._merging.get(tuple(sorted(pdgs)), {})

    def pairs(self, pdg: int) -> list[tuple[int, ...]]:
        """The pairs of particles that one may split into, whatever the masses."""
        return sorted(parts for parts, whole in self._merging.items() if len(parts) == 2 and pdg in whole)


def diagrams(vertices: Vertices, incoming: Sequence[int], outgoing: Sequence[int], allowed: Allowed) -> list[Diagram]:
    """All tree diagrams that are allowed; none if the process does not have any. Their orders are those of the core.

    :param incoming: two particles, or one that decays
    :param allowed: limits of orders may also be for :data:`WEIGHTED`
    :raises StepError: there are too many
    """
    pdgs = {leg: vertices.anti(pdg) for leg, pdg in enumerate(incoming)}
    pdgs |= dict(enumerate(outgoing, 2))
    everything = frozenset(pdgs) - {0}

    @cache
    def lines(legs: frozenset[int]) -> list[tuple[Line, Orders]]:
        if len(legs) == 1:
            (leg,) = legs
            return [(Line(legs, pdgs[leg]), ())]
        part, ends = allowed.around(legs), allowed.decay(legs) is not None
        if part is None:
            return []
        found = [
            (Line(legs, pdg, branches), () if ends else orders)
            for branches, before in _splittings(legs, lines)
            if allowed.joins(legs, (branch.legs for branch in branches))
            for pdg, powers in vertices.merged(branches).items()
            if legs == everything or allowed.has(legs, pdg)
            for vertex in powers
            if _within(orders := _sum(before, vertex), part.orders)
        ]
        if len(found) > _MOST:
            raise StepError("the process has too many diagrams: limit its orders, or write fewer particles")
        return list(dict.fromkeys(found))

    first = vertices.anti(pdgs[0])
    return [
        Diagram(Line(frozenset({0}), pdgs[0], line.branches), orders)
        for line, orders in lines(everything)
        if line.pdg == first
    ]


def _splittings(legs: frozenset[int], lines) -> Iterator[tuple[tuple[Line, ...], Orders]]:  # type: ignore[no-untyped-def]
    """All ways to split legs into two or three lines, with the orders of what is behind them."""
    for parts in _partitions(tuple(sorted(legs))):
        for chosen in product(*(lines(frozenset(part)) for part in parts)):
            orders: Orders = ()
            for _, behind in chosen:
                orders = _sum(orders, behind)
            yield tuple(line for line, _ in chosen), orders


@cache
def _partitions(legs: tuple[int, ...]) -> list[tuple[tuple[int, ...], ...]]:
    """The partitions of legs into two or three sets."""
    found = set()
    for places in product(range(3), repeat=len(legs)):
        sets = [tuple(leg for leg, place in zip(legs, places, strict=True) if place == k) for k in range(3)]
        parts = tuple(sorted(part for part in sets if part))
        if len(parts) >= 2:
            found.add(parts)
    return sorted(found)


def _sum(left: Orders, right: Orders) -> Orders:
    total = dict(left)
    for name, power in right:
        total[name] = total.get(name, 0) + power
    return tuple(sorted(total.items()))


def _with_weight(powers: Mapping[str, int], weights: Mapping[str, int]) -> Orders:
    weight = sum(weights.get(name, 1) * power for name, power in powers.items())
    return tuple(sorted({**powers, WEIGHTED: weight}.items()))


def _within(orders: Orders, limits: Mapping[str, int]) -> bool:
    return all(power <= limits.get(name, power) for name, power in orders)
