"""Tables of events: the kinds of files, the names of columns, and what an npz file says of its columns.

The checks look into npz files when a study is compiled. Trees of ROOT, Parquet and HDF5 need packages that only jobs
have, so jobs look into these.
"""

import ast
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from mmc.reading import open_regular

if TYPE_CHECKING:
    import zipfile

SUFFIXES: Mapping[str, str] = {
    ".root": "root",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".npz": "npz",
}
"""The kind of a table by the end of its name."""
MOST_ARRAYS = 1_000
"""The largest number of arrays in an npz file."""
MOST_HEADER = 4096
_MOST_LISTED = 30
_ELEMENT = re.compile(r"(.+)\[(\d{1,4})\]")
_MAGIC = b"\x93NUMPY"


class Column(NamedTuple):
    """What a file says of a column."""

    is_numeric: bool
    shape: tuple[int, ...]


def kind_of(path: str) -> str | None:
    """The kind of a table; None if its name has another end.

    >>> kind_of("ntuples/signal.root")
    'root'
    """
    return SUFFIXES.get(PurePosixPath(path).suffix.lower())


def element(text: str) -> tuple[str, int | None]:
    """The name of a column, and the number of an element in its lists.

    >>> element("Muon_pt[0]"), element("x")
    (('Muon_pt', 0), ('x', None))
    """
    match = _ELEMENT.fullmatch(text)
    return (text, None) if match is None else (match[1], int(match[2]))


def missing(text: str, known: Iterable[str]) -> bool:
    """Whether a table lacks a column; a name such as ``x[0]`` may also be that of a whole column."""
    return not {text, element(text)[0]} & set(known)


def what_there_is(text: str, known: Sequence[str]) -> str:
    """What a table has in place of a column that it lacks.

    >>> what_there_is("ptt", ["pt", "eta"])
    'did you mean `pt`? It has `eta`, `pt`'
    """
    if not known:
        return "it has none"
    near = difflib.get_close_matches(element(text)[0], known, 1, 0.7)
    listed = [f"`{name[:60]}`" for name in sorted(known)]
    more = len(listed) - _MOST_LISTED
    has = ", ".join(listed[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
    return f"did you mean `{near[0]}`? It has {has}" if near else f"it has {has}"


def columns_of_npz(path: Path) -> dict[str, Column] | None:
    """The columns of an npz file by name; None if it cannot be read, which the job that reads it explains."""
    import zipfile
    import zlib

    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_ARRAYS:
                return None
            return {entry.filename.removesuffix(".npy"): _column(archive, entry) for entry in entries}
    except (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return None


def _column(archive: "zipfile.ZipFile", entry: "zipfile.ZipInfo") -> Column:
    """:raises ValueError: unless the entry begins as an array of numpy"""
    with archive.open(entry) as file:
        start = file.read(12)
        if start[:6] != _MAGIC or len(start) < 12:
            raise ValueError("not an array")
        is_first = start[6] == 1
        length = int.from_bytes(start[8:10] if is_first else start[8:12], "little")
        if length > MOST_HEADER:
            raise ValueError("a long header")
        text = (start[10:] if is_first else b"") + file.read(length - (2 if is_first else 0))
    try:
        header = ast.literal_eval(text.decode("latin-1").strip())
        kind, shape = str(header["descr"]), tuple(int(length) for length in header["shape"])
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("a damaged header") from error
    return Column(kind.lstrip("<>|=")[:1] in {"b", "i", "u", "f"}, shape)
