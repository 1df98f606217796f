"""Read arrays (npy and npz) that an earlier job wrote; the run may be anybody's."""

import zipfile
import zlib
from collections.abc import Collection
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from mmc.errors import StepError
from mmc.reading import first_line, open_regular, shown

MOST_ARRAYS = 1_000
"""The largest number of arrays in a file."""
RATIO, FREE = 100, 1 << 26
"""Packed arrays take at most RATIO times the bytes of their file, and FREE more."""
_MOST_HEADER = 4096
_VERSIONS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_ERRORS = (ValueError, TypeError, EOFError, KeyError, OverflowError, RuntimeError, zipfile.BadZipFile, zlib.error)


def read_npy(path: Path) -> Any:
    """The array of a file.

    :raises StepError: when the file is missing or damaged, or holds anything but numbers and truth values
    """
    try:
        with open_regular(path) as file:
            return _array(file, path.stat().st_size)
    except OSError as error:
        raise StepError(f"{path} cannot be read: {error.strerror or first_line(error)}") from error
    except _ERRORS as error:
        raise StepError(f"{path} is damaged: {first_line(error)}") from error


def map_npy(path: Path) -> Any:
    """The array of a file that stays there, as numpy's memory map.

    :raises StepError: as :func:`read_npy`
    """
    try:
        with open_regular(path) as file:
            shape, fortran, kind = _header(file, path.stat().st_size)
            return np.memmap(path, kind, "r", file.tell(), shape, "F" if fortran else "C")
    except OSError as error:
        raise StepError(f"{path} cannot be read: {error.strerror or first_line(error)}") from error
    except _ERRORS as error:
        raise StepError(f"{path} is damaged: {first_line(error)}") from error


def read_npz(path: Path, only: Collection[str] | None = None, *, packed: bool = False) -> dict[str, Any]:
    """The arrays of a file by name.

    :param only: the names of the arrays to read; None for all
    :param packed: whether the arrays may be packed. mmc's own are not, so their size is that of the file.
    :raises StepError: as :func:`read_npy`, or when the arrays are packed and may not be
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in _members(archive, path, packed)}
            wanted = entries if only is None else only
            return {name: _member(archive, entries[name]) for name in wanted}
    except OSError as error:
        raise StepError(f"{path} cannot be read: {error.strerror or first_line(error)}") from error
    except _ERRORS as error:
        raise StepError(f"{path} is damaged: {first_line(error)}") from error


def _members(archive: zipfile.ZipFile, path: Path, packed: bool) -> list[zipfile.ZipInfo]:
    """The members of an archive.

    :raises ValueError: when there are too many, two at the same place or with the same name, or not only arrays
    """
    found, size = archive.infolist(), path.stat().st_size
    if len(found) > MOST_ARRAYS or len({entry.filename for entry in found}) < len(found):
        raise ValueError("it holds too many arrays, or two with the same name")
    if sum(entry.file_size for entry in found) > (RATIO * size + FREE if packed else size):
        raise ValueError("it claims more than it holds")
    for entry in found:
        name = entry.filename.removesuffix(".npy")
        if name == entry.filename or not name.isprintable() or "/" in name or "\\" in name:
            raise ValueError(f"it holds {shown(entry.filename)}, which is not an array")
        if entry.compress_type == zipfile.ZIP_DEFLATED and packed:
            continue
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise ValueError(f"{shown(name)} is packed")
    return found


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Any:
    with archive.open(entry) as file:
        return _array(file, entry.file_size)  # type: ignore[arg-type]


def _array(file: BinaryIO, size: int) -> Any:
    """:raises ValueError: as :func:`_header`"""
    _header(file, size)
    file.seek(0)
    return npy.read_array(file, allow_pickle=False)


def _header(file: BinaryIO, size: int) -> tuple[tuple[int, ...], bool, Any]:
    """The shape of an array, whether it is stored by columns, and its type; the file is then where the values begin.

    :raises ValueError: unless the file, of this size, is an array of numbers or truth values, and nothing else
    """
    version = npy.read_magic(file)
    if version not in _VERSIONS:
        raise ValueError(f"it has the version {version} of the format")
    shape, fortran, kind = _VERSIONS[version](file, max_header_size=_MOST_HEADER)
    if kind.kind not in "biuf" or kind.itemsize > 8:
        raise ValueError(f"it holds values of the type {shown(str(kind))}")
    if min(shape, default=0) < 0 or file.tell() + prod(shape) * kind.itemsize != size:
        raise ValueError(f"it claims the shape {shape}, and has {size:,} bytes")
    return shape, fortran, kind
