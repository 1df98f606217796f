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


def add_events(
    out: Path, blocks: Callable[[], Iterable[Block]], shapes: Sequence[tuple[int, ...]], random: Any
) -> None:
    """Add events to a file that has none, in a random order.

    :param blocks: gives the events, a block at a time
    :param shapes: of the observables, the weights and the sampled benchmarks of all events, and of labels and numbers
    :param random: numpy's generator, or ``numpy.random`` for the global one
    :raises OSError: when the disk is full, among others
    """
    names = (*DATASETS, LABELS, NUMBERS)[: len(shapes)]
    kinds = [np.dtype(kind) for kind in (float, float, np.int64, np.int32, np.int64)][: len(shapes)]
    head, places = _with_places(out.read_bytes(), dict(zip(names, zip(shapes, kinds, strict=True), strict=True)))
    with out.open("r+b") as file:
        file.write(head)
        tables = [
            _Table(file, place, shape[1:], kind) for place, shape, kind in zip(places, shapes, kinds, strict=True)
        ]
        file.truncate(max(table.place + shape[0] * table.row for table, shape in zip(tables, shapes, strict=True)))
        n_events, n_buckets = shapes[0][0], -(-shapes[0][0] * sum(table.row for table in tables) // BUCKET)
        if n_buckets <= 1:
            order = random.permutation(n_events)
            for table, parts in zip(tables, zip(*blocks(), strict=True), strict=True):
                table.write(0, np.concatenate(parts)[order])
        else:
            for start, stop in _scatter(tables, blocks(), n_events, n_buckets, random):
                order = random.permutation(stop - start)
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
    tables: Sequence[_Table], blocks: Iterable[Block], n_events: int, n_buckets: int, random: Any
) -> Iterator[tuple[int, int]]:
    """Write each event into a random bucket, and return the first row and the end of each bucket."""
    seed = int(random.random() * 2**53)
    numbers = np.random.default_rng(seed)
    counts = np.zeros(n_buckets, dtype=np.int64)
    for start in range(0, n_events, _DRAWN):
        drawn = numbers.random(min(_DRAWN, n_events - start))
        counts += np.bincount((drawn * n_buckets).astype(np.intp), minlength=n_buckets)
    ends = np.cumsum(counts)
    numbers, free = np.random.default_rng(seed), ends - counts
    for block in blocks:
        bucket = (numbers.random(len(block[0])) * n_buckets).astype(np.intp)
        order, here = np.argsort(bucket, kind="stable"), np.bincount(bucket, minlength=n_buckets)
        last = np.cumsum(here)
        for table, values in zip(tables, block, strict=True):
            ordered = values[order]
            for place, stop, count in zip(free.tolist(), last.tolist(), here.tolist(), strict=True):
                table.write(place, ordered[stop - count : stop])
        free += here
    return zip((ends - counts).tolist(), ends.tolist(), strict=True)
