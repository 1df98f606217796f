"""Folders that mmc writes into. Everything that mmc writes, replaces or removes goes through :class:`Folder`.

The user names a folder, whose own path may contain links: the user chose it. Below this folder no link is followed,
neither to write nor to remove, so a link in a cloned repository leads nowhere. A file appears complete or not at all.
"""

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from mmc.errors import MmcError, UsageError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MODE, _EXECUTABLE = 0o666, 0o777
"""The permissions of new files, of which the umask takes some away."""


@dataclass(frozen=True)
class Folder:
    """A folder that the user named, and the files below it, by their relative POSIX paths.

    All methods raise MmcError for a path that leads out of the folder or over a link, and OSError, with the whole path,
    when the system refuses.
    """

    path: Path

    def make(self, name: str = "") -> Path:
        """Make the folder, or a folder below it, with its parents; one that exists is kept.

        :returns: its path
        :raises MmcError: also when a file or a link without a destination is in the way
        """
        _make_named(self.path)
        with self._opened(_parts(self.path, name) if name else (), make=True):
            return self.path / name

    def empty(self, name: str) -> Path:
        """A new, empty folder, in place of what has this name.

        :returns: its path
        """
        self.make()
        self.remove(name)
        with self._in_parent(name, make=True) as (parent, last):
            os.mkdir(last, dir_fd=parent)
        return self.path / name

    def write(self, name: str, content: str | bytes, *, executable: bool = False) -> None:
        """Write a file, in place of an earlier one."""
        with self.appearing(name, executable=executable) as stream:
            stream.write(content.encode() if isinstance(content, str) else content)

    @contextmanager
    def appearing(self, name: str, *, executable: bool = False) -> Iterator[BinaryIO]:
        """A stream whose content becomes the file when the block ends without an exception."""
        self.make()
        with self._in_parent(name, make=True) as (parent, last):
            self._check_file(parent, last, name)
            part = f".{last[:50]}.{secrets.token_hex(6)}.part"  # random: no leftover of a killed process is in the way
            with os.fdopen(os.open(part, _NEW, _EXECUTABLE if executable else _MODE, dir_fd=parent), "wb") as stream:
                try:
                    yield stream
                    stream.flush()
                    os.replace(part, last, src_dir_fd=parent, dst_dir_fd=parent)
                except BaseException:
                    os.unlink(part, dir_fd=parent)
                    raise

    def create(self, name: str) -> BinaryIO:
        """A new file, open for writing.

        :raises FileExistsError: when something has this name, a link for example
        """
        self.make()
        with self._in_parent(name, make=True) as (parent, last):
            return os.fdopen(os.open(last, _NEW, _MODE, dir_fd=parent), "wb")

    def restart(self, name: str) -> BinaryIO:
        """An empty file, open for writing, in place of an earlier one. For logs, which are read while they grow."""
        self.make()
        with self._in_parent(name, make=True) as (parent, last):
            self._check_file(parent, last, name)
            with suppress(FileNotFoundError):
                os.unlink(last, dir_fd=parent)
        return self.create(name)

    def link(self, source: Path, name: str) -> None:
        """A file with the content of another one, which must be a regular file: a hard link, or a copy on another disk.

        :raises MmcError: also when there is something with this name
        """
        if source.is_symlink() or not source.is_file():
            raise MmcError(f"{source} is not a file")
        self.make()
        with self._in_parent(name, make=True) as (parent, last):
            if self._kind(parent, last) is not None:
                raise MmcError(self._other(name))
            with suppress(OSError):
                os.link(source, last, dst_dir_fd=parent, follow_symlinks=False)
                return
        with source.open("rb") as original, self.appearing(name) as stream:
            shutil.copyfileobj(original, stream)

    def move(self, old: str, new: str) -> None:
        """Give a file or folder another name below the folder, where nothing but an empty folder may be."""
        with self._in_parent(old) as (source, last), self._in_parent(new, make=True) as (parent, name):
            if self._kind(parent, name) not in (None, stat.S_IFDIR):
                raise MmcError(self._other(new))
            os.rename(last, name, src_dir_fd=source, dst_dir_fd=parent)

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all its content; a link itself, never its destination."""
        with suppress(FileNotFoundError), self._in_parent(name) as (parent, last):
            if self._kind(parent, last) == stat.S_IFDIR:
                shutil.rmtree(last, dir_fd=parent)
            else:
                os.unlink(last, dir_fd=parent)

    def remove_empty(self, name: str) -> None:
        """Remove a folder that is empty; any other is kept."""
        with suppress(OSError), self._in_parent(name) as (parent, last):
            os.rmdir(last, dir_fd=parent)

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if there is none.

        :raises MmcError: also when it is not a file
        """
        with self._reading(name) as file:
            return None if file is None else file.read()

    def digest(self, name: str) -> str | None:
        """SHA-256 of a file; None if there is none.

        :raises MmcError: also when it is not a file
        """
        with self._reading(name) as file:
            return None if file is None else hashlib.file_digest(file, "sha256").hexdigest()

    def place(self, name: str) -> Path:
        """The path of a file or folder that may or may not exist, for a library that opens it.

        :raises MmcError: also when it is a link
        """
        with suppress(FileNotFoundError), self._in_parent(name) as (parent, last):
            if self._kind(parent, last) == stat.S_IFLNK:
                raise MmcError(self._link(name))
        return self.path / name

    @contextmanager
    def _reading(self, name: str) -> Iterator[BufferedReader | None]:
        try:
            with self._in_parent(name) as (parent, last):
                self._check_file(parent, last, name)
                file = os.fdopen(os.open(last, _READ, dir_fd=parent), "rb")
        except FileNotFoundError:
            yield None
            return
        with file:
            yield file

    @contextmanager
    def _in_parent(self, name: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The open parent of a path, and the last part of the path. Errors of the system get the whole path."""
        *parents, last = _parts(self.path, name)
        with self._opened(parents, make=make) as parent:
            try:
                yield parent, last
            except OSError as error:
                if error.filename is not None and Path(error.filename).is_absolute():
                    raise
                raise OSError(error.errno, error.strerror, str(self.path / name)) from error

    @contextmanager
    def _opened(self, parts: Sequence[str], *, make: bool) -> Iterator[int]:
        """The open folder at the end of a path below this folder."""
        handle = os.open(self.path, _DIRECTORY)
        try:
            for k, part in enumerate(parts):
                inner = self._enter(handle, part, "/".join(parts[: k + 1]), make=make)
                os.close(handle)
                handle = inner
            yield handle
        finally:
            os.close(handle)

    def _enter(self, parent: int, part: str, name: str, *, make: bool) -> int:
        if make:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=parent)
        try:
            return os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise OSError(error.errno, error.strerror, str(self.path / name)) from error
            if self._kind(parent, part) == stat.S_IFLNK:
                raise MmcError(self._link(name)) from error
            raise MmcError(f"{self.path / name} cannot be a folder: a file is in the way") from error

    def _check_file(self, parent: int, last: str, name: str) -> None:
        """Check that there is a file, or nothing."""
        kind = self._kind(parent, last)
        if kind == stat.S_IFLNK:
            raise MmcError(self._link(name))
        if kind not in (None, stat.S_IFREG):
            raise MmcError(self._other(name))

    def _kind(self, parent: int, last: str) -> int | None:
        """The type of what has a name in an open folder; None if there is nothing."""
        try:
            return stat.S_IFMT(os.stat(last, dir_fd=parent, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return None

    def _link(self, name: str) -> str:
        link = self.path / name
        return (
            f"{link} is a link to {link.readlink()}, and mmc follows no links inside {self.path}: remove the link, or "
            "choose another folder"
        )

    def _other(self, name: str) -> str:
        return f"{self.path / name} is in the way, and mmc did not write it: move it away, or choose another folder"


def write_named(file: Path, content: bytes) -> None:
    """Write a file that the user named, in place of an earlier one; a pipe or a file of ``/dev`` gets the content.

    :raises MmcError: when it is a link or a folder
    """
    if file.is_fifo() or Path("/dev") in file.absolute().parents:
        file.write_bytes(content)
    else:
        Folder(file.parent).write(file.name, content)


def _parts(root: Path, name: str) -> list[str]:
    """The parts of a relative path.

    :raises MmcError: when it may lead out of the folder
    """
    parts = name.split("/")
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        parts = []
    if not parts or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise MmcError(f"{name!r} is not the path of a file inside {root}")
    return parts


def _make_named(folder: Path) -> None:
    """Make a folder that the user named, with its parents. A link to an existing folder is a folder.

    :raises UsageError: when a file or a link without a destination is in the way
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        for path in (folder, *folder.parents):
            if path.is_symlink() and not path.exists():
                raise UsageError(
                    f"{path} is a link to {path.readlink()}, which does not exist: make that folder, or remove the link"
                ) from error
            if path.exists() and not path.is_dir():
                raise UsageError(f"{folder} cannot be a folder: a file is in the way") from error
        raise
