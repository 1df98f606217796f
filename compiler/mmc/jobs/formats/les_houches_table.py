"""Read Les Houches event files as arrays: the final-state particles and the weights of all events."""

import gzip
import logging
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from mmc.errors import StepError
from mmc.jobs.formats.gzipped import reading_text

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CHUNK = 1 << 22
_EVENT = re.compile(r"<event(?:\s[^<>]*)?>")
WEIGHT = re.compile(r"""<wgt\s+id=(?:'([^']*)'|"([^"]*)")\s*>\s*([^<\s]+)\s*</wgt>""")
"""A weight: its name in single or double quotes, and its value."""
_COLUMNS = 13
_STATUS = 1
"""The column of a particle's line that is 1 for a final-state particle."""
_MOMENTUM = slice(6, 10)
_SPIN = 12


class UnusualFileError(Exception):
    """A file that may be valid, but needs an XML parser."""


@dataclass(frozen=True)
class EventTable:
    """The events of a file."""

    name: str
    """The file's."""
    counts: Ints
    """The number of final-state particles of each event."""
    pdgids: Ints
    """One entry per final-state particle, event after event; the next two arrays have the same order."""
    momenta: Floats
    """px, py, pz and energy in GeV, shape (particles, 4)."""
    spins: Floats
    own_weights: Floats
    """The nominal weights, from the first lines of the events, in the file's unit."""
    weights: dict[str, Floats]
    """The weights of the events' ``<rwgt>`` blocks."""
    factor: float
    """The factor on the weights that makes their sum over the file the cross section in pb."""


def read(path: Path) -> EventTable:
    """Read a gzipped file.

    :raises StepError: when the file is damaged, or an event lacks a weight that the first event has
    :raises UnusualFileError: when the format differs from that of MadGraph and mmc
    """
    try:
        factor = _factor(path)
        return _table(path, factor)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise StepError(f"{path.name} is damaged: {error}") from error
    except UnicodeDecodeError as error:
        raise UnusualFileError(str(error)) from error


def _factor(path: Path) -> float:
    """One over the number of events where the run card asks for the mean of the weights, else 1."""
    card = None
    with gzip.open(path) as file:
        try:
            for _, element in ET.iterparse(file):
                if element.tag == "MGRunCard":
                    card = element.text or ""
                    break
                if element.tag == "header":
                    break
        except ET.ParseError as error:
            raise StepError(f"{path.name} is damaged: {error}") from error
    if card is None:
        raise StepError(f"{path.name} has no <MGRunCard>, which declares the normalisation of the weights")
    entries = {}
    for line in card.splitlines():
        value, equals, key = (line.split("!")[0] if line.count("!") == 1 else line).partition("=")
        if equals and "=" not in key:
            entries[key.strip()] = value.strip()
    if "event_norm" not in entries:
        log.warning("the run card has no event_norm (normalisation of the weights): the weights are used unchanged")
    if entries.get("event_norm") != "average":
        return 1.0
    try:
        return 1.0 / float(entries["nevents"])
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise StepError(f"the run card in {path.name} does not give the number of events (nevents)") from error


def _table(path: Path, factor: float) -> EventTable:
    counts, own = [], []
    particles: list[tuple[float, ...]] = []
    weights: list[list[float]] = []
    names: list[str] | None = None
    for number, (_, block) in enumerate(blocks(path), start=1):
        try:
            final, own_weight, found = _event(block)
        except (ValueError, IndexError) as error:
            raise StepError(f"event {number} of {path.name} is damaged: {error}") from error
        if names is None:
            names = list(found)
        elif names != list(found):
            missing = [name for name in names if name not in found]
            reason = f"has no weight for {missing[0]!r}" if missing else "has other weights than the first event"
            raise StepError(f"event {number} of {path.name} {reason}")
        counts.append(len(final))
        particles += final
        own.append(own_weight)
        weights.append(list(found.values()))
    table = np.array(particles, dtype=float).reshape(len(particles), 6)
    columns = np.array(weights, dtype=float).reshape(len(weights), len(names or ()))
    return EventTable(
        name=path.name,
        counts=np.array(counts, dtype=np.int64),
        pdgids=table[:, 0].astype(np.int64),
        momenta=table[:, 1:5],
        spins=table[:, 5],
        own_weights=np.array(own, dtype=float),
        weights=dict(zip(names or (), columns.T, strict=True)),
        factor=factor,
    )


def blocks(path: Path) -> Iterator[tuple[str, str]]:
    """For each event: the text before it (before the first event, the head of the file) and the text between its tags.

    :param path: a file, gzipped or not
    :raises StepError: when the end of the last event or of the file is missing
    """
    rest = ""
    with reading_text(path) as file:
        while chunk := file.read(_CHUNK):
            *whole, rest = (rest + chunk).split("</event>")
            for text in whole:
                before, *events = _EVENT.split(text)
                if len(events) != 1 or "<!--" in events[0]:
                    raise UnusualFileError("an event has no beginning" if not events else "an event within an event")
                yield before, events[0]
    if _EVENT.search(rest) or "</LesHouchesEvents>" not in rest:
        raise StepError(f"{path.name} is damaged: it ends within an event or without </LesHouchesEvents>")


def _event(block: str) -> tuple[list[tuple[float, ...]], float, dict[str, float]]:
    """The final-state particles (PDG code, momentum, spin), the nominal weight and the weights by name.

    :raises ValueError: when an entry is missing or is not a number
    :raises IndexError: likewise
    """
    body, _, rest = block.partition("<")
    first, *lines = [words for words in map(str.split, body.splitlines()) if len(words) > 1] or [[]]
    n_particles = int(first[0])
    final: list[tuple[float, ...]] = []
    for words in lines:
        if words[0].startswith("#"):
            raise UnusualFileError("there are comments in events")
        if len(words) != _COLUMNS:
            raise ValueError(f"a particle has {len(words)} entries instead of {_COLUMNS}")
        if int(words[_STATUS]) == 1:
            px, py, pz, energy = map(float, words[_MOMENTUM])
            final.append((int(words[0]), px, py, pz, energy, float(words[_SPIN])))
    if len(lines) != n_particles:
        raise ValueError(f"it has {len(lines)} of {n_particles} particles")
    _, opening, after = rest.partition("rwgt>")
    found = WEIGHT.findall(after.partition("</rwgt>")[0]) if opening else []
    if rest.count("<wgt") != len(found):
        raise UnusualFileError("the format of the weights is not MadGraph's")
    return final, float(first[2]), {unescape(one or two): float(value) for one, two, value in found}
