"""Packs a folder that a study names, so that it travels as one file: the same bytes wherever and whenever.

The archive is not compressed, as releases of zlib compress differently.
"""

import io
import tarfile
from pathlib import Path

from mmc.errors import MmcError

_LEFT_OUT = (".pyc", ".pkl", ".log", "~")
"""Files that programs leave in a folder."""
_MOST_FILES, _MOST_BYTES = 5_000, 1 << 27


def packed(folder: Path) -> bytes:
    """A tar archive of a folder with its files, without hidden ones and those that programs leave there.

    :raises MmcError: when the folder is too large, or contains a link, which may lead anywhere
    :raises OSError: when a file cannot be read
    """
    paths = [path for path in sorted(folder.rglob("*")) if _travels(path.relative_to(folder))]
    links = [path for path in paths if path.is_symlink()]
    if links:
        raise MmcError(f"{links[0]} is a link: a folder that travels with a study contains files only")
    files = [path for path in paths if path.is_file()]
    if len(files) > _MOST_FILES or sum(path.stat().st_size for path in files) > _MOST_BYTES:
        raise MmcError(f"{folder} has more than {_MOST_FILES:,} files or {_MOST_BYTES:,} bytes")
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in files:
            content = path.read_bytes()
            entry = tarfile.TarInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return plain.getvalue()


def _travels(path: Path) -> bool:
    hidden = any(part.startswith(".") or part == "__pycache__" for part in path.parts)
    return not hidden and not path.name.endswith(_LEFT_OUT)
