"""The differential cross section of a subprocess: matrix element, partons, cuts and scale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError
from mmc.jobs.matrix_elements.element import MatrixElement
from mmc.jobs.matrix_elements.model import Model, Point
from mmc.jobs.scattering import dynamical_scales
from mmc.jobs.scattering.chains import Pdgs
from mmc.jobs.scattering.cuts import Final, passing
from mmc.jobs.scattering.diagrams import Vertices, diagrams
from mmc.jobs.scattering.partons import Partons, particle_in_beam
from mmc.jobs.scattering.phase_space import Channel, Masses, Points, Propagator, channels, shares
from mmc.jobs.scattering.subprocesses import Subprocess

Floats = npt.NDArray[np.float64]

_PB = 0.3893793721e9
"""1/GeV² in pb."""
ALPHA_S = "sminputs 3"
_STEP = 1.21


@dataclass(frozen=True)
class Collider:
    """What collides, and how events are chosen and weighted."""

    energy: float
    """Of the whole collision in GeV."""
    beams: tuple[str, str]
    partons: Partons | None
    """None for leptons, which collide with their full energy."""
    cuts: Mapping[str, float]
    fixed_scale: float | None
    """In GeV; None for one that follows the event."""
    scale_factor: float = 1.0
    scale_choice: int = 3
    """MadGraph's ``dynamical_scale_choice``."""
    bwcutoff: float = 15.0
    """In widths: a particle with a mass so close to its own is on its mass shell."""
    cut_decays: bool = False
    """Whether cuts apply to decay products too."""


class Differential:
    """The differential cross section of a subprocess, in channels.

    :raises StepError: the strong coupling enters with different powers while the scale changes, or a resonance does not
        have a width
    """

    def __init__(self, model: Model, subprocess: Subprocess, collider: Collider, point: Point, points: Sequence[Point]):
        self.subprocess, self._collider, self._point = subprocess, collider, point
        self.bwcutoff = collider.bwcutoff
        allowed = subprocess.allowed
        self.element = MatrixElement(model, subprocess.incoming, subprocess.outgoing, allowed)
        self._masses = [model.mass(pdg, point) for pdg in subprocess.outgoing]
        drawn = diagrams(Vertices(model, points), subprocess.incoming, subprocess.outgoing, allowed)
        self.diagrams = drawn
        hadrons, masses = collider.partons is not None, Masses(model, point)
        self._require_widths(masses, hadrons=hadrons)
        self._decaying = [Propagator(tuple(sorted(one.legs)), *masses.of(one.pdg)) for one in allowed.decays]
        windows = {frozenset(one.legs): one.window(collider.bwcutoff) for one in self._decaying}
        self.channels = channels(
            drawn,
            Masses(model, point, windows),
            self._masses,
            collider.energy,
            hadrons=hadrons,
            off_shell=allowed.core.off_shell,
        )
        decayed = frozenset(leg for decay in allowed.decays for leg in decay.legs)
        self._cut = [leg for leg in range(2, 2 + len(self._masses)) if collider.cut_decays or leg not in decayed]
        self._reference, self.strong_power = self._strong_coupling(model)

    def _require_widths(self, masses: Masses, *, hadrons: bool) -> None:
        """:raises StepError: a particle without a width may be on its mass shell: the cross section is infinite"""
        every = frozenset(range(2, 2 + len(self._masses)))
        for line in (line for diagram in self.diagrams for line in diagram.propagators() if line.legs <= every):
            mass, width = masses.of(line.pdg)
            inside = sum(self._masses[leg - 2] for leg in line.legs)
            least = mass + sum(self._masses) - inside
            reached = least < self._collider.energy if line.legs < every else hadrons and mass < self._collider.energy
            if width == 0.0 and mass > inside and reached:
                name = masses.model.particle(line.pdg).name
                raise StepError(
                    f"{self.element}: {name} may be on its mass shell, and its width is 0 in the model "
                    f"{masses.model.name}: set `decay {abs(line.pdg)}` in `param_card`"
                )

    def sampled(self, channel: int, numbers: Floats) -> tuple[Floats, Points]:
        """dσ in pb at points of a channel: its part α of the integrand times the volume of each point.

        :param numbers: points of the unit cube, (points, dimension of the channel)
        """
        points = self.channels[channel].points(numbers)
        good = np.flatnonzero(points.volume > 0.0)
        good = good[self._passing(points.momenta[good], self.channels[channel])]
        values = np.zeros(len(numbers))
        kept = Points(points.momenta[good], points.x[good], points.volume[good])
        if len(good):
            luminosity = self.luminosities(kept).sum(axis=1)
            part = shares(kept.momenta, self.channels)[:, channel]
            flux = 2.0 * kept.x.prod(axis=1) * self._collider.energy**2
            squared = self.squared(kept.momenta, self._point)
            values[good] = _PB * self.subprocess.symmetry * kept.volume * luminosity * part * squared / flux
        return values, points

    def _passing(self, momenta: Floats, channel: Channel) -> npt.NDArray[np.bool_]:
        """Whether points pass the cuts, decaying particles are on their mass shells, and those of ``$`` are not.

        As in MadGraph, ``$`` removes points from the channels of diagrams with the particle.
        """
        final = Final(
            momenta[:, self._cut],
            [self.subprocess.outgoing[leg - 2] for leg in self._cut],
            [self._masses[leg - 2] for leg in self._cut],
        )
        passed = passing(final, self._collider.cuts)
        for propagator in self._decaying:
            passed &= propagator.is_on_shell(momenta, self.bwcutoff)
        for propagator in channel.off_shell:
            passed &= ~propagator.is_on_shell(momenta, self.bwcutoff)
        return passed

    def luminosities(self, points: Points) -> Floats:
        """f₁f₂ of each member of the subprocess, (points, members)."""
        members = self.subprocess.members
        if self._collider.partons is None:
            return np.ones((len(points.x), len(members)))
        scale = self.scale(points.momenta)
        sides = [self._collider.partons.densities(points.x[:, side], scale) for side in (0, 1)]
        return np.stack([_product(sides, self._collider.beams, incoming) for incoming, _ in members], axis=1)

    def squared(self, momenta: Floats, point: Point) -> Floats:
        """|M|² at a parameter point, with the strong coupling at the scale of each event, (points,)."""
        try:
            with np.errstate(all="ignore"):
                values = self.element.squared(momenta, {**point, **self._fixed()})
        except StepError as error:
            raise StepError(f"{error}: is there a cut on each pole?") from error
        if self.strong_power and self._collider.partons is not None and self._collider.fixed_scale is None:
            values = (
                values * (self._collider.partons.alpha_s(self.scale(momenta)) / self._reference) ** self.strong_power
            )
        return values

    def scale(self, momenta: Floats) -> Floats:
        """The scale of factorisation and renormalisation in GeV, (points,)."""
        if self._collider.fixed_scale is not None:
            return np.full(len(momenta), self._collider.fixed_scale)
        return np.asarray(self._collider.scale_factor * dynamical_scales.CHOICES[self._collider.scale_choice](momenta))

    def strong_ratio(self, momenta: Floats, point: Point, factor: float, partons: Partons) -> Floats:
        """|M|² with the renormalisation scale times a factor and the strong coupling of these partons, relative to that
        of the events, (points,)."""
        if self.strong_power == 0.0:
            return np.ones(len(momenta))
        coupling = partons.alpha_s(factor * self.scale(momenta))
        if self.strong_power is not None:
            return np.asarray((coupling / self.alpha_s(momenta)) ** self.strong_power)
        varied = self.element.squared(momenta, {**point, ALPHA_S: float(coupling[0])})
        return np.asarray(varied / self.squared(momenta, point))

    def alpha_s(self, momenta: Floats) -> Floats:
        """The strong coupling of each event, (points,)."""
        if self._collider.partons is None:
            return np.full(len(momenta), self._reference)
        return self._collider.partons.alpha_s(self.scale(momenta))

    def _fixed(self) -> Point:
        """The strong coupling at a fixed scale, as a parameter of the model."""
        if self.strong_power == 0.0 or self._collider.partons is None or self._collider.fixed_scale is None:
            return {}
        return {ALPHA_S: float(self._collider.partons.alpha_s(np.array([self._collider.fixed_scale]))[0])}

    def _strong_coupling(self, model: Model) -> tuple[float, float | None]:
        """The model's α_s, and the power with which |M|² depends on it; None if it depends on the event.

        :raises StepError: the power depends on the event and the scale too
        """
        reference = float(model.parameters(self._point).get("aS", 0.0).real)
        if reference <= 0.0:
            return 0.118, 0.0
        channel = Channel(self._masses, min(self._collider.energy, 3.0 * sum(self._masses) + 500.0), hadrons=False)
        momenta = channel.points(np.random.default_rng(2).random((3, channel.dimension))).momenta
        before = self.element.squared(momenta, {**self._point, ALPHA_S: reference})
        after = self.element.squared(momenta, {**self._point, ALPHA_S: reference * _STEP})
        good = before > 0.0
        powers = np.log(after[good] / before[good]) / np.log(_STEP)
        power = float(np.round(powers.mean())) if len(powers) else 0.0
        if len(powers) == 0 or np.abs(powers - power).max() < 1e-6:
            return reference, power
        if self._collider.partons is None or self._collider.fixed_scale is not None:
            return reference, None
        raise StepError(
            f"{self.element}: diagrams with different powers of the strong coupling interfere, so its scale cannot "
            "follow the events: limit an order (`QCD=0`, say), or fix the scale"
        )


def _product(sides: Sequence[Mapping[int, Floats]], beams: Sequence[str], incoming: Pdgs) -> Floats:
    first, second = (side[particle_in_beam(beam, pdg)] for side, beam, pdg in zip(sides, beams, incoming, strict=True))
    return first * second
