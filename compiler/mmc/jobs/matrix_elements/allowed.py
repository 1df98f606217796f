"""Which diagrams a process has: orders, particles that do not occur, and decays that every diagram contains."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Legs = frozenset[int]
"""External legs. The incoming ones are 0 and 1, the outgoing ones start with 2."""


@dataclass(frozen=True)
class Part:
    """The limits of the core process, or of a decay without the decays of its products."""

    orders: Mapping[str, int] = field(default_factory=dict)
    """The largest power of each coupling order; others are not limited."""
    without: frozenset[int] = frozenset()
    """PDG ids, without sign, of particles that are not inside (``/`` in MadGraph's process)."""
    without_s: frozenset[int] = frozenset()
    """PDG ids of particles that are not in an s-channel (``$$``)."""
    off_shell: frozenset[int] = frozenset()
    """PDG ids of particles that are not on their mass shell in an s-channel (``$``); a matter of phase space."""


@dataclass(frozen=True)
class Decay:
    """A particle that every diagram contains, with its decay products."""

    pdg: int
    legs: Legs
    """The legs of all its final decay products."""
    part: Part


@dataclass(frozen=True)
class Allowed:
    """The diagrams of a process. Those of a decay chain are a core process with decays, and decays within these."""

    core: Part = Part()
    decays: tuple[Decay, ...] = ()

    def around(self, legs: Legs) -> Part | None:
        """The part of the vertex at which these legs join; None if they are only a part of a decay and others too."""
        inside = [decay for decay in self.decays if legs <= decay.legs]
        if any(legs & decay.legs and not decay.legs <= legs for decay in self.decays if decay not in inside):
            return None
        return min(inside, key=lambda decay: len(decay.legs)).part if inside else self.core

    def joins(self, legs: Legs, parts: Iterable[Legs]) -> bool:
        """Whether parts of these legs may join at a vertex: outside of a decay, its products come as one line."""
        around = [decay.legs for decay in self.decays if not legs <= decay.legs]
        return all(part.isdisjoint(products) or products <= part for part in parts for products in around)

    def has(self, legs: Legs, pdg: int) -> bool:
        """Whether an internal line may be this particle, which flows towards these legs."""
        ends = self.decay(legs)
        if ends is not None:
            return ends.pdg == pdg
        part = self.around(legs)
        return part is not None and abs(pdg) not in part.without and (1 in legs or pdg not in part.without_s)

    def decay(self, legs: Legs) -> Decay | None:
        """The decay with exactly these products."""
        return next((decay for decay in self.decays if decay.legs == legs), None)

    def outside(self, legs: Legs) -> Part:
        """The part in which a line with these legs is a propagator: for a decaying particle, that which produces it."""
        inside = [decay for decay in self.decays if legs < decay.legs]
        return min(inside, key=lambda decay: len(decay.legs)).part if inside else self.core

    def parts(self) -> list[Part]:
        """The core and all decays."""
        return [self.core, *(decay.part for decay in self.decays)]


ANY = Allowed()
"""All diagrams."""


def as_json(allowed: Allowed) -> dict[str, Any]:
    """For files that jobs read."""
    return {
        "core": _part_as_json(allowed.core),
        "decays": [
            {"pdg": decay.pdg, "legs": sorted(decay.legs), "part": _part_as_json(decay.part)}
            for decay in allowed.decays
        ],
    }


def from_json(entry: Mapping[str, Any]) -> Allowed:
    """The reverse of :func:`as_json`."""
    decays = (Decay(one["pdg"], frozenset(one["legs"]), _part(one["part"])) for one in entry["decays"])
    return Allowed(_part(entry["core"]), tuple(decays))


def _part_as_json(part: Part) -> dict[str, Any]:
    excluded = (part.without, part.without_s, part.off_shell)
    return {"orders": dict(part.orders), "excluded": [sorted(some) for some in excluded]}


def _part(entry: Mapping[str, Any]) -> Part:
    return Part(entry["orders"], *(frozenset(some) for some in entry["excluded"]))
