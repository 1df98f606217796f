"""Events as Les Houches files have them: flavours, resonances, mothers and a colour flow."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmc.jobs.formats.events import Event, Particle
from mmc.jobs.matrix_elements.model import Model, Point
from mmc.jobs.scattering.chains import Pdgs
from mmc.jobs.scattering.collision import Differential
from mmc.jobs.scattering.colour import Tags, tags
from mmc.jobs.scattering.diagrams import Diagram, Line, Vertices, diagrams
from mmc.jobs.scattering.phase_space import Masses, Points

Floats = npt.NDArray[np.float64]

_ALPHA_EM = 1.0 / 127.9


@dataclass(frozen=True)
class _Drawing:
    """One diagram of one member of a subprocess."""

    pdgs: Pdgs
    resonances: tuple[tuple[Line, float, float], ...]
    """Lines that may be on their mass shell, outer ones first, with mass and width in GeV."""
    colours: Mapping[frozenset[int], Tags]


class Recorder:
    """Makes the events of a subprocess.

    :raises StepError: the process has colours that are not supported
    """

    def __init__(self, model: Model, differential: Differential, points: Sequence[Point]) -> None:
        self._differential = differential
        self._bwcutoff = differential.bwcutoff
        masses = Masses(model, points[0])
        vertices = Vertices(model, points)
        self._masses = [0.0, 0.0, *(model.mass(pdg, points[0]) for pdg in differential.subprocess.outgoing)]
        self._drawings: list[list[_Drawing]] = []
        for incoming, outgoing in differential.subprocess.members:
            drawn = diagrams(vertices, incoming, outgoing, differential.subprocess.allowed)
            by_propagators = {masses.propagators(diagram): diagram for diagram in reversed(drawn)}
            chosen = [by_propagators.get(channel.propagators, drawn[0]) for channel in differential.channels]
            self._drawings.append([_drawing(diagram, (*incoming, *outgoing), masses) for diagram in chosen])
        inverse = model.parameters(points[0]).get("aEWM1")
        self._alpha_em = _ALPHA_EM if inverse is None else 1.0 / inverse.real

    def events(
        self, made: Points, channels: Sequence[int], weights: Sequence[float], random: np.random.Generator
    ) -> list[Event]:
        """The events of these points of phase space.

        :param channels: the channel from which each point was sampled
        """
        luminosities = np.cumsum(self._differential.luminosities(made), axis=1)
        members = (random.random((len(channels), 1)) * luminosities[:, -1:] > luminosities).sum(axis=1)
        scales, alphas = self._differential.scale(made.momenta), self._differential.alpha_s(made.momenta)
        return [
            Event(self._particles(self._drawings[member][channel], momenta), weight, scale, self._alpha_em, alpha)
            for member, channel, momenta, weight, scale, alpha in zip(
                members.tolist(), channels, made.momenta, weights, scales.tolist(), alphas.tolist(), strict=True
            )
        ]

    def _particles(self, drawing: _Drawing, momenta: Floats) -> tuple[Particle, ...]:
        found: list[tuple[frozenset[int], int, Floats, float]] = []
        for line, mass, width in drawing.resonances:
            p = momenta[sorted(line.legs)].sum(axis=0)
            own = math.sqrt(max(p[0] ** 2 - float(p[1:] @ p[1:]), 0.0))
            if abs(own - mass) < self._bwcutoff * width:
                found.append((line.legs, line.pdg, p, own))
        numbers = {legs: 3 + at for at, (legs, *_) in enumerate(found)}
        lines = [(frozenset({leg}), drawing.pdgs[leg], -1, momenta[leg], 0.0) for leg in (0, 1)]
        lines += [(legs, pdg, 2, p, own) for legs, pdg, p, own in found]
        lines += [
            (frozenset({leg}), drawing.pdgs[leg], 1, momenta[leg], self._masses[leg]) for leg in range(2, len(momenta))
        ]
        return tuple(
            Particle(pdg, status, _mothers(legs, numbers), drawing.colours[legs], px, py, pz, energy, mass)
            for legs, pdg, status, (energy, px, py, pz), mass in (
                (legs, pdg, status, p.tolist(), mass) for legs, pdg, status, p, mass in lines
            )
        )


def _drawing(diagram: Diagram, pdgs: Pdgs, masses: Masses) -> _Drawing:
    lines = [(line, *masses.of(line.pdg)) for line in diagram.propagators() if not line.legs & {0, 1}]
    resonances = sorted((item for item in lines if item[2] > 0.0), key=lambda item: -len(item[0].legs))
    return _Drawing(pdgs, tuple(resonances), tags(diagram, masses.model))


def _mothers(legs: frozenset[int], numbers: Mapping[frozenset[int], int]) -> tuple[int, int]:
    """The smallest resonance that a line comes from, else the two incoming particles, which do not have any."""
    if legs & {0, 1}:
        return 0, 0
    around = [other for other in numbers if legs < other]
    if not around:
        return 1, 2
    mother = numbers[min(around, key=len)]
    return mother, mother
