"""Pythia 8 as the embedded generator: proton-proton collisions at parton level."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import pythia8mc

from mmc.errors import StepError

log = logging.getLogger(__name__)

PROCESSES: Mapping[str, tuple[str, ...]] = {
    "dimuon": ("ContactInteractions:QCffbar2mumubar = on",),
    "ww": ("WeakDoubleBoson:ffbar2WW = on", "24:onMode = off", "24:onIfAny = 13"),
    "ttbar": (
        "Top:gg2ttbar = on",
        "Top:qqbar2ttbar = on",
        "6:onMode = off",
        "6:onIfAll = 5 24",
        "24:onMode = off",
        "24:onIfAny = 13",
    ),
}
"""What to switch on for each process; ``ww`` and ``ttbar`` decay to muons."""

MAX_SEED = 900_000_000
"""Pythia's largest seed."""

_PARTICLES = {"p": 2212, "pbar": -2212}
_RECORD_OFFSET = 2
"""Pythia counts the system and the two beams before the incoming partons; an LHE file counts partons from 1."""
_MAX_FAILURES = 100


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
    scale: float
    """The factorisation scale in GeV."""
    alpha_em: float
    alpha_s: float


def beam_ids(beams: Mapping[str, Any]) -> tuple[int, int]:
    """The PDG ids of the colliding particles."""
    first, second = beams["particles"]
    return _PARTICLES[first], _PARTICLES[second]


def settings(
    process: str,
    run_card: Mapping[str, float | None],
    beams: Mapping[str, Any],
    couplings: tuple[float, tuple[int, ...]] | None,
) -> list[str]:
    """Pythia's settings for a process, all but the seed.

    :param run_card: m_min_gev, m_max_gev (invariant mass of the hard process), pt_min_gev (its transverse momentum)
    :param beams: energy_gev of one beam, particles, pdf_set (Pythia's number)
    :param couplings: Λ in GeV and the four etas, of a process with contact interactions
    """
    first, second = beam_ids(beams)
    lines = [
        f"Beams:idA = {first}",
        f"Beams:idB = {second}",
        f"Beams:eCM = {2.0 * beams['energy_gev']!r}",
        f"PDF:pSet = {beams['pdf_set']}",
        *PROCESSES[process],
        "PartonLevel:all = off",
        "HadronLevel:all = off",
    ]
    if couplings is not None:
        scale, etas = couplings
        lines.append(f"ContactInteractions:Lambda = {scale!r}")
        names = ("etaLL", "etaLR", "etaRL", "etaRR")
        lines += [f"ContactInteractions:{name} = {eta}" for name, eta in zip(names, etas, strict=True)]
    limits = {"m_min_gev": "mHatMin", "m_max_gev": "mHatMax", "pt_min_gev": "pTHatMin"}
    for key, name in limits.items():
        value = run_card.get(key)
        if value is not None:
            lines.append(f"PhaseSpace:{name} = {float(value)!r}")
    return lines


def start(lines: Sequence[str], seed: int) -> Any:
    """A Pythia that is ready to generate.

    :raises StepError: when Pythia does not know a line or finds nothing to generate
    """
    generator = pythia8mc.Pythia("", False)
    for line in ("Print:quiet = on", *lines, "Random:setSeed = on", f"Random:seed = {1 + (seed - 1) % MAX_SEED}"):
        if not generator.readString(line):
            raise StepError(f"Pythia does not understand {line!r}")
    if not generator.init():
        limits = ", ".join(line for line in lines if line.startswith(("PhaseSpace", "Beams:eCM")))
        raise StepError(f"Pythia finds no phase space to generate in; check the beams and the run card ({limits})")
    return generator


def events(generator: Any) -> Iterator[Event]:
    """Unweighted events without end.

    :raises StepError: when Pythia fails again and again, or gives a weighted event
    """
    failures = 0
    while True:
        if not generator.next():
            failures += 1
            if failures > _MAX_FAILURES:
                raise StepError(f"Pythia failed to generate an event {failures} times")
            continue
        failures = 0
        info = generator.infoPython()
        if info.weight() != 1.0:
            raise StepError(f"Pythia gave an event of weight {info.weight():g}; only unweighted events are supported")
        yield Event(_particles(generator.process), info.QFac(), info.alphaEM(), info.alphaS())


def integrate(generator: Any, n_events: int) -> tuple[float, float]:
    """The cross section and its statistical error in pb, from that many accepted events."""
    accepted = sum(1 for _ in islice(events(generator), n_events))
    info = generator.infoPython()
    log.info("%d events accepted of %d tried", accepted, info.nTried())
    return info.sigmaGen() * 1e9, info.sigmaErr() * 1e9


def _particles(record: Any) -> tuple[Particle, ...]:
    return tuple(_particle(record[index]) for index in range(_RECORD_OFFSET + 1, record.size()))


def _particle(particle: Any) -> Particle:
    code = particle.status()
    if code == -21:  # incoming
        status, mothers = -1, (0, 0)
    else:
        status = 1 if code > 0 else 2
        first = particle.mother1() - _RECORD_OFFSET
        mothers = (first, max(particle.mother2() - _RECORD_OFFSET, first))
    colours = tuple(colour + 400 if colour else 0 for colour in (particle.col(), particle.acol()))
    return Particle(
        particle.id(),
        status,
        mothers,
        (colours[0], colours[1]),
        particle.px(),
        particle.py(),
        particle.pz(),
        particle.e(),
        particle.m(),
    )
