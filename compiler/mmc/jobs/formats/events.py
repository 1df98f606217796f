"""A parton-level event, the same for all generators and file formats."""

from typing import NamedTuple


class Particle(NamedTuple):
    """A particle line of an event in an LHE file: momenta in GeV, mothers counted from 1."""

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
    """1; larger where the cross section exceeds the maximum that the generator expected."""
    scale: float
    """The factorisation scale in GeV."""
    alpha_em: float
    alpha_s: float
