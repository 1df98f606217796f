"""Packed files: written ones are gzipped, and their bytes depend only on the content; readers also accept bzip2, xz and
files that are not packed."""

import bz2
import codecs
import gzip
import lzma
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from io import BufferedReader, RawIOBase, TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from mmc.errors import StepError
from mmc.reading import open_regular

RATIO, FREE = 50, 1 << 24
"""A file unpacks to at most RATIO times its bytes, and FREE more. Event files unpack to 4 to 15 times their bytes."""

_MAGIC = b"\x1f\x8b"
_OTHERS = {b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip"}
"""The first bytes of files that are packed in another way."""
_MOST_MEMORY = 1 << 28
"""The memory that unpacking an xz file may take, in bytes; its strongest setting takes a quarter."""
_STREAMS: Mapping[bytes, Callable[[], Any]] = {
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ": partial(lzma.LZMADecompressor, memlimit=_MOST_MEMORY),
}
"""The first bytes of files in other ways of packing that are read."""
_MOST_MAGIC = max(map(len, [*_OTHERS, *_STREAMS]))
_ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError)
_NOT_UTF8 = "mmc.latin1"
"""The name of what reads bytes that are not UTF-8 as Latin-1."""
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
    """Open a file for reading, packed or not; the content decides, not the name.

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
        stream = next((stream for magic, stream in _STREAMS.items() if start.startswith(magic)), None)
        if stream is None and not start.startswith(_MAGIC):
            yield raw
        else:
            unpack = gzip.GzipFile(fileobj=raw).read1 if stream is None else _Stream(raw, stream).read1
            limit = RATIO * os.fstat(raw.fileno()).st_size + FREE
            with BufferedReader(_Unpacked(unpack, path.name, limit), _BUFFER) as content:
                yield content


@contextmanager
def reading_text(path: Path) -> Iterator[TextIO]:
    """Open a text for reading, packed or not, in UTF-8; bytes that are not are read as Latin-1.

    :raises StepError: as :func:`reading`
    """
    with reading(path) as content, TextIOWrapper(content, encoding="utf-8", errors=_NOT_UTF8) as text:
        yield text


def is_packed(path: Path) -> bool:
    """Whether a file is gzipped."""
    with open_regular(path) as file:
        return file.read(len(_MAGIC)) == _MAGIC


class _Stream:
    """The unpacked bytes of a file of one or several streams, one after the other."""

    def __init__(self, raw: BinaryIO, start: Callable[[], Any]) -> None:
        self._raw, self._start = raw, start
        self._stream = start()

    def read1(self, most: int) -> bytes:
        """Up to so many bytes; none at the end.

        :raises EOFError: when the file ends within a stream
        :raises OSError: when it is damaged
        :raises lzma.LZMAError: likewise, or when unpacking would take too much memory
        """
        while True:
            packed = b""
            if self._stream.eof:
                packed = self._stream.unused_data.lstrip(b"\0") or self._raw.read(_BUFFER).lstrip(b"\0")
                if not packed:
                    return b""
                self._stream = self._start()
            elif self._stream.needs_input:
                packed = self._raw.read(_BUFFER)
                if not packed:
                    raise EOFError("it ends before its end mark")
            if found := self._stream.decompress(packed, most):
                return bytes(found)


def _latin1(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(_NOT_UTF8, _latin1)


class _Unpacked(RawIOBase):
    """The unpacked bytes of a packed file, up to a limit."""

    def __init__(self, unpack: Callable[[int], bytes], name: str, limit: int) -> None:
        super().__init__()
        self._unpack, self._name, self._left = unpack, name, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """:raises StepError: when the file is damaged, or unpacks to more than the limit"""
        try:
            found = self._unpack(len(buffer))
        except _ERRORS as error:
            raise StepError(f"{self._name} is damaged: {error}") from error
        self._left -= len(found)
        if self._left < 0:
            raise StepError(f"{self._name} unpacks to more than {RATIO} times its size, which no event file does")
        buffer[: len(found)] = found
        return len(found)
