"""Total widths at tree level from the vertices of a model: decays to two particles, and through one that is virtual."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError
from mmc.jobs.matrix_elements.allowed import Allowed, Part
from mmc.jobs.matrix_elements.element import MatrixElement
from mmc.jobs.matrix_elements.model import Model, Point
from mmc.jobs.scattering.chains import Pdgs, symmetry_of
from mmc.jobs.scattering.diagrams import Vertices

Floats = npt.NDArray[np.float64]

_MASSIVE = Allowed(Part(without=frozenset({21, 22})))
"""Without virtual photons and gluons: those belong to corrections of decays to two particles."""
_NODES = 32
"""Of Gauss and Legendre's rule, in each variable of decays to three particles."""


def total(model: Model, pdg: int, point: Point) -> float:
    """The width of a particle in GeV.

    As MadGraph's ``auto``: all decays to two particles, and those to three in which a heavier particle is virtual, such
    as h > w+ e- ve~ below the threshold of W pairs.

    :raises StepError: in a decay to three particles, another one may be on its mass shell
    """
    found = _Decays(model, point)
    return sum(found.partial(pdg, products) for products in (*found.to_two(pdg), *found.to_three(pdg)))


class _Decays:
    def __init__(self, model: Model, point: Point) -> None:
        self._model = model
        self._point = {**point, **model.without_widths()}
        self._vertices = Vertices(model, [self._point])

    def to_two(self, pdg: int) -> list[Pdgs]:
        """The pairs that a particle decays to."""
        return [pair for pair in self._vertices.pairs(pdg) if self._room(pdg, pair) > 0.0]

    def to_three(self, pdg: int) -> list[Pdgs]:
        """The final states of three particles to which a particle decays through one that is too heavy to be made.

        :raises StepError: one may be on its mass shell, too
        """
        found = list({tuple(sorted(products)): products for products in self._through_heavy(pdg)}.values())
        two = {frozenset(pair) for pair in self.to_two(pdg)}
        for products in found:
            for place, single in enumerate(products):
                others = products[:place] + products[place + 1 :]
                if any(frozenset({single, middle}) in two for middle in self._merging(others)):
                    raise StepError(
                        f"`decay {abs(pdg)}: auto`: {self._name(pdg)} > {' '.join(map(self._name, products))} has "
                        "resonances on and off their mass shells: write the width as a number"
                    )
        return found

    def partial(self, pdg: int, products: Pdgs) -> float:
        """The partial width in GeV."""
        mass, masses = self._mass(pdg), [self._mass(one) for one in products]
        allowed = Allowed() if len(products) == 2 else _MASSIVE
        element = MatrixElement(self._model, (pdg,), products, allowed)
        momenta, volumes = _two(mass, *masses) if len(products) == 2 else _three(mass, *masses)
        squared = element.squared(momenta, self._point)
        return float(volumes @ squared) * symmetry_of(products) / (2.0 * mass)

    def _through_heavy(self, pdg: int) -> Iterator[Pdgs]:
        for pair in self._vertices.pairs(pdg):
            for real, virtual in (pair, pair[::-1]):
                if self._room(pdg, pair) <= 0.0 and 0.0 < self._mass(pdg) - self._mass(real) < self._mass(virtual):
                    for ends in self._vertices.pairs(virtual):
                        if self._room(pdg, (real, *ends)) > 0.0 and self._room(virtual, ends) > 0.0:
                            yield real, *ends

    def _merging(self, pair: Pdgs) -> Iterable[int]:
        """The particles that decay to this pair on their mass shell."""
        return (pdg for pdg in self._vertices.joined(pair) if self._room(pdg, pair) > 0.0)

    def _room(self, pdg: int, products: Iterable[int]) -> float:
        return self._mass(pdg) - sum(map(self._mass, products))

    def _mass(self, pdg: int) -> float:
        return abs(self._model.mass(pdg, self._point))

    def _name(self, pdg: int) -> str:
        return str(self._model.particle(pdg).name)


def _two(mass: float, first: float, second: float) -> tuple[Floats, Floats]:
    """A decay to two particles in the frame of the particle: momenta (1, 3, 4), and the volume of phase space (1,)."""
    p = _momentum(mass, first, second)
    momenta = [(mass, 0, 0, 0), (np.hypot(first, p), 0, 0, p), (np.hypot(second, p), 0, 0, -p)]
    return np.array([momenta]), np.array([p / (4.0 * np.pi * mass)])


def _three(mass: float, *masses: float) -> tuple[Floats, Floats]:
    """Decays to three particles: the mass q of the last two and the angle θ between them and the first.

    :returns: momenta (points, 4, 4), and the volume of phase space of each point, (points,)
    """
    first, second, third = masses
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    low, high = second + third, mass - first
    angle = np.pi * (nodes + 1) / 4  # q = low + (high - low) sin²: smooth at both ends, where momenta are square roots
    lengths = weights * np.pi / 4 * (high - low) * np.sin(2 * angle)
    q, cosine = (grid.ravel() for grid in np.meshgrid(low + (high - low) * np.sin(angle) ** 2, nodes))
    weight_of_q, weight_of_cosine = (grid.ravel() for grid in np.meshgrid(lengths, weights / 2))
    alone, pair = _momentum(mass, first, q), _momentum(q, second, third)
    zero, along, across = np.zeros_like(q), pair * cosine, pair * np.sqrt(1 - cosine**2)
    gamma, boost = np.hypot(q, alone) / q, alone / q
    energies = np.hypot(second, pair), np.hypot(third, pair)
    momenta = [
        np.stack([np.full_like(q, mass), zero, zero, zero], axis=1),
        np.stack([np.hypot(first, alone), zero, zero, -alone], axis=1),
        *(
            np.stack([gamma * e + boost * s * along, s * across, zero, gamma * s * along + boost * e], axis=1)
            for e, s in zip(energies, (1.0, -1.0), strict=True)
        ),
    ]
    volume = alone / (4 * np.pi * mass) * pair / (4 * np.pi * q) * q / np.pi  # dq² / 2π = q dq / π
    return np.stack(momenta, axis=1), volume * weight_of_q * weight_of_cosine


def _momentum(mass: Floats | float, first: float, second: Floats | float) -> Floats:
    """The momentum of two particles of these masses in the frame of a third."""
    squared = (mass**2 - (first + second) ** 2) * (mass**2 - (first - second) ** 2)
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)) / (2.0 * np.asarray(mass)))
