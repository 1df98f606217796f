"""Gzipped files: the bytes of written files depend only on the content; readers also accept files without gzip."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import TextIO

from mmc.errors import StepError

_MAGIC = b"\x1f\x8b"
_COMPRESSION = 4
"""Twice as fast as gzip's level 9; the files are a few per cent larger."""


@contextmanager
def writing(path: Path, compression: int = _COMPRESSION) -> Iterator[gzip.GzipFile]:
    """Open a gzipped file for writing; the gzip header holds no time and no name."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=compression, mtime=0) as packed,
    ):
        yield packed


@contextmanager
def writing_text(path: Path, compression: int = _COMPRESSION) -> Iterator[TextIO]:
    """Open a gzipped UTF-8 text for writing."""
    with writing(path, compression) as packed, TextIOWrapper(packed, encoding="utf-8", newline="\n") as text:
        yield text


@contextmanager
def reading(path: Path) -> Iterator[gzip.GzipFile | BufferedReader]:
    """Open a file for reading, gzipped or not; the content decides, not the name.

    :raises StepError: when the file is damaged (raised while the file is read)
    """
    try:
        with gzip.open(path) if is_packed(path) else path.open("rb") as content:
            yield content
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise StepError(f"{path.name} is damaged: {error}") from error


@contextmanager
def reading_text(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text for reading, gzipped or not.

    :raises StepError: as :func:`reading`
    """
    with reading(path) as content, TextIOWrapper(content, encoding="utf-8") as text:
        yield text


def is_packed(path: Path) -> bool:
    """Whether a file is gzipped."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC
