"""The events of a MadMiner file in blocks of rows: memory has to hold a block, never the file."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mmc.errors import StepError
from mmc.jobs.madminer import layout

BLOCK = 1 << 26
"""The bytes of a block of rows: a few copies of it are in memory at a time."""
DATASETS = ("observations", "weights", "sampling_benchmarks")
"""The datasets of ``samples`` with a row for each event."""
LABELS, NUMBERS = "mmc_samples", "mmc_numbers"
"""Further datasets, which MadMiner does not read: the index of each event's sample among those in the record, and the
number of the event in its sample, by which it is found again in the files of other regions and groups."""


class Rows:
    """A dataset with one row for each event; its rows are read where they are taken."""

    def __init__(self, path: Path, place: str, file: Any) -> None:
        """:raises KeyError: when the file, which is open, has no such dataset"""
        self._path, self._place = path, place
        self.shape, self.dtype = tuple(file[place].shape), file[place].dtype
        self.size = int(np.prod(self.shape))

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: Any) -> Any:
        with layout.opened(self._path) as file:
            return file[self._place][rows]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self[()], dtype=dtype)


def read(path: Path, columns: Sequence[Rows], rows: Any) -> list[Any]:
    """The same rows of several datasets of a file, which is opened once."""
    with layout.opened(path):
        return [column[rows] for column in columns]


def rows_of(file_name: str) -> tuple[Any, Any, Any]:
    """The observables, the weights and the sampled benchmarks of a file's events; empty arrays without events.

    It replaces MadMiner's ``_load_samples``, which reads all of them, even for their number.
    """
    path = Path(file_name)
    with suppress(KeyError), layout.opened(path) as file:
        x, weights, origin = (Rows(path, f"samples/{name}", file) for name in DATASETS)
        return x, weights, origin
    return np.empty(0), np.empty(0), np.empty(0)


def labels_of(file_name: str) -> Rows:
    """The :data:`LABELS` of a file's events.

    :raises KeyError: when the file has none
    """
    return _rows_of(Path(file_name), LABELS)


def numbers_of(file_name: str) -> Rows:
    """The :data:`NUMBERS` of a file's events.

    :raises StepError: when the file has none
    """
    try:
        return _rows_of(Path(file_name), NUMBERS)
    except KeyError as error:
        raise StepError(
            f"{file_name} has no numbers of events (`samples/{NUMBERS}`), so events that it shares with other files "
            "cannot be found: combine the events again"
        ) from error


def _rows_of(path: Path, name: str) -> Rows:
    with layout.opened(path) as file:
        return Rows(path, f"samples/{name}", file)


def blocks_of(path: Path) -> Iterator[tuple[Any, Any, Any]]:
    """Observables (rows, observables), weights as they are stored (rows, benchmarks) and sampled benchmarks (rows,)."""
    columns = rows_of(str(path))
    for rows in slices(len(columns[0]), _width(columns)):
        with layout.opened(path) as file:
            x, weights, origin = (file[f"samples/{name}"][rows] for name in DATASETS)
        yield x, weights, origin


def spaced_blocks(path: Path, step: int) -> Iterator[tuple[Any, Any, Any]]:
    """Every so many rows of each block, copied: a view would keep the whole block in memory."""
    return ((x[::step].copy(), weights[::step].copy(), origin[::step].copy()) for x, weights, origin in blocks_of(path))


def width(path: Path) -> int:
    """The bytes of a row in memory, in double precision."""
    return _width(rows_of(str(path)))


def _width(columns: tuple[Any, ...]) -> int:
    return 8 * sum(int(np.prod(column.shape[1:])) for column in columns)


def block_rows(n_bytes: int) -> int:
    """The rows in a block, if a row has this many bytes."""
    return max(BLOCK // max(n_bytes, 1), 1)


def slices(n_rows: int, n_bytes: int) -> Iterator[slice]:
    """Blocks of rows of this many bytes each."""
    size = block_rows(n_bytes)
    return (slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size))
