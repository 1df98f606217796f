"""Read Les Houches event files as arrays: the final-state particles and the weights of all events."""

import logging
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmc.errors import StepError
from mmc.jobs.formats.les_houches_text import (
    COLUMNS,
    LARGEST_CODE,
    Block,
    UnusualFileError,
    between,
    blocks,
    head,
    n_particles,
    number,
    weights,
)
from mmc.reading import first_line

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STATUS = 1
"""The column of a particle's line that is 1 for a final-state particle."""
_MOMENTUM = slice(6, 10)
_SPIN = 12
_KEPT = 6
"""The PDG code, the momentum and the spin of a particle."""


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
    return _table(path, _factor(path))


def _factor(path: Path) -> float:
    """One over the number of events where the run card asks for the mean of the weights, else 1."""
    card = between(head(path), "<MGRunCard>", "</MGRunCard>")
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
        factor = 1.0 / number(entries["nevents"])
    except (KeyError, ValueError, ZeroDivisionError):
        factor = 0.0
    if not 0.0 < factor <= 1.0:
        raise StepError(f"the run card in {path.name} does not give the number of events (nevents)")
    return factor


def _table(path: Path, factor: float) -> EventTable:
    # arrays of numbers take a fifth of the memory of lists of tuples
    counts, lines, own, particles, values = array("q"), array("q"), array("d"), array("d"), array("d")
    names: list[str] | None = None
    for event, block in enumerate(blocks(path), start=1):
        where = f"event {event} of {path.name}"
        try:
            final, own_weight, found = _event(block)
        except (ValueError, IndexError, OverflowError) as error:
            raise StepError(f"{where} is damaged: {first_line(error)} (line {block.line})") from error
        if names is None:
            names = list(found)
        elif names != list(found):
            missing = [name for name in names if name not in found]
            reason = f"has no weight for {missing[0][:60]!r}" if missing else "has other weights than the first event"
            raise StepError(f"{where} {reason}")
        counts.append(len(final) // _KEPT)
        lines.append(block.line)
        particles.extend(final)
        own.append(own_weight)
        values.extend(found.values())
    table = np.frombuffer(particles).reshape(-1, _KEPT) if particles else np.empty((0, _KEPT))
    columns = np.frombuffer(values).reshape(len(own), -1) if values else np.empty((len(own), len(names or ())))
    n_final = np.array(counts, dtype=np.int64)
    strange = ~np.isfinite(table).all(axis=1) | (np.abs(table[:, 0]) >= LARGEST_CODE)
    if strange.any():
        event = int(np.searchsorted(np.cumsum(n_final), np.argmax(strange), side="right"))
        raise StepError(
            f"event {event + 1} of {path.name} is damaged: an entry is too large or not a number (line {lines[event]})"
        )
    return EventTable(
        name=path.name,
        counts=n_final,
        pdgids=table[:, 0].astype(np.int64),
        momenta=table[:, 1:5],
        spins=table[:, 5],
        own_weights=np.array(own, dtype=float),
        weights=dict(zip(names or (), columns.T, strict=True)),
        factor=factor,
    )


def _event(block: Block) -> tuple[list[float], float, dict[str, float]]:
    """The final-state particles (PDG code, momentum and spin of each), the nominal weight and the weights by name.

    :raises ValueError: when an entry is missing or is not a number
    :raises IndexError: likewise
    :raises OverflowError: likewise
    """
    body, tag, rest = block.text.partition("<")
    if not body.isascii() or "_" in body:
        raise ValueError("it has characters that are not those of numbers")
    first, *lines = [words for words in map(str.split, body.splitlines()) if len(words) > 1] or [[]]
    declared = n_particles(first[0])
    final: list[float] = []
    for words in lines:
        if words[0].startswith("#"):
            raise UnusualFileError("there are comments in events")
        if len(words) != COLUMNS:
            raise ValueError(f"a particle has {len(words)} entries instead of {COLUMNS}")
        if int(words[_STATUS]) == 1:
            final += (float(int(words[0])), *map(float, words[_MOMENTUM]), float(words[_SPIN]))
    if len(lines) != declared:
        raise ValueError(f"it has {len(lines)} of {declared} particles")
    tail = tag + rest
    found = weights(tail)
    if tail.count("<wgt") != len(found):
        raise UnusualFileError("the format of the weights is not MadGraph's")
    return final, number(first[2]), {name: number(value) for name, value in found}
