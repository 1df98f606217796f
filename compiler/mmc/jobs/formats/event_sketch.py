"""Which events a file holds, in few bytes, so that the same events are noticed under any name.

An event has a digest of its momenta. A file keeps its smallest digests, a bottom-k sketch (Broder 1997,
doi:10.1109/SEQUEN.1997.666900): two files with the same events keep the same ones, so few show how many they share.
"""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmc.compiler.inputs.observed_events import are_copies
from mmc.errors import StepError

Digests = NDArray[np.uint64]

KEPT = 10_000
"""At most this many digests of a file are kept."""
_MOST_COMMON = 0.01
"""The largest fraction of events that two honest files have in common, or that an honest file has twice."""
_MOST_ALIKE = 0.1
"""The same for events of which only some numbers are known."""
_FEWEST = 3
"""Fewer events may be alike by chance."""
_FEWEST_DIFFERENT = 10
"""A file with fewer different events is not one of a generator."""
_MOST_COMPARED = 1 << 21
"""At most this many different events of a file are compared with each other."""
_MIX = tuple(map(np.uint64, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)))
_LAST = np.uint64(2**64 - 1)
_SHIFTS = tuple(map(np.uint64, (30, 27, 31)))


def of_text(text: bytes) -> int:
    """The digest of an event from its text."""
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


def of_particles(body: str) -> int:
    """The digest of an event from its lines in a Les Houches file: codes and momenta of its final-state particles.

    Six digits of each momentum count, so another way to write the same numbers changes nothing, nor does another order
    of the particles.
    """
    words = (line.split() for line in body.splitlines()[1:])
    momenta = (
        f"{int(word[0])} {' '.join(f'{float(entry) + 0.0:.5e}' for entry in word[6:9])}"
        for word in words
        if int(word[1]) == 1
    )
    return of_text("\n".join(sorted(momenta)).encode())


def of_values(columns: Iterable[tuple[NDArray[Any], NDArray[np.int64]]], n_events: int) -> Digests:
    """The digests of all events from numbers.

    :param columns: for each quantity its values in single precision, event after event, and how many each event has
    """
    total = np.zeros(n_events, dtype=np.uint64)
    for number, (values, counts) in enumerate(columns, start=1):
        ends = np.cumsum(counts)
        places = (np.arange(len(values)) - np.repeat(ends - counts, counts)).astype(np.uint64)
        bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32).astype(np.uint64)
        mixed = _mixed(bits + (places + np.uint64(1000 * number) << np.uint64(32)))
        sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(mixed, dtype=np.uint64)])
        total += sums[ends] - sums[ends - counts]
    return _mixed(total)


def of_rows(*tables: NDArray[np.float64]) -> Digests:
    """The digests of events from tables of shape (events, quantities)."""
    total = np.zeros(len(tables[0]), dtype=np.uint64)
    for number, column in enumerate((column for table in tables for column in table.T), start=1):
        bits = np.ascontiguousarray(column, dtype=np.float64).view(np.uint64)
        total += _mixed(_mixed(bits) + np.uint64(number))
    return _mixed(total)


def _mixed(values: Digests) -> Digests:
    """A bijection that spreads values over all 64-bit numbers: splitmix64 (Steele, Lea, Flood 2014)."""
    values = values + _MIX[0]
    for factor, shift in zip(_MIX[1:], _SHIFTS, strict=False):
        values = (values ^ (values >> shift)) * factor
    return values ^ (values >> _SHIFTS[2])


def check_once(digests: Digests, name: str) -> None:
    """:raises StepError: when a file holds more than a few of its events several times"""
    n_different = len(np.unique(digests))
    n_again = len(digests) - n_different
    if n_different >= _FEWEST_DIFFERENT and n_again >= _FEWEST and n_again > _MOST_COMMON * len(digests):
        raise StepError(
            f"{name} holds {len(digests):,} events, and {n_again:,} of them are copies of others in the file: remove "
            "the copies, which would count as new events"
        )


def check_rows_once(blocks: Iterable[Digests], name: str) -> None:
    """Like :func:`check_once`, for events of which only numbers are known that may be alike by chance, such as counts
    of jets. Copies are found by how often the same numbers occur: a multiple of one number, or twice and never more.

    Of a large file, the events whose digests are multiples of a power of two are compared: with all their copies.

    :param blocks: the digests of all events, in blocks
    :raises StepError: when a file holds many of its events several times
    """
    values, counts, n_events, factor = np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64), 0, np.uint64(1)
    for digests in blocks:
        n_events += len(digests)
        new, of_new = np.unique(digests[digests % factor == 0], return_counts=True)
        values, places = np.unique(np.concatenate([values, new]), return_inverse=True)
        counts = np.bincount(places, np.concatenate([counts, of_new]), len(values)).astype(np.int64)
        while len(values) > _MOST_COMPARED:
            factor *= np.uint64(2)
            kept = values % factor == 0
            values, counts = values[kept], counts[kept]
    n_compared = int(counts.sum())
    n_again = n_compared - len(counts)
    are_pairs = counts.max(initial=0) == 2 and are_copies(n_again, n_compared, _MOST_ALIKE)
    if len(counts) >= _FEWEST_DIFFERENT and (np.gcd.reduce(counts) > 1 or are_pairs):
        about = "" if n_compared == n_events else "about "
        raise StepError(
            f"{name} holds {n_events:,} events, and {about}{round(n_again * n_events / n_compared):,} of them are "
            "copies of others in the file: remove the copies, which would count as new events"
        )


def write(digests: Digests) -> str:
    """The sketch of a file for its record; events that the file holds twice are left out."""
    values, counts = np.unique(digests, return_counts=True)
    return base64.b64encode(values[counts == 1][:KEPT].astype("<u8").tobytes()).decode()


def read(text: str) -> Digests:
    """The digests of :func:`write`, in rising order.

    :raises StepError: when the text is another one
    """
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), dtype="<u8").astype(np.uint64)
    except (TypeError, ValueError) as error:
        raise StepError(f"the digests of a job's events are damaged: {error}") from error


def shortened(text: str, most: int) -> str:
    """The text of :func:`write` with at most so many digests: with as many events, the same ones remain.

    :raises StepError: as :func:`read`
    """
    return base64.b64encode(read(text)[:most].astype("<u8").tobytes()).decode()


def check_different(
    sketches: Mapping[str, Digests], advice: str = "Give each event once, and generate each file with its own seed"
) -> None:
    """Compare files with each other, in a time that grows with their number.

    :param sketches: the digests of each file, by its description for messages
    :param advice: the way out
    :raises StepError: when two files have more than a few events in common
    """
    names = list(sketches)
    digests = np.concatenate([*sketches.values(), np.zeros(0, dtype=np.uint64)])
    owners = np.repeat(np.arange(len(names)), [len(values) for values in sketches.values()])
    owners = owners[np.argsort(digests, kind="stable")]
    _, starts, counts = np.unique(np.sort(digests), return_index=True, return_counts=True)
    pairs: Counter[tuple[int, int]] = Counter()
    for start, count in zip(starts[counts > 1].tolist(), counts[counts > 1].tolist(), strict=True):
        first, *others = owners[start : start + count].tolist()
        pairs.update((first, other) for other in others)
    for (first, second), n_common in pairs.most_common():
        n_smaller = _n_compared(sketches[names[first]], sketches[names[second]])
        if n_common >= _FEWEST and n_common > _MOST_COMMON * n_smaller:
            raise StepError(
                f"{names[second]} has events of {names[first]}: {n_common:,} of {n_smaller:,} that mmc compares are "
                f"the same. {advice}"
            )


def _n_compared(*sketches: Digests) -> int:
    """The largest number of events that two files can share as far as their digests were kept."""
    last = min((values[-1] for values in sketches if len(values) == KEPT), default=_LAST)
    return min(int(np.searchsorted(values, last, side="right")) for values in sketches)
