"""A parton-level event, whichever generator made it and whichever file holds it."""

from typing import NamedTuple


class Particle(NamedTuple):
    """A line of an event as LHE files write it: momenta in GeV, mothers counted from 1."""

    pdg_id: int
    status: int
    mothers: tuple[int, int]
    colours: tuple[int, int]
    px: float
    py: float
    pz: float
    energy: float
    mass: float


class Event(NamedTuple):
    """A parton-level event."""

    particles: tuple[Particle, ...]
    weight: float
    """1, or more where the cross section is larger than the maximum that the generator expected."""
    scale: float
    """The factorisation scale in GeV."""
    alpha_em: float
    alpha_s: float
