"""Write the events of a MadMiner file in a random order, with a memory that does not grow with their number.

HDF5 ends the whole process when the disk is full. So it only makes the head of the file, in memory: all small datasets,
and the places of the large ones. The events are written there as plain bytes, whose errors Python reports.

Events that do not fit into memory are shuffled in two passes (Rao 1961, Sandelius 1962): each goes to a random bucket,
and each bucket is shuffled in memory. All orders have the same probability, as in a shuffle in one pass. The buckets
are parts of the file itself.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np

from mmc.jobs.madminer import layout
from mmc.jobs.madminer.event_rows import DATASETS, LABELS, NUMBERS

BUCKET = 1 << 28
"""The bytes of a bucket; events that take less are shuffled in one pass."""
_HEAD = 1 << 24
"""The head of a file ends before this byte, or at the first event."""
_DRAWN = 1 << 20
"""The numbers drawn at a time."""

Block = Sequence[Any]
"""Observables, weights and sampled benchmarks of some events, and labels and numbers if the file has them."""


def copy_declarations(path: Path, out: Path) -> None:
    """Copy a MadMiner file without its events."""
    content = BytesIO()
    with layout.opened(path) as source, h5py.File(content, "w") as target:
        for name in source:
            if name != "samples":
                source.copy(name, target)
    out.write_bytes(content.getbuffer())


Places = Callable[[Any, Any], Any]
"""The place of each event among all, from 0 to 1, given its label and its number: arrays of shape (events,)."""


def places_of(names: Sequence[int], seed: int) -> Places:
    """Random places that depend on what an event is, and not on the other events of its file.

    So an event is in the same partition of every file that has it, but for a few near the ends of a partition. The bits
    are mixed as by SplitMix64 (Steele, Lea, Flood, doi:10.1145/2660193.2660195).

    :param names: of the sample with each label, as of :func:`mmc.jobs.madminer.cross_sections.names_of`
    """
    keys = np.asarray(names, dtype=np.int64).view(np.uint64) ^ np.uint64(seed % 2**64)

    def place(labels: Any, numbers: Any) -> Any:
        bits = keys[labels] + np.asarray(numbers).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
        return ((bits ^ (bits >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53

    return place


def add_events(
    out: Path,
    blocks: Callable[[], Iterable[Block]],
    shapes: Sequence[tuple[int, ...]],
    random: Any,
    *,
    places: Places | None = None,
) -> None:
    """Add events to a file that has none, in a random order.

    :param blocks: gives the events, a block at a time
    :param shapes: of the observables, the weights and the sampled benchmarks of all events, and of labels and numbers
    :param random: numpy's generator, or ``numpy.random`` for the global one
    :param places: gives the order in its place, for files with labels and numbers
    :raises OSError: when the disk is full, among others
    """
    names = (*DATASETS, LABELS, NUMBERS)[: len(shapes)]
    kinds = [np.dtype(kind) for kind in (float, float, np.int64, np.int32, np.int64)][: len(shapes)]
    head, offsets = _with_places(out.read_bytes(), dict(zip(names, zip(shapes, kinds, strict=True), strict=True)))
    with out.open("r+b") as file:
        file.write(head)
        tables = [
            _Table(file, place, shape[1:], kind) for place, shape, kind in zip(offsets, shapes, kinds, strict=True)
        ]
        file.truncate(max(table.place + shape[0] * table.row for table, shape in zip(tables, shapes, strict=True)))
        n_events, n_buckets = shapes[0][0], -(-shapes[0][0] * sum(table.row for table in tables) // BUCKET)
        if n_buckets <= 1:
            columns: list[Any] = list(zip(*blocks(), strict=True))
            if places is None:
                order = random.permutation(n_events)
            else:
                order = np.argsort(places(*map(np.concatenate, columns[-2:])))
            for table, parts in zip(tables, columns, strict=True):
                table.write(0, np.concatenate(parts)[order])
        else:
            for start, stop in _scatter(tables, blocks, n_events, n_buckets, random=random, places=places):
                if places is None:
                    order = random.permutation(stop - start)
                else:
                    order = np.argsort(places(*(table.read(start, stop) for table in tables[-2:])))
                for table in tables:
                    table.write(start, table.read(start, stop)[order])


def _with_places(content: bytes, datasets: Mapping[str, tuple[tuple[int, ...], Any]]) -> tuple[bytes, list[int]]:
    """The head of a file to which empty datasets are added, and the byte where the rows of each begin."""
    head = _Head(content)
    with h5py.File(head, "r+") as file:
        added = [
            file.create_dataset(f"samples/{name}", shape, kind, fill_time="never")
            for name, (shape, kind) in datasets.items()
        ]
        file.flush()  # everything else is in its place before the rows get theirs
        for dataset in added:
            dataset[:1] = 0
        places = [int(dataset.id.get_offset()) for dataset in added]
    return head.getvalue()[: max(places[0], 0)], places


class _Head(BytesIO):
    """A file of which only the head is kept."""

    def write(self, data: Any) -> int:
        return super().write(data) if self.tell() < _HEAD else len(data)


class _Table:
    """The rows of a dataset in a file that is open."""

    def __init__(self, file: IO[bytes], place: int, shape: tuple[int, ...], kind: Any) -> None:
        self._file, self.place, self._shape, self._kind = file, place, shape, kind
        self.row = kind.itemsize * int(np.prod(shape))
        """The bytes of a row."""

    def write(self, start: int, values: Any) -> None:
        self._file.seek(self.place + start * self.row)
        self._file.write(np.ascontiguousarray(values, dtype=self._kind).data)

    def read(self, start: int, stop: int) -> Any:
        self._file.seek(self.place + start * self.row)
        return np.frombuffer(self._file.read((stop - start) * self.row), self._kind).reshape(-1, *self._shape)


def _scatter(
    tables: Sequence[_Table],
    blocks: Callable[[], Iterable[Block]],
    n_events: int,
    n_buckets: int,
    *,
    random: Any,
    places: Places | None,
) -> Iterator[tuple[int, int]]:
    """Write each event into a random bucket, and return the first row and the end of each bucket."""
    seed = int(random.random() * 2**53)
    numbers = np.random.default_rng(seed)
    counts = np.zeros(n_buckets, dtype=np.int64)
    if places is None:
        drawn = (numbers.random(min(_DRAWN, n_events - start)) for start in range(0, n_events, _DRAWN))
    else:
        drawn = (places(*block[-2:]) for block in blocks())
    for some in drawn:
        counts += np.bincount((some * n_buckets).astype(np.intp), minlength=n_buckets)
    ends = np.cumsum(counts)
    numbers, free = np.random.default_rng(seed), ends - counts
    for block in blocks():
        some = numbers.random(len(block[0])) if places is None else places(*block[-2:])
        bucket = (some * n_buckets).astype(np.intp)
        order, here = np.argsort(bucket, kind="stable"), np.bincount(bucket, minlength=n_buckets)
        last = np.cumsum(here)
        for table, values in zip(tables, block, strict=True):
            ordered = values[order]
            for place, stop, count in zip(free.tolist(), last.tolist(), here.tolist(), strict=True):
                table.write(place, ordered[stop - count : stop])
        free += here
    return zip((ends - counts).tolist(), ends.tolist(), strict=True)
