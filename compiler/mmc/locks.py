"""Locks on folders of bundles and runs, and on jobs.

A lock is a file that is locked with flock(2). The kernel releases it when the process that took it and all processes
that inherited its descriptor have ended. So the lock of a killed run or job is held until the last program that it
started has ended, and process numbers decide nothing. The content of the file only says who holds the lock. The
file is removed before the lock is released; who waits for a removed file opens the path again.
"""

import errno
import fcntl
import os
import pwd
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mmc.errors import MmcError

BUNDLE = ".mmc.lock"
"""The lock in the folder of a bundle: who writes the bundle holds it alone, who runs it holds it with others."""
RUN = "run.lock"
"""The lock in the folder of outputs: a run holds it alone; reports hold it together."""

POLL_S = 0.1
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EBADF})
"""What flock(2) answers on a file system without locks; EBADF is NFS with a file that may only be read."""
_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")
_LONGEST = 400
_LOCK = re.compile(rb"|\d+\n?|[^\n]* of user [^\n]*\n[^\n]*\n", re.ASCII)
"""The content of a lock: nothing if the disk is full or its holder was killed at once, or what it was signed with."""


class LockedError(MmcError):
    """Another process holds the lock; the message says which."""


@dataclass(frozen=True)
class Lock:
    """A lock that this process holds."""

    descriptor: int | None
    """Inherited by the programs that this process starts without closing it; None if nothing is locked."""
    waited: bool = False
    """Whether another process held the lock before."""


@contextmanager
def held(
    path: Path,
    who: str,
    *,
    shared: bool = False,
    wait_s: float = 0.0,
    waiting: Callable[[str], object] | None = None,
    unlocked: Callable[[str], object] | None = None,
) -> Iterator[Lock]:
    """Hold the lock during the block.

    Nothing is locked in a folder in which no file can be created: who cannot create the lock cannot write there either.

    :param who: the command, for the message to others
    :param shared: together with others that hold it shared
    :param wait_s: the time to wait for another process
    :param waiting: called once with who holds the lock, if this process has to wait
    :param unlocked: called with the reason, instead of an error, if the file system has no locks
    :raises LockedError: when another process still holds the lock
    :raises MmcError: when the file system has no locks, or something else than a lock is in the way
    """
    deadline, waited = time.monotonic() + wait_s, False
    try:
        while (descriptor := _take(path, shared)) == _TAKEN:
            if time.monotonic() >= deadline:
                raise LockedError(f"{path.parent} is in use by {_holder(path)}")
            if waiting is not None and not waited:
                waiting(f"waits, as {path.parent} is in use by {_holder(path)}")
            waited = True
            time.sleep(POLL_S)
    except _NoLocksError as error:
        if unlocked is None:
            raise
        unlocked(str(error))
        descriptor = None
    if descriptor is None:
        yield Lock(None)
        return
    try:
        _sign(descriptor, who, shared)
        os.set_inheritable(descriptor, True)
        yield Lock(descriptor, waited)
    finally:
        _release(path, descriptor, shared)


class _NoLocksError(MmcError):
    """The file system has no locks."""


_TAKEN = -1


def _take(path: Path, shared: bool) -> int | None:
    """The descriptor of the locked file; ``_TAKEN`` if another process holds the lock; None in a read-only folder."""
    while True:
        descriptor = _open(path)
        if descriptor is None:
            return None
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            if not _is_removed(path, descriptor):
                return _checked(path, descriptor)
        except BlockingIOError:
            return _close(descriptor)
        except OSError as error:
            _close(descriptor)
            if error.errno in _NO_LOCKS:
                raise _NoLocksError(
                    f"the file system of {path.parent} has no file locks ({error.strerror}), so two runs could mix "
                    "their outputs: choose a folder on another one"
                ) from error
            raise
        _close(descriptor)


def _checked(path: Path, descriptor: int) -> int:
    """The descriptor of the locked file, or ``_TAKEN`` if an older mmc holds it without locking it.

    :raises MmcError: when the file has another content than a lock
    """
    if not _LOCK.fullmatch(os.pread(descriptor, _LONGEST, 0)):
        _close(descriptor)
        raise MmcError(f"{path} is not a lock of mmc: move it away")
    return descriptor if _old_holder(descriptor) is None else _close(descriptor)


def _open(path: Path) -> int | None:
    """The file of the lock, created if it is missing; None if it is missing in a read-only folder.

    :raises MmcError: when it is a link or no file
    """
    flags = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
            descriptor = os.open(path, os.O_RDONLY | flags)  # that of another user
    except FileNotFoundError:
        if path.parent.is_dir():
            return None
        raise
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO):
            raise MmcError(f"{path} is not a lock of mmc: move it away") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        _close(descriptor)
        raise MmcError(f"{path} is not a lock of mmc: move it away")
    return descriptor


def _close(descriptor: int) -> int:
    os.close(descriptor)
    return _TAKEN


def _is_removed(path: Path, descriptor: int) -> bool:
    try:
        return not os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return True


def _release(path: Path, descriptor: int, shared: bool) -> None:
    """Remove the file and close it; the file stays while others share the lock."""
    try:
        with suppress(OSError):
            if shared:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_removed(path, descriptor):
                path.unlink()
    finally:
        os.close(descriptor)


def _sign(descriptor: int, who: str, shared: bool) -> None:
    """Write who holds the lock: a line for people, then process and place for :func:`_holder`."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    line = f"{who} of user {user} on host {os.uname().nodename}, process {os.getpid()}, since {now} UTC"
    place = f"{_place()} shared" if shared else _place()  # others may hold it when this process has ended
    with suppress(OSError):  # a full disk, or the file of another user
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{line}\n{os.getpid()} {place}\n".encode(), 0)


def _holder(path: Path) -> str:
    """Who holds the lock, in words."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if (old := _old_holder(descriptor)) is not None:
                return f"process {old} of an older mmc; if it is not, remove {path}"
            lines = os.pread(descriptor, _LONGEST, 0).decode(errors="replace").split("\n")
        finally:
            os.close(descriptor)
        process, _, place = lines[1].partition(" ") if len(lines) > 1 else ("", "", "")
        if process.isdecimal() and place == _place() and not _is_alive(int(process)):
            return f"a program of a command that has ended: {lines[0]}"
        if lines[0]:
            return lines[0]
    return "another command of mmc"


def _old_holder(descriptor: int) -> int | None:
    """The running process that is the whole content of the file, as mmc once wrote it without locking the file."""
    text = os.pread(descriptor, _LONGEST, 0).strip()
    return int(text) if text.isdigit() and _is_alive(int(text)) else None


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except PermissionError:  # that of another user
        return True
    except (OSError, OverflowError):
        return False
    return True


def _place() -> str:
    """This start of this machine or container: process numbers of another one mean nothing."""
    try:
        return f"{_BOOT.read_text(encoding='ascii').strip()} {_NAMESPACE.readlink()}"
    except OSError:
        return os.uname().nodename
