"""The squared matrix element of one process."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mmc.errors import StepError
from mmc.jobs.matrix_elements.allowed import ANY, Allowed
from mmc.jobs.matrix_elements.model import Model, Point

if TYPE_CHECKING:
    from ufoamp.recursion import Amplitude, Leg

Floats = npt.NDArray[np.float64]
Helicities = tuple[int, ...]

_SPINS = {1: "0", 2: "1/2", 3: "1"}
_BATCH = 8192
"""Helicities times events that are computed at once: larger batches are not faster."""
_VANISHING = 1e-28
"""Helicities whose share of |M|² is smaller vanish exactly, for instance by chirality."""


class MatrixElement:
    """The tree-level squared matrix element of one process, in unitary gauge, with fixed widths.

    As in MadGraph's event generation, particles in the t-channel do not have a width.

    :param model: the model with its parameters
    :param incoming: PDG ids of the incoming particles: one for a decay, two for a collision
    :param outgoing: PDG ids of the outgoing particles
    :param allowed: its diagrams: orders, particles that are not inside, and decays that every diagram contains
    :raises StepError: the model lacks a particle or an order, has a spin that is not supported, or the process does not
        have a diagram at these orders
    """

    def __init__(
        self,
        model: Model,
        incoming: Sequence[int],
        outgoing: Sequence[int],
        allowed: Allowed = ANY,
    ) -> None:
        self.model = model
        self.incoming, self.outgoing = tuple(incoming), tuple(outgoing)
        self.allowed = allowed
        self._legs = [model.particle(pdg) for pdg in (*self.incoming, *self.outgoing)]
        unsupported = [particle.name for particle in self._legs if particle.spin not in _SPINS]
        if unsupported:
            raise StepError(f"{self}: the spin of {unsupported[0]} is not supported, only 0, 1/2 and 1")
        unknown = sorted({name for part in allowed.parts() for name in part.orders} - set(model.ufo.orders))
        if unknown:
            raise StepError(
                f"{self}: the model {model.name} does not have an order {unknown[0]}, only {_few(model.ufo.orders)}"
            )
        self._point: dict[str, float] | None = None
        self._amplitude: Amplitude
        self._require_diagrams()

    def __str__(self) -> str:
        incoming, outgoing = (
            [self.model.particle(pdg).name for pdg in side] for side in (self.incoming, self.outgoing)
        )
        excluded = sorted(self.allowed.core.without)
        words = [*incoming, ">", *outgoing, *("/" for _ in excluded[:1])]
        words += [self.model.particle(pdg).name for pdg in excluded]
        words += [f"{name}={limit}" for name, limit in self.allowed.core.orders.items()]
        decays = [
            ", "
            + " ".join([self.model.particle(decay.pdg).name, ">", *(outgoing[leg - 2] for leg in sorted(decay.legs))])
            for decay in self.allowed.decays
        ]
        return " ".join(words) + "".join(decays)

    def squared(self, momenta: npt.ArrayLike, point: Point | None = None) -> Floats:
        """|M|² of events, averaged over the incoming particles' helicities and colours, summed over the outgoing ones'.

        A factor 1/n! for n identical outgoing particles is not in it.

        :param momenta: (events, legs, 4): E, px, py, pz in GeV; incoming particles first, both in the process's order
        :param point: values of parameters, in place of the model's
        :returns: (events,), in GeV to the power of 8 - 2 legs; 0 where all amplitudes vanish
        :raises StepError: as :meth:`Model.evaluated`, or a value is not finite
        """
        squared: Floats = self.squared_by_helicity(momenta, point)[1].sum(axis=1)
        return squared

    def squared_by_helicity(
        self, momenta: npt.ArrayLike, point: Point | None = None
    ) -> tuple[list[Helicities], Floats]:
        """|M|² of events like :meth:`squared`, before the sum over helicities.

        :returns: the helicities (-1, 0 or 1 of each leg) that do not vanish in these events; (events, helicities)
        :raises StepError: as :meth:`squared`
        """
        events = np.asarray(momenta, dtype=float)
        if events.ndim != 3 or events.shape[1:] != (len(self._legs), 4):
            raise ValueError(f"{self}: momenta of the shape {events.shape}, not (events, {len(self._legs)}, 4)")
        self._set(point)
        configurations = self._contributing(events)
        if not configurations or not len(events):
            return configurations, np.zeros((len(events), len(configurations)))
        size = max(1, _BATCH // len(configurations))
        parts = [self._values(events[at : at + size], configurations) for at in range(0, len(events), size)]
        values = np.concatenate(parts) / np.prod([len(self._helicities(leg)) for leg in range(len(self.incoming))])
        if not np.isfinite(values).all():
            raise StepError(
                f"{self}: the matrix element is not finite for {(~np.isfinite(values).all(axis=1)).sum()} events"
            )
        return configurations, values

    def _contributing(self, events: Floats) -> list[Helicities]:
        """The helicities with amplitudes: a few events are enough, since others vanish in all of them."""
        everything = list(product(*(self._helicities(leg) for leg in range(len(self._legs)))))
        if not len(events):
            return everything
        few = events[np.unique(np.linspace(0, len(events) - 1, 4).astype(int))]
        shares = self._values(few, everything)
        if not np.isfinite(shares).all():
            return everything  # the caller says which events are not finite
        contributes = (shares > _VANISHING * shares.max(axis=1, keepdims=True)).any(axis=0)
        return [helicities for helicities, kept in zip(everything, contributes, strict=True) if kept]

    def _values(self, events: Floats, configurations: list[Helicities]) -> Floats:
        """Colour sums and averages by event and helicity: (events, configurations)."""
        shape = len(events), len(configurations)
        with np.errstate(divide="ignore", invalid="ignore"):  # values that are not finite are told in one message
            squared = np.real(self._amplitude.m2_color(self._external(events, configurations)))
        return np.broadcast_to(squared, (shape[0] * shape[1],)).reshape(shape)

    def _external(self, events: Floats, configurations: Iterable[Helicities]) -> "list[Leg]":
        from ufoamp.recursion import Leg

        helicities = np.asarray(list(configurations), dtype=int)
        momenta = events.astype(complex)
        legs = [
            Leg(particle.pdg, leg < len(self.incoming), momenta[:, leg], helicities[:, leg])
            for leg, particle in enumerate(self._legs)
        ]
        return [*legs[1:], legs[0]]

    def _helicities(self, leg: int) -> list[int]:
        particle = self._legs[leg]
        if particle.spin == 1:
            return [0]
        massive = particle.spin == 3 and self._amplitude.mass(particle.pdg) != 0
        return [1, -1, 0] if massive else [1, -1]

    def _set(self, point: Point | None) -> None:
        chosen = dict(point or {})
        if chosen != self._point:
            parameters, couplings = self.model.evaluated(chosen)
            self._refuse_own_propagators(couplings)
            self._amplitude = self._with(parameters, couplings)
            self._point = chosen

    def _refuse_own_propagators(self, couplings: Mapping[str, complex]) -> None:
        """:raises StepError: a particle whose propagator the model defines couples to others at these orders"""
        special = self.model.own_propagators - self._dropped - {abs(particle.pdg) for particle in self._legs}
        pdgs = {particle.py_name: abs(particle.pdg) for particle in self.model.ufo.particles}
        orders = {coupling.name: coupling.order for coupling in self.model.ufo.couplings}
        for vertex in self.model.ufo.vertices if special else ():
            found = special & {pdgs[name] for name in vertex.particles}
            used = [name for name in vertex.couplings.values() if couplings[name] != 0 and self._allows(orders[name])]
            if found and used and self._dropped.isdisjoint(pdgs[name] for name in vertex.particles):
                name = self.model.particle(min(found)).name
                raise StepError(
                    f"{self}: the model defines a propagator for {name}, which is not supported: exclude {name}"
                )

    def _allows(self, orders: Mapping[str, int]) -> bool:
        return any(
            all(orders.get(name, 0) <= limit for name, limit in part.orders.items()) for part in self.allowed.parts()
        )

    @property
    def _dropped(self) -> frozenset[int]:
        """The particles, without sign, that are in no vertex."""
        outer = {abs(particle.pdg) for particle in self._legs} | {abs(decay.pdg) for decay in self.allowed.decays}
        excluded = [part.without for part in self.allowed.parts()]
        return excluded[0].intersection(*excluded) - outer

    def _with(self, parameters: Mapping[str, complex], couplings: Mapping[str, complex]) -> "Amplitude":
        from mmc.jobs.matrix_elements.amplitude import RestrictedAmplitude

        limits = [(name, limit) for part in self.allowed.parts() for name, limit in part.orders.items()]
        counted = frozenset(name for name, limit in limits if self._can_exceed(name, limit))
        dropped = self._dropped | self._unreachable_octets(couplings)
        amplitude = RestrictedAmplitude(
            self.model, couplings, parameters, self.allowed, counted=counted, dropped=dropped
        )
        if all(particle.color == 1 for particle in self._legs):
            amplitude.color_mode = "flow"  # without colours of external particles, colour is one number
        return amplitude

    def _unreachable_octets(self, couplings: Mapping[str, complex]) -> frozenset[int]:
        """The colour octets if none can be inside: in a tree without outer octets, some vertex has a single one.

        Without octets the sum over colours takes much less time.
        """
        octets = {abs(particle.pdg) for particle in self.model.ufo.particles if abs(particle.color) == 8}
        if any(abs(particle.pdg) in octets for particle in self._legs):
            return frozenset()
        pdgs = {particle.py_name: abs(particle.pdg) for particle in self.model.ufo.particles}
        orders = {coupling.name: coupling.order for coupling in self.model.ufo.couplings}
        single = (
            name
            for vertex in self.model.ufo.vertices
            if sum(pdgs[one] in octets for one in vertex.particles) == 1
            for name in vertex.couplings.values()
        )
        reachable = any(couplings[name] != 0 and self._allows(orders[name]) for name in single)
        return frozenset() if reachable else frozenset(octets)

    def _can_exceed(self, order: str, limit: int) -> bool:
        """Whether a limit per diagram cuts more than the same limit per vertex: counting it takes time."""
        largest = max((coupling.order.get(order, 0) for coupling in self.model.ufo.couplings), default=0)
        return 0 < limit < min(largest, limit) * (len(self._legs) - 2)

    def _require_diagrams(self) -> None:
        """Refuse a process that vanishes for all values of the couplings."""
        couplings = {coupling.name: 1.0 + 0j for coupling in self.model.ufo.couplings}
        amplitude = self._with(self.model.parameters(), couplings)
        momenta = np.random.default_rng(1).normal(size=(1, len(self._legs), 4))
        try:
            with np.errstate(all="ignore"):
                flows = amplitude.amplitude_flows(self._external(momenta, [(1,) * len(self._legs)]))
        except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
            raise StepError(f"{self}: ufoamp cannot compute it: {error}") from error
        if not flows:
            raise StepError(f"{self}: the model {self.model.name} does not have a diagram for this process")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
