"""The subprocesses of a process: the particles behind its labels, and which of them have equal matrix elements."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError
from mmc.jobs.matrix_elements import allowed as diagrams_allowed
from mmc.jobs.matrix_elements.allowed import Allowed
from mmc.jobs.matrix_elements.element import MatrixElement
from mmc.jobs.matrix_elements.model import Model, Point
from mmc.jobs.scattering.chains import Chain, Pdgs, chains
from mmc.jobs.scattering.diagrams import Vertices, diagrams
from mmc.jobs.scattering.phase_space import Channel

Floats = npt.NDArray[np.float64]

_SAME = 1e-9
"""The largest relative difference of equal matrix elements."""
_TEST_POINTS = 4


@dataclass(frozen=True)
class Subprocess:
    """Subprocesses with the same squared matrix element at all points of the parameters."""

    incoming: Pdgs
    outgoing: Pdgs
    allowed: Allowed
    """Its diagrams."""
    symmetry: float
    """1/n! for each n identical outgoing particles."""
    members: tuple[tuple[Pdgs, Pdgs], ...]
    """The incoming and outgoing particles of each; the first is that above."""

    def as_json(self) -> dict[str, Any]:
        """For files that jobs read."""
        members = [[list(side) for side in member] for member in self.members]
        return {"allowed": diagrams_allowed.as_json(self.allowed), "symmetry": self.symmetry, "members": members}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Subprocess":
        """The reverse of :meth:`as_json`."""
        members = tuple((tuple(incoming), tuple(outgoing)) for incoming, outgoing in entry["members"])
        return cls(*members[0], diagrams_allowed.from_json(entry["allowed"]), entry["symmetry"], members)


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
    :raises StepError: a particle is not in the model or not in the beam, an incoming particle has a mass, a decaying
        particle does not have a width, or no diagram has these orders
    """
    vertices = Vertices(model, points)
    found: list[Chain] = []
    for line in lines:
        found += [
            chain
            for chain in chains(line, definitions, vertices, model, beams)
            if chain not in found and diagrams(vertices, chain.incoming, chain.outgoing(), chain.allowed())
        ]
    if not found:
        limits = " and ".join(f"`{line}`" for line in lines)
        raise StepError(f"the model {model.name} does not have a tree diagram for {limits} at these orders")
    _require_no_mass(model, {pdg for chain in found for pdg in chain.incoming})
    return _grouped(model, found, points, energy)


def _require_no_mass(model: Model, incoming: Iterable[int]) -> None:
    for pdg in sorted(incoming):
        if model.mass(pdg) > 0.0:
            raise StepError(
                f"{model.particle(pdg).name} comes in with a mass of {model.mass(pdg):g} GeV in the model "
                f"{model.name}: take a restriction without it, set its mass to 0, or leave it out of the definition"
            )


@dataclass
class _Group:
    masses: tuple[float, ...]
    values: Floats
    allowed: Allowed
    symmetry: float
    members: list[tuple[Pdgs, Pdgs]]

    def has(self, masses: tuple[float, ...], values: Floats, allowed: Allowed, symmetry: float) -> bool:
        same = (self.masses, self.allowed, self.symmetry) == (masses, allowed, symmetry)
        return same and np.allclose(self.values, values, rtol=_SAME, atol=0.0)


def _grouped(model: Model, found: Sequence[Chain], points: Sequence[Point], energy: float) -> list[Subprocess]:
    """One entry for all processes with the same matrix element and masses; without those that vanish."""
    groups: list[_Group] = []
    momenta: dict[tuple[float, ...], Floats] = {}
    for chain in found:
        outgoing, allowed = chain.outgoing(), chain.allowed()
        masses = tuple(model.mass(pdg, points[0]) for pdg in outgoing)
        if masses not in momenta:
            if energy <= sum(masses):
                raise StepError(f"the beams do not have the energy for {sum(masses):g} GeV of masses")
            flat = Channel(masses, min(energy, 3.0 * sum(masses) + 500.0), hadrons=False)
            numbers = np.random.default_rng(1).random((_TEST_POINTS, flat.dimension))
            momenta[masses] = flat.points(numbers).momenta
        element = MatrixElement(model, chain.incoming, outgoing, allowed)
        values = np.stack([element.squared(momenta[masses], point) for point in points])
        if not values.any():
            continue
        same = next((group for group in groups if group.has(masses, values, allowed, chain.symmetry)), None)
        if same is None:
            groups.append(_Group(masses, values, allowed, chain.symmetry, [(chain.incoming, outgoing)]))
        else:
            same.members.append((chain.incoming, outgoing))
    if not groups:
        raise StepError("all subprocesses vanish at the benchmarks")
    return [Subprocess(*group.members[0], group.allowed, group.symmetry, tuple(group.members)) for group in groups]
