"""The hard processes in a Les Houches event file: the legs of each event, as a matrix element takes them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmc.errors import StepError
from mmc.jobs.formats import les_houches_normalise
from mmc.jobs.formats.les_houches_text import number

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_INCOMING, _FINAL, _RESONANCE = -1, 1, 2
"""Statuses of particles (hep-ph/0109068)."""


@dataclass(frozen=True)
class Process:
    """The events of a file with the same incoming and outgoing particles."""

    incoming: tuple[int, ...]
    """PDG ids in ascending order, as of the outgoing particles."""
    outgoing: tuple[int, ...]
    numbers: Ints
    """The events of the file; the first is 1."""
    momenta: Floats
    """(events, legs, 4): E, px, py, pz in GeV; incoming particles first."""
    couplings: Floats
    """The strong coupling α_s of each event, (events,); not positive where the file does not contain it."""


@dataclass(frozen=True)
class HardProcesses:
    """The processes of a file, and the weights of its events."""

    processes: list[Process]
    nominal: Floats
    """The weights in the first lines of the events, (events,)."""
    weights: Mapping[str, Floats]
    """Those of the wanted weights that all events have, by name, (events,)."""


def read(path: Path, undecayed: Collection[int], wanted: Collection[str], names: Mapping[str, str]) -> HardProcesses:
    """Read the legs and the weights of all events.

    :param path: gzipped or not
    :param undecayed: PDG ids of particles that are taken as outgoing where they decay, in place of their products
    :param wanted: the names of weights
    :param names: the names of weights in the file, where they differ
    :raises StepError: when the file is damaged, or an event does not have incoming or outgoing particles
    """
    found: dict[tuple[tuple[int, ...], tuple[int, ...]], _Events] = {}
    nominal: list[float] = []
    weights: dict[str, list[float]] = {name: [] for name in wanted}
    for event, (_, body, own, written, _) in enumerate(les_houches_normalise.events(path, names), start=1):
        try:
            first, *lines = (line.split() for line in body.splitlines())
            incoming, outgoing = _legs(lines, undecayed)
            coupling = number(first[5])
            nominal.append(number(own))
            for name in wanted & written.keys():
                weights[name].append(number(written[name]))
        except (ValueError, IndexError) as error:
            raise StepError(f"event {event} of {path.name} is damaged: {error}") from error
        if not incoming or not outgoing:
            raise StepError(f"event {event} of {path.name} does not have incoming and outgoing particles")
        key = tuple(pdg for pdg, _ in incoming), tuple(pdg for pdg, _ in outgoing)
        of_process = found.setdefault(key, _Events([], [], []))
        of_process.numbers.append(event)
        of_process.momenta.append([momentum for _, momentum in (*incoming, *outgoing)])
        of_process.couplings.append(coupling)
    if not nominal:
        raise StepError(f"{path.name} holds no events")
    return HardProcesses(
        [Process(*key, *map(np.array, events)) for key, events in found.items()],
        np.array(nominal),
        {name: np.array(values) for name, values in weights.items() if len(values) == len(nominal)},
    )


class _Events(NamedTuple):
    """The events of a process."""

    numbers: list[int]
    momenta: list[list[tuple[float, ...]]]
    couplings: list[float]


_Leg = tuple[int, tuple[float, ...]]


def _legs(particles: list[list[str]], undecayed: Collection[int]) -> tuple[list[_Leg], list[_Leg]]:
    """The incoming and the outgoing particles of an event, each in the order of their PDG ids.

    :raises ValueError: when an entry is not a number
    :raises IndexError: when a mother is not there
    """
    pdgs, statuses, mothers = ([int(words[column]) for words in particles] for column in (0, 1, 2))
    is_kept = [status == _RESONANCE and pdg in undecayed for pdg, status in zip(pdgs, statuses, strict=True)]

    def is_product(at: int) -> bool:
        """Whether a particle comes from the decay of an undecayed one."""
        for _ in particles:
            at = mothers[at] - 1
            if at < 0 or statuses[at] == _INCOMING:
                return False
            if is_kept[at]:
                return True
        raise ValueError("a particle is its own mother")

    def leg(at: int) -> _Leg:
        px, py, pz, energy = map(float, particles[at][6:10])
        return pdgs[at], (energy, px, py, pz)

    every = range(len(particles))
    incoming = [leg(at) for at in every if statuses[at] == _INCOMING]
    outgoing = [leg(at) for at in every if (is_kept[at] or statuses[at] == _FINAL) and not is_product(at)]
    return sorted(incoming, key=lambda one: one[0]), sorted(outgoing, key=lambda one: one[0])
