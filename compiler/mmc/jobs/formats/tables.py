"""Read columns of tables: trees of ROOT, Parquet, HDF5 and npz, which anybody may have written."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmc.compiler.inputs.tables import SUFFIXES, columns_of_npz, element, kind_of, missing, what_there_is
from mmc.errors import MissingExtraError, StepError
from mmc.jobs import arrays
from mmc.jobs.formats import hdf5
from mmc.reading import first_line, open_regular, shown

Floats = NDArray[np.float64]

RATIO, FREE = 100, 1 << 26
"""The values of a file take at most RATIO times the bytes of the file, and FREE more."""
_TREES = ("TTree", "ROOT::RNTuple")


@dataclass(frozen=True)
class _Table:
    """A table that is open."""

    names: Sequence[str]
    get: Callable[[str], Any]
    """The values of a column: an array of numpy, or of awkward if events have lists or lack values."""


def read(path: Path, tree: str | None, wanted: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Floats]:
    """The columns of a table by their texts, ``x`` or ``x[0]``, each of shape (events,).

    A number that an event lacks is NaN: an element of a shorter list, or a null.

    :param tree: the tree of a ROOT file, or the group of an HDF5 file
    :param optional: columns that the table may lack
    :raises StepError: when the file is damaged or empty, lacks the tree or a column, a column does not hold numbers or
        holds several for each event, or columns have different lengths
    """
    kind = _kind(path)
    if tree is not None and kind in ("npz", "parquet"):
        raise StepError(f"{path.name} has no trees: remove `tree`")
    with _OPEN[kind](path, tree) as table:
        for text in wanted:
            if missing(text, table.names):
                raise StepError(f"{path.name} has no column {shown(text)}; {what_there_is(text, table.names)}")
        there = [text for text in optional if text in table.names]
        found = {text: _numbers(table, text, path.name) for text in (*wanted, *there)}
    sizes: dict[int, str] = {}
    for text, values in found.items():
        sizes.setdefault(len(values), text)
    if len(sizes) > 1:
        (one, first), (other, second), *_ = sizes.items()
        raise StepError(
            f"the columns of {path.name} have different lengths: {shown(first)} has {one:,} events, and "
            f"{shown(second)} has {other:,}"
        )
    if 0 in sizes:
        raise StepError(f"{path.name} has no events")
    return found


def read_lists(path: Path, tree: str | None, groups: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Columns of lists, arrays of awkward of shape (events, var).

    :param groups: columns whose lists have the same lengths; the first is positive, as pT is
    :raises StepError: as :func:`read`; when a column has no lists of numbers, a list or a number in it is null, or
        lists of a group differ in length
    """
    kind, found = _kind(path), dict[str, Any]()
    with _OPEN[kind](path, tree) as table:
        for text in (text for group in groups for text in group):
            if text not in table.names:
                raise StepError(f"{path.name} has no column {shown(text)}; {what_there_is(text, table.names)}")
        for group in groups:
            columns = {text: table.get(text) for text in group}
            found |= (_padded if kind in _OF_ARRAYS else _jagged)(columns, path.name)
    return found


def _kind(path: Path) -> str:
    """:raises StepError: when the name does not end like that of a table"""
    kind = kind_of(path.name)
    if kind is None:
        raise StepError(f"{path.name} does not end like a table that mmc reads; these end in {', '.join(SUFFIXES)}")
    return kind


_OF_ARRAYS = ("npz", "hdf5")
"""The kinds of tables whose lists are rows of arrays."""


def _jagged(columns: Mapping[str, Any], file: str) -> dict[str, Any]:
    """:raises StepError: as :func:`read_lists`, for one group of columns"""
    import awkward as ak

    found = {text: _lists(values, text, file) for text, values in columns.items()}
    first, *_ = columns
    counts = {text: np.asarray(ak.num(values)) for text, values in found.items()}
    for text, own in counts.items():
        differ = own != counts[first] if len(own) == len(counts[first]) else np.ones(1, dtype=bool)
        if differ.any():
            raise StepError(
                f"the lists {shown(first)} and {shown(text)} of {file} have different lengths, first in "
                f"event {int(differ.argmax()) + 1}"
            )
    return found


def _padded(columns: Mapping[str, Any], file: str) -> dict[str, Any]:
    """Lists from arrays of shape (events, most particles): a particle is where the first column is positive.

    :raises StepError: when a column is not such an array, or lacks a number of a particle
    """
    import awkward as ak

    first, *_ = columns
    shape = columns[first].shape
    for text, values in columns.items():
        if values.dtype.kind not in "biuf" or values.ndim != len(("events", "particles")) or values.shape != shape:
            what = f"the shape {values.shape}" if values.dtype.kind in "biuf" else "no numbers"
            raise StepError(
                f"column {shown(text)} of {file} has {what}: a list of particles is an array of numbers of shape "
                f"(events, particles), the same for all of its columns, with 0 or NaN where {shown(first)} has no more"
            )
    there = columns[first] > 0
    counts = there.sum(axis=1)
    for text, values in columns.items():
        lacks = (there & ~np.isfinite(values)).any(axis=1)
        if lacks.any():
            raise StepError(
                f"column {shown(text)} of {file} is not a number where {shown(first)} is, first in event "
                f"{int(lacks.argmax()) + 1}"
            )
    return {text: ak.unflatten(values[there], counts) for text, values in columns.items()}


def _lists(values: Any, text: str, file: str) -> Any:
    """A column of lists, of a type without nulls.

    :raises StepError: it does not hold lists of numbers, or there are nulls
    """
    import awkward as ak

    values = ak.from_regular(ak.Array(values)) if values.ndim == 2 else values
    if values.ndim != 2 or np.asarray(ak.to_numpy(ak.flatten(values))[:1]).dtype.kind not in "biuf":
        raise StepError(f"column {shown(text)} of {file} does not hold lists of numbers")
    lacks = np.asarray(ak.fill_none(ak.any(ak.is_none(values, axis=1), axis=1), True))
    if lacks.any():
        raise StepError(
            f"column {shown(text)} of {file} has nulls, first in event {int(lacks.argmax()) + 1}: leave out such "
            "particles, and write an empty list where there are none"
        )
    return ak.unflatten(*(np.ma.getdata(ak.to_numpy(part)) for part in (ak.flatten(values), ak.num(values))))


def _numbers(table: _Table, text: str, file: str) -> Floats:
    """:raises StepError: as :func:`read`, for one column"""
    name, index = (text, None) if text in table.names else element(text)
    try:
        values = table.get(name)
        if not isinstance(values, np.ndarray):
            values, index = _filled(values, index), (index if values.ndim == 1 else None)
    except (TypeError, ValueError) as error:
        raise StepError(f"column {shown(name)} of {file} does not hold numbers: {first_line(error)}") from error
    if values.dtype.kind not in "biuf":
        raise StepError(f"column {shown(name)} of {file} does not hold numbers")
    if values.ndim == 2 and index is not None:
        missing_there = index >= values.shape[1]
        return np.full(len(values), np.nan) if missing_there else np.asarray(values[:, index], dtype=float)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        many = "lists of numbers" if values.ndim == 0 else "several numbers"
        raise StepError(f"events have {many} in column {shown(name)} of {file}: write {shown(f'{name}[0]')}, say")
    if index is not None:
        raise StepError(f"events have one number in column {shown(name)} of {file}: write it without [{index}]")
    return np.asarray(values, dtype=float)


def _filled(values: Any, index: int | None) -> NDArray[Any]:
    """An array of awkward as one of numpy, with NaN for what is missing; without dimensions if events have lists."""
    import awkward as ak

    if values.ndim == 1:
        return _flat(values)
    if index is None or values.ndim > 2:
        counts = ak.num(values)
        return np.asarray(ak.to_numpy(values)) if len(counts) and ak.all(counts == counts[0]) else np.zeros(())
    counts = np.asarray(ak.to_numpy(ak.fill_none(ak.num(values), 0)), dtype=np.int64)
    flat, places, there = _flat(ak.flatten(values)), np.cumsum(counts) - counts + index, counts > index
    if flat.dtype.kind not in "biuf":
        return flat
    found = np.full(len(counts), np.nan)
    found[there] = flat[places[there]]
    return found


def _flat(values: Any) -> NDArray[Any]:
    """A list of numbers, with NaN for what is missing; empty texts for anything else."""
    import awkward as ak

    kind = np.asarray(ak.to_numpy(ak.drop_none(values)[:1])).dtype.kind
    if kind not in "biuf":
        return np.zeros(len(values), dtype="U1")
    return np.asarray(ak.to_numpy(ak.fill_none(ak.values_astype(values, np.float64), np.nan)))


def _size(path: Path) -> int:
    """:raises StepError: when the file cannot be read, or is empty"""
    try:
        with open_regular(path) as plain:
            size = os.fstat(plain.fileno()).st_size
    except OSError as error:
        raise StepError(f"{path.name} cannot be read: {error.strerror}") from error
    if not size:
        raise StepError(f"{path.name} is empty")
    return size


@contextmanager
def _root(path: Path, tree: str | None) -> Iterator[_Table]:
    import uproot

    size = _size(path)
    try:
        with uproot.open(path) as file:
            content = file[_tree_of(file, tree, path.name)]
            is_tree = hasattr(content, "branches")

            def get(name: str) -> Any:
                claimed = 8 * content.num_entries + (max(int(content[name].uncompressed_bytes), 0) if is_tree else 0)
                _check_claim(claimed, size, path.name)
                return content[name].array()

            yield _Table(content.keys(full_paths=False) if is_tree else content.keys(), get)
    except StepError:
        raise
    except Exception as error:  # uproot passes on many types: zlib.error, ValueError, DeserializationError, …
        raise StepError(f"{path.name} is damaged: {first_line(error)}") from error


def _tree_of(file: Any, tree: str | None, name: str) -> str:
    """The tree to read; the only one if none is named.

    :raises StepError: when there is no such tree, or several and none is named
    """
    trees = list(dict.fromkeys(place.partition(";")[0] for place, kind in file.classnames().items() if kind in _TREES))
    if tree is None and len(trees) == 1:
        return str(trees[0])
    if tree in trees and tree is not None:
        return tree
    what = f"no tree {shown(tree)}" if tree is not None else "several trees: name one as `tree`" if trees else "no tree"
    raise StepError(f"{name} has {what}" + (f"; it has {', '.join(map(shown, trees[:20]))}" if trees else ""))


def _check_claim(claimed: int, size: int, name: str) -> None:
    """:raises StepError: when a file claims more values than it can hold"""
    if claimed > RATIO * size + FREE:
        raise StepError(f"{name} has {size:,} bytes, and claims {claimed:,} bytes of values")


@contextmanager
def _parquet(path: Path, _tree: str | None) -> Iterator[_Table]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError("pyarrow", "parquet") from error
    import awkward as ak

    size = _size(path)
    try:
        with parquet.ParquetFile(path) as file:

            def get(name: str) -> Any:
                column = file.read(columns=[name]).column(name)
                return ak.from_arrow(column)

            groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
            claimed = max(sum(group.total_byte_size for group in groups), 8 * file.metadata.num_rows)
            _check_claim(claimed, size, path.name)
            yield _Table(file.schema_arrow.names, get)
    except (pyarrow.ArrowException, OSError, EOFError) as error:
        raise StepError(f"{path.name} is damaged: {first_line(error)}") from error


@contextmanager
def _hdf5(path: Path, tree: str | None) -> Iterator[_Table]:
    with hdf5.opened(path) as file:
        declared, group = hdf5.look(file, path.name), "" if tree is None else f"{tree.strip('/')}/"
        names = [place.removeprefix(group) for place in declared if place.startswith(group)]
        if not names:
            groups = sorted({place.rpartition("/")[0] for place in declared} - {""})
            listed = f"its groups are {', '.join(map(shown, groups[:20]))}" if groups else "it has no groups"
            raise StepError(f"{path.name} has no group {shown(group.rstrip('/'))}; {listed}")
        yield _Table(names, lambda name: np.asarray(file[f"{group}{name}"][()]))


@contextmanager
def _npz(path: Path, _tree: str | None) -> Iterator[_Table]:
    _size(path)
    columns = columns_of_npz(path)
    if columns is None:
        raise StepError(f"{path.name} is damaged, or holds something other than arrays")

    def get(name: str) -> Any:
        if not columns[name].is_numeric:
            raise StepError(f"column {shown(name)} of {path.name} does not hold numbers")
        return arrays.read_npz(path, only=[name], packed=True)[name]

    yield _Table(list(columns), get)


_OPEN: dict[str, Callable[[Path, str | None], AbstractContextManager[_Table]]] = {
    "root": _root,
    "parquet": _parquet,
    "hdf5": _hdf5,
    "npz": _npz,
}
