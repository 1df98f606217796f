"""Arrays of samples that stay in their files; rows are read, and transformed, where they are needed."""

import mmap
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

ROWS = 1 << 18
"""The rows of a block."""


class Mapped:
    """An array of shape (rows, columns) in a file, with what MadMiner's estimators do with an array of samples.

    Arithmetic and the choice of columns are noted, and done when rows are read.
    """

    ndim = 2

    def __init__(self, rows: Any, change: Callable[[Any], Any] = lambda block: block) -> None:
        """
        :param rows: numpy's memory map of a file
        :param change: of some rows
        """
        self._rows, self._change = rows, change
        one = self[:1]
        self.shape, self.dtype = (len(rows), one.shape[1]), one.dtype

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, key: Any) -> Any:
        """Rows, or columns as ``array[:, columns]``."""
        if isinstance(key, tuple):
            return self._then(lambda block: block[key])
        found = self._change(np.array(self._rows[key]))
        self._rows._mmap.madvise(mmap.MADV_DONTNEED)  # or all rows that were read would count as this job's memory
        return found

    def take(self, chosen: Any) -> Any:
        """The rows of these numbers, read in the order of the file."""
        order = np.argsort(chosen)
        read = self[chosen[order]]
        found = np.empty_like(read)
        found[order] = read
        return found

    def blocks(self) -> Iterator[Any]:
        """All rows, a block at a time."""
        return (self[start : start + ROWS] for start in range(0, len(self), ROWS))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self[:], dtype=dtype)

    def _then(self, change: Callable[[Any], Any]) -> "Mapped":
        before = self._change
        return Mapped(self._rows, lambda block: change(before(block)))

    def __sub__(self, other: Any) -> "Mapped":
        return self._then(lambda block: block - other)

    def __mul__(self, other: Any) -> "Mapped":
        return self._then(lambda block: block * other)

    def __truediv__(self, other: Any) -> "Mapped":
        return self._then(lambda block: block / other)

    def __neg__(self) -> "Mapped":
        return self._then(lambda block: -block)

    def astype(self, dtype: Any) -> "Mapped":
        """The same numbers in another type."""
        return self._then(lambda block: block.astype(dtype))

    def mean(self, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
        """The mean of each column."""
        del axis, dtype, out
        return (sum(block.sum(axis=0, dtype=float) for block in self.blocks()) / len(self)).astype(self.dtype)

    def std(self, axis: int = 0, dtype: Any = None, out: None = None, ddof: int = 0) -> Any:
        """The standard deviation of each column."""
        del axis, dtype, out, ddof
        mean = self.mean().astype(float)
        squares = sum(np.square(block - mean).sum(axis=0) for block in self.blocks())
        return np.sqrt(squares / len(self)).astype(self.dtype)


def blocks(values: Any) -> Iterator[Any]:
    """The rows of an array: all at once, or a block at a time if they stay in a file."""
    yield from values.blocks() if isinstance(values, Mapped) else (values,)
