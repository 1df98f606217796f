"""Reading of files that mmc did not write a moment ago: regular files of a bounded size, JSON of a bounded depth.

A FIFO or a device in a folder would make a reader wait for ever, and a file of any size would fill the memory.
"""

import errno
import json
import math
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 26
"""The largest JSON file that mmc reads; records of a run with 10,000 jobs have some megabytes."""
MOST_LEVELS = 64
"""The deepest nesting in a JSON file."""
_MOST_INTEGER = 1 << 63


def open_regular(path: Path | str) -> BufferedReader:
    """Open a regular file for reading, without waiting for the other end of a FIFO.

    :raises OSError: when the file cannot be opened, or is a folder, a FIFO, a socket or a device
    """
    return os.fdopen(_opened(path)[0], "rb")


def _opened(path: Path | str) -> tuple[int, int]:
    """The descriptor of a regular file, and its size.

    :raises OSError: as :func:`open_regular`
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode):
        return descriptor, found.st_size
    os.close(descriptor)
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "not a regular file", str(path))


def leads_out(path: Path) -> bool:
    """Whether a path is a link to a file outside of its folder, as a cloned repository may contain: to a key, say."""
    return path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve())


def read_bytes(path: Path | str, limit: int = MOST_BYTES) -> bytes:
    """The content of a regular file.

    :raises OSError: as :func:`open_regular`, or when the file has more than ``limit`` bytes
    """
    descriptor, size = _opened(path)
    most = min(size, limit) + 1
    try:  # a file object takes longer than the reading of a small file
        content = os.read(descriptor, most)
        while len(content) < min(size, most):
            if not (more := os.read(descriptor, most - len(content))):
                break
            content += more
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit:,} bytes", str(path))
    return content


def read_json(path: Path | str, limit: int = MOST_BYTES) -> Any:
    """The value of a JSON file in UTF-8.

    :raises OSError: as :func:`read_bytes`
    :raises ValueError: when the file is not JSON, names a key twice, is nested more than :data:`MOST_LEVELS` deep, or
        has a number that is not finite or an integer beyond 64 bits
    """
    try:
        content = read_bytes(path, limit)
        value = _decode(content.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError(f"it is nested more than {MOST_LEVELS} deep") from error
    if content.count(b"[") + content.count(b"{") > MOST_LEVELS or b"\\u" in content:
        _check(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is not finite")
    return value


def _integer(text: str) -> int:
    value = int(text)
    if abs(value) >= _MOST_INTEGER:
        raise ValueError("an integer has more than 64 bits")
    return value


_decode = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_int=_integer, parse_constant=_number
).decode


def _check(value: Any) -> None:
    """:raises ValueError: for what mmc cannot write again: deep nesting, half of a surrogate pair"""
    level, waiting = 0, [value]
    while waiting:
        level += 1
        if level > MOST_LEVELS:
            raise ValueError(f"it is nested more than {MOST_LEVELS} deep")
        children: list[Any] = []
        for item in waiting:
            if isinstance(item, dict):
                children += item
                children += item.values()
            elif isinstance(item, list):
                children += item
            elif isinstance(item, str):
                item.encode("utf-8")  # a UnicodeEncodeError is a ValueError
        waiting = children


def shown(text: str, most: int = 60) -> str:
    """A text of a file as messages show it: quoted and cut.

    >>> shown("a" * 100, 3)
    "'aaa…'"
    """
    return repr(text if len(text) <= most else f"{text[:most]}…")


def first_line(error: BaseException, most: int = 200) -> str:
    """The first line of an error of a library, cut; the type of the error where it says nothing."""
    text = (str(error).splitlines() or [""])[0] or type(error).__name__
    return text if len(text) <= most else f"{text[:most]}…"
