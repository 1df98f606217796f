"""Gzipped files: the bytes of written files depend only on the content; readers also accept files without gzip."""

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase, TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from mmc.errors import StepError
from mmc.reading import open_regular

RATIO, FREE = 50, 1 << 24
"""A file unpacks to at most RATIO times its bytes, and FREE more. Event files unpack to 4 to 15 times their bytes."""

_MAGIC = b"\x1f\x8b"
_OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip"}
"""The first bytes of files that are packed in another way."""
_MOST_MAGIC = max(map(len, _OTHERS))
_BUFFER = 1 << 16
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
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, gzipped or not; the content decides, not the name.

    :raises StepError: when the file is missing, is not a regular file or is packed in another way; while it is read,
        when it is damaged or unpacks to too much
    """
    try:
        raw = open_regular(path)
    except OSError as error:
        raise StepError(f"{path.name} cannot be read: {error.strerror}") from error
    with raw:
        start = raw.read(_MOST_MAGIC)
        raw.seek(0)
        for magic, program in _OTHERS.items():
            if start.startswith(magic):
                raise StepError(f"{path.name} is packed with {program}: unpack it, or pack it with gzip")
        if not start.startswith(_MAGIC):
            yield raw
        else:
            limit = RATIO * os.fstat(raw.fileno()).st_size + FREE
            with BufferedReader(_Unpacked(gzip.GzipFile(fileobj=raw), path.name, limit), _BUFFER) as content:
                yield content


@contextmanager
def reading_text(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text for reading, gzipped or not.

    :raises StepError: as :func:`reading`
    """
    with reading(path) as content, TextIOWrapper(content, encoding="utf-8") as text:
        yield text


def is_packed(path: Path) -> bool:
    """Whether a file is gzipped."""
    with open_regular(path) as file:
        return file.read(len(_MAGIC)) == _MAGIC


class _Unpacked(RawIOBase):
    """The unpacked bytes of a gzipped file, up to a limit."""

    def __init__(self, packed: gzip.GzipFile, name: str, limit: int) -> None:
        super().__init__()
        self._packed, self._name, self._left = packed, name, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """:raises StepError: when the file is damaged, or unpacks to more than the limit"""
        try:
            found = self._packed.read1(len(buffer))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise StepError(f"{self._name} is damaged: {error}") from error
        self._left -= len(found)
        if self._left < 0:
            raise StepError(f"{self._name} unpacks to more than {RATIO} times its size, which no event file does")
        buffer[: len(found)] = found
        return len(found)
