"""The subprocesses of a process: the particles behind its labels, and which of them have equal matrix elements."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from mmc.compiler.inputs import process_lines
from mmc.errors import StepError
from mmc.jobs.matrix_elements.element import MatrixElement
from mmc.jobs.matrix_elements.model import Model, Point
from mmc.jobs.scattering.diagrams import Diagram, Vertices, diagrams
from mmc.jobs.scattering.phase_space import Channel

Floats = npt.NDArray[np.float64]

_SAME = 1e-9
"""The largest relative difference of equal matrix elements."""
_TEST_POINTS = 4
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
Pdgs = tuple[int, ...]


@dataclass(frozen=True)
class Subprocess:
    """Subprocesses with the same squared matrix element at all points of the parameters."""

    incoming: Pdgs
    outgoing: Pdgs
    orders: Mapping[str, int]
    members: tuple[tuple[Pdgs, Pdgs], ...]
    """The incoming and outgoing particles of each; the first is that above."""

    @property
    def symmetry(self) -> float:
        """1/n! for each n identical outgoing particles."""
        return 1.0 / math.prod(math.factorial(n) for n in Counter(self.outgoing).values())


def subprocesses(
    lines: Sequence[str],
    definitions: Mapping[str, str],
    model: Model,
    points: Sequence[Point],
    *,
    energy: float,
    beams: Sequence[frozenset[int]],
) -> list[Subprocess]:
    """All subprocesses that do not vanish.

    :param points: parameter points; matrix elements that are the same at all of them are computed once
    :param energy: of the collision in GeV
    :param beams: the particles that each beam has
    :raises StepError: a particle is not in the model or not in the beam, an incoming particle has a mass, or no diagram
        has these orders
    """
    vertices = Vertices(model, points)
    found: dict[tuple[Pdgs, Pdgs], Mapping[str, int]] = {}
    for text in lines:
        line = process_lines.parse(text)
        _require_orders(model, line.orders)
        for incoming, outgoing in _combinations(line, definitions, model, beams):
            if (incoming, outgoing) in found or not _conserves_charge(incoming, outgoing):
                continue
            if drawn := diagrams(vertices, incoming, outgoing, line.orders):
                found[incoming, outgoing] = _tightened(line.orders, drawn, model)
    if not found:
        limits = " and ".join(f"`{line}`" for line in lines)
        raise StepError(f"the model {model.name} does not have a tree diagram for {limits} at these orders")
    _require_no_mass(model, {pdg for incoming, _ in found for pdg in incoming})
    return _grouped(model, found, points, energy)


def _tightened(orders: Mapping[str, int], drawn: Sequence[Diagram], model: Model) -> Mapping[str, int]:
    """The orders, with ``QCD=0`` if no diagram has a gluon: without colour, matrix elements take much less time."""
    if STRONG in model.ufo.orders and not any(dict(diagram.orders).get(STRONG, 0) for diagram in drawn):
        return {**orders, STRONG: 0}
    return orders


def _require_no_mass(model: Model, incoming: Iterable[int]) -> None:
    for pdg in sorted(incoming):
        if model.mass(pdg) > 0.0:
            raise StepError(
                f"{model.particle(pdg).name} comes in with a mass of {model.mass(pdg):g} GeV in the model "
                f"{model.name}: take a restriction without it, set its mass to 0, or leave it out of the definition"
            )


def _require_orders(model: Model, orders: Mapping[str, int]) -> None:
    unknown = sorted(set(orders) - set(model.ufo.orders))
    if unknown:
        known = ", ".join(model.ufo.orders)
        raise StepError(f"the model {model.name} does not have the order {unknown[0]}; it has {known}")


def _combinations(
    line: process_lines.ProcessLine, definitions: Mapping[str, str], model: Model, beams: Sequence[frozenset[int]]
) -> Iterator[tuple[Pdgs, Pdgs]]:
    def pdgs(label: str) -> tuple[int, ...]:
        try:
            names = process_lines.particles_of(label, definitions)
        except ValueError as error:
            raise StepError(str(error)) from error
        return tuple(model.particle(name).pdg for name in names)

    sides = [pdgs(label) for label in line.incoming]
    for side, beam, label in zip(sides, beams, line.incoming, strict=True):
        if not set(side) & beam:
            raise StepError(f"the beam does not have {label}: the beams of the study and the process do not agree")
    incoming = [tuple(pdg for pdg in side if pdg in beam) for side, beam in zip(sides, beams, strict=True)]
    outgoing = [pdgs(label) for label in line.outgoing]
    seen = set()
    for chosen in product(*incoming, *outgoing):
        final = chosen[2:]
        if (key := (chosen[:2], tuple(sorted(final)))) not in seen:
            seen.add(key)
            yield chosen[:2], final


def _conserves_charge(incoming: Pdgs, outgoing: Pdgs) -> bool:
    """Whether the electric charges agree; also if one of them is not known, as the diagrams decide anyway."""

    def charge(side: Pdgs) -> float:
        return sum(_THIRDS.get(abs(pdg), math.nan) * math.copysign(1, pdg) for pdg in side)

    difference = charge(incoming) - charge(outgoing)
    return math.isnan(difference) or difference == 0


def _grouped(
    model: Model, found: Mapping[tuple[Pdgs, Pdgs], Mapping[str, int]], points: Sequence[Point], energy: float
) -> list[Subprocess]:
    """One entry for all processes with the same matrix element and masses; without those that vanish."""
    groups: list[tuple[tuple[float, ...], Floats, Mapping[str, int], list[tuple[Pdgs, Pdgs]]]] = []
    momenta: dict[tuple[float, ...], Floats] = {}
    for (incoming, outgoing), orders in found.items():
        masses = tuple(model.mass(pdg, points[0]) for pdg in outgoing)
        if masses not in momenta:
            if energy <= sum(masses):
                raise StepError(f"the beams do not have the energy for {sum(masses):g} GeV of masses")
            flat = Channel(masses, min(energy, 3.0 * sum(masses) + 500.0), hadrons=False)
            numbers = np.random.default_rng(1).random((_TEST_POINTS, flat.dimension))
            momenta[masses] = flat.points(numbers).momenta
        element = MatrixElement(model, incoming, outgoing, orders)
        values = np.stack([element.squared(momenta[masses], point) for point in points])
        if not values.any():
            continue
        for other, seen, limits, members in groups:
            if other == masses and limits == orders and np.allclose(seen, values, rtol=_SAME, atol=0.0):
                members.append((incoming, outgoing))
                break
        else:
            groups.append((masses, values, orders, [(incoming, outgoing)]))
    if not groups:
        raise StepError("all subprocesses vanish at the benchmarks")
    return [Subprocess(*members[0], orders, tuple(members)) for _, _, orders, members in groups]
