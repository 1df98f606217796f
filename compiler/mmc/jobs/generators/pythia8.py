"""Pythia 8 as the embedded generator: proton-proton collisions at parton level."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

import pythia8mc

from mmc.compiler.inputs import pythia_settings
from mmc.compiler.settings.generation import Beams, Pythia8Beams, RunCard
from mmc.errors import StepError
from mmc.jobs.formats.events import Event, Particle

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
"""Pythia's settings for each process; ``ww`` and ``ttbar`` decay to muons."""

MAX_SEED = 900_000_000
"""The largest seed that Pythia accepts."""

_AS_NUMBERS = dict.fromkeys(("Beams:idA", "Beams:idB", "Beams:eCM"), "PhaseSpace:mHatMin")
"""The settings of the beams that mmc writes itself; their values are numbers as those of the phase space are."""
_PARTICLES = {"p": 2212, "pbar": -2212}
_RECORD_OFFSET = 2
"""Pythia's record has the system and the two beams before the incoming partons; an LHE file counts partons from 1."""
_MAX_FAILURES = 100
_MAX_MEAN_WEIGHT = 1.01


def beam_ids(beams: Beams) -> tuple[int, int]:
    """The PDG ids of the colliding particles."""
    first, second = beams.particles
    return _PARTICLES[first], _PARTICLES[second]


def settings(
    process: str,
    run_card: RunCard,
    beams: Pythia8Beams,
    couplings: tuple[float, tuple[int, ...]] | None,
) -> list[str]:
    """Pythia's settings for a process, without the seed.

    :param couplings: Λ in GeV and the four etas of a process with contact interactions; None for other processes
    """
    first, second = beam_ids(beams)
    lines = [
        f"Beams:idA = {first}",
        f"Beams:idB = {second}",
        f"Beams:eCM = {2.0 * beams.energy_gev!r}",
        f"PDF:pSet = {beams.pdf_set}",
        *PROCESSES[process],
        "PartonLevel:all = off",
        "HadronLevel:all = off",
    ]
    if couplings is not None:
        scale, etas = couplings
        lines.append(f"ContactInteractions:Lambda = {scale!r}")
        names = ("etaLL", "etaLR", "etaRL", "etaRR")
        lines += [f"ContactInteractions:{name} = {eta}" for name, eta in zip(names, etas, strict=True)]
    limits = {"mHatMin": run_card.m_min_gev, "mHatMax": run_card.m_max_gev, "pTHatMin": run_card.pt_min_gev}
    lines += [f"PhaseSpace:{name} = {float(value)!r}" for name, value in limits.items() if value is not None]
    return lines


def configured(lines: Iterable[str], seed: int) -> Any:
    """A Pythia with these settings.

    :param seed: Pythia's seed, 1 to :data:`MAX_SEED`
    :raises StepError: when Pythia's data are missing, or Pythia does not know a line
    """
    defaults = _defaults(os.environ.get("PYTHIA8DATA"))
    pythia = pythia8mc.Pythia(defaults.settings, defaults.particleData, False)
    if not pythia.readString("Print:quiet = on"):
        raise StepError("Pythia cannot find its data: install pythia8mc again, and unset PYTHIA8DATA")
    for line in (*lines, "Random:setSeed = on", f"Random:seed = {seed}"):
        if not pythia.readString(line):
            raise StepError(f"Pythia does not understand {line!r}")
    return pythia


@cache
def _defaults(_data: str | None) -> Any:
    """A Pythia with its own settings and particles, from its data in this folder: others copy them, which takes a
    fortieth of the time in which they are read."""
    return pythia8mc.Pythia("", False)


def start(lines: Sequence[str], seed: int) -> Any:
    """An initialised Pythia, ready to generate.

    :raises StepError: when a line may not reach Pythia, Pythia does not know it, or finds nothing to generate
    """
    for line in lines:
        name, _, value = line.partition(" = ")
        refused = pythia_settings.refusal(_AS_NUMBERS.get(name, name), value)
        if refused is not None:
            raise StepError(f"the process: {refused.reason}")
    generator = configured(lines, 1 + (seed - 1) % MAX_SEED)
    if not generator.init():
        limits = ", ".join(line for line in lines if line.startswith(("PhaseSpace", "Beams:eCM")))
        raise StepError(f"Pythia finds no phase space; check the beams and the run card ({limits})")
    return generator


class Integral(NamedTuple):
    """Pythia's estimate of a cross section from some events."""

    value_pb: float
    error_pb: float
    """Statistical."""
    mean_weight: float
    """The mean weight of the events; above 1 when Pythia met larger cross sections than expected."""


def events(generator: Any) -> Iterator[Event]:
    """Generate events without end.

    :raises StepError: when Pythia fails repeatedly
    """
    for info in _generated(generator):
        yield Event(_particles(generator.process), info.weight(), info.QFac(), info.alphaEM(), info.alphaS())


def _generated(generator: Any) -> Iterator[Any]:
    """Generate events without end; yields what Pythia knows of each, beside its record."""
    failures = 0
    while True:
        if generator.next():
            failures = 0
            yield generator.infoPython()
            continue
        failures += 1
        if failures > _MAX_FAILURES:
            raise StepError(f"Pythia failed to generate an event {failures} times")


def integrate(generator: Any, n_events: int) -> Integral:
    """The cross section from that many accepted events.

    :raises StepError: when the events are far from unweighted
    """
    weights = [info.weight() for info in islice(_generated(generator), n_events)]
    info = generator.infoPython()
    integral = Integral(info.sigmaGen() * 1e9, info.sigmaErr() * 1e9, sum(weights) / n_events)
    log.info("%d events of %d tried, mean weight %.6f", n_events, info.nTried(), integral.mean_weight)
    if integral.mean_weight > _MAX_MEAN_WEIGHT:
        raise StepError(
            "Pythia cannot generate unweighted events here: the mass range has a peak that Pythia does not expect, "
            "such as the Z's; narrow the range (m_min, m_max)"
        )
    return integral


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
    colour, anticolour = particle.col(), particle.acol()
    return Particle(
        particle.id(),
        status,
        mothers,
        (colour + 400 if colour else 0, anticolour + 400 if anticolour else 0),
        particle.px(),
        particle.py(),
        particle.pz(),
        particle.e(),
        particle.m(),
    )
