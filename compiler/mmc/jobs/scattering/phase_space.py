"""Phase space with a map for the propagators of each diagram. MadSpace makes the maps (arXiv:2602.06895).

Each channel has the propagators of one diagram, and samples the part α_i of the integrand, where α_i is in proportion
to the product of its propagators squared and Σ_i α_i = 1 (Maltoni and Stelzer, hep-ph/0208156).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mmc.jobs.matrix_elements.model import Model, Point
from mmc.jobs.scattering.diagrams import Diagram, Line

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_EVERYWHERE = (0.0, 0.0)
"""For MadSpace, without limits."""
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
        s = self._invariant(momenta)
        width = np.where(s > 0.0, (self.mass * self.width) ** 2, 0.0)
        return np.asarray(1.0 / np.maximum((s - self.mass**2) ** 2 + width, _FLOOR))

    def is_on_shell(self, momenta: Floats, widths: float) -> Mask:
        """Whether the mass differs by less than so many widths from that of the particle, (points,)."""
        mass, (low, high) = np.sqrt(np.maximum(self._invariant(momenta), 0.0)), self.window(widths)
        return np.asarray((mass > low) & (mass < high))

    def window(self, widths: float) -> tuple[float, float]:
        """The masses within so many widths."""
        return max(self.mass - widths * self.width, 0.0), self.mass + widths * self.width

    def _invariant(self, momenta: Floats) -> Floats:
        signs = np.array([-1.0 if leg < 2 else 1.0 for leg in self.legs])
        p = (signs[:, None] * momenta[:, list(self.legs)]).sum(axis=1)
        return np.asarray(p[:, 0] ** 2 - (p[:, 1:] ** 2).sum(axis=1))


class Channel:
    """The map of one diagram, or of flat phase space.

    :param masses: of the outgoing particles in GeV
    :param energy: of the whole collision in GeV
    :param hadrons: whether the colliding particles are partons, whose momenta are to be integrated over
    :param diagram: None for flat phase space
    :param off_shell: lines of the diagram that are not on their mass shell
    """

    def __init__(
        self,
        masses: Sequence[float],
        energy: float,
        *,
        hadrons: bool,
        diagram: tuple[Diagram, "Masses"] | None = None,
        off_shell: Sequence[Line] = (),
    ) -> None:
        import madspace  # 40 MB, only for jobs that sample

        self.propagators: tuple[Propagator, ...] = ()
        self.off_shell: tuple[Propagator, ...] = ()
        if diagram is None:
            self._mapping = madspace.PhaseSpaceMapping([0.0, 0.0, *masses], energy, leptonic=not hadrons)
        else:
            drawn, of = diagram
            self.propagators = of.propagators(drawn)
            self.off_shell = tuple(of.propagator(line) for line in off_shell)
            vertices, lines = _vertices(drawn, len(masses))
            topology = madspace.Topology(
                madspace.Diagram(
                    [0.0, 0.0],
                    list(masses),
                    [
                        madspace.Propagator(*of.of(line.pdg), 0, *of.windows.get(line.legs, _EVERYWHERE))
                        for line in lines
                    ],
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
    windows: Mapping[frozenset[int], tuple[float, float]] = field(default_factory=dict)
    """The smallest and largest mass of decaying particles in GeV, by their legs; others have any."""

    def of(self, pdg: int) -> tuple[float, float]:
        """Mass and width of a particle in GeV."""
        return self.model.mass(pdg, self.point), self.model.width(pdg, self.point)

    def propagator(self, line: Line) -> Propagator:
        """The propagator of a line."""
        return Propagator(tuple(sorted(line.legs)), *self.of(line.pdg))

    def propagators(self, diagram: Diagram) -> tuple[Propagator, ...]:
        """The propagators of a diagram."""
        return tuple(sorted(map(self.propagator, diagram.propagators()), key=lambda p: (p.legs, p.mass)))


def channels(
    diagrams: Sequence[Diagram],
    masses: Masses,
    outgoing: Sequence[float],
    energy: float,
    *,
    hadrons: bool,
    off_shell: frozenset[int] = frozenset(),
) -> list[Channel]:
    """A channel for each set of propagators of these diagrams; flat phase space if all have vertices of four lines.

    :param off_shell: particles that are not on their mass shell in an s-channel
    """
    different: dict[tuple[tuple[Propagator, ...], frozenset[Propagator]], tuple[Diagram, list[Line]]] = {}
    for diagram in diagrams:
        if diagram.is_cubic():
            avoided = [line for line in diagram.propagators() if 1 not in line.legs and line.pdg in off_shell]
            key = masses.propagators(diagram), frozenset(map(masses.propagator, avoided))
            different[key] = diagram, avoided
    found = [
        Channel(outgoing, energy, hadrons=hadrons, diagram=(one, masses), off_shell=avoided)
        for one, avoided in different.values()
    ]
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
