"""Open HDF5 files that anybody may have written.

The format lets a file refer to other files (external links, external storage, virtual datasets), to itself (soft links,
cycles), to programs (filters, which are loaded as plugins), and lets it claim any size. So every object is looked at
before a value is read, and nothing is followed.
"""

import os
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import h5py
from h5py import h5d, h5g, h5l, h5o, h5t, h5z

from mmc.errors import StepError
from mmc.processes import memory_of_machine
from mmc.reading import first_line, open_regular, shown

MOST_OBJECTS = 1_000
"""The largest number of groups and datasets in a file; MadMiner's files have about 30."""
MOST_LEVELS = 8
"""The deepest nesting of groups; MadMiner's files have one level."""
RATIO, FREE = 100, 1 << 26
"""The values of a file take at most RATIO times the bytes of the file, and FREE more: only constants shrink more."""

_FILTERS = {h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32, h5z.FILTER_SZIP, h5z.FILTER_LZF}
_KINDS = {h5t.INTEGER: "integers", h5t.FLOAT: "numbers", h5t.STRING: "texts"}
_LARGEST = {"integers": 8, "numbers": 8, "texts": 1 << 16}
"""Bytes per value."""


@dataclass(frozen=True)
class Declared:
    """What a file says of a dataset."""

    kind: str
    """``integers``, ``numbers`` or ``texts``."""
    shape: tuple[int, ...]
    n_bytes: int
    """The size of all values in memory, counted in whole chunks."""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file for reading, as ``h5py.File``. Before anything is read from it, :func:`look` must have accepted it.

    :raises StepError: when the file is not a regular file, or not HDF5
    """
    try:
        with open_regular(path) as plain:
            file = h5py.File(path, "r") if plain.read(1) else None
    except OSError as error:
        reason = "is not an HDF5 file" if error.errno is None else f"cannot be read: {error.strerror}"
        raise StepError(f"{path.name} {reason}") from error
    if file is None:
        raise StepError(f"{path.name} is empty")
    with file:
        yield file


def state(file: Any) -> os.stat_result:
    """The state of the file that is open, whatever its path leads to by now."""
    return os.fstat(file.id.get_vfd_handle())


def look(file: Any, name: str, in_blocks: Container[str] = ()) -> Mapping[str, Declared]:
    """The datasets of a file by their full names.

    :param file: from :func:`opened`
    :param name: of the file, for messages
    :param in_blocks: the datasets that are read in blocks, so memory need not hold them
    :raises StepError: when the file refers to anything outside itself or twice to the same object, has a dataset of a
        type that MadMiner does not write, or claims more values than it can hold
    """
    size = state(file).st_size
    found: dict[str, Declared] = {}
    stored = 0
    try:
        for place, dataset in _datasets(file.id, name):
            found[place], there = _look(dataset, f"{shown(place)} of {name}", size)
            stored += there
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise StepError(f"{name} is damaged: {first_line(error)}") from error
    claimed = sum(declared.n_bytes for declared in found.values())
    if stored > size or claimed > RATIO * size + FREE:
        raise StepError(f"{name} has {size:,} bytes, and claims {claimed:,} bytes of values")
    memory = memory_of_machine()
    whole = sum(declared.n_bytes for place, declared in found.items() if place not in in_blocks)
    if whole > memory:
        raise StepError(f"{name} holds {whole:,} bytes of values, and the memory of this machine has {memory:,} bytes")
    return found


def _datasets(file: Any, name: str) -> Iterator[tuple[str, Any]]:
    """All datasets, found through hard links alone."""
    root = h5g.open(file, b"/")
    seen = {h5o.get_info(root).addr}
    waiting = [("", root, 0)]
    while waiting:
        above, group, level = waiting.pop()
        if level > MOST_LEVELS:
            raise StepError(f"{name} has groups more than {MOST_LEVELS} deep")
        for key in group:
            place = f"{above}/{key.decode('utf-8', errors='replace')}".lstrip("/")
            if group.links.get_info(key).type != h5l.TYPE_HARD:
                raise StepError(f"{shown(place)} of {name} is a link, which may lead to another file")
            address = h5o.get_info(group, key).addr
            if address in seen:
                raise StepError(f"{shown(place)} of {name} has a second name in the file")
            seen.add(address)
            if len(seen) > MOST_OBJECTS:
                raise StepError(f"{name} has more than {MOST_OBJECTS:,} groups and datasets")
            entry = h5o.open(group, key)
            if isinstance(entry, h5g.GroupID):
                waiting.append((place, entry, level + 1))
            elif isinstance(entry, h5d.DatasetID):
                yield place, entry
            else:
                raise StepError(f"{shown(place)} of {name} is neither a group nor a dataset")


def _look(dataset: Any, where: str, size: int) -> tuple[Declared, int]:
    """What a dataset declares, and how many bytes of the file it takes.

    :raises StepError: when its values are not all in the file, or are of another type
    """
    creation = dataset.get_create_plist()
    layout = creation.get_layout()
    if layout == h5d.VIRTUAL:
        raise StepError(f"{where} is a virtual dataset, whose values are in another file")
    if creation.get_external_count():
        raise StepError(f"the values of {where} are in another file")
    filters = [creation.get_filter(number)[0] for number in range(creation.get_nfilters())]
    if strange := set(filters) - _FILTERS:
        raise StepError(f"{where} is packed with the filter {min(strange)}; mmc reads gzip, szip and LZF")
    kind = dataset.get_type()
    what = _KINDS.get(kind.get_class())
    if what is None or h5t.TypeID.committed(kind) or (what == "texts" and kind.is_variable_str()):
        raise StepError(f"{where} holds neither numbers nor texts of a fixed length")
    if kind.get_size() > _LARGEST[what]:
        raise StepError(f"{where} has values of {kind.get_size():,} bytes each")
    if dataset.get_space().get_simple_extent_type() == h5py.h5s.NULL:
        raise StepError(f"{where} has no values")
    shape = tuple(dataset.shape)
    claimed = prod(shape) * kind.get_size()
    stored = dataset.get_storage_size()
    if layout == h5d.CHUNKED:
        chunk = creation.get_chunk()
        n_chunks = prod(-(-length // part) for length, part in zip(shape, chunk, strict=True))
        claimed = max(n_chunks, 1) * prod(chunk) * kind.get_size()
        whole = dataset.get_num_chunks() == n_chunks
    else:
        offset = dataset.get_offset() or 0
        whole = stored >= claimed and offset + stored <= size
    if not whole:
        raise StepError(f"{where} claims {claimed:,} bytes of values that are not in the file")
    return Declared(what, shape, claimed), stored
