"""Phase space with a map for the propagators of each diagram. MadSpace makes the maps (arXiv:2602.06895).

Each channel has the propagators of one diagram, and samples the part α_i of the integrand, where α_i is in proportion
to the product of its propagators squared and Σ_i α_i = 1 (Maltoni and Stelzer, hep-ph/0208156).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mmc.jobs.matrix_elements.model import Model, Point
from mmc.jobs.scattering.diagrams import Diagram, Line

Floats = npt.NDArray[np.float64]

_FLOOR = 1e-6
"""In GeV²: the smallest denominator of a propagator without width, squared."""


class Points(NamedTuple):
    """Points of phase space."""

    momenta: Floats
    """(points, legs, 4): E, px, py, pz in GeV in the laboratory; the beams first."""
    x: Floats
    """(points, 2): the fractions of the beams' momenta that the partons have."""
    volume: Floats
    """(points,): the volume dΦ dx₁ dx₂ for each point; 0 for a point outside of phase space."""


@dataclass(frozen=True)
class Propagator:
    """A propagator of a channel."""

    legs: tuple[int, ...]
    """The legs behind it, without the first incoming one."""
    mass: float
    width: float

    def squared(self, momenta: Floats) -> Floats:
        """1/((p² - M²)² + M²Γ²), (points,); without the width if p is space-like."""
        signs = np.array([-1.0 if leg < 2 else 1.0 for leg in self.legs])
        p = (signs[:, None] * momenta[:, list(self.legs)]).sum(axis=1)
        s = p[:, 0] ** 2 - (p[:, 1:] ** 2).sum(axis=1)
        width = np.where(s > 0.0, (self.mass * self.width) ** 2, 0.0)
        return np.asarray(1.0 / np.maximum((s - self.mass**2) ** 2 + width, _FLOOR))


class Channel:
    """The map of one diagram, or of flat phase space.

    :param masses: of the outgoing particles in GeV
    :param energy: of the whole collision in GeV
    :param hadrons: whether the colliding particles are partons, whose momenta are to be integrated over
    :param diagram: None for flat phase space
    """

    def __init__(
        self, masses: Sequence[float], energy: float, *, hadrons: bool, diagram: tuple[Diagram, "Masses"] | None = None
    ) -> None:
        import madspace  # 40 MB, only for jobs that sample

        self.propagators: tuple[Propagator, ...] = ()
        if diagram is None:
            self._mapping = madspace.PhaseSpaceMapping([0.0, 0.0, *masses], energy, leptonic=not hadrons)
        else:
            drawn, of = diagram
            self.propagators = of.propagators(drawn)
            vertices, lines = _vertices(drawn, len(masses))
            topology = madspace.Topology(
                madspace.Diagram(
                    [0.0, 0.0],
                    list(masses),
                    [madspace.Propagator(*of.of(line)) for line in lines],
                    [[madspace.LineRef(name) for name in vertex] for vertex in vertices],
                )
            )
            self._mapping = madspace.PhaseSpaceMapping(topology, energy, leptonic=not hadrons)
        self.dimension: int = self._mapping.random_dim()

    def points(self, numbers: Floats) -> Points:
        """Points of phase space from points of the unit cube, (points, dimension)."""
        made = self._mapping.map_forward([np.ascontiguousarray(numbers)])
        momenta, x1, x2, volume = (np.array(part) for part in made)
        good = np.isfinite(momenta).all(axis=(1, 2)) & np.isfinite(volume) & (volume > 0)
        x = np.stack([x1, x2], axis=1)
        good &= ((x > 0) & (x <= 1)).all(axis=1)
        return Points(
            np.where(good[:, None, None], momenta, 1.0), np.where(good[:, None], x, 0.5), np.where(good, volume, 0.0)
        )

    def log_propagators(self, momenta: Floats) -> Floats:
        """The logarithm of the product of all propagators squared, (points,)."""
        logarithm = np.zeros(len(momenta))
        for propagator in self.propagators:
            logarithm += np.log(propagator.squared(momenta))
        return logarithm


@dataclass(frozen=True)
class Masses:
    """The masses and widths of particles at one point of the parameters."""

    model: Model
    point: Point

    def of(self, line: Line) -> tuple[float, float]:
        """Mass and width of the particle of a line in GeV."""
        return self.model.mass(line.pdg, self.point), self.model.width(line.pdg, self.point)

    def propagators(self, diagram: Diagram) -> tuple[Propagator, ...]:
        """The propagators of a diagram."""
        found = (Propagator(tuple(sorted(line.legs)), *self.of(line)) for line in diagram.propagators())
        return tuple(sorted(found, key=lambda p: (p.legs, p.mass)))


def channels(
    diagrams: Sequence[Diagram], masses: Masses, outgoing: Sequence[float], energy: float, *, hadrons: bool
) -> list[Channel]:
    """A channel for each set of propagators of these diagrams; flat phase space if all have vertices of four lines."""
    different = {masses.propagators(diagram): diagram for diagram in diagrams if diagram.is_cubic()}
    found = [Channel(outgoing, energy, hadrons=hadrons, diagram=(one, masses)) for one in different.values()]
    return found or [Channel(outgoing, energy, hadrons=hadrons)]


def shares(momenta: Floats, among: Sequence[Channel]) -> Floats:
    """The share α of each channel at each point: (points, channels), with the sum 1."""
    logarithms = np.stack([channel.log_propagators(momenta) for channel in among], axis=1)
    weights = np.exp(logarithms - logarithms.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _vertices(diagram: Diagram, n_outgoing: int) -> tuple[list[list[str]], list[Line]]:
    """The vertices of a diagram in MadSpace's names of lines, and the internal lines in the order of these names."""
    lines = diagram.propagators()
    names = {line.legs: f"p{at}" for at, line in enumerate(lines)}
    names |= {frozenset({leg + 2}): f"o{leg}" for leg in range(n_outgoing)}
    names |= {frozenset({leg}): f"i{leg}" for leg in (0, 1)}
    vertices = [
        [names[branch.legs] for branch in line.branches] + [names[line.legs]] for line in (diagram.first, *lines)
    ]
    return vertices, lines
