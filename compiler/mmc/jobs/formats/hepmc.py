"""HepMC files: write Pythia's events as HepMC 3 text, and read the weights of a text.

One event is a graph in which vertices join particles. A vertex is written with the particles that go in and those that
come out, and every particle comes out of one vertex at most and goes into one at most, whereas Pythia's record gives
each particle its mothers. Written by hand because pip packages bring no converter of Pythia's record for Python.
"""

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from mmc.errors import StepError
from mmc.jobs.formats import event_sketch
from mmc.jobs.formats.gzipped import reading, writing
from mmc.jobs.formats.hard_process import CODES, INCOMING, HardProcess

SHOWERED = "events.hepmc.gz"
"""The showered events, written by every simulation job with a shower."""

_START = "HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\n"
_END = "HepMC::Asciiv3-END_EVENT_LISTING\n"
_FORMATS = {b"HepMC::Asciiv3": 3, b"HepMC::IO_GenEvent": 2}
_HEAD_BYTES = 4096
_CHUNK = 1 << 22
_EVENT, _END_MARK, _END_BYTES = b"\nE ", b"END_EVENT_LISTING", 64
_MOST_EVENT = 1 << 26
_STATES = 10
"""The place of the number of random states in the first line of an event of HepMC 2."""
_HARD = frozenset(str(code).encode() for code in CODES)
_INCOMING = str(INCOMING).encode()
_NAME = re.compile(rb'"([^"]*)"')
_PDG_CODE = {3: 2, 2: 1}
"""The place of the code in the line of a particle, by version; the momentum, the mass and the status follow."""
MOST_COMPARED = 64
"""At most so many weights of each event are kept, to be compared with those of other files."""


@dataclass(frozen=True)
class Content:
    """The content of a text."""

    n_events: int
    weights: NDArray[np.float64] | None
    """Shape (events, weights); None if there are none, or not equally many in all events."""
    digests: event_sketch.Digests


class LoopError(Exception):
    """An event in which a particle is its its_mothers ancestor."""


class Vertex(NamedTuple):
    """A vertex; particles are given by their numbers in the generator's record."""

    mothers: list[int]
    daughters: list[int]


class Graph(NamedTuple):
    """An event."""

    beams: list[int]
    vertices: list[Vertex]
    """The graph of an event, with mothers before daughters."""


def graph(mothers: Sequence[Sequence[int]]) -> Graph:
    """Build the graph of an event.

    Particles that share a mother share their production vertex.

    :param mothers: the mothers of each particle; particle 0 stands for the whole event
    :raises LoopError: when a particle is its its_mothers ancestor

    >>> graph([[], [], [], [1, 2], [3], [3]])
    Graph(beams=[1, 2], vertices=[Vertex(mothers=[1, 2], daughters=[3]), Vertex(mothers=[3], daughters=[4, 5])])
    """
    end: dict[int, int] = {}  # the end vertex of a particle
    beams: list[int] = []
    vertices: list[Vertex] = []
    for particle, all_mothers in enumerate(mothers[1:], start=1):
        its_mothers = [mother for mother in all_mothers if mother > 0]
        if not its_mothers:
            beams.append(particle)
            continue
        number = next((end[mother] for mother in its_mothers if mother in end), len(vertices))
        if number == len(vertices):
            vertices.append(Vertex([], []))
        for mother in its_mothers:
            # a mother that is listed after a daughter may descend from that daughter: it gets no end vertex
            if mother not in end and not any(daughter <= mother for daughter in vertices[number].daughters):
                end[mother] = number
                vertices[number].mothers.append(mother)
        vertices[number].daughters.append(particle)
    waiting = [len(vertex.mothers) for vertex in vertices]
    ready, ordered = list(beams), []
    for particle in ready:  # grows during the loop
        found = end.get(particle)
        if found is not None:
            waiting[found] -= 1
            if waiting[found] == 0:
                ordered.append(vertices[found])
                ready.extend(vertices[found].daughters)
    if len(ready) != len(mothers) - 1:
        raise LoopError
    return Graph(beams, ordered)


def write_start(text: TextIO, weights: Sequence[str], tool: str, version: str) -> None:
    """Write the head of the file: the names of the weights, and the program that made the events."""
    separated = "\\|"  # a line break, escaped as the format requires
    text.write(f"{_START}W {separated.join(weights)}\nT {tool}{separated}{version}{separated}\n")


def scale_weights(source: Path, out: Path, factor: float, compression: int) -> None:
    """Copy a file that mmc wrote with all weights multiplied by a factor."""
    with reading(source) as lines, writing(out, compression) as copy:
        is_head = True
        for line in lines:
            is_head = is_head and not line.startswith(b"E ")
            if line.startswith(b"W ") and not is_head:
                weights = b" ".join(b"%.12g" % (factor * float(word)) for word in line.split()[1:])
                copy.write(b"W " + weights + b"\n")
            else:
                copy.write(line)


def write_event(
    text: TextIO, number: int, record: Any, weights: Sequence[float], attributes: Mapping[str, Any]
) -> None:
    """Write an event.

    :param record: Pythia's ``event``; momenta in GeV, positions in mm
    :raises LoopError: when a particle is its its_mothers ancestor; nothing is written then
    """
    size = record.size()
    beams, vertices = graph([record[index].motherList() for index in range(size)])
    text.write(f"E {number} {len(vertices)} {size - 1}\nU GEV MM\n")
    text.write(f"W {' '.join(f'{weight:.12g}' for weight in weights)}\n")
    text.write("".join(f"A 0 {name} {value}\n" for name, value in attributes.items()))
    numbers: dict[int, int] = {}
    for beam in beams:
        numbers[beam] = len(numbers) + 1
        text.write(_particle_line(numbers[beam], 0, record[beam]))
    for code, vertex in enumerate(vertices, start=1):
        incoming = ",".join(map(str, sorted(numbers[mother] for mother in vertex.mothers)))
        text.write(f"V -{code} 0 [{incoming}]{_place(record[vertex.daughters[0]])}\n")
        for daughter in vertex.daughters:
            numbers[daughter] = len(numbers) + 1
            text.write(_particle_line(numbers[daughter], -code, record[daughter]))


def write_end(text: TextIO) -> None:
    """Write the end of the file."""
    text.write(_END)


def version(path: Path) -> int:
    """The HepMC version (2 or 3) of a text, gzipped or not.

    :raises StepError: when the text is not HepMC
    """
    with reading(path) as file:
        start = file.read(_HEAD_BYTES)
    for mark, number in _FORMATS.items():
        if mark in start:
            return number
    raise StepError(f"{path.name} is not a HepMC text: it begins with neither HepMC::Asciiv3 nor HepMC::IO_GenEvent")


def count(path: Path) -> int:
    """The number of events in a text, packed or not.

    :raises StepError: as :func:`events`
    """
    return sum(1 for _ in events(path))


def events(path: Path) -> Iterator[bytes]:
    """The text of each event, packed or not, after the tag ``E``.

    :raises StepError: when the text is damaged or incomplete, or has a line that Delphes cannot read
    """
    rest, is_first = b"", True
    with reading(path) as file:
        while chunk := file.read(_CHUNK):
            if len(chunk) == _CHUNK and b"\n" not in chunk:
                raise StepError(f"{path.name} is damaged: it has a line of more than {_CHUNK:,} bytes")
            *whole, rest = (rest + chunk).split(_EVENT)
            for text in whole:
                if not is_first:  # the head of the file
                    yield text
                is_first = False
            if len(rest) > _MOST_EVENT:
                raise StepError(f"{path.name} is damaged: it has an event of more than {_MOST_EVENT:,} bytes")
    if _END_MARK not in rest[-_END_BYTES:]:
        raise StepError(f"{path.name} is damaged: it ends without END_EVENT_LISTING")
    if not is_first:
        yield rest


def inspect(path: Path) -> Content:
    """Read a text through.

    :raises StepError: as :func:`events` and :func:`version`, or when the weights of an event are not numbers
    """
    weights, digests, counts, names = array("d"), array("Q"), set[int](), list[bytes]()
    of_event = _weights if version(path) == 3 else _weights_of_version_2
    for number, text in enumerate(events(path), start=1):
        try:
            found = [float(word) for word in of_event(text)]
            own = _names(text)
            if sorted(own) == sorted(names) and len(own) == len(found):
                found = [found[own.index(name)] for name in names]
            names = names or own
        except ValueError as error:
            raise StepError(f"event {number} of {path.name} is damaged: its weights are not numbers") from error
        counts.add(len(found))
        weights.extend(found[:MOST_COMPARED])
        digests.append(event_sketch.of_text(text[max(text.find(b"\nP "), 0) :]))
    alike = len(counts) == 1 and bool(weights)
    table = np.array(weights).reshape(len(digests), -1) if alike else None
    return Content(len(digests), table, np.array(digests, dtype=np.uint64))


def hard_process(path: Path) -> HardProcess:
    """The particles of the hard process; lines that are not particles of HepMC are left out.

    :raises StepError: as :func:`events`
    """
    energies, counts, n_incoming = array("d"), array("q"), 0
    code = _PDG_CODE[version(path)]
    for text in events(path):
        factor, before, is_incoming = 1e-3 if b"\nU MEV" in text else 1.0, len(energies), False
        for line in text.split(b"\nP ")[1:]:
            words = line.partition(b"\n")[0].split()
            if len(words) > code + 6 and words[code + 6] in _HARD:
                is_incoming |= words[code + 6] == _INCOMING
                with suppress(ValueError):
                    energies.append(factor * float(words[code + 4]))
        counts.append(len(energies) - before)
        n_incoming += is_incoming
    return HardProcess(np.array(energies, dtype=float), np.array(counts, dtype=np.int64), n_incoming)


def _weights(text: bytes) -> list[bytes]:
    """The weights of an event of HepMC 3, in a line of their own."""
    head = text[: max(text.find(b"\nP "), 0)]
    return head.partition(b"\nW ")[2].partition(b"\n")[0].split()


def _weights_of_version_2(text: bytes) -> list[bytes]:
    """The weights of an event of HepMC 2: they follow ten entries, the number of random states, these states and the
    number of weights.

    :raises ValueError: when a number of entries is not one
    """
    words = text.partition(b"\n")[0].split()
    n_states = int(words[_STATES]) if len(words) > _STATES else 0
    place = _STATES + 1 + n_states
    return words[place + 1 : place + 1 + int(words[place])] if n_states >= 0 and len(words) > place else []


def _names(text: bytes) -> list[bytes]:
    """The names of the weights of an event of HepMC 2, whose order may be another one in each event."""
    head = text[: max(text.find(b"\nP "), 0)]
    return _NAME.findall(head.partition(b"\nN ")[2].partition(b"\n")[0])


def _place(particle: Any) -> str:
    """The position of a particle's production, as the end of a vertex line; empty for the primary vertex."""
    if not (particle.hasVertex() and (particle.tProd() or particle.xProd())):
        return ""
    return f" @ {particle.xProd():.12g} {particle.yProd():.12g} {particle.zProd():.12g} {particle.tProd():.12g}"


def _particle_line(number: int, parent: int, p: Any) -> str:
    momentum = f"{p.px():.12g} {p.py():.12g} {p.pz():.12g} {p.e():.12g} {p.m():.12g}"
    return f"P {number} {parent} {p.id()} {momentum} {p.statusHepMC()}\n"
