"""The final states of a process with its decays, and the limits of each part."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations, product
from types import MappingProxyType

from mmc.compiler.inputs import process_lines
from mmc.compiler.inputs.process_lines import ProcessLine
from mmc.errors import StepError
from mmc.jobs.matrix_elements.allowed import Allowed, Decay, Part
from mmc.jobs.matrix_elements.model import Model
from mmc.jobs.scattering.diagrams import WEIGHTED, Diagram, Vertices, diagrams

Pdgs = tuple[int, ...]
STRONG = "QCD"
"""The coupling order of the strong interaction."""
_THIRDS: Mapping[int, int] = MappingProxyType(
    {
        **dict.fromkeys((1, 3, 5), -1),
        **dict.fromkeys((2, 4, 6), 2),
        **dict.fromkeys((11, 13, 15), -3),
        **dict.fromkeys((12, 14, 16, 21, 22, 23, 25), 0),
        24: 3,
    }
)
"""Electric charges in thirds of the positron's."""


@dataclass(frozen=True)
class Branch:
    """An outgoing particle of a process or of a decay, with its own decay."""

    pdg: int
    part: Part = field(default_factory=Part)
    products: tuple["Branch", ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for particles that are the same, with the same decays."""
        return self.pdg, tuple(sorted(branch.key for branch in self.products))


@dataclass(frozen=True)
class Chain:
    """A process with its decays, between particles."""

    incoming: Pdgs
    branches: tuple[Branch, ...]
    core: Part
    number: int

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for chains with the same particles, also in another order."""
        return self.number, self.incoming, tuple(sorted(branch.key for branch in self.branches))

    @property
    def symmetry(self) -> float:
        """1/n! for each n equal outgoing particles. As in MadGraph, products of different decays do not count."""
        return _symmetry(self.branches)

    def outgoing(self) -> Pdgs:
        """The final state, with the products of a decay in place of the particle."""
        return tuple(_ends(self.branches))

    def allowed(self) -> Allowed:
        """The diagrams of the whole chain."""
        decays: list[Decay] = []
        _number(self.branches, 2, decays)
        return Allowed(self.core, tuple(decays))


def symmetry_of(particles: Iterable[object]) -> float:
    """1/n! for each n equal particles."""
    return 1.0 / math.prod(math.factorial(n) for n in Counter(particles).values())


def _symmetry(branches: Sequence[Branch]) -> float:
    return symmetry_of(branch.key for branch in branches) * math.prod(_symmetry(branch.products) for branch in branches)


def _ends(branches: Iterable[Branch]) -> Iterator[int]:
    for branch in branches:
        if branch.products:
            yield from _ends(branch.products)
        else:
            yield branch.pdg


def _number(branches: Iterable[Branch], leg: int, decays: list[Decay]) -> int:
    """Add the decays of particles whose first leg has this number; return the number of the next leg."""
    for branch in branches:
        if branch.products:
            end = _number(branch.products, leg, decays)
            decays.append(Decay(branch.pdg, frozenset(range(leg, end)), branch.part))
            leg = end
        else:
            leg += 1
    return leg


def chains(
    text: str, definitions: Mapping[str, str], vertices: Vertices, model: Model, beams: Sequence[frozenset[int]]
) -> list[Chain]:
    """The chains of a process line that have diagrams.

    :param beams: the particles that each beam has
    :raises StepError: a particle is not in the model or not in the beam, a decaying particle does not have a width, or
        a decay does not have a diagram
    """
    try:
        line = process_lines.parse(text)
        process_lines.require(line, definitions)
    except ValueError as error:
        raise StepError(str(error)) from error
    return _Chains(definitions, vertices, model).of(line, beams)


@dataclass(frozen=True)
class _Chains:
    definitions: Mapping[str, str]
    vertices: Vertices
    model: Model

    def of(self, line: ProcessLine, beams: Sequence[frozenset[int]]) -> list[Chain]:
        sides = [self.pdgs(label) for label in line.incoming]
        for side, beam, label in zip(sides, beams, line.incoming, strict=True):
            if not set(side) & beam:
                raise StepError(f"the beam does not have {label}: the beams of the study and the process do not agree")
        incoming = [tuple(pdg for pdg in side if pdg in beam) for side, beam in zip(sides, beams, strict=True)]
        decays = [self.decays(decay) for decay in line.decays]
        found: dict[tuple[object, ...], Chain] = {}
        for (coming, going), part in self.parts(line, product(*incoming)).items():
            for branches in _assigned(going, decays):
                chain = Chain(coming, branches, part, line.number)
                found.setdefault(chain.key, chain)
        return list(found.values())

    def decays(self, line: ProcessLine) -> dict[int, list[Branch]]:
        """The decays of each particle that this line describes.

        :raises StepError: there is none, or the particle does not have a width, or is too light
        """
        further = [self.decays(decay) for decay in line.decays]
        (label,) = line.incoming
        parents = self.pdgs(label)
        for pdg in parents:
            if not self.model.width(pdg, self.vertices.reference) > 0.0:
                name = self.model.particle(pdg).name
                raise StepError(
                    f"{name} decays, but its width is 0 in the model {self.model.name}: set `decay {abs(pdg)}` in "
                    "`param_card`"
                )
        found: dict[int, dict[tuple[object, ...], Branch]] = {}
        described = f"{label} > {' '.join(line.outgoing)}"
        possible = self.parts(line, ((pdg,) for pdg in parents))
        if not possible:
            raise StepError(f"the model {self.model.name} does not have the decay `{described}` at these orders")
        for ((pdg,), going), part in possible.items():
            if self.model.mass(pdg) <= sum(self.model.mass(product) for product in going):
                continue
            for branches in _assigned(going, further):
                branch = Branch(pdg, part, branches)
                found.setdefault(pdg, {}).setdefault(branch.key, branch)
        if not found:
            raise StepError(
                f"`{described}`: {label} is lighter than its decay products, so it does not decay on its mass shell: "
                "write the final products, as in `h > mu+ vm mu- vm~`"
            )
        return {pdg: list(branches.values()) for pdg, branches in found.items()}

    def parts(self, line: ProcessLine, incoming: Iterable[Pdgs]) -> dict[tuple[Pdgs, Pdgs], Part]:
        """The limits of a line without its decays, by incoming and outgoing particles that have diagrams.

        As in MadGraph, a line without orders has the smallest WEIGHTED at which some of them have diagrams.
        """
        _require_orders(self.model, line.orders)
        limits = {
            **line.orders,
            **{name: min(most, line.orders.get(name, most)) for name, most in self.model.expansion.items()},
        }
        part = Part(
            limits,
            frozenset(abs(pdg) for label in line.without for pdg in self.pdgs(label)),
            frozenset(pdg for label in line.without_s for pdg in self.pdgs(label)),
            frozenset(pdg for label in line.off_shell for pdg in self.pdgs(label)),
        )
        sides = [
            (coming, going)
            for coming in incoming
            for going in _unordered(product(*(self.pdgs(label) for label in line.outgoing)))
            if _conserves_charge(coming, going)
        ]
        weights: list[int | None] = [None]
        if not line.orders:
            n_vertices = len(line.incoming) + len(line.outgoing) - 2
            weights = list(_sums(self.vertices.weights, n_vertices))
        for weight in weights:
            some = part if weight is None else replace(part, orders={**limits, WEIGHTED: weight})
            drawn = {side: diagrams(self.vertices, *side, Allowed(some)) for side in sides}
            if any(drawn.values()):
                return {side: self.named(side, some, every) for side, every in drawn.items() if every}
        return {}

    def named(self, side: tuple[Pdgs, Pdgs], part: Part, drawn: Sequence[Diagram]) -> Part:
        """The limits without WEIGHTED, and with ``QCD=0`` if no diagram has a gluon: that takes much less time.

        :raises StepError: limits of the orders cannot say the same as WEIGHTED
        """
        largest = {name: max(dict(one.orders).get(name, 0) for one in drawn) for name in sorted(self.vertices.orders)}
        if WEIGHTED not in part.orders:
            without_gluons = {STRONG: 0} if STRONG in self.model.ufo.orders and not largest.get(STRONG) else {}
            return replace(part, orders={**part.orders, **without_gluons})
        named = replace(part, orders=largest)
        if len(diagrams(self.vertices, *side, Allowed(named))) != len(drawn):
            raise StepError(
                f"the diagrams with WEIGHTED={part.orders[WEIGHTED]}, MadGraph's default, cannot be selected by limits "
                f"of {', '.join(sorted(largest))}: name the orders of the process"
            )
        return named

    def pdgs(self, label: str) -> Pdgs:
        return tuple(self.model.particle(name).pdg for name in process_lines.particles_of(label, self.definitions))


def _require_orders(model: Model, orders: Mapping[str, int]) -> None:
    unknown = sorted(set(orders) - set(model.ufo.orders) - {WEIGHTED})
    if unknown:
        known = ", ".join(model.ufo.orders)
        raise StepError(f"the model {model.name} does not have the order {unknown[0]}; it has {known}")


def _unordered(finals: Iterable[Pdgs]) -> Iterator[Pdgs]:
    """One order of each final state."""
    seen = set()
    for final in finals:
        if (key := tuple(sorted(final))) not in seen:
            seen.add(key)
            yield final


def _sums(weights: Iterable[int], n_vertices: int) -> list[int]:
    """All sums of up to so many weights."""
    sums = {0}
    for _ in range(n_vertices):
        sums |= {one + other for one in sums for other in weights}
    return sorted(sums)


def _assigned(pdgs: Pdgs, decays: Sequence[Mapping[int, list[Branch]]]) -> Iterator[tuple[Branch, ...]]:
    """All ways in which particles decay. As in MadGraph: if there is a decay for each particle that may decay, each is
    used once; else each of these particles has all decays that fit.
    """
    places = [place for place, pdg in enumerate(pdgs) if any(pdg in decay for decay in decays)]
    choices: list[list[Sequence[Branch]]] = []
    if len(places) == len(decays):
        choices = [
            [decay[pdgs[place]] for place, decay in zip(places, order, strict=True)]
            for order in permutations(decays)
            if all(pdgs[place] in decay for place, decay in zip(places, order, strict=True))
        ]
    if not choices:
        choices = [[[one for decay in decays for one in decay.get(pdgs[place], ())] for place in places]]
    for choice in choices:
        for chosen in product(*choice):
            at = dict(zip(places, chosen, strict=True))
            yield tuple(at.get(place, Branch(pdg)) for place, pdg in enumerate(pdgs))


def _conserves_charge(incoming: Pdgs, outgoing: Pdgs) -> bool:
    """Whether the electric charges agree; also if one of them is not known, as the diagrams decide anyway."""

    def charge(side: Pdgs) -> float:
        return sum(_THIRDS.get(abs(pdg), math.nan) * math.copysign(1, pdg) for pdg in side)

    difference = charge(incoming) - charge(outgoing)
    return math.isnan(difference) or difference == 0
